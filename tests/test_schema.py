"""What carries the right checksum and is wrong all the same is named, once, and never taken for a result."""

import io
import json
import math
import re
import warnings
import zipfile
from pathlib import Path

import forge
import numpy as np
import pytest
import small
import torch

from tdlib import schema
from tdlib.config import RunConfig
from tdlib.forecast import forecast
from tdlib.run import build, load_model
from tdlib.store import Store

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
DROP = type("Drop", (), {"__repr__": lambda self: "drop"})()  # with a name: workers must agree on those of tests
CONFIG = RunConfig("synthetic", 48, 16, "mlp", settings={"width": 4})
ABOUT = {"config": CONFIG.to_dict(), "channels": ["a", "b"], "mean": [0.5, -1.0], "deviation": [1.0, 2.0]}
JARGON = re.compile(r"Error|Exception|Errno|PosixPath|Traceback|codec|size mismatch|\bC error")


def changed(content: dict, path: str, value: object) -> dict:
    """A copy of `content` with the field at `path` dropped or of another value."""
    content = json.loads(json.dumps(content))
    *outer, last = path.split(".")
    place = content
    for key in outer:
        place = place[key]
    place.pop(last, None)
    if value is not DROP:
        place[last] = value
    return content


def assert_named_once(read, name: str, reason: str) -> None:
    """`read` gives None, twice, and one warning with the file's name and the reason in plain words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read() is None
        assert read() is None
    (warning,) = caught
    words = str(warning.message)
    assert name in words
    assert reason in words
    assert not JARGON.search(words)


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "place")
    store.write(small.row(ID), small.arrays())
    return store


# --- rows

ROWS = [
    ("metrics", DROP, "missing required field `metrics`"),
    ("metrics.test_mse", DROP, "missing required field `test_mse` - at `$.metrics`"),
    ("metrics.test_mse", "0.3", "Expected `float`, got `str` - at `$.metrics.test_mse`"),
    ("metrics.test_mse", math.nan, "JSON is malformed"),
    ("metrics.test_mse", math.inf, "JSON is malformed"),
    ("metrics.test_mse", 10**400, "out of range - at `$.metrics.test_mse`"),
    ("metrics.test_mse", -1.0, "Expected `float` >= 0.0 - at `$.metrics.test_mse`"),
    ("metrics.test_period_kl", None, "Expected `float`, got `null`"),
    ("metrics.test_scale_mse", 0.3, "Expected `array`, got `float`"),
    ("metrics.test_scale_mse", [], "length >= 1"),
    ("metrics.model", "dlinear", "unknown field `model`"),  # a line of a table has the config's fields and the metrics'
    ("epochs", [], "length >= 1"),
    ("epochs", [[1, 2]], "Expected `object`, got `array`"),
    ("epochs", [{"val_mse": "0.4"}], "Expected `float`, got `str`"),
    ("parameters", 1.5, "Expected `int`, got `float`"),
    ("parameters", True, "Expected `int`, got `bool`"),
    ("seconds", None, "Expected `float`, got `null`"),
    ("config", "mlp", "Expected `object`, got `str`"),
    ("config.model", DROP, "missing required field `model`"),
    ("config.lookback", 0, "Expected `int` >= 1"),
    ("config.lookback", 10**12, "Expected `int` <= 1000000"),
    ("config.settings", math.nan, "JSON is malformed"),
    ("config.settings", forge.DEEP, "nested too deeply"),
    ("provenance", [], "Expected `object`, got `array`"),
    ("id", OTHER, "it is the row of another run"),
    ("id", 7, "Expected `str`, got `int`"),
    ("arrays_sha256", DROP, "missing required field `arrays_sha256`"),
    ("note", "mine", "unknown field `note`"),
]


@pytest.mark.parametrize(("path", "value", "reason"), ROWS, ids=lambda value: str(value)[:40])
def test_a_row_that_is_well_formed_and_wrong_counts_as_missing(path, value, reason, store):
    forge.row(store.place / "runs" / f"{ID}.json", changed(store.read(ID), path, value))
    assert_named_once(lambda: store.read(ID), f"the row {ID}.json", reason)


@pytest.mark.parametrize("text", ["[" * 10_000 + "]" * 10_000, "NaN", '{"a": 1e999}', "\ufeff{}", '"\\ud800"', ""])
def test_what_is_no_json_of_a_row_counts_as_missing(text, store):
    (store.place / "runs" / f"{ID}.json").write_text(text, encoding="utf-8")
    assert_named_once(lambda: store.read(ID), f"the row {ID}.json", "")


def test_a_signed_row_that_is_whole_is_read(store):
    whole = changed(store.read(ID), "seconds", 12)
    forge.row(store.place / "runs" / f"{ID}.json", whole)
    assert store.read(ID)["seconds"] == 12


def test_a_row_of_another_config_than_the_one_asked_for_counts_as_missing(store):
    config = CONFIG.to_dict()
    store.write(small.row(ID, config=config), small.arrays())
    assert store.read(ID, config)["config"] == config
    other = changed(config, "settings.width", 5)
    assert_named_once(lambda: store.read(ID, other), f"{ID}.json", "it is the row of another config")


def test_a_row_from_before_a_field_was_there_is_of_the_same_config(store):
    config = CONFIG.to_dict()
    earlier = changed(changed(config, "weighting", DROP), "settings.layers", DROP)
    store.write(small.row(ID, config=earlier), small.arrays())
    assert store.read(ID, config)["config"] == earlier
    assert schema.agree(earlier, config)
    assert not schema.agree(changed(earlier, "settings.width", 5), config)
    assert not schema.agree(changed(earlier, "settings", None), config)


@pytest.mark.parametrize("path", ["metrics.test_mse", "metrics.test_period_kl", "seconds"])
def test_a_row_with_a_number_that_is_not_finite_is_not_written(path, tmp_path):
    store, row = Store(tmp_path / "new"), changed(small.row(ID), path, math.nan)
    with pytest.raises(ValueError, match=f"^the row {ID} is not kept: it holds a number that is not finite$"):
        store.write(row, small.arrays())
    with pytest.raises(ValueError, match=f"^the row {ID} is not kept: errors holds a value that is not finite$"):
        store.write(small.row(ID), small.arrays([1.0, math.nan]))
    assert not store.place.exists()


def test_every_committed_row_and_its_arrays_are_whole():
    store = Store(Path(__file__).parents[1] / "results")
    assert len(store.ids()) > 100
    for id in store.ids():  # a warning is an error here
        row, arrays = store.read(id), store.arrays(id)
        assert arrays["errors"].mean(dtype=np.float64) == pytest.approx(row["metrics"]["test_mse"], rel=1e-5)
        if "committee_errors" in arrays:
            found = row["committee"]["weightings"][row["config"]["weighting"]]["test_mse"]
            assert arrays["committee_errors"].mean(dtype=np.float64) == pytest.approx(found, rel=1e-4)


# --- arrays


def packed(arrays: dict) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def bomb() -> bytes:
    """An archive whose only array says that it has 1e15 values."""
    buffer, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("errors.npy", header.getvalue())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("errors", DROP, "errors is missing"),
        ("sample_x", DROP, "sample_x is missing"),
        ("errors", np.array([1.0, math.nan]), "errors holds a value that is not finite"),
        ("channel_mse", np.full(2, math.inf), "channel_mse holds a value that is not finite"),
        ("errors", np.ones((3, 1)), "errors of shape [3, 1] is not [N]"),
        ("errors", np.float64(1), "errors of shape [] is not [N]"),
        ("errors", np.ones(0), "errors holds no window"),
        ("errors", np.array(["a", "b"]), "errors holds something else than numbers"),
        ("errors", np.ones(3, dtype=complex), "errors holds something else than numbers"),
        ("errors", np.array([{"any": "object"}], dtype=object), "no archive of arrays"),  # never unpickled
        ("periods", np.ones((3, 8)), "periods of shape [3, 8] is not [C, F]"),
        ("step_mse", np.ones(20), "sample_y of shape [2, 16, 2] is not [S, H, C]"),
    ],
    ids=lambda value: str(value)[:30].replace("\n", " "),
)
def test_arrays_that_are_well_formed_and_wrong_are_refused_in_one_sentence(name, value, reason, store):
    arrays = {key: array for key, array in small.arrays().items() if key != name}
    blob = packed(arrays if value is DROP else arrays | {name: value})
    forge.arrays(store.place / "runs" / f"{ID}.json", blob)
    with pytest.raises(ValueError, match=rf"^the arrays of run {ID} cannot be read: .*{re.escape(reason)}") as caught:
        store.arrays(ID)
    assert not JARGON.search(str(caught.value))


def test_rows_of_before_correlations_were_kept_are_whole_and_later_ones_are_checked(store):
    later = {"correlation": np.eye(2), "correlation_true": np.eye(2), "correlation_errors": np.ones(3)}
    later["committee_errors"] = np.ones(3)
    assert set(later) == set(schema.LATER)
    for arrays in (small.arrays(), small.arrays() | later):
        store.write(small.row(ID), arrays)
        assert set(store.arrays(ID)) == set(arrays)
    for name, wrong in (("correlation", np.eye(3)), ("correlation_errors", np.ones(4))):
        with pytest.raises(ValueError, match=f"{name} of shape .* beside the other arrays$"):
            store.write(small.row(ID), small.arrays() | later | {name: wrong})


@pytest.mark.parametrize("blob", [b"", b"no archive", packed({})[:-3], bomb()], ids=["empty", "text", "cut", "bomb"])
def test_a_damaged_archive_is_refused_in_one_sentence(blob, store):
    forge.arrays(store.place / "runs" / f"{ID}.json", blob)
    with pytest.raises(ValueError, match=f"^the arrays of run {ID} cannot be read: it is no archive of arrays$"):
        store.arrays(ID)


def test_arrays_that_are_not_there_are_refused_in_one_sentence(store):
    with pytest.raises(
        ValueError, match=rf"^the arrays of run {OTHER} cannot be read: there is no file .*{OTHER}\.npz"
    ):
        store.arrays(OTHER)


# --- weights

WEIGHTS = [
    ("config", DROP, "missing required field `config`"),
    ("config", [], "Expected `object`, got `array`"),
    ("config.lookback", 10**12, "Expected `int` <= 1000000"),
    ("config.lookback", "48", "Expected `int`, got `str`"),
    ("config.lookback", 47, "seasonal_in.weight is [4, 48], torch.float32, and in the model that they name [4, 47]"),
    ("config.model", "dlinear", "dlinear has no setting '"),
    ("config.model", "oracle", "unknown model 'oracle'"),
    ("config.settings", {"width": 5}, "is [4], torch.float32, and in the model that they name [5]"),
    ("config.settings", {"width": 2**70}, ""),
    ("config.settings", {"width": "4"}, "mlp: width must be int, got '4'"),
    ("config.settings", {"width": 4, "colour": 1}, "mlp has no setting 'colour'"),
    ("config.settings", forge.DEEP, "nested too deeply"),
    ("config.temperature", math.nan, "JSON is malformed"),
    ("config.hidden", 3, "unknown config key 'hidden'"),
    ("config.teacher_options", 3, ""),
    ("config.co_teachers", {"itransformer": 3}, ""),
    ("channels", ["a", "b", "c"], "it has 3 channels, and its mean is of 2"),
    ("channels", [], "length >= 1"),
    ("channels", "ab", "Expected `array`, got `str`"),
    ("mean", DROP, "missing required field `mean`"),
    ("mean", [0.5], "it has 2 channels, and its mean is of 1"),
    ("mean", [0.5, math.nan], "JSON is malformed"),
    ("mean", [0.5, "1"], "Expected `float`, got `str`"),
    ("deviation", [1.0, 0.0], "Expected `float` > 0.0 - at `$.deviation[1]`"),
    ("deviation", [1.0, -2.0], "Expected `float` > 0.0"),
    ("deviation", [[1.0, 2.0]], "Expected `float`, got `array`"),
    ("note", "mine", "unknown field `note`"),
]


@pytest.fixture
def trained(store) -> dict:
    """A model's weights, kept as those of `ID`."""
    tensors = build(CONFIG, 2).state_dict()
    (store.place / "runs" / f"{ID}.json").unlink()  # the row is not what this is about
    store.write_weights(ID, tensors, ABOUT)
    return tensors


