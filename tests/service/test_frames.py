"""Frames: wide and long forms are one table; what is wrong with them is one sentence; forecasts keep their form."""

import numpy as np
import pandas as pd
import pytest

from tdlib import calendar
from tdlib.service import frames

DAYS = pd.date_range("2024-01-01", periods=3, name="ds")


def long(**series) -> pd.DataFrame:
    parts = [pd.DataFrame({"unique_id": name, "ds": DAYS, "y": values}) for name, values in series.items()]
    return pd.concat(parts, ignore_index=True)


def test_a_long_frame_becomes_a_column_a_series_in_order_of_appearance():
    table, remarks = frames.wide(long(b=[1.0, 2, 3], a=[4.0, 5, 6]))
    assert list(table.columns) == ["b", "a"]
    assert table.index.equals(DAYS)
    np.testing.assert_array_equal(table, [[1, 4], [2, 5], [3, 6]])
    assert remarks == ("its long form holds 2 series, which become columns",)


@pytest.mark.parametrize("form", ["{0.day}.{0.month}.{0.year}", "{0:%d/%m/%Y}", "{0:%Y-%m-%d}", "period"])
def test_the_dates_of_a_long_frame_may_be_text_or_periods_and_go_on_in_time(form):
    days = pd.date_range("2020-01-01", periods=40, name="ds")
    stamps = days.to_period("D") if form == "period" else [form.format(day) for day in days]  # 1.1., 10.1., 11.1., ...
    frame = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": np.arange(40.0)})
    table = frames.wide(frame).values
    assert table.index.equals(days)
    assert table["a"].tolist() == list(range(40))


def test_a_wide_frame_keeps_stamps_and_values_and_names_become_text():
    table = frames.wide(pd.DataFrame({0: [1, 2, 3], "x": [True, False, True]}, DAYS)).values
    assert list(table.columns) == ["0", "x"]
    assert table.to_numpy().dtype == np.float64
    assert isinstance(frames.wide(pd.DataFrame({"x": [1.0, 2]}, [5, 7])).values.index, pd.RangeIndex)


@pytest.mark.parametrize(("periods", "step"), [("M", "MS"), ("Q", "QS-JAN"), ("D", "D"), ("h", "h")])
def test_periods_are_the_stamps_at_which_they_begin(periods, step):
    index = pd.period_range("2020-01-01", periods=30, freq=periods, name="when")
    table = frames.wide(pd.DataFrame({"x": np.arange(30.0)}, index)).values
    assert (table.index.freqstr, table.index.name) == (step, "when")
    assert table.index.equals(index.to_timestamp())


def test_few_weekdays_with_a_holiday_are_even_where_their_step_is_known():
    index = pd.DatetimeIndex(["2024-03-28", "2024-04-02", "2024-04-03", "2024-04-04"])  # Easter is left out
    frame = pd.DataFrame({"x": np.arange(4.0)}, index)
    with pytest.raises(ValueError, match="missing"):
        frames.wide(frame)
    assert frames.wide(frame, pd.offsets.BusinessDay()).values.index.equals(index)
    far = frame.set_axis(index.where(index > index[0], pd.Timestamp("2024-03-22")))
    for other, step in ((frame, pd.offsets.Day()), (far, pd.offsets.BusinessDay())):
        with pytest.raises(ValueError, match="missing"):
            frames.wide(other, step)


def test_what_was_made_of_a_frame_is_said():
    weekdays = pd.bdate_range("2020-01-01", periods=100).delete([30, 61])
    _, remarks = frames.wide(pd.DataFrame({"x": np.arange(98.0)}, weekdays))
    assert remarks == ("2 weekdays, such as 2020-02-12, have no row and count as holidays",)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1, 2], "a series is a pandas DataFrame, got list"),
        (pd.DataFrame({"x": []}), "a frame of 0 rows"),
        (pd.DataFrame({"x": ["a"]}), "column 'x' holds no numbers"),
        (pd.DataFrame(np.ones((2, 3)), columns=DAYS), "the frame has dates in its header, .*: transpose it"),
        (pd.DataFrame({"x": [1j]}), "column 'x' holds no numbers, but complex128"),
        (pd.DataFrame({"x": [1.0, np.nan, np.inf]}), "2 missing or infinite values, the first in column 'x', row 2"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two columns are called 'x'"),
        (pd.DataFrame({"x": [1, 2, 3]}, DAYS[::-1]), "must rise"),
        (
            pd.concat([long(a=[1.0, 2, 3]), long(a=[1.0, 2, 3])[:1]]),
            "series 'a' has 2024-01-01 00:00:00 twice, .* row 4",
        ),
        (
            pd.concat([long(a=[1.0, 2, 3]), long(b=[1.0, 2, 3])[1:]]),
            "series 'b' begins at 2024-01-02 00:00:00, and 'a'",
        ),
        (long(a=[1.0, 2, 3]).assign(promo=1), "the frame is in long form with the further columns 'promo'; no model"),
        (long(a=[1.0, 2, 3]).assign(unique_id=["a", None, "a"]), "the frame: row 2 has no unique_id"),
        (pd.DataFrame({"x": [1.0, 2]}, ["2024-01-01", "b"]), r"holds neither .*, but '2024-01-01': .*pd\.to_datetime"),
        (
            pd.DataFrame({"x": [1.0]}, pd.MultiIndex.from_tuples([(1, 2)])),
            "neither time stamps nor numbers, but",
        ),
    ],
)
def test_what_is_wrong_with_a_frame_is_one_sentence(frame, words):
    with pytest.raises(ValueError, match=words):
        frames.wide(frame)


