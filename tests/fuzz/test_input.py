"""Whatever is typed, read or passed: one sentence or a right result, exit code 0, 1 or 2, and no other file touched.

Examples are drawn the same way each time, so that a failure here is a failure everywhere.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small
import torch
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tdlib import data
from tdlib.__main__ import main
from tdlib.config import RunConfig
from tdlib.forecast import forecast
from tdlib.study import ensure

QUICK = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "phases": (Phase.explicit, Phase.generate),  # making a failure smaller takes minutes
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
UNCLEAR = ("Traceback", "Error(", "Errno", "PosixPath", "size mismatch", "C error", "NoneType' object")


def clear(sentence: str) -> None:
    """One line in the user's language."""
    assert len(sentence.splitlines()) == 1
    assert not [word for word in UNCLEAR if word in sentence], sentence


def files(folder: Path) -> dict[str, str]:
    """What lies in a folder: each path with the hash of its content, or with what a link points to."""
    found = {}
    for path in folder.rglob("*"):
        whole = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = hashlib.sha256(whole).hexdigest()
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with `own.csv`, a run in `store`, and things that are in the way."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "id").write_text(small.linear_run(folder, 120, 8, 4).id)
    (folder / "folder").mkdir()
    (folder / "link.csv").symlink_to("own.csv")
    (folder / "loop.csv").symlink_to("loop.csv")
    return folder


# --- the bytes and the cells of a CSV

CELLS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "2.5", "1e39", "nan", "inf", "True", "x", '"', "1,5", "1_000", "0x1F", "١"]),
    st.sampled_from(
        ["2020-01-01", "2020-01-02 03:04", "20200131", "1600000000", "9999-12-31", "2020-03-29 01:00+01:00"]
    ),
    st.integers(-5, 5).map(str),
    st.floats(width=32).map(str),
    st.integers(10**18, 10**40).map(str),
    st.text(max_size=6),
)
NAMES = st.one_of(st.sampled_from(["", "date", "time", "index", "a", "b", "Unnamed: 0", "1"]), st.text(max_size=4))


def read(blob: bytes, path: Path) -> data.Series | None:
    """The series, checked to be a whole one, or None where it is refused in a sentence."""
    path.write_bytes(blob)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*own.csv: ", category=UserWarning)  # what was made of it
        try:
            series = data.read_csv(path)
        except ValueError as error:
            clear(str(error))
            assert str(path) in str(error)
            return None
    assert series.values.dtype == np.float64
    assert series.values.shape[1] == len(series.channels) == len(set(series.channels)) > 0
    assert len(series.values) > 0
    assert np.isfinite(series.values).all()
    if series.index is not None:
        assert len(series.index) == len(series.values)
        assert series.index.is_monotonic_increasing
        assert series.index.is_unique
    return series


@settings(**QUICK, max_examples=50)
@given(st.one_of(st.binary(max_size=60), st.text(alphabet='ab,"\n\r\t1.5-\0;é', max_size=40).map(str.encode)))
@example(b"")
@example(b"\xef\xbb\xbfa,b\n1,2\n")
@example("a,b\n1,2\n".encode("utf-16"))
@example(b"a,b\r1,2\r3,4\r")
@example(b"a,b\n1,2\n\x00\x00,4\n")
@example(b'a,b\n"1,2\n')
def test_any_bytes_are_a_series_or_a_sentence(tmp_path, blob):
    read(blob, tmp_path / "own.csv")


@settings(**QUICK, max_examples=60)
@given(
    st.integers(1, 3).flatmap(
        lambda n: st.tuples(
            st.lists(NAMES, min_size=n, max_size=n), st.lists(st.lists(CELLS, min_size=n, max_size=n), max_size=5)
        )
    )
)
def test_any_cells_are_a_series_or_a_sentence(tmp_path, table):
    names, rows = table
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [names, *rows]]
    series = read("\n".join(lines).encode("utf-8", "replace"), tmp_path / "own.csv")
    if series is not None:  # no row and no value has got lost or been made up
        assert len(series.values) <= len(rows)
        assert len(names) - 1 <= len(series.channels) <= len(names)
        kept = np.array([row[len(names) - len(series.channels) :] for row in rows if any(row)], dtype=object)
        for (row, column), cell in np.ndenumerate(kept):
            try:
                value = float(cell)
            except ValueError:
                continue
            with np.errstate(over="ignore"):
                assert series.values[row, column] == value


# --- the command line

