"""A smoke reproduction from nothing, killed in the middle, and pages on a store that lacks a part of its rows."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest

from tdlib import models, profiles
from tdlib.profiles import fair
from tdlib.report import pages
from tdlib.reproduce import reproduce
from tdlib.store import Store

ROOT = Path(__file__).parent.parent
FEW = ["00_quickstart", "00b_claims", "05_main_table"]  # by papermill; all are executed below, in this process
REPRODUCE = [sys.executable, "-m", "tdlib", "reproduce", "--profile", "smoke", *FEW]  # `make reproduce` names no page
RUNS = [sys.executable, "-m", "tdlib", "runs", "--profile", "smoke"]
LIVE = ("01_from_scratch", "13_your_data")  # read no rows
PAGES = sorted(path.stem for path in (ROOT / "notebooks/py").glob("[0-9]*.py"))


def copy_of_the_study(folder: Path) -> Path:
    """What pages read: their sources and the published figures."""
    shutil.copytree(ROOT / "notebooks/py", folder / "notebooks/py")
    (folder / "results").mkdir()
    shutil.copy(ROOT / "results/published.csv", folder / "results")
    return folder


def start(command: list[str], folder: Path, **options) -> subprocess.Popen:
    return subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = copy_of_the_study(tmp_path_factory.mktemp("undisturbed") / "study")
    run = start(REPRODUCE, folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = run.communicate()
    return folder, run.returncode, output, errors


def test_make_reproduce_is_the_command():
    assert "$(BIN)/python -m tdlib reproduce --profile $(PROFILE)\n" in (ROOT / "Makefile").read_text()


def test_reproduce_ends_with_rows_pages_figures_and_a_table_of_results(undisturbed):
    folder, code, output, errors = undisturbed
    assert code == 0, output[-2000:] + errors[-4000:]
    place = folder / "build/smoke"
    smoke = profiles.Profile("smoke")
    chosen = fair.stored(smoke, place)
    listed = smoke.runs() + chosen
    assert set(Store(place).ids()) == {run.id for config in listed for run in (config, *config.needed)}
    assert sorted(path.stem for path in (place / "pages").glob("*.ipynb")) == FEW
    assert len(list((place / "figures").glob("*.pdf"))) == len(list((place / "figures").glob("*.png"))) >= 3
    for line in ("MLP from iTransformer", "pages    build/smoke/pages", "tables   build/smoke/tables"):
        assert line in output
    assert len(list((place / "tables").glob("*.csv"))) >= 3
    assert {path.name for path in folder.iterdir()} == {"build", "notebooks", "results"}
    assert [path.name for path in (folder / "results").iterdir()] == ["published.csv"]


def test_a_profile_that_names_what_it_trains_takes_its_other_rows_from_the_committed_ones(
    undisturbed, tmp_path, monkeypatch, capsys
):
    smoke, whole = profiles.Profile("smoke"), undisturbed[0] / "build/smoke"
    assert smoke.anew() == smoke.runs()
    smoke.table["reproduce"] = {"parts": ["main"], "seeds": smoke.table["seeds"][:1]}
    anew = {run.id for run in smoke.anew()}
    halves = {run.id for student in smoke.patient() for run in student.needed if run.half != "both"}
    assert 0 < len(anew) < len(smoke.main()) < len(smoke.runs())
    committed = Store(tmp_path / "results")
    for id in Store(whole).ids():  # marked by a time that no run takes
        row = {**Store(whole).read(id), "seconds": 9e4}
        del row["row_sha256"]
        committed.write(row, Store(whole).arrays(id))
    absent = next(run.id for run in smoke.ablation() if run.id not in anew)
    (tmp_path / f"results/runs/{absent}.json").unlink()
    monkeypatch.setattr(pages, "execute_all", lambda *_: None)
    monkeypatch.setattr(np, "savez_compressed", np.savez)  # as another machine's zlib would pack them
    for _ in range(2):  # the second finds all rows there
        reproduce(smoke, tmp_path / "new", tmp_path / "results")
        rows = {id: Store(tmp_path / "new").read(id) for id in Store(tmp_path / "new").ids()}
        assert set(rows) == set(Store(whole).ids()) - halves  # which nobody needs whose student is there
        trained = {id for id, row in rows.items() if row["seconds"] < 9e4}
        assert trained == anew | {absent}
        assert f"{len(rows) - len(trained)} of the rows were read from" in capsys.readouterr().out


def test_the_demo_trains_a_run_of_each_system_anew():
    demo = profiles.Profile("demo")
    systems = {(run.model, run.teacher) for run in demo.main()}
    assert {(run.model, run.teacher) for run in demo.anew() if run in demo.main()} == systems
    assert len(demo.anew()) < len(demo.runs())


def test_reproduce_again_trains_nothing(undisturbed):
    folder = undisturbed[0]
    rows = {path: path.stat().st_mtime_ns for path in (folder / "build/smoke/runs").iterdir()}
    assert start(RUNS, folder).wait() == 0
    assert rows == {path: path.stat().st_mtime_ns for path in (folder / "build/smoke/runs").iterdir()}


def test_a_killed_reproduce_started_again_ends_with_the_same_rows_and_leaves_whole_pages(undisturbed, tmp_path):
    folder = copy_of_the_study(tmp_path / "study")
    place, undisturbed_place = folder / "build/smoke", undisturbed[0] / "build/smoke"
    for count in (1, 9):
        kill_when(folder, lambda count=count: len(list((place / "runs").glob("*.json"))) >= count)
    assert start([*RUNS, "--part", "main"], folder).wait() == 0
    disturbed, whole = Store(place), Store(undisturbed_place)
    assert set(disturbed.ids()) >= {config.id for config in profiles.Profile("smoke").runs("main")}
    for id in disturbed.ids():
        ours, theirs = disturbed.read(id), whole.read(id)
        for key in ("config", "metrics", "epochs", "parameters"):
            assert ours[key] == theirs[key]
        for name, values in whole.arrays(id).items():
            np.testing.assert_array_equal(disturbed.arrays(id)[name], values)
    shutil.copytree(undisturbed_place / "runs", place / "runs", dirs_exist_ok=True)  # the rest: on to the pages
    kill_when(folder, lambda: len(list((place / "pages").glob("*.ipynb"))) >= 2)
    for page in (place / "pages").glob("*.ipynb"):
        nbformat.validate(nbformat.read(page, as_version=4))


def kill_when(folder: Path, reached) -> None:
    """Start the reproduction and kill all of it with SIGKILL once `reached()`."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = start(REPRODUCE, folder, start_new_session=True, **quiet)
    deadline = time.monotonic() + 240
    while not reached():
        assert started.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()


