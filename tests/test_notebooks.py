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

from tdlib.report.plots.style import MOST_BYTES

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
def test_a_committed_page_shows_every_table_whole(name):
    """What a frame is too long for, pandas leaves out of its middle."""
    for cell in code_cells(name):
        for output in cell.outputs:
            assert "<td>...</td>" not in output.get("data", {}).get("text/html", ""), cell.source


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_page_is_executed_without_an_error_and_names_no_folder_of_a_machine(name):
    for cell in code_cells(name):
        assert cell.execution_count is not None
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.outputs
    words = re.sub(r'"image/png": ".*?"', "", nbformat.writes(executed(name)))  # whose letters may spell anything
    assert not re.search(r"/(work|root|tmp|home|Users)/", words)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_ends_with_what_is_seen_and_exercises(name):
    sections = [cell.source for cell in executed(name).cells if cell.source.startswith("## ")]
    seen, exercises = sections[-2:]
    assert seen.startswith("## What we see\n")
    assert len(seen.splitlines()) > 1
    assert exercises.startswith("## Exercises\n### Exercise 1 ")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_with_its_goals_and_asks_for_a_guess_before_a_figure(name):
    cells = executed(name).cells
    assert "**After this page you can** " in cells[0].source
    asked = [place for place, cell in enumerate(cells) if "**Predict first:** " in cell.source]
    assert len(asked) == 1
    question, answer = cells[asked[0] : asked[0] + 2]
    assert question.source.rstrip().endswith("?")
    assert any("image/png" in output.get("data", {}) for output in answer.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_three_exercises_with_folded_solutions(name):
    cells = executed(name).cells
    start = next(place for place, cell in enumerate(cells) if cell.source.startswith("## Exercises"))
    assert not any("hide-cell" in cell.metadata.get("tags", []) for cell in cells[:start])
    exercises: list[list[nbformat.NotebookNode]] = []
    for cell in cells[start:]:
        if cell.cell_type == "markdown":
            exercises.append([])
        exercises[-1].append(cell)
    heads = [re.search(r"^### Exercise (\d) \((code|thought)\): .", cells[0].source, re.M) for cells in exercises]
    assert [head[1] for head in heads] == ["1", "2", "3"]
    assert {head[2] for head in heads} == {"code", "thought"}
    for head, (text, *solution) in zip(heads, exercises, strict=True):
        folded = re.search(r"<details><summary>Solution</summary>\n\n.+\n\n</details>$", text.source, re.S)
        assert bool(folded) == (head[2] == "thought")
        assert solution or folded
        for cell in solution:
            assert "hide-cell" in cell.metadata.tags
            assert cell.outputs or "assert" in cell.source
    code = "\n".join(cell.source for _, *solution in exercises for cell in solution)
    before = "\n".join(cell.source for cell in cells[:start])
    library = ["torch", "multi_scale"] if name == FROM_SCRATCH else _imported(before)
    assert any(re.search(rf"\b{used}\b", code) for used in library)


def _imported(source: str) -> list[str]:
    """What a page takes from the library, by name."""
    lines = re.findall(r"^from tdlib\S* import (.+)$", source, re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def test_only_its_check_at_the_end_takes_the_library_into_page_01():
    sources = [cell.source for cell in code_cells(FROM_SCRATCH)]
    assert [source.splitlines()[0] for source in sources if "tdlib" in source] == ["from tdlib import losses"]
    solutions = [cell.source for cell in code_cells(FROM_SCRATCH) if "hide-cell" in cell.metadata.get("tags", [])]
    assert solutions and not any("losses." in source for source in solutions)


def test_figures_are_small_and_there_as_png_and_pdf():
    pictures = sorted((ROOT / "figures").glob("*.png"))
    assert len(pictures) >= len(NAMES)
    for path in pictures:
        assert path.stat().st_size <= MOST_BYTES, path.name
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
