"""Frames: wide and long forms are one table; what is wrong with them is one sentence; forecasts keep their form."""

import numpy as np
import pandas as pd
import pytest

from tdlib.service import frames

DAYS = pd.date_range("2024-01-01", periods=3, name="ds")


def long(**series) -> pd.DataFrame:
    parts = [pd.DataFrame({"unique_id": name, "ds": DAYS, "y": values}) for name, values in series.items()]
    return pd.concat(parts, ignore_index=True)


def test_a_long_frame_becomes_a_column_a_series_in_order_of_appearance():
    table = frames.wide(long(b=[1.0, 2, 3], a=[4.0, 5, 6]))
    assert list(table.columns) == ["b", "a"]
    assert table.index.equals(DAYS)
    np.testing.assert_array_equal(table, [[1, 4], [2, 5], [3, 6]])


def test_a_wide_frame_keeps_stamps_and_values_and_names_become_text():
    table = frames.wide(pd.DataFrame({0: [1, 2, 3], "x": [True, False, True]}, DAYS))
    assert list(table.columns) == ["0", "x"]
    assert table.to_numpy().dtype == np.float64
    assert isinstance(frames.wide(pd.DataFrame({"x": [1.0, 2]}, ["a", "b"])).index, pd.RangeIndex)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1, 2], "a series is a pandas DataFrame, got list"),
        (pd.DataFrame({"x": []}), "a frame of 0 rows"),
        (pd.DataFrame({"x": ["a"]}), "column 'x' holds no numbers"),
        (pd.DataFrame({"x": [1j]}), "column 'x' holds no numbers, but complex128"),
        (pd.DataFrame({"x": [1.0, np.nan, np.inf]}), "2 missing or infinite values, the first in column 'x', row 2"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two columns are called 'x'"),
        (pd.DataFrame({"x": [1, 2, 3]}, DAYS[::-1]), "must rise"),
        (pd.concat([long(a=[1.0, 2, 3]), long(a=[1.0, 2, 3])[:1]]), "series 'a' has two values at 2024-01-01"),
        (pd.concat([long(a=[1.0, 2, 3]), long(b=[1.0, 2, 3])[1:]]), "series 'b' has 2 rows from 2024-01-02"),
    ],
)
def test_what_is_wrong_with_a_frame_is_one_sentence(frame, words):
    with pytest.raises(ValueError, match=words):
        frames.wide(frame)


def test_stamps_of_a_zone_are_those_of_utc_and_gaps_are_refused():
    local = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin")  # an hour is left out in it
    table = frames.wide(pd.DataFrame({"x": np.arange(72.0)}, local))
    assert str(table.index.tz) == "UTC"
    assert table.index.freq == pd.offsets.Hour()
    with pytest.raises(ValueError, match="the frame: 2 rows are missing"):
        frames.wide(pd.DataFrame({"x": np.arange(70.0)}, local.delete([5, 6])))


def test_forecasts_of_a_long_frame_are_long_and_those_of_names_alike_are_kept_apart():
    made = pd.DataFrame({"a": [1.0], "a-lo-80": [0.0], "a-hi-80": [2.0], "a-lo": [5.0], "a-lo-lo-80": [4.0]}, DAYS[:1])
    made["a-lo-hi-80"] = 6.0
    found = frames.stacked(made, ["a", "a-lo"], (80,))
    assert list(found.columns) == ["unique_id", "ds", "tdlib", "tdlib-lo-80", "tdlib-hi-80"]
    assert found.drop(columns="ds").to_numpy().tolist() == [["a", 1, 0, 2], ["a-lo", 5, 4, 6]]
