"""Rows that are missing and steps that are uneven: refused with their place, or filled and counted."""

import io

import numpy as np
import pandas as pd
import pytest
from test_csvfile import sentence

from tdlib.csvfile import Reading, gaps, parse

HOURS = pd.date_range("2015-03-01", periods=40, freq="h", name="date")
USUAL, FILL = Reading(), Reading(missing="interpolate")


def blob(index: pd.DatetimeIndex, **columns) -> bytes:
    """A file of a channel that says how many hours it is since the first stamp."""
    hours = (index - index[0]) / pd.Timedelta(hours=1)
    return pd.DataFrame(columns or {"a": hours}, index).to_csv().encode()


def refused(data: bytes, how: Reading = USUAL) -> str:
    return sentence(parse, data, "own.csv", how)


def test_a_gap_is_named_with_its_place_and_what_fills_it():
    words = refused(blob(HOURS.delete(range(10, 15))))
    fills = "a command's --missing interpolate fills them, and in pandas frame.asfreq('h').interpolate()"
    assert words == f"own.csv: 5 rows are missing after row 10, 2015-03-01 09:00:00; {fills}"
    every_tenth = refused(blob(HOURS.delete([9, 19, 29])))
    assert "3 rows are missing in 3 gaps, the first after row 9, 2015-03-01 08:00:00" in every_tenth
    assert "1 row is missing after row 9" in refused(blob(HOURS.delete(9)))


@pytest.mark.parametrize("step", ["h", "D", "B", "W-TUE", "MS", "QE", pd.DateOffset(months=1)])
def test_what_the_sentence_says_mends_the_file(step):
    index = pd.date_range("2015-03-04", periods=40, freq=step, name="date").delete([7, 8, 30, 31, 32, 33, 34, 35])
    words = refused(blob(index))
    code = words[words.index("frame.asfreq") :]
    frame = pd.DataFrame({"a": np.arange(len(index))}, index)
    mended = eval(code, {"frame": frame, "pd": pd})
    assert parse(blob(mended.index), "own.csv").values.index.freq == pd.tseries.frequencies.to_offset(step)


def test_missing_rows_are_interpolated_in_time_and_counted():
    frame, remarks = parse(blob(HOURS.delete([3, 10, 11, 12])), "own.csv", FILL)
    assert frame["a"].tolist() == pytest.approx(range(40))
    assert list(frame.index) == list(HOURS)
    assert (frame.index.freq, frame.index.name) == (HOURS.freq, "date")
    assert remarks == ("4 missing rows interpolated, which makes 40 rows",)


def test_months_are_interpolated_by_their_days():
    months = pd.date_range("2015-01-01", periods=20, freq="MS", name="date")
    frame, _ = parse(blob(months.delete([3, 10])), "own.csv", FILL)
    assert frame["a"].tolist() == pytest.approx(((months - months[0]) / pd.Timedelta(hours=1)).tolist())


def test_missing_values_are_interpolated_and_counted_apart_from_rows():
    values = np.arange(40.0)
    values[[5, 6, 20]] = np.nan
    file = blob(HOURS, a=values, b=1.0)
    assert (
        "has 3 missing values, the first in column 'a', row 6; a command's --missing interpolate fills them"
        in refused(file)
    )
    frame, remarks = parse(file, "own.csv", FILL)
    assert frame["a"].tolist() == pytest.approx(range(40))
    assert remarks == ("3 missing values interpolated",)
    rows = pd.read_csv(io.BytesIO(file)).drop(index=[30])
    frame, remarks = parse(rows.to_csv(index=False).encode(), "own.csv", FILL)
    assert remarks == ("1 missing row interpolated, which makes 40 rows", "3 missing values interpolated")


def test_rows_without_dates_are_interpolated_by_their_number():
    frame, _ = parse(b"a,b\n1,1\n,2\n4,3\n", "own.csv", FILL)
    assert frame["a"].tolist() == [1, 2.5, 4]


def test_a_long_gap_and_one_at_an_end_are_not_filled():
    words = "own.csv: column 'a' is missing for 5 rows from 2015-03-01 10:00:00 on, more than --longest-gap 4"
    assert refused(blob(HOURS.delete(range(10, 15))), Reading(missing="interpolate", longest_gap=4)) == words
    assert parse(blob(HOURS.delete(range(10, 15))), "own.csv", Reading(missing="interpolate", longest_gap=5))
    for rows, where in (([0], "beginning"), ([38, 39], "end")):
        values = np.arange(40.0)
        values[[*rows, 20]] = np.nan
        words = f"column 'a' is missing at the {where}; a value on one side only is not interpolated: leave these rows"
        for how in (USUAL, FILL):  # it is told first, and not that --missing interpolate fills it
            assert words in refused(blob(HOURS.delete(30), a=np.delete(values, 30)), how)


@pytest.mark.parametrize(("characters", "first"), [(6, "b"), (11, "a")])
def test_a_file_that_is_cut_off_in_its_last_line_is_told(characters, first):
    words = refused(blob(HOURS, a=1.25, b=2.25)[:-characters])
    assert words.endswith(f"in column '{first}', row 40; row 40, the last one, is incomplete: leave it out")


def test_uneven_steps_are_named_with_their_place():
    index = HOURS.to_series().reset_index(drop=True)
    index[5] += pd.Timedelta(minutes=7)
    words = refused(blob(pd.DatetimeIndex(index, name="date"), a=1.0))
    assert "uneven: row 6 comes 01:07:00 after row 5, at 2015-03-01 05:07:00, where the most common step is" in words
    assert "in pandas, frame.index = frame.index.round('1h') evens them" in words


