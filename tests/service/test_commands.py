"""The commands for a series of one's own, as a user calls them."""

import shlex

import numpy as np
import pandas as pd
import pytest

from tdlib import __main__ as cli


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
    assert "it's my data" in call(capsys, "list")
    again = call(capsys, "distill", "./it's my data.csv", *SMALL)  # one series: nothing is trained again
    assert again.split("Use ")[0].replace("./", "") != ""
    assert len(list((place / "build/own/runs").glob("*.json"))) == 7


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


def test_a_csv_of_other_columns_or_too_few_rows_is_refused(place, capsys, frame):
    call(capsys, "distill", "it's my data.csv", *SMALL)
    frame.rename(columns={"wind": "sun"}).to_csv("it's my data.csv")
    assert "the run knows the columns load, wind" in refused(capsys, "forecast", "it's my data.csv")
    frame[:20].to_csv("it's my data.csv")
    assert "20 rows are too few" in refused(capsys, "forecast", "it's my data.csv")


def test_clean_removes_a_forecaster_and_its_runs_and_nothing_else(place, capsys, frame):
    frame.to_csv("other.csv")
    for csv, horizon in (("it's my data.csv", 4), ("other.csv", 5)):
        call(capsys, "distill", csv, *SMALL, "--horizon", horizon)
    before = {path.stem for path in (place / "build/own/runs").glob("*.json")}
    assert "it's my data: removed, and 7 runs" in call(capsys, "clean", "it's my data")
    left = {path.stem for path in (place / "build/own/runs").glob("*.json")}
    assert len(before - left) == len(left) == 7
    call(capsys, "backtest", "other.csv", "--cutoffs", 1)
    call(capsys, "clean", "--all")
    kept = [path.relative_to(place / "build/own") for path in (place / "build/own").rglob("*") if path.is_file()]
    assert {str(path) for path in kept} <= {"schema", "cache/written.json"} | {
        str(path) for path in kept if path.suffix == ".lock"
    }