def test_stamps_of_a_zone_are_those_of_utc_and_gaps_are_refused():
    local = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin")  # an hour is left out in it
    table = frames.wide(pd.DataFrame({"x": np.arange(72.0)}, local)).values
    assert str(table.index.tz) == "UTC"
    assert table.index.freq == pd.offsets.Hour()
    with pytest.raises(ValueError, match="the frame: 2 rows are missing"):
        frames.wide(pd.DataFrame({"x": np.arange(70.0)}, local.delete([5, 6])))


@pytest.mark.parametrize("step", ["D", "W-MON", "MS"])
def test_days_of_a_zone_go_by_its_clock(step):
    local = pd.date_range("2021-01-01", periods=100, freq=step, tz="Europe/Berlin")
    frame = pd.DataFrame({"x": np.arange(100.0)}, pd.DatetimeIndex(list(local)))
    table = frames.wide(frame).values
    assert table.index.equals(local)
    assert (table.index.freqstr, calendar.period(table.index)) == (step, calendar.period(local.tz_localize(None)))
    assert list(calendar.following(table.index, 3)) == list(pd.date_range(local[-1], periods=4, freq=step)[1:])
    with pytest.raises(ValueError, match="the frame: 2 rows are missing after row 20"):
        frames.wide(frame.drop(local[20:22]))
    with pytest.raises(ValueError, match="by a clock that is changed they are even") as fault:
        frames.wide(frame.tz_convert("UTC"))
    code = str(fault.value).split("in pandas, ")[1].split(" mends")[0]
    assert frames.wide(eval(code, {"frame": frame})).values.index.equals(local.tz_localize(None))


def test_forecasts_of_a_long_frame_are_long_and_those_of_names_alike_are_kept_apart():
    made = pd.DataFrame({"a": [1.0], "a-lo-80": [0.0], "a-hi-80": [2.0], "a-lo": [5.0], "a-lo-lo-80": [4.0]}, DAYS[:1])
    made["a-lo-hi-80"] = 6.0
    found = frames.stacked(made, ["a", "a-lo"], (80,))
    assert list(found.columns) == ["unique_id", "ds", "tdlib", "tdlib-lo-80", "tdlib-hi-80"]
    assert found.drop(columns="ds").to_numpy().tolist() == [["a", 1, 0, 2], ["a-lo", 5, 4, 6]]


def test_text_that_may_be_dates_belongs_into_the_index():
    frame = pd.DataFrame({"date": ["2024-01-01", "2024-01-02"], "x": [1.0, 2.0]})
    with pytest.raises(ValueError, match="column 'date' holds no numbers") as fault:
        frames.wide(frame)
    code = str(fault.value).split("index, ")[1].split(" if ")[0]
    assert isinstance(eval(code, {"frame": frame, "pd": pd}).index, pd.DatetimeIndex)


def test_a_channel_that_is_called_as_a_band_is_refused():
    frames.check_names(["load", "load-lo-80"], (95,))
    with pytest.raises(ValueError, match="the column 'load-lo-80' is called as a band of 'load' will be"):
        frames.check_names(["load", "load-lo-80"], (80, 95))


def test_the_index_of_whoever_calls_stays_as_it_is():
    index = pd.DatetimeIndex(pd.date_range("2020-01-01", periods=9, freq="h"), freq=None)
    given = pd.DataFrame({"load": range(9)}, index=pd.DatetimeIndex(index.to_numpy()))
    assert frames.wide(given).values.index.freq is not None
    assert given.index.freq is None


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ([0, 2, 1, 3], "they do not rise"),
        ([0, 1, 0, 1], "they do not rise"),
        ([0, 1, 2, 4], "it counts in steps of 1, and by 2 from 2 to 4"),
    ],
)
def test_numbered_rows_that_are_out_of_order_or_lack_some_are_refused(numbers, fault):
    with pytest.raises(ValueError, match="the index of the frame numbers its rows: " + fault):
        frames.wide(pd.DataFrame({"a": [1.0, 2, 3, 4]}, numbers))


@pytest.mark.parametrize(
    ("outlier", "scale", "words"),
    [
        (1e15, 1, r"'a' has 1e\+15 in row 8, so far from its other values"),
        (1, 1e-200, "the values of 'a' are too small"),
    ],
)
def test_values_that_float32_cannot_tell_apart_are_refused(outlier, scale, words):
    table = pd.DataFrame({"a": np.arange(40.0) % 7, "b": 0.0})
    frames.check_scale(table)
    table.loc[7, "a"] = outlier
    with pytest.raises(ValueError, match=words):
        frames.check_scale(table * scale)
