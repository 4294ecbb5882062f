"""The pages: script and notebook agree, a page stays a page, committed pages are executed and clean."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext.compare import compare_notebooks

from tdlib.report import pages

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "notebooks/py").glob("[0-9]*.py"))
FROM_SCRATCH = "01_from_scratch"  # is the lesson itself: it may train in a loop


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


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


def test_tables_are_there_as_csv_markdown_and_latex():
    tables = sorted((ROOT / "results/tables").glob("*.csv"))
    assert tables
    for path in tables:
        assert path.with_suffix(".md").exists()
        assert path.with_suffix(".tex").exists()


def test_an_unknown_page_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown page '99_nothing'; known: 00_quickstart"):
        pages.names(["99_nothing"])


def test_a_page_parameter_that_does_not_exist_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match=r"no parameter 'horizont'; it has: .*horizon"):
        pages.execute("02_win_rate", tmp_path, {"horizont": 96})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"profile": "nothing"}, ValueError, r"page 05_main_table, cell .*unknown profile 'nothing'"),
        ({"profile": 7}, pages.PageFailed, r"page 05_main_table, cell .*AttributeError"),
    ],
)
def test_a_failing_cell_names_the_page_and_writes_no_page(parameters, error, words, tmp_path):
    with pytest.raises(error, match=words):
        pages.execute("05_main_table", tmp_path, parameters)
    assert not list(tmp_path.iterdir())


def test_pages_outside_the_repository_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="root of the repository"):
        pages.names()