@pytest.mark.parametrize(("path", "value", "reason"), WEIGHTS, ids=lambda value: str(value)[:40])
def test_weights_with_a_description_that_is_wrong_count_as_missing(path, value, reason, store, trained):
    forge.weights(store.weights(ID), trained, changed(ABOUT, path, value))
    assert_named_once(lambda: load_model(ID, store), f"the weights {ID}.safetensors", reason)
    with pytest.raises(ValueError, match=f"has no weights of a run '{ID}'"):
        forecast(ID, store, np.ones((48, 2)))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("shift", DROP, "shift is missing"),
        ("another", torch.ones(2), "the model that they name has no another"),
        ("shift", torch.ones(3), "shift is [3], torch.float32, and in the model that they name [2], torch.float32"),
        ("shift", torch.ones(2).double(), "shift is [2], torch.float64"),
        ("shift", torch.ones(2).bfloat16(), "it is no whole file of weights"),
        ("shift", torch.tensor([1.0, math.nan]), "shift holds a value that is not finite"),
        ("shift", torch.tensor([1.0, math.inf]), "shift holds a value that is not finite"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_weights_that_are_not_those_of_their_model_count_as_missing(name, value, reason, store, trained):
    tensors = {key: tensor for key, tensor in trained.items() if key != name}
    forge.weights(store.weights(ID), tensors if value is DROP else tensors | {name: value}, ABOUT)
    assert_named_once(lambda: load_model(ID, store), f"the weights {ID}.safetensors", reason)


def test_what_a_damaged_description_asks_for_takes_no_memory(store, trained):
    large = changed(changed(ABOUT, "config.lookback", 1_000_000), "config.settings.width", 100_000)  # 400 GB
    forge.weights(store.weights(ID), trained, large)
    assert_named_once(lambda: load_model(ID, store), f"{ID}.safetensors", "in the model that they name [100000")


def test_weights_of_another_config_than_their_row_count_as_missing(store, trained):
    """Of the same shapes, and with another forecast."""
    store.write(small.row(ID, config=CONFIG.to_dict()), small.arrays())
    assert load_model(ID, store) is not None
    forge.weights(store.weights(ID), trained, changed(ABOUT, "config.settings.norm", "none"))
    assert_named_once(lambda: load_model(ID, store), f"{ID}.safetensors", "they are those of another config")


def test_whole_weights_give_their_model_back(store, trained):
    forge.weights(store.weights(ID), trained, ABOUT)
    model, about = load_model(ID, store)
    assert about == ABOUT
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())
    assert np.isfinite(forecast(ID, store, np.ones((48, 2)))).all()


def test_a_forecast_that_is_not_finite_is_refused(store, trained):
    far = changed(ABOUT, "deviation", [1e-300, 1.0])
    forge.weights(store.weights(ID), trained, far)
    with pytest.raises(ValueError, match=r"^the forecast is not finite"):
        forecast(ID, store, np.ones((48, 2)))


def test_weights_that_would_not_be_read_again_are_not_written(tmp_path, store, trained):
    for tensors, about in [
        (trained | {"shift": torch.full((2,), math.nan)}, ABOUT),
        (trained, changed(ABOUT, "deviation", [1.0, 0.0])),
        (trained, changed(ABOUT, "mean", [1.0, math.nan])),
    ]:
        with pytest.raises(ValueError, match=f"^the weights of run {OTHER} are not kept: "):
            store.write_weights(OTHER, tensors, about)
    assert not store.weights(OTHER).exists()
