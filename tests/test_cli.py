"""The command line: bad input is one sentence and exit code 2, and leaves nothing behind."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tdlib import __main__ as cli
from tdlib import data, profiles, study

ROOT = Path(__file__).parent.parent


@pytest.fixture
def own_csv(tmp_path):
    series = data.synthetic(rows=600, channels=2)
    frame = pd.DataFrame(series.values, index=series.index.rename("date"), columns=["load", "wind"])
    frame.to_csv(tmp_path / "own.csv")
    return tmp_path / "own.csv"


def refused(capsys, *arguments: str) -> str:
    """The one sentence that a refused command prints."""
    assert cli.main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "invalid choice: 'trian'"),
        (["runs", "--profile", "lap"], "unknown profile 'lap'; known: demo, laptop, paper, smoke"),
        (["reproduce", "--profile", "lap"], "unknown profile 'lap'"),
        (["runs", "--profile", "smoke", "--dataset", "ETTh9"], "no 'ETTh9'; it has: synthetic"),
        (["runs", "--profile", "smoke", "--horizon", "7"], "no 7; it has: 24"),
        (["data", "ETTh9"], "unknown data set 'ETTh9'; known: nyc_weather, synthetic, ETTh1"),
        (["pages", "77_none"], "unknown page '77_none'"),
        (["pages", "02_win_rate", "-p", "horizont", "96"], "no parameter 'horizont'"),
        (["compare", "--profile", "smoke"], "must hold rows of profile smoke"),
        (["distill", "nowhere.csv"], "cannot read nowhere.csv"),
        (["forecast", "no-such-run", "nowhere.csv"], "cannot read nowhere.csv"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    if arguments[0] in ("runs", "reproduce", "compare"):
        arguments = [*arguments, "--store", str(tmp_path / "store")]
    assert words in refused(capsys, *arguments)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--teacher", "giant"], "unknown model 'giant'; known: mlp"),
        (["--student", "giant"], "unknown model 'giant'"),
        (["--lookback", "48", "--horizon", "4"], "cannot be halved 3 times"),
        (["--horizon", "300"], "600 rows, too few for look-back 336 and horizon 300"),
        (["--lookback", "0"], "lookback must be positive"),
        (["--lookback", "many"], "invalid int value"),
        (["--lookback", "4", "--horizon", "8", "--teacher", "moderntcn"], "patch must lie in 1..4"),
    ],
)
def test_bad_options_of_distill_train_nothing(options, words, own_csv, capsys, tmp_path):
    assert words in refused(capsys, "distill", own_csv, "--store", tmp_path / "store", *options)
    assert not (tmp_path / "store").exists()


def test_a_bad_cell_of_a_csv_is_named(own_csv, capsys, tmp_path):
    text = own_csv.read_text().splitlines()
    text[5] = text[5].rsplit(",", 1)[0] + ",calm"
    own_csv.write_text("\n".join(text))
    sentence = refused(capsys, "distill", own_csv, "--store", tmp_path / "store")
    assert "column 'wind', row 5 is not a number: 'calm'" in sentence


def test_distill_then_forecast_a_csv_of_your_own(own_csv, capsys, tmp_path):
    store, out = tmp_path / "store", tmp_path / "forecast.csv"
    options = ["--lookback", "48", "--horizon", "16", "--epochs", "1", "--store", str(store)]
    assert cli.main(["distill", str(own_csv), *options]) == 0
    printed = capsys.readouterr().out
    assert "MLP from iTransformer" in printed
    run = printed.split("tdlib forecast ")[1].split()[0]
    assert cli.main(["forecast", run, str(own_csv), "--store", str(store), "--out", str(out)]) == 0
    forecast = pd.read_csv(out, index_col=0, parse_dates=True)
    assert list(forecast.columns) == ["load", "wind"]
    assert len(forecast) == 16
    last = pd.read_csv(own_csv, index_col=0, parse_dates=True).index[-1]
    assert forecast.index[0] - last == pd.Timedelta(hours=1)
    assert np.isfinite(forecast.to_numpy()).all()
    other = own_csv.with_name("other.csv")
    pd.read_csv(own_csv).rename(columns={"wind": "sun"}).to_csv(other, index=False)
    assert "the run knows the columns load, wind" in refused(capsys, "forecast", run, other, "--store", store)
    short = own_csv.with_name("short.csv")
    pd.read_csv(own_csv).head(20).to_csv(short, index=False)
    assert "20 rows are too few" in refused(capsys, "forecast", run, short, "--store", store, "--out", tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_data_lists_and_describes(capsys):
    assert cli.main(["data"]) == 0
    assert capsys.readouterr().out.split() == data.names()
    assert cli.main(["data", "nyc_weather"]) == 0
    assert "8730 rows, 15 channels" in capsys.readouterr().out


def test_a_failed_run_is_named_and_exits_with_1(monkeypatch, capsys, tmp_path):
    config = profiles.Profile("smoke").config("synthetic", 24, "nlinear", seed=2021, learning_rate=1e30)
    monkeypatch.setattr(profiles.Profile, "runs", lambda self: [config])
    assert cli.main(["runs", "--profile", "smoke", "--store", str(tmp_path)]) == 1
    assert f"{config.id} (training stopped: supervised is " in capsys.readouterr().err


def test_an_interrupt_exits_with_130_and_says_that_work_is_kept(monkeypatch, capsys, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "ensure", interrupt)
    assert cli.main(["runs", "--profile", "smoke", "--store", str(tmp_path)]) == 130
    assert "goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_wherever_it_is_met(number, monkeypatch, capsys, tmp_path):
    def full(*_, **__):
        raise OSError(number, os.strerror(number), "figures/02.png")

    monkeypatch.setattr(study, "ensure", full)
    assert cli.main(["runs", "--profile", "smoke", "--store", str(tmp_path)]) == 1
    assert "the disk is full" in capsys.readouterr().err


def test_compare_tells_agreement_from_difference(capsys, tmp_path):
    runs = [profiles.Profile("smoke").config("synthetic", 24, "nlinear", seed=seed) for seed in (2021, 2022)]
    for place in ("a", "b"):
        study.ensure(runs, store=tmp_path / place)
    stores = ["--store", str(tmp_path / "a"), "--committed", str(tmp_path / "b")]
    assert cli.main(["compare", "--profile", "smoke", *stores]) == 0
    assert "1 systems agree" in capsys.readouterr().out
    assert cli.main(["compare", "--profile", "smoke", *stores, "--tolerance", "-1"]) == 1
    assert "the largest difference is" in capsys.readouterr().err
