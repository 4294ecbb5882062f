"""The environments for conda, Binder and Docker have the same pins as `make env`."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def packages(path: str) -> tuple[list, list[str]]:
    """(conda's packages, pip's lines) of an environment."""
    *conda, pip = yaml.safe_load((ROOT / path).read_text())["dependencies"]
    return conda, pip["pip"]


def test_conda_takes_the_lock_and_a_python_that_it_is_made_for():
    conda, pip = packages("environment.yml")
    assert pip == ["-r requirements.lock", "-e ."]
    version = re.fullmatch(r"python=3\.(\d+)", conda[0])[1]
    lock = (ROOT / "requirements.lock").read_text()
    least, most = re.search(r"Python 3\.(\d+) to 3\.(\d+)", lock).groups()
    assert int(least) <= int(version) <= int(most)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == f">=3.{least}"


def test_binder_takes_the_same_but_for_a_torch_without_cuda():
    conda, pip = packages(".binder/environment.yml")
    assert conda == packages("environment.yml")[0]
    assert pip[0].startswith("--extra-index-url ")
    for line, there in zip(pip[1:], packages("environment.yml")[1], strict=True):
        option, path = line.split()
        assert (ROOT / ".binder" / path).resolve() == (ROOT / there.split()[1]).resolve()
        assert option == there.split()[0]


def test_the_container_runs_what_make_has_and_the_python_of_the_others():
    text = (ROOT / "Dockerfile").read_text()
    assert f"python={re.search(r'FROM python:([0-9.]+)-', text)[1]}" in packages("environment.yml")[0]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    called = re.findall(r"RUN make (\S+)", text) + re.findall(r'CMD \["make", "(\S+)"\]', text)
    assert called == ["env", "reproduce"] and set(called) <= set(targets)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".venv", "build", ".git"} <= set(ignored)  # large, and made anew
