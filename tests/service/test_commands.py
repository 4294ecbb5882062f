"""The commands for a series of one's own, as a user calls them."""

import copy
import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tdlib import __main__ as cli
from tdlib.service import commands


def call(capsys, *words: object) -> str:
    """What a command that succeeds prints."""
    code = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def refused(capsys, *words: object) -> str:
    """The sentence of a command that is refused."""
    assert cli.main([str(word) for word in words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tdlib: ")]
    return line


@pytest.fixture
def place(tmp_path, monkeypatch, frame):
    monkeypatch.chdir(tmp_path)
    frame.to_csv("it's my data.csv")
    return tmp_path


SMALL = ["--lookback", "24", "--horizon", "4", "--epochs", "1", "--teacher", "dlinear", "--student", "rlinear"]


def test_what_distill_prints_can_be_called_as_it_stands(place, capsys, frame):
    printed = call(capsys, "distill", "it's my data.csv", *SMALL)
    assert "400 rows, 2 channels" in printed
    assert "* " in printed
    assert "Use " in printed
    assert "of 95%) of the test values" in printed
    report = place / "build/own/forecasters/it's my data/report.html"
    assert f"report    {report.relative_to(place)}" in printed
    assert "it&#39;s my data" in report.read_text()
    commands = [line.split("python -m tdlib ")[1] for line in printed.splitlines() if "python -m tdlib" in line]
    assert [command.split()[0] for command in commands] == ["forecast", "backtest", "export"]
    outputs = [call(capsys, *shlex.split(command)) for command in commands if "export" not in command]
    assert "4 steps after the last row" in outputs[0]
    assert "5 origins, 4 steps each" in outputs[1]
    found = pd.read_csv("forecast.csv", index_col=0, parse_dates=True)
    assert found.index.name == "when"
    assert found.index[0] - frame.index[-1] == pd.Timedelta(hours=1)
    assert list(found.columns[:3]) == ["load", "load-lo-80", "load-hi-80"]
    assert np.isfinite(found.to_numpy()).all()
    source = report.with_name("source")
    assert source.read_text() == str(place / "it's my data.csv")
    assert "it's my data" in call(capsys, "list")
    mine = [*SMALL, "--report", "my report.html"]
    again = call(capsys, "distill", "./it's my data.csv", *mine)  # one series: nothing is trained again
    assert "report    my report.html\n" in again
    assert "--report &#39;my report.html&#39;" in Path("my report.html").read_text()
    assert len(list((place / "build/own/runs").glob("*.json"))) == 8


def test_a_report_takes_no_other_files_place(place, capsys, monkeypatch):
    monkeypatch.setattr(commands.Forecaster, "fit", lambda *_: pytest.fail("it is trained"))
    (place / "notes.html").touch()
    for name, words in (("notes.html", "--force replaces it"), ("it's my data.csv", "it is the input")):
        assert words in refused(capsys, "distill", "it's my data.csv", "--report", name)


def test_export_writes_three_files_and_its_own_again(place, capsys):
    pytest.importorskip("onnxruntime")
    call(capsys, "distill", "it's my data.csv", *SMALL)
    for _ in range(2):
        assert "forecasts with onnxruntime and numpy alone" in call(
            capsys, "export", "it's my data.csv", "--onnx", "my.onnx"
        )
    assert {path.name for path in place.glob("my*")} == {"my.onnx", "my.md", "my_predict.py"}
    (place / "my.md").write_text("notes")
    assert "--force replaces it" in refused(capsys, "export", "it's my data.csv", "--onnx", "my.onnx")
    id = next((place / "build/own/runs").glob("*.json")).stem
    assert "its forecasts differ from torch's" in call(capsys, "export", id, "--onnx", "run.onnx")
    assert not (place / "run.md").exists()


def test_a_run_is_forecast_by_its_id_and_levels_are_chosen(place, capsys):
    call(capsys, "distill", "it's my data.csv", *SMALL)
    id = next((place / "build/own/runs").glob("*.json")).stem
    call(capsys, "forecast", id, "it's my data.csv", "--out", "run.csv")
    assert list(pd.read_csv("run.csv", index_col=0).columns) == ["load", "wind"]
    call(capsys, "forecast", "it's my data.csv", "--level", "95", "--nonnegative", "--integer")
    found = pd.read_csv("forecast.csv", index_col=0)
    assert list(found.columns) == ["load", "load-lo-95", "load-hi-95", "wind", "wind-lo-95", "wind-hi-95"]
    assert ((found >= 0) & (found == found.round())).all(axis=None)
    assert "no band of level 50.0; there are: 80, 95" in refused(
        capsys, "forecast", "it's my data.csv", "--level", "50"
    )


def test_what_is_not_there_is_said_with_the_command_that_makes_it(place, capsys):
    for words in (["forecast"], ["backtest"], ["export", "--onnx", "my.onnx"]):
        said = refused(capsys, words[0], "it's my data.csv", *words[1:])
        assert "`tdlib distill 'it'\"'\"'s my data.csv'` makes one" in said
    assert "has no forecaster" in call(capsys, "list")
    assert "forecast takes a CSV" in refused(capsys, "forecast", "a", "b", "c.csv")
    assert "or --all" in refused(capsys, "clean")
    assert "has no forecaster other" in refused(capsys, "clean", "other")
    assert not (place / "forecast.csv").exists()


def test_thousands_of_threads_and_a_forecast_that_looks_like_a_workbook_are_refused(place, capsys):
    said = refused(capsys, "distill", "it's my data.csv", *SMALL, "--threads", "100000")
    assert said.endswith("this machine's cores; got 100000")
    said = refused(capsys, "forecast", "it's my data.csv", "--out", "my.xlsx")
    assert said == "tdlib: forecast writes CSV: end the name of my.xlsx in .csv"


def test_a_csv_of_other_columns_or_too_few_rows_is_refused(place, capsys, frame):
    call(capsys, "distill", "it's my data.csv", *SMALL)
    frame.rename(columns={"wind": "sun"}).to_csv("it's my data.csv")
    for command in ("forecast", "backtest"):
        said = refused(capsys, command, "it's my data.csv")
        assert said.endswith("the run knows the columns load, wind; these are load, sun; there is no wind")
    frame.assign(sun=0.5)[["sun", "wind", "load"]].to_csv("it's my data.csv")
    for command in ("forecast", "backtest"):
        mend = "--columns load,wind"
        said = refused(capsys, command, "it's my data.csv")
        assert said.endswith(f"these are sun, wind, load; {mend} chooses them, and in pandas frame[['load', 'wind']]")
        call(capsys, command, "it's my data.csv", *mend.split())
    frame[:20].to_csv("it's my data.csv")
    assert "20 rows are too few" in refused(capsys, "forecast", "it's my data.csv")


def test_two_files_of_one_name_are_two_series(place, capsys, fitted, frame, monkeypatch):
    for name in ("a", "b"):
        (place / name).mkdir()
        frame.to_csv(place / name / "data.csv")
    shutil.copytree(fitted.folder, place / "build/own")
    kept = place / "build/own/forecasters/data"
    fitted.save(kept)
    (kept / "source").write_text(str(place / "a/data.csv"))
    call(capsys, "forecast", "b/../a/data.csv")
    monkeypatch.setattr(commands.Forecaster, "fit", lambda *_: pytest.fail("it is trained"))
    for words in (["forecast"], ["backtest"], ["distill", *SMALL], ["export", "--onnx", "my.onnx"]):
        said = refused(capsys, words[0], "b/data.csv", *words[1:])
        assert f"has the forecaster data of {place}/a/data.csv, and {place}/b/data.csv is another file" in said
        assert said.endswith("name another --store, or remove that one with `tdlib clean data`")
    (place / "new").symlink_to("build/own")
    assert "`tdlib clean data --store new`" in refused(capsys, "forecast", "b/data.csv", "--store", "new")
    (place / "a/data.csv").rename(place / "a/moved.csv")
    call(capsys, "forecast", "b/data.csv")


@pytest.mark.parametrize("name", ["data", "data.v2", "data.v2.csv"])
def test_clean_takes_a_name_as_it_stands(name, place, capsys, fitted):
    names = {"data", "data.v2", "data.v2.csv"}
    for each in names:
        fitted.save(place / "build/own/forecasters" / each)
    half = place / "build/own/runs/.row.json.01234567.tdlib"
    half.parent.mkdir()
    half.touch()
    os.utime(half, (0, 0))
    assert f"{name}: removed" in call(capsys, "clean", name)
    assert {path.name for path in (place / "build/own/forecasters").iterdir()} == names - {name}
    assert not half.exists()
    for other in ("../own", "..", ".", "forecasters/data", place / "build/own/forecasters/data.v2"):
        assert f"{other} is not the name of a series" in refused(capsys, "clean", other)


def test_clean_removes_a_forecaster_and_its_runs_and_nothing_else(place, capsys, frame):
    frame.to_csv("other.csv")
    for csv, horizon in (("it's my data.csv", 4), ("other.csv", 5)):
        call(capsys, "distill", csv, *SMALL, "--horizon", horizon)
    before = {path.stem for path in (place / "build/own/runs").glob("*.json")}
    assert "it's my data: removed, and 8 runs" in call(capsys, "clean", "it's my data")
    left = {path.stem for path in (place / "build/own/runs").glob("*.json")}
    assert len(before - left) == len(left) == 8
    call(capsys, "backtest", "other.csv", "--cutoffs", 1)
    call(capsys, "clean", "--all")
    kept = [path.relative_to(place / "build/own") for path in (place / "build/own").rglob("*") if path.is_file()]
    assert {str(path) for path in kept} <= {"schema", "cache/written.json"} | {
        str(path) for path in kept if path.suffix == ".lock"
    }


# --- the runs of a series, and what is in service


@pytest.fixture
def served(place, fitted, frame):
    """The forecaster of all tests as that of `own.csv`, with its runs."""
    frame.to_csv("own.csv")
    shutil.copytree(fitted.folder, "build/own")
    fitted.save("build/own/forecasters/own")
    return fitted


def test_every_model_can_be_had_by_its_run(served, capsys):
    table = commands._with_runs(served)
    assert table["run"].to_dict() == {
        f"* {name}" if name == served.chosen_ else name: id for name, id in served.runs_.items()
    }
    bare = table.rename(index=lambda name: name.removeprefix("* "))
    for column, segment in (("validation MSE", "val"), ("MSE", "test")):
        assert bare[column].to_dict() == served.scores_[segment, "MSE"].to_dict()
    assert served.id_ in call(capsys, "list")
    call(capsys, "forecast", table.loc["MLP distilled", "run"], "own.csv")


@pytest.mark.filterwarnings("default:own.csv. 3 missing rows interpolated")
def test_a_run_reads_a_file_as_it_is_told_to(served, frame, capsys):
    id = served.runs_["Naive"]
    frame.drop(frame.index[300:303]).to_csv("own.csv")
    assert "--missing interpolate" in refused(capsys, "forecast", id, "own.csv")
    words = ["forecast", id, "own.csv", "--missing", "interpolate", "--nonnegative", "--integer"]
    assert cli.main(words) == 0
    assert "own.csv: 3 missing rows interpolated" in capsys.readouterr().err
    found = pd.read_csv("forecast.csv", index_col=0)
    assert ((found >= 0) & (found == found.round())).all(axis=None)
    assert "has no bands: --level is for the forecaster" in refused(capsys, "forecast", id, "own.csv", "--level", 80)


def test_a_forecast_keeps_its_digits_and_no_sign_of_nothing(served, monkeypatch, capsys):
    made = pd.DataFrame({"load": [1e12 + 0.25, 1e15 + 3, -0.4, 0.1]})
    bounded = commands.frames.bounded
    predict = lambda *_, **how: bounded(made, **how)  # noqa: E731
    monkeypatch.setattr(commands.Forecaster, "predict", predict)
    for words, cells in (
        ([], "1000000000000.25 1000000000000003 -0.4 0.1"),
        (["--integer"], "1000000000000 1000000000000003 0 0"),
    ):
        call(capsys, "forecast", "own.csv", *words)
        assert (" ".join(line.split(",")[1] for line in Path("forecast.csv").read_text().split()[1:])) == cells


def test_what_was_made_of_a_file_is_said(served, frame, capsys):
    frame.drop(frame.index[300:303]).to_csv("own.csv")
    for command in ("forecast", "backtest"):
        assert "; 3 missing rows interpolated" in call(capsys, command, "own.csv", "--missing", "interpolate")
    frame["load"].where(frame.index != frame.index[-1], -9999).to_frame().join(frame["wind"]).to_csv("own.csv")
    assert "column 'load' has -9999 in 1 row, far from" in call(capsys, "forecast", "own.csv")


@pytest.mark.parametrize("what", ["own.csv", "own"])
@pytest.mark.parametrize("target", ["own.csv", "link.onnx"])
def test_export_does_not_replace_the_file_that_it_was_made_of(what, target, served, place, capsys):
    (place / "build/own/forecasters/own/source").write_text(str(place / "own.csv"))
    (place / "link.onnx").symlink_to("own.csv")
    before = (place / "own.csv").read_bytes()
    assert "it is the input" in refused(capsys, "export", what, "--onnx", target, "--force")
    assert (place / "own.csv").read_bytes() == before


def test_a_forecaster_that_is_replaced_is_named(served, place):
    kept = place / "build/own/forecasters/own"
    assert commands._replaced(kept, served) == ""
    other = copy.copy(served)
    other.horizon_ = 5
    words = f"replaces the forecaster of own that was there (8 steps, {served.chosen_}, of 400 rows to "
    assert commands._replaced(kept, other).startswith(words)
    other = copy.copy(served)
    other.seed = 3
    assert commands._replaced(kept, other).startswith(words)
    (kept / "forecaster.json").write_text("{")
    assert commands._replaced(kept, other) == ""


def test_clean_removes_the_runs_of_earlier_fits(served, place, capsys):
    store = place / "build/own"
    state = json.loads((store / "forecasters/own/forecaster.json").read_text())
    state["runs_"] = {served.chosen_: served.id_}  # the others are of earlier fits
    (store / "forecasters/own/forecaster.json").write_text(json.dumps(state))
    row = json.loads((store / f"runs/{served.id_}.json").read_text())
    row["config"]["dataset"] = "elsewhere/series/other.csv"
    (store / "runs/0123456789abcdef.json").write_text(json.dumps(row))
    assert f"own: removed, and {len(served.runs_)} runs" in call(capsys, "clean", "own")
    left = {path.name for folder in ("runs", "cache", "series") for path in (store / folder).rglob("*")}
    assert left <= {"0123456789abcdef.json", "written.json"}


def test_what_was_stopped_is_listed_and_removed(served, place, capsys):
    shutil.rmtree(place / "build/own/forecasters")  # as after Ctrl-C in a first `distill`
    words = "own: not finished; `tdlib distill` goes on, `tdlib clean own` removes it"
    assert words in call(capsys, "list")
    assert "has no forecaster other" in refused(capsys, "clean", "other")
    shutil.copytree("build/own", "build/again")
    for words in (["own"], ["--all", "--store", "build/again"]):
        assert f"own: removed, and {len(served.runs_)} runs" in call(capsys, "clean", *words)
    assert not [*(place / "build").rglob("runs/*.json"), *(place / "build").rglob("own.csv")]
    assert "build/own has no forecaster\n" in call(capsys, "clean", "--all")


def test_a_file_whose_name_begins_with_a_dash_or_is_none(place, capsys, frame):
    frame.to_csv("-x.csv")
    printed = call(capsys, "distill", "./-x.csv", *SMALL)
    assert "distill ./-x.csv" in (place / "build/own/forecasters/-x/report.html").read_text()
    (line,) = [line for line in printed.splitlines() if line.startswith("forecast ")]
    call(capsys, *shlex.split(line)[4:])
    frame.to_csv("..csv")
    assert "..csv would give its forecaster no name" in refused(capsys, "distill", "./..csv", *SMALL)


def test_a_damaged_forecaster_is_listed_and_removed(served, place, capsys):
    for name in ("bad", "worse"):
        served.save(place / "build/own/forecasters" / name)
        damaged = place / "build/own/forecasters" / name / "forecaster.json"
        damaged.write_text("{" if name == "bad" else '{"runs_": {"x": "*"}, "given": []}')
    printed = call(capsys, "list")
    assert f"{served.id_}" in printed
    assert "bad: build/own/forecasters/bad/forecaster.json is damaged" in printed
    assert "`tdlib clean worse` removes it" in printed
    assert "bad: removed, and 0 runs" in call(capsys, "clean", "bad")
    assert "worse: removed, and 0 runs" in call(capsys, "clean", "--all")
    assert not list((place / "build/own/forecasters").iterdir())


def test_a_band_without_an_end_is_an_empty_cell(served, place, capsys):
    path = place / "build/own/forecasters/own/forecaster.json"
    state = json.loads(path.read_text())
    state["widths"]["95"] = [[None, None]] * 8
    path.write_text(json.dumps(state))
    call(capsys, "forecast", "own.csv")
    assert "inf" not in (place / "forecast.csv").read_text()
    found = pd.read_csv("forecast.csv")
    assert found["load-hi-95"].isna().all()
    assert found["load-hi-80"].notna().all()


def test_a_name_with_a_point_and_without_its_ending_is_that_of_its_own_forecaster(tmp_path):
    for name in ("sales", "sales.2020"):
        (tmp_path / "forecasters" / name).mkdir(parents=True)
        (tmp_path / "forecasters" / name / commands.STATE).touch()
    for given, name in (("sales", "sales"), ("sales.csv", "sales"), ("sales.2020", "sales.2020")):
        assert commands.folder(tmp_path, Path(given)).name == name
    csv = tmp_path / "sales.2020"
    csv.touch()
    assert commands.folder(tmp_path, csv).name == "sales"
