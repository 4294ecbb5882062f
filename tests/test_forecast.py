"""A forecast from Python: whatever holds a table of numbers works, and everything else is one sentence."""

import numpy as np
import pandas as pd
import pytest
import small
import torch

from tdlib import data
from tdlib.config import RunConfig
from tdlib.deploy import onnx as deploy
from tdlib.forecast import forecast, forecast_csv
from tdlib.run import train_run
from tdlib.store import Store

VALUES = data.synthetic(rows=60, channels=2).values


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A linear run of two channels that looks back 24: (its id, the folder of its store)."""
    place = tmp_path_factory.mktemp("run")
    return small.linear_run(place, 300, 24, 8).id, place / "store"


@pytest.fixture(scope="module")
def expected(run):
    made = forecast(*run, VALUES)
    assert made.shape == (8, 2)
    assert np.isfinite(made).all()
    return made


def test_a_store_may_be_a_path(run, expected):
    id, place = run
    for store in (str(place), place, Store(place)):
        np.testing.assert_array_equal(forecast(id, store, VALUES), expected)


@pytest.mark.parametrize(
    "form",
    [
        np.ndarray.tolist,
        lambda values: values.astype(np.float64),
        lambda values: values.astype(object),
        torch.from_numpy,
        lambda values: torch.from_numpy(values).double().requires_grad_(),
        pd.DataFrame,
        lambda values: pd.DataFrame(values, columns=["load", "wind"]),
        lambda values: pd.DataFrame(values, columns=["load", "wind"]).astype("Float64"),
        np.ma.MaskedArray,
    ],
)
def test_whatever_holds_the_numbers_gives_the_same_forecast(form, run, expected):
    np.testing.assert_allclose(forecast(*run, form(VALUES)), expected, rtol=1e-6)


def test_whole_numbers_and_half_precision_work(run):
    whole = VALUES.round()
    made = forecast(*run, whole)
    for values in (whole.astype(int), whole.astype(int).tolist(), torch.from_numpy(whole).bfloat16()):
        np.testing.assert_allclose(forecast(*run, values), made, rtol=1e-6)


def changed(value, row: int = -1):
    values = VALUES.astype(type(value)) if isinstance(value, complex) else VALUES.copy()
    values[row, 0] = value
    return values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (changed(np.nan), "of the last 24 rows 1 values are missing or infinite"),
        (changed(np.inf), "values must be finite"),
        (np.ma.masked_equal(changed(7.0), 7.0), "values must be finite"),
        (changed(1j), "table of real numbers, got ndarray of complex128"),
        (np.ma.MaskedArray(changed(1j)), "table of real numbers, got MaskedArray of complex128"),
        (torch.from_numpy(VALUES) * 1j, "table of real numbers, got Tensor of complex64"),
        (VALUES.astype(str), "table of real numbers, got ndarray of str"),
        (VALUES.astype(str).tolist(), "table of real numbers, got list"),
        ([[1.0, None]] * 30, "table of real numbers, got list of object"),
        ([[1.0, 2.0], [1.0]] * 30, "table of real numbers, got list"),
        ([[1.0, 10**400]] * 30, "table of real numbers, got list"),
        ([[1.0, 10**300]] * 30, "the forecast is not finite"),
        ("values", "table of real numbers, got str"),
        (None, "table of real numbers, got NoneType"),
        ({"load": [1], "wind": [2]}, "table of real numbers, got dict"),
        (pd.DataFrame({"load": ["1"] * 30, "wind": [2.0] * 30}), "table of real numbers, got DataFrame"),
        (pd.DataFrame({"load": [pd.NA] * 30, "wind": [2.0] * 30}), "table of real numbers, got DataFrame"),
        (pd.DataFrame(VALUES, columns=["wind", "load"]), "knows the columns load, wind; these are wind, load"),
        (pd.DataFrame(VALUES, columns=["load", "wind"]).reset_index(), "these are index, load, wind"),
        (pd.DataFrame(0.5, range(60), [*map(str, range(300)), "load"]), "8, 9 and 291 more; there is no wind$"),
        (VALUES[:, :1], r"knows 2 channels, and values must be \[rows, 2\]; got \(60, 1\)"),
        (VALUES[0], r"knows 2 channels, .* got \(2,\)"),
        (VALUES[:23], "23 rows are too few: the run looks back 24"),
        ([], "knows 2 channels"),
    ],
)
def test_what_is_no_table_of_real_numbers_is_one_sentence(values, words, run):
    with pytest.raises(ValueError, match=words) as caught:
        forecast(*run, values)
    assert "\n" not in str(caught.value)


def test_a_gap_before_the_look_back_changes_nothing(run, expected):
    np.testing.assert_array_equal(forecast(*run, changed(np.nan, row=-25)), expected)


@pytest.mark.parametrize(
    "id", ["../../evil", "/etc/passwd", "", "0" * 15, "0" * 17, "G" * 16, "0" * 16 + "\n", None, 7]
)
def test_what_is_no_id_is_refused_before_the_store_is_read(id, run):
    with pytest.raises(ValueError, match="id is 16 hexadecimal digits"):
        forecast(id, run[1], VALUES)


# --- after a CSV


def written(path, index=None, rows: int = 60):
    pd.DataFrame(VALUES[-rows:], index, columns=["load", "wind"]).to_csv(path, index=index is not None)
    return path


def test_the_steps_after_a_csv_go_on_with_its_time_stamps(run, expected, tmp_path):
    days = pd.date_range("2021-02-01", periods=60, freq="D", name="when")
    made = forecast_csv(*run, written(tmp_path / "a.csv", days))
    assert list(made.index) == list(pd.date_range("2021-04-02", periods=8, freq="D"))
    assert list(made.columns) == ["load", "wind"]
    np.testing.assert_allclose(made.to_numpy(), expected, rtol=1e-5)


def test_the_steps_after_months_are_months_under_the_name_of_their_column(run, tmp_path):
    months = pd.date_range("2015-03-01", periods=60, freq="MS", name="Month")
    made = forecast_csv(*run, written(tmp_path / "a.csv", months))
    assert list(made.index) == list(pd.date_range("2020-03-01", periods=8, freq="MS"))
    assert made.index.name == "Month"


def test_the_steps_after_a_csv_without_time_stamps_are_numbered(run, expected, tmp_path):
    made = forecast_csv(*run, written(tmp_path / "a.csv"))
    assert (made.index.name, list(made.index)) == ("step", list(range(1, 9)))
    np.testing.assert_allclose(made.to_numpy(), expected, rtol=1e-5)
    made.to_csv(tmp_path / "b.csv")
    with pytest.warns(UserWarning, match="counts the rows"):  # a forecast read again has the same columns
        assert data.read_csv(tmp_path / "b.csv").channels == ("load", "wind")


def test_time_stamps_without_a_calendar_are_one_sentence(run, tmp_path):
    last = pd.Timestamp.max  # in nanoseconds
    days = pd.date_range(last - pd.Timedelta(days=59), periods=60, freq="D", name="date")
    with pytest.raises(ValueError, match=r"a\.csv: no calendar goes on for 8 steps after 2262-04-11"):
        forecast_csv(*run, written(tmp_path / "a.csv", days))


# --- values far from 0, and values that never change


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A trained MLP of a noisy channel near 1e9 and of two constant ones: (id, store, path of the CSV)."""
    place = tmp_path_factory.mktemp("far")
    noise = data.synthetic(rows=300, channels=1).values[:, 0].astype(float)
    frame = pd.DataFrame({"revenue": 1e9 + noise, "limit": 5.0, "rate": 0.1})
    frame.to_csv(place / "own.csv", index=False)
    config = RunConfig(str(place / "own.csv"), 24, 8, "mlp", epochs=2, settings={"width": 16})
    train_run(config, Store(place / "store"))
    return config.id, place / "store", place / "own.csv"