# --- pages on other rows than the committed ones; in this process, where a warning is an error


def run_page(name: str, folder: Path, monkeypatch) -> None:
    """The cells of a page, on the rows in `folder/store`."""
    monkeypatch.chdir(folder / "notebooks")
    given = {"profile": "smoke", "store": "../store", "results": "../out", "figures": "../out/figures"}
    given |= {"dataset": "synthetic", "horizon": 24, "train_missing": False}
    cells = [cell.source for cell in jupytext.read(f"py/{name}.py").cells if cell.cell_type == "code"]
    cells.insert(1, "\n".join(f"{key} = {value!r}" for key, value in given.items()))
    exec(compile("\n".join(cells), name, "exec"), {})


@pytest.mark.parametrize("name", [name for name in PAGES if name not in LIVE])
def test_a_page_runs_on_the_rows_of_another_profile(name, undisturbed, tmp_path, monkeypatch):
    folder = copy_of_the_study(tmp_path / "study")
    (folder / "store").symlink_to(undisturbed[0] / "build/smoke")
    trained = Store(folder / "store").ids()
    run_page(name, folder, monkeypatch)
    assert list((folder / "out/figures").glob(f"{name[:2]}*_*.png"))
    assert Store(folder / "store").ids() == trained


def without(part: str, undisturbed, folder: Path) -> Path:
    """A study whose store lacks the rows of all teachers, all plain or all distilled students, or those of "halves"."""
    store, target = Store(undisturbed[0] / "build/smoke"), copy_of_the_study(folder / part) / "store/runs"
    target.mkdir(parents=True)
    for id in store.ids():
        config = store.read(id)["config"]
        kind = "distilled" if config["teacher"] else "plain"
        kind = "teacher" if models.role(config["model"]) == "teacher" else kind
        if part not in (kind, config["weighed_on"]):
            for suffix in ("json", "npz"):
                shutil.copy(store.place / f"runs/{id}.{suffix}", target)
    return folder / part


