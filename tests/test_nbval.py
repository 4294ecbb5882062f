"""Every committed page, executed again, shows the outputs that are committed.

Pages that read committed rows are compared to the letter; cells that train or time something live
are tagged `nbval-ignore-output` and assert what they show.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Pages write figures and tables: they run on a copy."""
    folder = tmp_path_factory.mktemp("study")
    for part in ("notebooks", "results"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("cache"))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_what_is_committed(name, copy):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--nbval"]
    command += ["--nbval-current-env", "--nbval-cell-timeout=300", f"notebooks/{name}.ipynb"]
    run = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
