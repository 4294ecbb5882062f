"""Executing pages: which there are, what they take, where they write, and how a failing cell is told."""

from pathlib import Path

import nbformat
import pytest

from tdlib.__main__ import main
from tdlib.report import pages

PAGE = """# %% tags=["parameters"]
store = "../results"
figures = "../figures"
results = "../results"
teacher = "itransformer"
horizon = 96
eta = 1.0
train_missing = True

# %%
from pathlib import Path

for place in (figures, results):
    Path(place).mkdir(parents=True, exist_ok=True)
    Path(place, "written").touch()
print(store, teacher, horizon, eta, train_missing)
if eta == 2:
    raise ValueError("the sentence")
assert eta < 3, "too much"
"""


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """A study with two pages that say what they were given, and rows in `results`."""
    root = tmp_path / "study"
    (root / "notebooks/py").mkdir(parents=True)
    (root / "results/runs").mkdir(parents=True)
    for name in ("00_first", "01_second"):
        (root / f"notebooks/py/{name}.py").write_text(PAGE)
    (root / "notebooks/py/02_bare.py").write_text("# %%\nprint(1)\n")
    monkeypatch.chdir(root)
    return root


def contents(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def printed(page: Path) -> str:
    cells = nbformat.read(page, as_version=4).cells
    return next(output.text for cell in cells if cell.cell_type == "code" for output in cell.outputs)


def test_an_unknown_page_is_refused_with_the_known_ones(study):
    with pytest.raises(ValueError, match="unknown page '99_nothing'; known: 00_first, 01_second, 02_bare"):
        pages.names(["99_nothing"])


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda chosen: (name for name in chosen)])
def test_pages_are_chosen_in_order_by_any_iterable(study, kind):
    assert pages.names(kind(["02_bare", "00_first"])) == ["00_first", "02_bare"]
    assert pages.names(kind([])) == ["00_first", "01_second", "02_bare"]


def test_pages_outside_the_repository_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="root of the repository"):
        pages.names()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"horizont": 96}, "page 00_first has no parameter 'horizont'; it has: store, .*horizon"),
        ({"train_missing": "maybe"}, "train_missing must be true or false, got 'maybe'"),
        ({"train_missing": 1}, "train_missing must be true or false, got 1"),
        ({"horizon": "abc"}, "horizon must be a whole number, got 'abc'"),
        ({"horizon": 9.5}, "horizon must be a whole number, got 9.5"),
        ({"horizon": True}, "horizon must be a whole number, got True"),
        ({"horizon": None}, "horizon must be a whole number, got None"),
        ({"horizon": 0}, "horizon must be a positive number, got 0"),
        ({"eta": "1"}, "eta must be a number, got '1'"),
        ({"eta": -1.0}, "eta must be a positive number, got -1.0"),
        ({"eta": float("nan")}, "eta must be a positive number, got nan"),
        ({"eta": float("inf")}, "eta must be a positive number, got inf"),
        ({"store": 7}, "store must be text, got 7"),
        ({"teacher": "nothing"}, "teacher knows itransformer, .*; got 'nothing'"),
        ({"teacher": "mlp"}, "teacher knows itransformer, .*; got 'mlp'"),
        ({"store": "py/00_first.py"}, "store must name a folder; notebooks/py/00_first.py is none"),
        (
            {"figures": "../notebooks/py/00_first.py/deep"},
            "figures must name a folder; notebooks/py/00_first.py is none",
        ),
        ({"store": "notebooks"}, "a page's store is named from notebooks: did you mean \\.\\?"),
        ({"results": "py/00_first.py"}, "results must name a folder; notebooks/py/00_first.py is none"),
    ],
)
def test_a_parameter_of_a_wrong_kind_is_named_before_anything_runs(study, given, words):
    before = contents(study)
    with pytest.raises(ValueError, match=f"^{words}"):
        pages.execute("00_first", study / "out", given)
    assert contents(study) == before
    assert not (study / "out").exists()


def test_pages_are_not_written_into_a_file(study):
    with pytest.raises(ValueError, match=r"out must name a folder; .*00_first\.py is none"):
        pages.execute("00_first", Path("notebooks/py/00_first.py"))


def test_the_command_line_tells_a_wrong_parameter_in_one_line(study, capsys):
    assert main(["pages", "00_first", "-p", "train_missing", "maybe"]) == 2
    assert capsys.readouterr().err == "tdlib: train_missing must be true or false, got 'maybe'\n"


def test_pages_elsewhere_leave_everything_else_alone(study, capsys):
    before = contents(study)
    assert main(["pages", "00_first", "--out", "else/where"]) == 0
    below = {"else/where/00_first.ipynb", "else/where/figures/written", "else/where/written"}
    assert contents(study) == before | below
    assert printed(study / "else/where/00_first.ipynb") == "../results itransformer 96 1.0 False\n"


def test_a_page_with_parameters_is_never_the_committed_one(study, capsys):
    before = contents(study)
    assert main(["pages", "00_first", "-p", "horizon", "192"]) == 0
    below = {"00_first.ipynb", "figures/written", "written"}
    assert contents(study) == before | {f"build/pages/{name}" for name in below}
    for out in ("notebooks", str(study / "notebooks"), "notebooks/../notebooks"):
        assert main(["pages", "00_first", "-p", "horizon", "192", "--out", out]) == 2
        assert "name another folder than notebooks with --out" in capsys.readouterr().err
    assert contents(study) == before | {f"build/pages/{name}" for name in below}


def test_what_is_given_decides_where_a_page_writes(study, tmp_path):
    before = contents(study)
    given = {"figures": "../drawn", "store": "../mine", "eta": 2.5, "horizon": 8}
    page = pages.execute("00_first", tmp_path / "other", given)
    assert contents(study) == before | {"drawn/written"}
    assert contents(tmp_path / "other") == {"00_first.ipynb", "written"}
    assert printed(page) == "../mine itransformer 8 2.5 True\n"


def test_the_committed_pages_write_where_they_say_themselves(study):
    before = contents(study)
    page = pages.execute("00_first", pages.PAGES)
    assert contents(study) == before | {"notebooks/00_first.ipynb", "figures/written", "results/written"}
    assert printed(page) == "../results itransformer 96 1.0 True\n"


@pytest.mark.parametrize(
    ("eta", "error", "words"),
    [
        (2, ValueError, "^page 00_first, cell 2: ValueError: the sentence$"),
        (3, pages.PageFailed, "^page 00_first, cell 2: AssertionError: too much$"),
    ],
)
def test_a_failing_cell_names_the_page_and_writes_no_page(study, eta, error, words):
    with pytest.raises(error, match=words):
        pages.execute("00_first", study / "out", {"eta": eta})
    assert not list((study / "out").glob("*.ipynb"))


def test_figures_runs_the_scripts_of_pages_in_their_folder(study):
    pages.figures(["01_second"])
    assert Path.cwd() == study
    assert {"figures/written", "results/written"} <= contents(study)
    assert not list(study.glob("notebooks/*.ipynb"))