def test_a_step_of_thirty_days_and_some_hours_is_told_as_it_is():
    days = ["2016-01-01 10:00", "2016-02-01 10:00", "2016-03-03 10:00", "2016-04-03 08:00"]
    words = refused(blob(pd.DatetimeIndex(days, name="date"), a=1.0))
    assert "row 4 comes 30 days 22:00:00 after row 3" in words


OFF = pd.to_timedelta(np.arange(40) % 3 * 7, "min")


@pytest.mark.parametrize(
    ("index", "code"),
    [
        (pd.date_range("2015-01-30", periods=40, freq="MS") + 300 * OFF, "index.to_period('M').to_timestamp()"),
        (pd.date_range("2015-01-30", periods=40, freq="QS") + 300 * OFF, "index.to_period('Q').to_timestamp()"),
        (pd.date_range("2015-01-30", periods=40, freq="YS") + 300 * OFF, "index.to_period('Y').to_timestamp()"),
        (pd.date_range("2015-01-30", periods=40, freq="D") + 60 * OFF, "index.normalize()"),
        (pd.date_range("2015-01-30", periods=40, freq="h") + OFF, "index.round('1h')"),
        (pd.date_range("2015-01-30", periods=40, freq="10min") + OFF / 100, "index.round('10min')"),
    ],
)
def test_the_line_that_evens_stamps_fits_them(index, code):
    words = refused(blob(index.rename("date"), a=1.0))
    assert f"in pandas, frame.index = frame.{code} evens them" in words
    frame = pd.DataFrame({"a": 1.0}, index.rename("date"))
    frame.index = eval(f"frame.{code}", {"frame": frame})
    assert parse(blob(frame.index, a=1.0), "own.csv").values.index.freq is not None


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2015-01-01", periods=96, freq="MS", tz="Europe/Berlin").tz_convert("UTC"),  # the day before
        pd.date_range("2015-01-01", periods=96, freq="LWOM-FRI"),
        pd.date_range("2015-01-01", periods=96, freq="MS") + pd.to_timedelta(8 + np.arange(96) % 3, "h"),
    ],
)
def test_no_row_is_replaced_where_the_step_that_pandas_infers_does_not_lead_to_it(index):
    assert "the time stamps are uneven: row " in refused(blob(index.rename("date")), FILL)
    with pytest.raises(ValueError, match="the time stamps are uneven"):  # if ever a step is wrong
        gaps._absent(index, pd.offsets.MonthEnd(), "own.csv")


def test_stamps_at_random_are_averaged():
    index = HOURS + pd.to_timedelta(np.random.default_rng(0).integers(0, 300, 40).cumsum(), "min")
    words = refused(blob(index, a=1.0))
    code = words[words.index("frame.resample") : words.index(" evens")]
    mended = eval(code, {"frame": pd.DataFrame({"a": 1.0}, index)})
    assert parse(blob(mended.index, a=1.0), "own.csv").values.index.freq is not None


def test_a_covariate_that_is_known_ahead_is_refused_as_one():
    values = np.r_[np.arange(35.0), np.full(5, np.nan)]
    words = refused(blob(HOURS, y=values, price=1.0))
    assert (
        "has 5 missing values, the first in column 'y', row 36; what is known ahead of them, a covariate, no" in words
    )


def test_a_stamp_of_another_century_is_uneven_and_takes_no_memory():
    seconds = pd.date_range("2015-03-01", periods=40, freq="s", name="date")
    words = refused(blob(seconds.append(pd.DatetimeIndex(["2215-03-01"])).rename("date"), a=1.0))
    assert "row 41 comes " in words


def test_the_hour_that_summer_time_leaves_out_is_explained():
    night = pd.date_range("2020-03-29", periods=6, freq="h", name="date").delete(2)
    assert "if the clock was put forward then, in pandas, frame.tz_localize('Europe/Berlin'" in refused(blob(night))
    frame, _ = parse(blob(night), "own.csv", FILL)
    assert len(frame) == 6


@pytest.mark.parametrize("step", ["12h", "D", "W-MON", "MS"])
@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Berlin"])
def test_what_is_even_by_a_clock_that_is_changed_is_explained(step, zone):
    index = pd.date_range("2021-01-01", periods=400, freq=step, name="date").tz_localize(zone).tz_convert("UTC")
    words = refused(blob(index, a=1.0))
    code = words[words.index("frame.tz_convert") : words.index(" mends it, with your zone")]
    mended = eval(code.replace("Europe/Berlin", zone), {"frame": pd.DataFrame({"a": 1.0}, index)})
    assert parse(blob(mended.index, a=1.0), "own.csv").values.index.freqstr == step


def test_holidays_are_no_gaps_and_are_counted():
    days = pd.bdate_range("2019-12-02", periods=300, name="date")
    open_ = days.drop([pd.Timestamp("2019-12-25"), pd.Timestamp("2020-01-01")])
    frame, remarks = parse(blob(open_), "own.csv")
    assert len(frame) == 298
    assert remarks == ("2 weekdays, such as 2019-12-25, have no row and count as holidays",)
    assert len(parse(blob(open_), "own.csv", FILL).values) == 300
    assert "10 rows are missing after row 10" in refused(blob(days.delete(range(10, 20))))
    assert "30 rows are missing in 30 gaps" in refused(blob(days.delete(range(4, 300, 10))))  # too many to be holidays


def test_a_wrong_way_of_reading_is_refused():
    assert sentence(lambda: Reading(missing="drop")) == "missing knows refuse, interpolate; got 'drop'"


def test_frames_of_a_camera_are_evened_by_parts_of_a_second():
    index = pd.DatetimeIndex(np.round(np.arange(90) * 1000 / 30).astype("int64") * 1_000_000)
    words = sentence(parse, pd.DataFrame({"a": np.arange(90) % 7}, index).to_csv().encode(), "own.csv")
    assert "frame.resample('30ms').mean()" in words