def test_a_constant_channel_stays_what_it_is(far):
    made = forecast_csv(*far)
    assert (made["limit"] == 5).all()
    assert (made["rate"] == 0.1).all()
    assert made["revenue"].between(1e9 - 10, 1e9 + 10).all()
    assert made["revenue"].nunique() == 8  # in float32 all would be 1e9, or 64 away


def test_a_constant_channel_that_moves_is_forecast(far):
    values = pd.read_csv(far[2])
    values.loc[values.index[-3:], "limit"] = 7.0
    with pytest.warns(UserWarning, match="^'limit' was always 5 where the run has learned, and is not now$"):
        made = forecast(*far[:2], values)
    assert not (made[:, 1] == 7).any()


# --- values that are not those of the run


def test_values_in_other_units_are_refused_and_values_far_away_warned_of(run, expected):
    with pytest.raises(
        ValueError, match=r"^all values of 'wind' are [\d,]{5,} or more deviations away .* other units\?$"
    ):
        forecast(*run, VALUES + np.array([0, 1e5]))
    deviation = VALUES[:, 1].std()
    with pytest.warns(UserWarning, match=r"^all values of 'wind' are \d\d or more deviations away"):
        forecast(*run, VALUES + np.array([0, 20 * deviation]))
    far_off = VALUES.copy()
    far_off[-1] += 1e5  # one value may be
    assert np.isfinite(forecast(*run, far_off)).all()


