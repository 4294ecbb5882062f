"""Steps of the clock and of the calendar, and the time stamps that follow."""

import pandas as pd
import pytest
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from tdlib import calendar

CLOCK = ["s", "17min", "h", "4h", "D", "2D", "30D"]
MONTHLY = ["MS", "ME", "BMS", "BME", "2MS", "QS", "QE", "QS-NOV", "QE-JAN", "YS", "YE", "YE-JUN"]
STEPS = [*CLOCK, "B", "W-MON", "2W-FRI", *MONTHLY, offsets.DateOffset(months=1)]


def stamps(step, rows: int = 61) -> pd.DatetimeIndex:
    """Without their `freq`, as a file has them; from a day that begins no month, week or year on."""
    return pd.DatetimeIndex(list(pd.date_range("2015-03-04", periods=rows, freq=step)), name="when")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("left_out", [[], [5, 6, 20, 30], list(range(30, 50)), list(range(9, 58, 10))])
def test_what_follows_is_of_the_same_calendar_whether_or_not_rows_are_missing(step, left_out):
    whole = stamps(step)
    made = calendar.following(whole[:51].delete([row for row in left_out if row < 50]), 10)
    assert list(made) == list(whole[51:])
    assert made.name == "when"


def test_after_the_end_of_january_comes_the_end_of_february():
    index = pd.DatetimeIndex(["2019-11-30", "2019-12-31", "2020-01-31"])
    assert list(calendar.following(index, 2)) == [pd.Timestamp("2020-02-29"), pd.Timestamp("2020-03-31")]


def test_after_friday_comes_monday_among_business_days_alone():
    index = pd.DatetimeIndex(list(pd.bdate_range("2020-01-01", periods=13)))
    assert index[-1].day_name() == "Friday"
    assert [day.day_name() for day in calendar.following(index, 2)] == ["Monday", "Tuesday"]
    daily = pd.date_range("2020-01-05", "2020-01-17")
    assert [day.day_name() for day in calendar.following(daily, 2)] == ["Saturday", "Sunday"]


def test_two_stamps_have_a_step_and_one_has_none():
    assert calendar.frequency(stamps("MS", 2)) == offsets.MonthBegin()
    assert calendar.frequency(stamps("h", 2)) == offsets.Hour()
    assert calendar.frequency(stamps("h", 1)) is calendar.frequency(None) is None


@pytest.mark.parametrize(
    "days", [["2020-01-01", "2020-01-02", "2020-01-03 12:01"], ["2020-01-01"] * 3, ["2020-01-02", "2020-01-01"]]
)
def test_what_no_step_leads_through_has_none_and_nothing_follows(days):
    index = pd.DatetimeIndex(days)
    assert calendar.frequency(index) is None
    with pytest.raises(ValueError, match="no common step"):
        calendar.following(index, 1)


@pytest.mark.parametrize("last", [pd.Timestamp("9999-12-30").as_unit("s"), pd.Timestamp.max])
def test_the_calendar_has_an_end(last):
    with pytest.raises(ValueError, match=f"no calendar goes on for 3 steps after {last}"):
        calendar.following(pd.DatetimeIndex([last - pd.Timedelta(days=1), last]), 3)


@pytest.mark.parametrize(
    ("step", "steps"),
    [
        *[("10min", 144), ("h", 24), ("D", 7), ("B", 5), ("W-MON", 52), ("MS", 12), ("BME", 12), ("QE-JAN", 4)],
        *[("YS", 1), ("4W-MON", 13), ("28D", 13), ("WOM-4FRI", 12)],
    ],
)
def test_a_period_is_a_day_a_week_or_a_year(step, steps):
    assert calendar.period(stamps(step)) == steps
    assert calendar.period(pd.date_range("2020-01-01", periods=61, freq=to_offset(step))) == steps


@pytest.mark.parametrize(
    ("hours", "days", "step", "steps"),
    [((9, 16), 5, "bh", 8), ((9, 16), 7, "h", 24), ((8, 15), 5, "h", 24), ((10, 15), 5, "h", 24)],
)
def test_hours_are_those_of_business_where_these_lead_to_all_rows_and_to_no_more(hours, days, step, steps):
    hourly = pd.date_range("2024-01-01", "2024-03-31", freq="h")
    index = hourly[(hourly.hour >= hours[0]) & (hourly.hour <= hours[1]) & (hourly.day_of_week < days)]
    assert (calendar.frequency(index).freqstr, calendar.period(index)) == (step, steps)


def test_the_last_friday_of_a_month_is_not_its_fourth():
    assert calendar.frequency(stamps("LWOM-FRI")) is None
    assert calendar.frequency(stamps("WOM-4FRI")).freqstr == "WOM-4FRI"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_few_stamps_go_on_by_the_step_that_is_known(step, rows):
    whole = stamps(step)
    known = calendar.parsed(calendar.spelled(calendar.frequency(whole)))
    assert list(calendar.following(whole[50 - rows : 50], 11, known)) == list(whole[50:])
    assert calendar.distances(whole[:5].delete(2), known).tolist() == [1, 2, 1]


def test_weekdays_with_a_holiday_between_go_on_as_weekdays():
    index = pd.DatetimeIndex(["2024-03-28", "2024-04-02", "2024-04-03", "2024-04-04"])  # Easter is left out
    assert calendar.distances(index, offsets.BusinessDay()).tolist() == [3, 1, 1]
    made = calendar.following(index, 2, offsets.BusinessDay())
    assert [day.day_name() for day in made] == ["Friday", "Monday"]


def test_a_step_that_does_not_lead_to_the_stamps_is_not_taken():
    ends = stamps("ME", 6)
    assert calendar.distances(ends, offsets.MonthBegin()) is None
    assert calendar.distances(stamps("h", 6), to_offset("7h")) is None
    assert calendar.following(ends, 1, offsets.MonthBegin())[0] == pd.Timestamp("2015-09-30")
    assert calendar.parsed("") is None
    for own in (offsets.DateOffset(days=3), offsets.CDay(holidays=["2024-01-01"]), offsets.DateOffset(2, months=1)):
        assert calendar.spelled(own) == ""
    with pytest.raises(ValueError, match="Invalid frequency"):
        calendar.parsed("fortnight")


def test_zones_keep_their_clock():
    index = pd.date_range("2020-03-28", periods=3, freq="h", tz="UTC")
    assert list(calendar.following(index, 1)) == [pd.Timestamp("2020-03-28 03:00", tz="UTC")]
    days = pd.date_range("2020-03-27", periods=4, freq="D", tz="Europe/Berlin")  # the third has 23 hours
    assert list(calendar.following(days[:2], 2)) == list(days[2:])


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("s", "1 second"),
        ("90s", "90 seconds"),
        ("15min", "15 minutes"),
        ("h", "1 hour"),
        ("D", "1 day"),
        ("W-TUE", "7 days"),
        ("B", "1 weekday"),
        ("MS", "1 month"),
        ("BME", "1 month"),
        (offsets.DateOffset(months=1), "1 month"),
        ("QE-JAN", "3 months"),
        ("2YS", "24 months"),
    ],
)
def test_the_length_of_a_step_is_told_in_words(step, words):
    assert calendar.length(to_offset(step)) == words
