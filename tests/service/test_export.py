"""What is exported: one ONNX file with all that it needs inside, a card, and a script that runs without torch."""

import io
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.tseries.frequencies import to_offset

from tdlib.service import Forecaster, export

pytest.importorskip("onnxruntime")
NEEDED = ("numpy", "numpy.libs", "onnxruntime", "onnxruntime.libs")  # of the script, by its own words


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("export") / 'my "own" \\new.onnx'
    assert fitted.to_onnx(target).difference < 1e-5
    return target


def test_scaling_names_and_bands_are_inside(exported, fitted, frame):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported)
    about = session.get_modelmeta().custom_metadata_map
    assert (json.loads(about["channels"]), about["lookback"], about["horizon"]) == (["load", "wind"], "48", "8")
    np.testing.assert_allclose(json.loads(about["intervals"])["80"], fitted.widths_[80], rtol=1e-5)
    found = session.run(None, {"x": frame.to_numpy()[None, -48:]})[0][0]
    np.testing.assert_allclose(found, fitted.predict()[["load", "wind"]], atol=1e-4)


def test_the_card_says_what_it_is_and_how_good(exported, fitted):
    card = exported.with_suffix(".md").read_text()
    for words in (fitted.id_, fitted.verdict_.words, "`load`, `wind`", "400 rows", f"{len(fitted.scores_)} models"):
        assert words in card
    assert f"{fitted.scores_.loc[fitted.chosen_, ('test', 'MSE')]:.4g}" in card


@pytest.fixture(scope="module")
def script(exported, tmp_path_factory):
    """Calls the script in an environment without torch: `script("my.csv")`."""
    packages = tmp_path_factory.mktemp("packages")
    site = Path(find_spec("numpy").submodule_search_locations[0]).parent
    for name in NEEDED:
        if (site / name).exists():
            (packages / name).symlink_to(site / name)

    def call(*words: object, code: str = "") -> subprocess.CompletedProcess:
        command = [sys.executable, "-S", *(["-c", code] if code else [export.files(exported)[2]]), *map(str, words)]
        return subprocess.run(command, env={"PYTHONPATH": str(packages)}, capture_output=True, text=True, timeout=120)

    assert "No module named 'torch'" in call(code="import torch").stderr
    return call


def forms(frame: pd.DataFrame) -> dict[str, bytes]:
    """One series as people write it: files that `distill` reads as the same."""
    apart = {"sep": ";", "decimal": ","}
    long = frame.melt(ignore_index=False, var_name="unique_id", value_name="y").rename_axis("ds").reset_index()
    other = frame[["wind", "load"]].assign(note="text")  # another order, and a column that it does not know
    return {
        "other": other.to_csv().encode(),
        "numbered": other.to_csv(index=False).encode(),
        "german": f"sep=;\n{other.to_csv(**apart)}".encode("utf-8-sig"),
        "cp1252": other.assign(note="kühl").to_csv(**apart).encode("cp1252"),
        "excel": other.to_csv(sep="\t").encode("utf-16"),
        "windows": other.to_csv(sep="|").replace("\n", "\r\n").encode(),
        "long": long.to_csv(index=False).encode(),
        "long, german": long.rename(columns=str.upper).to_csv(index=False, **apart).encode(),
    }


@pytest.mark.parametrize("form", forms(pd.DataFrame({"load": [1.5], "wind": [2.5]})))
def test_the_script_forecasts_what_the_forecaster_does(form, script, fitted, frame, tmp_path):
    (tmp_path / "own.csv").write_bytes(forms(frame)[form])
    done = script(tmp_path / "own.csv")
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(io.StringIO(done.stdout), index_col="step")
    expected = fitted.predict()
    np.testing.assert_allclose(found[expected.columns], expected, atol=1e-4)


def changed(frame: pd.DataFrame, cell: str, **how) -> str:
    """A file with this cell in place of the last number of column load."""
    lines = frame.to_csv(**how).splitlines()
    cells = lines[-1].split(how.get("sep", ","))
    return "\n".join([*lines[:-1], how.get("sep", ",").join([cells[0], cell, *cells[2:]])])


def test_the_script_ends_with_one_sentence(script, frame, tmp_path):
    long = frame.melt(ignore_index=False, var_name="unique_id", value_name="y").rename_axis("ds").reset_index()
    path, apart = tmp_path / "own.csv", {"sep": ";", "decimal": ","}
    far = frame.copy()
    far.iloc[-1] = 1e300
    for text, words in (
        ("", "own.csv is empty"),
        (frame[:20].to_csv(), "has 20 rows of load, and the model reads 48"),
        (frame[["load"]].to_csv(), "has no column wind"),
        (changed(frame, "calm"), "own.csv: column load, row 400 is not a number: 'calm'"),
        (changed(frame, ""), "own.csv: column load, row 400 is not a number: ''"),
        (changed(frame, "inf"), "own.csv: column load, row 400 is not a number: 'inf'"),
        (changed(frame, "1,5"), "own.csv: row 400 has 4 values, and the header has 3"),
        (changed(frame, "1.234", **apart), "own.csv: column load, row 400 is not a number: '1.234'"),
        (long[:-1].to_csv(index=False), "of wind is of "),
        (f"{frame.to_csv()}Total,39999.1,4000.2\n", "row 401, without a time stamp, does not come one step after 2020"),
        (f"{frame.to_csv()},39999.1,4000.2\n", "row 401, without a time stamp, does not come one step after 2020"),
        (long[:400].to_csv(index=False), "has 0 rows of wind, and the model reads 48"),
        (far.to_csv(), "far from those that the model has learned from"),
    ):
        path.write_text(text)
        done = script(path)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert script(tmp_path / "none.csv").stderr == f"cannot read {tmp_path}/none.csv: No such file or directory\n"
    name = 'my "own" \\new_predict.py'
    assert script().stderr == f"{name} takes one file: python {name} my.csv > my_forecast.csv\n"