def test_time_stamps_of_another_step_are_refused(tmp_path):
    own = pd.DataFrame(
        data.synthetic(rows=300, channels=1).values, pd.date_range("2020-01-01", periods=300, freq="h"), ["a"]
    )
    own.rename_axis("date").to_csv(tmp_path / "own.csv")
    config = RunConfig(str(tmp_path / "own.csv"), 24, 8, "naive")
    train_run(config, Store(tmp_path / "store"))
    made = forecast(config.id, tmp_path / "store", own)
    for index in (
        own.index + pd.Timedelta(minutes=30),
        own.index.shift(freq="D"),
        own.index.delete(3).insert(3, own.index[3]),
    ):
        np.testing.assert_array_equal(forecast(config.id, tmp_path / "store", own.set_axis(index)), made)
    other = own.set_axis(pd.date_range("2020-01-01", periods=300, freq="15min", name="date"))
    with pytest.raises(ValueError, match=r"^the run has learned from steps of 1 hour, and these are of 15 minutes$"):
        forecast(config.id, tmp_path / "store", other)
    other.to_csv(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="steps of 1 hour, and these are of 15 minutes"):
        forecast_csv(config.id, tmp_path / "store", tmp_path / "other.csv")


def test_a_few_weekdays_are_those_of_a_run_of_weekdays(tmp_path):
    weekdays = pd.bdate_range("2020-01-01", periods=300, name="date")
    own = pd.DataFrame(data.synthetic(rows=300, channels=1).values, weekdays, ["a"])
    own.to_csv(tmp_path / "own.csv")
    config = RunConfig(str(tmp_path / "own.csv"), 4, 1, "naive")
    train_run(config, Store(tmp_path / "store"))
    last = own.loc["2020-03-09":"2020-03-12"]  # Monday to Thursday
    for frame in (last, last.set_axis(pd.DatetimeIndex(list(last.index)))):
        assert forecast(config.id, tmp_path / "store", frame)[0, 0] == pytest.approx(own.loc["2020-03-12", "a"])
    other = last.set_axis(last.index + pd.Timedelta(days=2))  # Wednesday to Saturday
    with pytest.raises(ValueError, match=r"steps of 1 weekday, and these are of 1 day$"):
        forecast(config.id, tmp_path / "store", other)


def test_the_exported_file_keeps_digits_and_constants(far, tmp_path):
    deploy.export(far[0], Store(far[1]), tmp_path / "far.onnx")
    window = data.read_csv(far[2]).values[-24:]
    (made,) = deploy.session(tmp_path / "far.onnx").run(None, {"x": window[None]})
    assert (made[0, :, 1:] == [5, 0.1]).all()
    np.testing.assert_allclose(made[0] - [1e9, 0, 0], forecast(*far[:2], window) - [1e9, 0, 0], atol=1e-4)
