"""`make reproduce PROFILE=smoke` from nothing, and killed in the middle: the same rows in the end."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tdlib import profiles
from tdlib.store import Store

ROOT = Path(__file__).parent.parent
MAKE = ["make", "reproduce", "PROFILE=smoke"]


def copy_of_the_study(folder: Path) -> Path:
    """The repository without anything built, but with this environment."""
    built = shutil.ignore_patterns(".git", ".venv", "build", "cache", "__pycache__", "*.egg-info", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=built)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = copy_of_the_study(tmp_path_factory.mktemp("undisturbed") / "study")
    run = subprocess.run(MAKE, cwd=folder, env=environment(folder), capture_output=True, text=True)
    return folder, run


def test_reproduce_ends_with_rows_pages_figures_and_a_table_of_results(undisturbed):
    folder, run = undisturbed
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    place = folder / "build/smoke"
    assert len(list((place / "runs").glob("*.json"))) == len(profiles.Profile("smoke").runs())
    assert len(list((place / "pages").glob("*.ipynb"))) == len(list((folder / "notebooks/py").glob("[0-9]*.py")))
    assert len(list((place / "figures").glob("*.pdf"))) == len(list((place / "figures").glob("*.png"))) >= 12
    for line in ("MLP from iTransformer", "pages    build/smoke/pages", "tables   build/smoke/tables"):
        assert line in run.stdout


def test_reproduce_again_trains_nothing(undisturbed):
    folder, _ = undisturbed
    rows = {path: path.stat().st_mtime_ns for path in (folder / "build/smoke/runs").iterdir()}
    command = [folder / ".venv/bin/python", "-m", "tdlib", "runs", "--profile", "smoke"]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)
    assert rows == {path: path.stat().st_mtime_ns for path in (folder / "build/smoke/runs").iterdir()}


def test_a_killed_reproduce_started_again_ends_with_the_same_rows(undisturbed, tmp_path):
    folder = copy_of_the_study(tmp_path / "study")
    place = folder / "build/smoke"
    for kind, count in (("runs/*.json", 1), ("runs/*.json", 9), ("pages/*.ipynb", 2)):
        kill_when(folder, lambda kind=kind, count=count: len(list(place.glob(kind))) >= count)
    subprocess.run(MAKE, cwd=folder, env=environment(folder), check=True, capture_output=True)
    disturbed, whole = Store(place), Store(undisturbed[0] / "build/smoke")
    assert disturbed.ids() == whole.ids()
    for id in whole.ids():
        ours, theirs = disturbed.read(id), whole.read(id)
        for key in ("config", "metrics", "epochs", "parameters"):
            assert ours[key] == theirs[key]
        for name, values in whole.arrays(id).items():
            np.testing.assert_array_equal(disturbed.arrays(id)[name], values)


def kill_when(folder: Path, reached) -> None:
    """Start `make reproduce` and kill all of it with SIGKILL once `reached()`."""
    started = subprocess.Popen(MAKE, cwd=folder, env=environment(folder), start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 240
    while not reached():
        assert started.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
