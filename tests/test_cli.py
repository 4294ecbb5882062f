"""The command line: bad input is one sentence and exit code 2, and leaves nothing behind."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest

import tdlib
from tdlib import __main__ as cli
from tdlib import data, profiles, study
from tdlib.store import Store

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
        (
            ["runs", "--profile", "laptop", "--part", "foundation", "--dataset", "ETTh2"],
            "no such run in profile laptop; foundation has: ETTh1 at 96",
        ),
        (["data", "ETTh9"], "unknown data set 'ETTh9'; known: nyc_weather, synthetic, ETTh1"),
        (["pages", "77_none"], "unknown page '77_none'"),
        (["pages", "02_win_rate", "-p", "horizont", "96"], "no parameter 'horizont'"),
        (["compare", "--profile", "smoke"], "store here; `make reproduce` makes build/demo"),
        (["distill", "nowhere.csv"], "cannot read nowhere.csv"),
        (["forecast", "no-such-run", "nowhere.csv"], "cannot read nowhere.csv"),
        (["distill", ""], "a path has at least one character"),
        (["forecast", "0" * 16, "own.csv", "--out", ""], "a path has at least one character"),
        (["runs", "--profile", "smoke", "--store", "/dev/null"], "a store is a folder, and /dev/null is none"),
        (
            ["reproduce", "--profile", "smoke", "--store", "/proc/store"],
            "cannot write /proc/store: no file can be made",
        ),
        (["runs", "--profile", "smoke", "--store", "README.md/store"], "README.md is not a folder"),
        (["pages", "02_win_rate", "--out", "README.md"], "README.md is not a folder"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    if arguments[0] in ("runs", "reproduce", "compare") and "--store" not in arguments:
        arguments = [*arguments, "--store", str(tmp_path / "store")]
    assert words in refused(capsys, *arguments)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--teacher", "giant"], "teacher knows committee, itransformer, "),
        (["--student", "giant"], "student knows mlp, dlinear, "),
        (["--lookback", "336", "--horizon", "300"], "600 rows, too few for look-back 336 and horizon 300"),
        (["--lookback", "0"], "lookback must be a whole number of at least 1, got 0"),
        (["--minutes", "-1"], "minutes must be above 0"),
        (["--threads", "0"], "threads must be a whole number of at least 1"),
        (["--missing", "guess"], "invalid choice: 'guess'"),
        (["--lookback", "many"], "invalid int value"),
        (["--lookback", str(10**9)], "must be at most 1,000,000"),
        (["--horizon", str(10**18)], "must be at most 1,000,000"),
        (["--lookback", "336", "--horizon", "900000"], "horizon 900000: each segment must hold a window"),
        (["--seed", str(10**20)], "seed must be at most 9,223,372,036,854,775,807"),
        (["--epochs", str(10**18)], "epochs must be at most 1,000,000"),
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


def test_a_forecast_replaces_what_it_wrote_and_anything_else_by_force_only(own_csv, capsys, tmp_path):
    config = study.RunConfig(str(own_csv), 48, 16, "nlinear", epochs=1)
    study.ensure(config, store=tmp_path / "store")
    run, store, out = config.id, tmp_path / "store", tmp_path / "forecast.csv"
    call = ["forecast", run, str(own_csv), "--store", str(store), "--out", str(out)]
    assert cli.main(call) == 0
    before = out.read_bytes()
    assert cli.main(call) == 0  # what it wrote itself it replaces
    assert out.read_bytes() == before
    capsys.readouterr()
    out.write_text("notes")
    assert f"{out} is there already" in refused(capsys, *call)
    assert out.read_text() == "notes"
    assert cli.main([*call, "--force"]) == 0
    assert out.read_bytes() == before
    capsys.readouterr()
    assert "it is the input" in refused(capsys, *call[:-1], own_csv, "--force")


def test_data_lists_and_describes(capsys):
    assert cli.main(["data"]) == 0
    assert capsys.readouterr().out == "\n".join(data.names()) + "\n"  # and no empty line at the end
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


def test_an_interrupt_promises_nothing_where_the_same_command_begins_again(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.own, "backtest_", interrupt)
    assert cli.main(["backtest", "own.csv"]) == 130
    assert capsys.readouterr().err == "tdlib: stopped\n"


def test_a_wrong_option_names_the_help_of_its_command(capsys):
    for arguments, name in (
        (["forecast", "own.csv", "--levl", "80"], " forecast"),
        (["export", "own.csv"], " export"),
        (["--levl", "80"], ""),
    ):
        assert refused(capsys, *arguments).endswith(f"(see {cli.PROGRAM}{name} --help)")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_wherever_it_is_met(number, monkeypatch, capsys, tmp_path):
    def full(*_, **__):
        raise OSError(number, os.strerror(number), "figures/02.png")

    monkeypatch.setattr(study, "ensure", full)
    assert cli.main(["runs", "--profile", "smoke", "--store", str(tmp_path)]) == 1
    assert "the disk is full" in capsys.readouterr().err


def test_compare_tells_agreement_from_difference(capsys, tmp_path):
    runs = [profiles.Profile("smoke").config("synthetic", 24, "naive", seed=seed) for seed in (2021, 2022)]
    for place in ("a", "b"):
        for run in runs:  # one by one in this process
            study.ensure(run, store=tmp_path / place)
    stores = ["--store", str(tmp_path / "a"), "--committed", str(tmp_path / "b")]
    assert cli.main(["compare", "--profile", "smoke", *stores]) == 0
    assert "1 systems agree" in capsys.readouterr().out
    study.ensure(profiles.Profile("smoke").config("synthetic", 24, "ridge"), store=tmp_path / "b")
    assert cli.main(["compare", "--profile", "smoke", *stores]) == 1
    assert "a lacks 1 of the 2 runs that " in capsys.readouterr().err
    study.ensure(profiles.Profile("smoke").config("synthetic", 24, "ridge"), store=tmp_path / "a")
    for id in (store := Store(tmp_path / "a")).ids():
        row = store.read(id)
        row["metrics"]["test_mse"] *= 1.1
        store.write({key: value for key, value in row.items() if "sha256" not in key}, store.arrays(id))
    assert cli.main(["compare", "--profile", "smoke", *stores]) == 1
    assert "the largest difference is 10.0%" in capsys.readouterr().err
    for store in (Store(tmp_path / "a"), Store(tmp_path / "b")):  # 0 / 0 is no agreement
        for id in store.ids():
            row = store.read(id)
            row["metrics"]["test_mse"] = 0.0
            store.write({key: value for key, value in row.items() if "sha256" not in key}, store.arrays(id))
    assert cli.main(["compare", "--profile", "smoke", *stores]) == 1


def test_runs_says_how_many_were_there_in_another_precision(capsys, tmp_path, monkeypatch):
    smoke = profiles.Profile("smoke")
    there, missing = (smoke.config("synthetic", 24, name, epochs=1) for name in ("nlinear", "dlinear"))
    study.ensure(there, store=tmp_path)
    monkeypatch.setattr(profiles.Profile, "runs", lambda self: [there, missing])
    call = ["runs", "--profile", "smoke", "--store", str(tmp_path)]
    assert cli.main([*call, "--precision", "bfloat16"]) == 0
    words = "1 of them were trained in another precision than bfloat16"
    assert capsys.readouterr().out == f"2 runs are in {tmp_path}\n{words}\n"
    assert cli.main(call) == 0
    assert capsys.readouterr().out == f"2 runs are in {tmp_path}\n"


# --- the command itself


def test_a_remark_on_a_csv_is_one_line(capsys, tmp_path):
    pd.DataFrame({"load": [5, 3, 4]}).to_csv(tmp_path / "own.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.main(["data", str(tmp_path / "own.csv")]) == 0
    said = "the first column counts the rows and is no channel: it is left out"
    assert capsys.readouterr().err == f"tdlib: {tmp_path}/own.csv: {said}\n"


def test_no_command_prints_the_help_and_version_the_version(capsys):
    assert cli.main([]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m tdlib")
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"tdlib {tdlib.__version__}\n"


def test_what_the_system_refuses_is_one_sentence(monkeypatch, capsys, tmp_path):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "figures/02.png")

    monkeypatch.setattr(study, "ensure", refuse)
    assert cli.main(["runs", "--profile", "smoke", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "tdlib: figures/02.png cannot be written or read: permission denied\n"


def test_a_parameter_without_end_is_text():
    assert cli._literal("9" * 5000) == "9" * 5000
    assert cli._literal("[" * 100_000) == "[" * 100_000
    assert cli._literal("[1]") == [1]


PROCESS = [sys.executable, "-m", "tdlib"]


def test_an_output_whose_reader_leaves_ends_quietly():
    reader, writer = os.pipe()
    os.close(reader)  # before the first line, as `head` does after it
    done = subprocess.run([*PROCESS, "data"], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_on_a_full_disk_is_one_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROCESS, "data"], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "tdlib: the output cannot be written or read: the disk is full\n",
    )


def test_ctrl_c_during_the_imports_shows_no_traceback(tmp_path):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "pandas.py").write_text(code)  # the import during which the key is hit
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run([*PROCESS, "data"], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
