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

from tdlib.service import export

pytest.importorskip("onnxruntime")
NEEDED = ("numpy", "numpy.libs", "onnxruntime", "onnxruntime.libs")  # of the script, by its own words


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("export") / "own.onnx"
    assert export.write(fitted, target) < 1e-5
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


@pytest.mark.parametrize("dated", [True, False])
def test_the_script_forecasts_in_an_environment_without_torch(exported, fitted, frame, tmp_path, dated):
    packages = tmp_path / "packages"
    packages.mkdir()
    site = Path(find_spec("numpy").submodule_search_locations[0]).parent
    for name in NEEDED:
        if (site / name).exists():
            (packages / name).symlink_to(site / name)
    columns = frame[["wind", "load"]].assign(note="text")  # another order, and a column that it does not know
    columns.to_csv(tmp_path / "own.csv", index=dated)
    script = export.files(exported)[2]
    assert len(script.read_text().splitlines()) <= 45

    def run(code: list[str]) -> subprocess.CompletedProcess:
        command = [sys.executable, "-S", *code]
        return subprocess.run(command, env={"PYTHONPATH": str(packages)}, capture_output=True, text=True, timeout=120)

    assert "No module named 'torch'" in run(["-c", "import torch"]).stderr
    done = run([str(script), str(tmp_path / "own.csv")])
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(io.StringIO(done.stdout), index_col="step")
    expected = fitted.predict()
    np.testing.assert_allclose(found[expected.columns], expected, atol=1e-4)
    frame[:20].to_csv(tmp_path / "short.csv")
    assert "has 20 rows, and the model reads 48" in run([str(script), str(tmp_path / "short.csv")]).stderr
    frame[["load"]].to_csv(tmp_path / "half.csv")
    assert "has no column wind" in run([str(script), str(tmp_path / "half.csv")]).stderr


def test_int8_is_smaller_or_the_same_and_says_so(fitted, tmp_path):
    export.write(fitted, tmp_path / "small.onnx", int8=True)
    assert "8-bit integers" in (tmp_path / "small.md").read_text()


def test_a_place_that_cannot_be_written_is_refused_before_anything_is(fitted, tmp_path):
    (tmp_path / "own_predict.py").mkdir()
    with pytest.raises(ValueError, match=r"own_predict\.py"):
        export.write(fitted, tmp_path / "own.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own_predict.py"]
