"""The committed pages: one with their sources, short, clean, and what the committed rows show today.

All pages are executed once, with nbval, on a copy. What pages read from rows is compared to the letter; cells that
train or time something live are tagged `nbval-ignore-output` and assert what they show.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext.compare import compare_notebooks

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "notebooks/py").glob("[0-9]*.py"))
FROM_SCRATCH = "01_from_scratch"  # is the lesson itself: it may train in a loop


def executed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)


def code_cells(name: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in executed(name).cells if cell.cell_type == "code"]


def test_every_script_has_its_notebook_and_every_notebook_its_script():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_script_and_notebook_have_the_same_cells(name):
    page, script = executed(name), jupytext.read(ROOT / f"notebooks/py/{name}.py")
    page.metadata = script.metadata  # the page also names its kernel
    compare_notebooks(page, script, "py:percent", compare_outputs=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_short_enough_to_read(name):
    cells = executed(name).cells
    assert len(cells) <= 40
    assert (ROOT / f"notebooks/{name}.ipynb").stat().st_size <= 1_000_000
    if name != FROM_SCRATCH:
        for cell in code_cells(name):
            assert len(cell.source.strip().splitlines()) <= 15, cell.source
            assert not re.search(r"^class |\.backward\(|optimizer", cell.source, re.MULTILINE), cell.source


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_page_is_executed_without_an_error_and_names_no_folder_of_a_machine(name):
    for cell in code_cells(name):
        assert cell.execution_count is not None
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.outputs
    assert not re.search(r"/(work|root|tmp|home|Users)/", nbformat.writes(executed(name)))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_ends_with_what_is_seen(name):
    last = executed(name).cells[-1]
    assert last.cell_type == "markdown"
    assert last.source.startswith("## What we see")
    assert len(last.source.splitlines()) > 1


def test_figures_are_small_and_there_as_png_and_pdf():
    pictures = sorted((ROOT / "figures").glob("*.png"))
    assert len(pictures) >= len(NAMES)
    for path in pictures:
        assert path.stat().st_size <= 150_000, path.name
        assert path.with_suffix(".pdf").exists(), path.name


# --- executed again


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """The study after all its pages were executed by nbval, and what nbval said: on a copy, without old tables."""
    folder = tmp_path_factory.mktemp("study")
    for part in ("notebooks", "results"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("cache", "tables"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--nbval"]
    command += ["--nbval-current-env", "--nbval-cell-timeout=300", "notebooks"]
    return folder, subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_every_page_shows_what_is_committed(again):
    _, run = again
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]


def test_pages_draw_every_committed_figure_and_train_nothing(again):
    folder, _ = again
    for part in ("figures", "results/runs"):
        assert sorted(path.name for path in (folder / part).iterdir()) == sorted(
            path.name for path in (ROOT / part).iterdir()
        )


def test_pages_write_every_committed_table_with_the_same_words(again):
    folder, _ = again
    committed = sorted((ROOT / "results/tables").iterdir())
    assert [path.name for path in committed] == sorted(path.name for path in (folder / "results/tables").iterdir())
    assert {path.suffix for path in committed} == {".csv", ".md", ".tex"}
    for path in committed:
        assert (folder / "results/tables" / path.name).read_text() == path.read_text(), path.name
    assert (folder / "results/claims.csv").read_text() == (ROOT / "results/claims.csv").read_text()