def test_the_script_sorts_or_refuses_rows_that_are_no_steps_apart(script, fitted, frame, tmp_path):
    path, long = tmp_path / "own.csv", frame.melt(ignore_index=False, var_name="unique_id", value_name="y")
    long[::-1].rename_axis("ds").reset_index().to_csv(path, index=False)
    found = pd.read_csv(io.StringIO(script(path).stdout), index_col="step")
    np.testing.assert_allclose(found[["load", "wind"]], fitted.predict()[["load", "wind"]], atol=1e-4)
    zoned = frame.tz_localize("UTC").tz_convert("Europe/Berlin")
    for rows, words in (
        (frame[::-1], "row 354, 2020-01-02 22:00:00, does not come one step after 2020-01-02 23:00:00"),
        (
            frame.drop(frame.index[380]),
            "row 381, 2020-01-16 21:00:00, does not come one step after 2020-01-16 19:00:00",
        ),
        (
            pd.concat([frame, frame[-1:]]),
            "row 401, 2020-01-17 15:00:00, does not come one step after 2020-01-17 15:00:00",
        ),
        (frame[::2], "does not come one step after"),
        (zoned[::2], "does not come one step after"),
        (zoned, ""),
        (frame.set_axis(frame.index.strftime("%d.%m.%Y %H:%M"))[::-1], ""),  # not in ISO's form
        (frame.set_axis(frame.index.strftime("%Y-%m-%d")), ""),  # a column of hours may stand beside it
        (frame.reset_index(drop=True)[::-1], ""),
    ):
        rows.to_csv(path)
        said = script(path).stderr
        assert words in said if words else said == ""
        assert said.count("\n") == bool(words)


@pytest.mark.parametrize(
    ("step", "shortest", "longest", "another"),
    [
        ("h", "1h", "1h", ["30min", "2h", "0h"]),
        ("D", "23h", "25h", ["12h", "2D"]),
        ("MS", "28D", "31D", ["14D", "59D"]),
        ("B", "1D", "7D", ["12h", "8D"]),  # four weekdays are closed, and a weekend
        ("bh", "1h", "65h", ["30min", "8D"]),
        ("QE", "90D", "92D", ["31D", "181D"]),
        ("YS", "365D", "366D", ["92D", "730D"]),
        ("W-SUN", "7D", "7D", ["1D", "14D"]),
    ],
)
def test_how_far_apart_rows_are(step, shortest, longest, another):
    low, high = json.loads(export._apart(to_offset(step))["apart"])
    assert low < pd.Timedelta(shortest).total_seconds() <= pd.Timedelta(longest).total_seconds() < high
    assert not any(low < pd.Timedelta(other).total_seconds() < high for other in another)
    assert export._apart(None) == {}


def test_a_blank_line_of_an_only_column_is_a_missing_value_for_the_script(frame, tmp_path):
    made = Forecaster(24, 4, epochs=1, teacher="ridge", student="rlinear").fit(frame[["load"]].reset_index(drop=True))
    made.to_onnx(tmp_path / "one.onnx")
    lines = ["", *frame[["load"]].to_csv(index=False).splitlines(), "", ""]
    said = []
    for blank in ([], [390]):  # the second of these lines stands before the last ten rows
        text = [line for place, line in enumerate(lines) for line in [""] * (place in blank) + [line]]
        (tmp_path / "own.csv").write_text("\n".join(text))
        command = [sys.executable, tmp_path / "one_predict.py", tmp_path / "own.csv"]
        said.append(subprocess.run(command, capture_output=True, text=True, timeout=120).stderr)
    assert said[0] == ""
    assert "column load, row 389 is not a number: ''" in said[1]


def test_the_script_is_short(exported):
    assert len(export.files(exported)[2].read_text().splitlines()) <= 120


def test_int8_says_what_it_costs_on_test(fitted, tmp_path):
    done = export.write(fitted, tmp_path / "small.onnx", int8=True)
    assert done.mse == pytest.approx(fitted.scores_.loc[fitted.chosen_, ("test", "MSE")], rel=1e-4)
    assert f"8-bit integers, test MSE {done.cost} |" in (tmp_path / "small.md").read_text()


def test_int8_of_a_forecaster_without_its_rows_says_that_nothing_was_measured(fitted, tmp_path):
    fitted.save(tmp_path / "kept")
    done = export.write(Forecaster.load(tmp_path / "kept"), tmp_path / "small.onnx", int8=True)
    assert done[1:] == (None, None)
    assert "8-bit integers, test MSE not measured, as the rows are not there |" in (tmp_path / "small.md").read_text()


def test_a_card_does_not_take_the_place_of_the_onnx_file(fitted, tmp_path):
    with pytest.raises(ValueError, match=r"model\.md is the name of the model card: end that .* in \.onnx$"):
        export.write(fitted, tmp_path / "model.md")
    with pytest.raises(ValueError, match=r"^\. is a folder: name the ONNX file in it$"):
        export.write(fitted, ".")
    assert not list(tmp_path.iterdir())


def test_what_has_learned_nothing_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="call fit first"):
        Forecaster().to_onnx(tmp_path / "own.onnx")


def test_a_place_that_cannot_be_written_is_refused_before_anything_is(fitted, tmp_path):
    (tmp_path / "own_predict.py").mkdir()
    with pytest.raises(ValueError, match=r"own_predict\.py"):
        export.write(fitted, tmp_path / "own.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own_predict.py"]