def test_page_12_shows_the_student_that_is_there_where_those_of_halves_are_not(undisturbed, tmp_path, monkeypatch):
    folder = without("halves", undisturbed, tmp_path)
    assert len(Store(folder / "store").ids()) < len(Store(undisturbed[0] / "build/smoke").ids())
    run_page("12_beyond", folder, monkeypatch)
    shown = (folder / "out/tables/12_all.md").read_text().splitlines()[0]
    assert "patient MLP, all settings" in shown
    assert "halves" not in shown


def command(*parts: str) -> str:
    chosen = "".join(f" --part {part}" for part in parts)
    return f"is in the store; train what is missing with `python -m tdlib runs --profile smoke{chosen} --store store`"


READ = {"06_ablation": ["ablation"], "07_versatility": ["versatility"], "08_lookback": ["lookback"]}
READ |= {"09_sensitivity": ["sensitivity"], "10_efficiency": ["main", "versatility"], "00b_claims": []}
READ |= {
    "12_beyond": ["patient"],
    "12b_committee": ["patient"],
    "15_channels": ["channels"],
    "16_foundation": ["foundation"],
}
READ |= {"17_controls": ["controls"]}


@pytest.mark.parametrize("name", [name for name in PAGES if name not in LIVE])
def test_a_page_on_an_empty_store_names_the_command(name, tmp_path, monkeypatch):
    folder = copy_of_the_study(tmp_path / "study")
    with pytest.raises(ValueError) as caught:
        run_page(name, folder, monkeypatch)
    assert str(caught.value).startswith("none of these ")
    assert str(caught.value).endswith(command(*READ.get(name, ["main"])))
    assert not (folder / "store").exists()


THREE = "synthetic, 24 steps: not every run of teacher, plain and distilled student of one seed"
REFUSED = [
    ("teacher", "00_quickstart", THREE),
    ("teacher", "02_win_rate", "no teacher with an MLP beside it"),
    ("teacher", "03_multi_scale", THREE),
    ("teacher", "04_spectrum", THREE),
    ("teacher", "11_theory", "no run with part 'teacher' (there is: distilled)"),
    ("plain", "02_win_rate", "no teacher with a plain and a distilled MLP of the same seed"),
    ("plain", "03_multi_scale", THREE),
    ("plain", "10_efficiency", "no run with system 'MLP' (there is: MLP from iTransformer, iTransformer, "),
    ("plain", "14_evidence", "no seed of both MLP from iTransformer and MLP"),
    ("plain", "15_channels", "no run with variant 'plain' (there is: teacher, TimeDistill, "),
    ("plain", "16_foundation", "no run with name 'Ridge'"),
    ("distilled", "00b_claims", "no pair of runs that a claim compares"),
    ("distilled", "04_spectrum", "no run with teacher 'itransformer'"),
    ("distilled", "06_ablation", "no run with variant 'full'"),
    ("distilled", "11_theory", "no run with part 'distilled' (there is: teacher)"),
]
DRAWN = [
    ("teacher", "00b_claims"),
    ("teacher", "05_main_table"),
    ("teacher", "07_versatility"),
    ("teacher", "14_evidence"),
    ("teacher", "15_channels"),
    ("teacher", "16_foundation"),
    ("plain", "00b_claims"),
    ("plain", "05_main_table"),
    ("plain", "06_ablation"),
    ("plain", "08_lookback"),
    ("plain", "09_sensitivity"),
    ("distilled", "07_versatility"),
    ("distilled", "08_lookback"),
    ("distilled", "15_channels"),
    ("distilled", "16_foundation"),
]


@pytest.mark.parametrize("part", ["teacher", "plain", "distilled"])
def test_a_page_on_a_part_of_the_rows_shows_the_rest_or_names_the_command(part, undisturbed, tmp_path, monkeypatch):
    folder = without(part, undisturbed, tmp_path)
    for name, words in [case[1:] for case in REFUSED if case[0] == part]:
        with pytest.raises(ValueError) as caught:
            run_page(name, folder, monkeypatch)
        assert str(caught.value).startswith(words)
        assert str(caught.value).endswith(command(*READ.get(name, ["main"])))
    for name in [case[1] for case in DRAWN if case[0] == part]:
        run_page(name, folder, monkeypatch)
        assert list((folder / "out/figures").glob(f"{name[:2]}*_*.png"))