NUMBERS = st.one_of(
    st.sampled_from(
        ["0", "-1", "1", "8", "1e9", "1000000000", str(10**18), str(10**20), "9" * 5000, "nan", "inf", "x", ""]
    ),
    st.integers(-(10**6), 10**6).map(str),
)
PATHS = st.one_of(
    st.sampled_from(["", ".", "..", "/", "own.csv", "link.csv", "loop.csv", "folder", "folder/", "own.csv/x", "store"]),
    st.sampled_from(
        ["/dev/null", "/dev/null/x", "/dev/full", "/proc/x.csv", "/proc/self/mem", "/sys/x", "x" * 300, "~"]
    ),
    st.sampled_from(["a\nb", "\udcff", "-", "--", "store/schema", "store/runs", "x" * 255 + "/y"]),
)
IDS = st.one_of(
    st.sampled_from(
        ["../../evil", "/etc/passwd", "", "0" * 16, "0" * 17, "RUN", "RUN\n", "./RUN", "runs/RUN", "-", "%s"]
    ),
    st.text(alphabet="0123456789abcdef./-", max_size=20),
)
COMMANDS = st.one_of(
    st.tuples(st.just("forecast"), IDS, PATHS, st.just("--store"), PATHS),
    st.tuples(st.just("forecast"), IDS, st.just("own.csv"), st.just("--out"), PATHS),
    st.tuples(st.just("export"), IDS, st.just("--onnx"), PATHS, st.just("--store"), PATHS),
    st.tuples(st.just("distill"), PATHS, st.sampled_from(["--lookback", "--horizon", "--seed", "--epochs"]), NUMBERS),
    st.tuples(st.just("distill"), st.just("own.csv"), st.just("--epochs"), st.just("0"), st.just("--store"), PATHS),
    st.tuples(st.just("runs"), st.just("--profile"), st.just("smoke"), st.just("--horizon"), NUMBERS),
    st.tuples(st.just("data"), PATHS),
    st.lists(st.one_of(PATHS, NUMBERS, st.sampled_from(["--help", "--version", "-p", "--store", "runs"])), max_size=3),
)


@settings(**QUICK, max_examples=100)
@given(command=COMMANDS)
def test_any_command_is_done_or_refused_in_a_sentence_and_touches_no_file(place, capsys, monkeypatch, command):
    monkeypatch.chdir(place)
    id = (place / "id").read_text()
    before, capsys_before = files(place), capsys.readouterr()
    assert capsys_before is not None
    arguments = [str(word).replace("RUN", id) for word in command]
    if arguments[0:1] in (["forecast"], ["export"], ["distill"]) and "--store" not in arguments:
        arguments += ["--store", "store"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        try:
            code = main(arguments)
        except SystemExit as end:  # help and version
            assert end.code == 0
            return
    said = capsys.readouterr().err
    assert code in (0, 2), (arguments, said)
    if code:
        clear(said)
        assert said.startswith("tdlib: ")
        assert files(place) == before
    else:
        assert arguments[:1] in (["forecast"], ["data"], [])
        assert {name: blob for name, blob in files(place).items() if name in before} == before


@pytest.mark.parametrize("out", ["own.csv", "link.csv", "store/schema", "store/runs/../schema", "folder", "/dev/null"])
def test_a_forecast_replaces_none_of_these(out, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    before = files(place)
    assert main(["forecast", (place / "id").read_text(), "own.csv", "--store", "store", "--out", out]) == 2
    clear(capsys.readouterr().err)
    assert files(place) == before


# --- Python

NUMBER = st.one_of(st.integers(), st.floats(), st.sampled_from([10**9, 10**18, 10**20, True, None, "1", 1j, [], {}]))


@settings(**QUICK, max_examples=60)
@given(
    st.sampled_from(
        [
            "lookback",
            "horizon",
            "seed",
            "epochs",
            "batch_size",
            "patience",
            "scales",
            "alpha",
            "beta",
            "temperature",
            "learning_rate",
            "settings",
            "teacher_options",
            "co_teachers",
            "terms",
            "model",
            "teacher",
            "dataset",
            "patterns",
            "reduction",
            "downsample",
            "weighting",
            "foresight",
            "tilt",
            "half",
            "weighed_on",
        ]
    ),
    NUMBER,
)
def test_any_value_of_a_field_is_a_config_or_a_sentence(field, value):
    usual = {"dataset": "synthetic", "lookback": 24, "horizon": 8, "model": "mlp", "teacher": "itransformer"}
    try:
        config = RunConfig(**(usual | {field: value}))
    except ValueError as error:
        clear(str(error))
    else:
        assert RunConfig.from_dict(config.to_dict()) == config
        torch.manual_seed(config.seed)


ROWS = st.one_of(
    st.lists(st.lists(st.one_of(st.floats(), st.integers(), st.none(), st.text(max_size=2)), max_size=3), max_size=12),
    st.lists(st.lists(st.floats(-100, 100), min_size=2, max_size=2), min_size=8, max_size=12),
    st.lists(st.lists(st.complex_numbers(), min_size=2, max_size=2), min_size=8, max_size=8),
)
FORMS = st.sampled_from([list, np.asarray, pd.DataFrame, torch.tensor, tuple, np.ma.masked_invalid, str])


@settings(**QUICK, max_examples=50)
@given(ROWS, FORMS)
def test_any_values_give_a_finite_forecast_or_a_sentence(place, rows, form):
    try:
        values = form(rows)
    except (ValueError, TypeError, RuntimeError, OverflowError, DeprecationWarning):  # it is none of its own kind
        return
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="all values of .* deviations away", category=UserWarning)
            made = forecast((place / "id").read_text(), place / "store", values)
    except ValueError as error:
        clear(str(error))
    else:
        assert made.shape == (4, 2)
        assert np.isfinite(made).all()


@settings(**QUICK, max_examples=60)
@given(st.one_of(NUMBER, st.lists(NUMBER, min_size=1, max_size=2)))
def test_what_is_no_config_is_a_sentence(place, configs):
    if configs in ([], {}):
        assert len(ensure(configs, store=place / "store")) == 0
        return
    with pytest.raises(ValueError) as caught:
        ensure(configs, store=place / "store")
    clear(str(caught.value))
