"""The library works without the packages of the extras, names the extra that is missing, and installs as `tdlib`."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("papermill", "jupytext", "nbformat", "ipykernel", "IPython", "seaborn", "matplotlib", "tabulate")
EXTRAS += ("onnx", "onnxruntime", "onnxscript", "distributed", "submitit", "beartype", "fracast", "chronos")

REFUSE = f"""
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    '''Finds what is installed, but for what is to be missing.'''

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {EXTRAS} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""
OWN = """
import numpy as np, pandas as pd
from tdlib import data, study
from tdlib.__main__ import main

frame = pd.DataFrame(data.synthetic(rows=300, channels=2).values, columns=["load", "wind"])
frame.to_csv("own.csv", index=False)
if __name__ == "__main__":
    config = study.RunConfig("own.csv", 24, 8, "mlp", epochs=1, settings={"width": 8})
    runs = study.ensure(config, store="store")
    assert study.forecast(config.id, "store", frame).shape == (8, 2)
    assert main(["forecast", config.id, "own.csv", "--store", "store"]) == 0
    assert len(pd.read_csv("forecast.csv")) == 8
    assert main(["data"]) == 0
    for command in (["export", config.id, "--onnx", "own.onnx", "--store", "store"], ["pages"], ["figures"],
                    ["reproduce", "--profile", "smoke"]):
        assert main(command) == 2
"""


def without_extras(script: str, folder: Path) -> subprocess.CompletedProcess:
    """Run `script` in `folder`, in a new process where no package of the extras can be imported."""
    (folder / "script.py").write_text(REFUSE + script)
    (folder / "notebooks/py").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks/py/00_quickstart.py", folder / "notebooks/py")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, "-W", "error", "script.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_a_model_is_trained_and_forecasts_without_the_extras(tmp_path):
    done = without_extras(OWN, tmp_path)
    assert done.returncode == 0, done.stderr
    missing = "tdlib: this needs {}, which is not installed: pip install '.[{}]' in the repository"
    pages = [missing.format("ipykernel", "pages")] * 3
    assert done.stderr.splitlines() == [missing.format("onnx", "onnx"), *pages]
    assert not (tmp_path / "build").exists()  # `reproduce` said so before it trained anything


def test_the_finder_of_these_tests_refuses(tmp_path):
    assert "No module named 'seaborn'" in without_extras("import seaborn", tmp_path).stderr


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}


def test_what_a_module_imports_when_it_is_loaded_is_installed_with_the_library():
    core = names(PROJECT["dependencies"]) | set(sys.stdlib_module_names) | {"tdlib"}
    for path in (ROOT / "tdlib").rglob("*.py"):
        tree = ast.parse(path.read_text())
        loaded = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        found = {(getattr(node, "module", None) or node.names[0].name).partition(".")[0] for node in loaded}
        if path.name == "sktime.py":  # an adapter: it is imported by those who have sktime
            continue
        pages = {"matplotlib", "seaborn", "PIL", "IPython"} if "plots" in path.parts else set()
        assert found <= core | pages, path


def test_the_pins_hold_every_package_that_the_two_commands_and_the_tests_need():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = {line.partition("==")[0].lower() for line in lines}
    extras = PROJECT["optional-dependencies"]
    others = ("book", "dask", "slurm", "chronos", "files", "fracast", "sktime")  # have a lock, or are for some users
    wanted = [PROJECT["dependencies"], *(found for extra, found in extras.items() if extra not in others)]
    assert set().union(*map(names, wanted)) <= pins


@pytest.mark.slow
def test_it_installs_as_a_command_with_every_package(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(ROOT / "tdlib", source / "tdlib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    subprocess.run(command, check=True, timeout=300)
    kinds = (".py", ".toml", ".mplstyle", ".jinja", ".txt")
    files = {path.relative_to(source) for path in (source / "tdlib").rglob("*") if path.suffix in kinds}
    assert files <= {path.relative_to(target) for path in target.rglob("*")}
    environment = {"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"}
    asked = [str(target / "bin/tdlib"), "--help"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("usage: tdlib "), done.stderr
