"""Which column holds the time, and how its cells are read: the whole column decides, and what stays open is refused."""

import numpy as np
import pandas as pd
import pytest
from test_csvfile import sentence

from tdlib import csvfile
from tdlib.csvfile import Reading, parse

MONTHS = pd.date_range("2015-03-01", periods=30, freq="MS")
DAYS = pd.date_range("2015-03-01", periods=40, freq="D")
HOURS = pd.date_range("2015-03-01", periods=40, freq="h")


def read(cells, name: str = "date", **how) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A file of one channel beside these cells of time."""
    lines = [f"{name};a", *(f"{cell};{row}.5" for row, cell in enumerate(cells))]
    return parse("\n".join(lines).encode(), "own.csv", Reading(**how))


def refused(cells, **how) -> str:
    return sentence(lambda: read(cells, **how))


# --- text


@pytest.mark.parametrize(
    ("index", "form"),
    [
        (MONTHS, "%Y-%m-%d"),
        (MONTHS, "%Y-%m"),
        (MONTHS, "%Y/%m"),
        (MONTHS, "%m/%Y"),
        (MONTHS, "%d/%m/%Y"),
        (MONTHS, "%m/%d/%Y"),
        (MONTHS, "%d.%m.%y"),
        (MONTHS, "%b-%y"),
        (MONTHS, "%B %Y"),
        (MONTHS, "%Y %b"),
        (DAYS, "%Y.%m.%d"),
        (DAYS, "%d.%m.%Y"),
        (DAYS, "%m-%d-%y"),
        (DAYS, "%y-%m-%d"),
        (DAYS, "%d-%b-%Y"),
        (DAYS, "%d %B %y"),
        (DAYS, "%b %d, %Y"),
        (HOURS, "%d/%m/%Y %H:%M"),
        (HOURS, "%m/%d/%Y %I:%M %p"),
        (HOURS, "%d.%m.%Y %H.%M.%S"),
        (HOURS, "%Y/%m/%d %H:%M:%S.%f"),
    ],
)
def test_dates_are_read_as_they_were_written(index, form):
    frame, _ = read(index.strftime(form))
    assert list(frame.index) == list(index)
    assert frame.index.freq == index.freq
    assert frame.index.name == "date"


@pytest.mark.parametrize("form", ["{0.year}Q{0.quarter}", "Q{0.quarter} {0.year}", "{0.year}-Q{0.quarter}"])
def test_quarters_are_read(form):
    quarters = pd.date_range("2015-04-01", periods=9, freq="QS")
    frame, _ = read(map(form.format, quarters))
    assert list(frame.index) == list(quarters)
    assert frame.index.freqstr.startswith("QS")


def test_weeks_of_the_year_are_read():
    weeks = pd.date_range("2014-12-29", periods=60, freq="W-MON")
    frame, _ = read(weeks.strftime("%G-W%V"))
    assert (list(frame.index), frame.index.freqstr) == (list(weeks), "W-MON")


def test_a_spreadsheet_may_leave_midnight_out():
    cells = [f"{hour:%d.%m.%Y %H:%M}".replace(" 00:00", "") for hour in HOURS]
    assert list(read(cells)[0].index) == list(HOURS)


def test_the_whole_column_decides_between_day_and_month_and_that_is_said():
    frame, remarks = read(MONTHS.strftime("%d/%m/%Y"))
    assert list(frame.index) == list(MONTHS)
    assert remarks == ("its dates are read with the day first, as only so they rise in even steps",)
    _, remarks = read(MONTHS.strftime("%m/%d/%Y"))
    assert remarks == ("its dates are read with the month first, as only so they rise in even steps",)
    _, remarks = read(DAYS.strftime("%d/%m/%Y"))  # there is no month 13
    assert remarks == ()


def test_what_may_be_read_in_two_ways_is_refused_and_decided_by_an_option():
    cells = MONTHS[:10].strftime("%d/%m/%Y")  # ten months, or the first ten days of January
    words = "'01/12/2015' in column 'date' may be 2015-12-01 or 2015-01-12: say --dayfirst or --no-dayfirst"
    assert words in refused(cells)
    assert list(read(cells, dayfirst=True)[0].index) == list(MONTHS[:10])
    assert list(read(cells, dayfirst=False)[0].index) == list(pd.date_range("2015-01-03", periods=10))
    assert "row 13 is not a time stamp: '13/03/2015'" in refused(DAYS.strftime("%d/%m/%Y"), dayfirst=False)


def test_days_that_read_the_same_either_way_are_not_ambiguous():
    assert list(read(["01/01/2015", "02/02/2015"])[0].index) == [pd.Timestamp(2015, 1, 1), pd.Timestamp(2015, 2, 2)]


@pytest.mark.parametrize("first", ["1948-03-01", "1965-03-01", "1995-03-01"])
def test_years_of_two_digits_rise_and_end_before_the_year_after_next(first):
    index = pd.date_range(first, periods=300, freq="MS")
    frame, remarks = read(index.strftime("%d/%m/%y"))
    assert list(frame.index) == list(index)
    assert f"its years of two digits are read as {first[:4]} to {index[-1].year}" in remarks


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["yesterday", "today"], "row 1 is not a time stamp: 'yesterday'; write it as 2020-01-31 or 2020-01-31 13:00"),
        (["01/02/2015", "13/13/2015"], "row 2 is not a time stamp: '13/13/2015'"),
        (["2015-Q1", "2015-Q5"], "row 2 is not a time stamp: '2015-Q5'"),
        (["2015-3", "2015-4", "2016-1", "2016-2", "2016-3"], "are 2015-3 and 2015-4 quarters? Write 2020-Q1, or "),
        (["2015-01-31", ""], "row 2 is not a time stamp: nan"),
        (["2015-01-03", "2015-01-02", "2015-01-01"], "in pandas, frame.sort_index() sorts the rows"),
        (["2020-10-25 01:00", "2020-10-25 02:00", "2020-10-25 02:00"], "if the clock was put back then, in pandas"),
    ],
)
def test_what_is_no_time_is_named_with_its_row(cells, words):
    assert words in refused(cells)


@pytest.mark.parametrize("year", ["1600", "2300", "0001"])
def test_years_beyond_those_of_nanoseconds_are_read(year):
    frame, _ = read([f"{year}-01-01", f"{year}-01-02"])
    assert [str(stamp) for stamp in frame.index] == [f"{year}-01-01 00:00:00", f"{year}-01-02 00:00:00"]


@pytest.mark.parametrize("zone", [" UTC", " GMT", "UTC"])
def test_the_name_of_universal_time_is_read(zone):
    assert list(read(HOURS.strftime("%Y-%m-%d %H:%M:%S") + zone)[0].index) == list(HOURS.tz_localize("UTC"))


def test_rows_that_all_repeat_a_stamp_are_of_several_series():
    blob = table(date=np.repeat(WORDS, 2), shop=["A", "B"] * 40, y=np.arange(80) % 7)
    words = "repeats the one before it; of several series below one another the columns are to be called unique_id, ds"
    assert words in sentence(parse, blob, "own.csv")


# --- numbers


@pytest.mark.parametrize("name", ["date", "Year", "Jahr"])
def test_years_are_time(name):
    frame, remarks = read(range(1960, 2000), name=name)
    assert list(frame.index) == list(pd.date_range("1960-01-01", periods=40, freq="YS"))
    assert (frame.index.name, list(frame.columns)) == (name, ["a"])
    assert remarks == ("the first column is read as time stamps, from 1960-01-01 00:00:00 to 1999-01-01 00:00:00",)


@pytest.mark.parametrize("form", ["{}{}", "{}0{}"])
def test_quarters_in_digits_are_told(form):
    quarters = [int(form.format(year, quarter)) for year in range(2015, 2025) for quarter in (1, 2, 3, 4)]
    words = sentence(parse, pd.DataFrame({"quarter": quarters, "a": range(40)}).to_csv(index=False).encode(), "own.csv")
    assert words == f"own.csv: are {quarters[0]} and {quarters[1]} quarters? Write 2020-Q1, or 2020-01-01"


def test_months_in_six_digits_are_time():
    assert list(read(MONTHS.strftime("%Y%m"))[0].index) == list(MONTHS)


@pytest.mark.parametrize(("index", "size"), [(DAYS, 1), (HOURS, 24)])
def test_the_days_that_excel_counts_are_time(index, size):
    since = (index - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)
    frame, remarks = read(since)
    assert list(frame.index) == list(index)
    assert frame.index.freq == index.freq
    assert remarks[0].startswith("the first column is read as time stamps, from 2015-03-01")


def test_parts_of_a_second_of_unix_time_are_kept():
    index = pd.date_range("2020-09-13 12:26:40.5", periods=40, freq="250ms")
    frame, _ = read([f"{stamp.timestamp():.2f}" for stamp in index], name="time")
    assert (list(frame.index), list(frame.columns)) == (list(index), ["a"])


SECONDS = list(range(1_600_000_000, 1_600_144_000, 3600))
IN_DIGITS = [int(day) for day in DAYS.strftime("%Y%m%d")]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", ["time", "ts", "unix", "epoch", "date", "timestamp"])
@pytest.mark.parametrize("cells", [SECONDS, [1000 * second for second in SECONDS], IN_DIGITS])
def test_numbers_of_time_that_fall_or_repeat_are_refused_as_dates_are(cells, name, place):
    def words(cells):
        columns = {name: cells, "a": np.arange(40) % 7}
        return sentence(parse, table(**dict(sorted(columns.items(), reverse=not place))), "own.csv")

    found = f"own.csv: the time stamp of row 2, {cells[-2]}, is earlier than the one before it"
    assert words(cells[::-1]) == f"{found}; in pandas, frame.sort_index() sorts the rows"
    found = f"own.csv: the time stamp of row 6, {cells[4]}, repeats the one before it"
    assert words([*cells[:5], *cells[4:-1]]) == (
        f"{found}; in pandas, frame[~frame.index.duplicated()] keeps the first row of each"
    )
    found = f"own.csv: the time stamp of row 3, {cells[1]}, is earlier than the one before it"
    assert words([cells[0], cells[2], cells[1], *cells[3:]]) == f"{found}; in pandas, frame.sort_index() sorts the rows"
    found = f"own.csv: the time stamp of row 21, {cells[0]}, is earlier than the one before it"
    assert words([*cells[:20], *cells[:20]]) == (
        f"{found}; of several series below one another the columns are to be called unique_id, ds, y"
    )


def test_a_year_that_repeats_is_refused_unless_dates_stand_beside_it():
    years = 2015 + np.arange(40) // 12
    assert "row 2, 2015, repeats the one before it" in sentence(parse, table(year=years, a=NUMBERS), "own.csv")
    frame, _ = parse(table(year=years, date=WORDS, a=NUMBERS), "own.csv")
    assert (list(frame.index), list(frame.columns)) == (list(DAYS), ["year", "a"])
    assert list(parse(table(a=NUMBERS, year=years), "own.csv").values.columns) == ["a", "year"]


def test_numbers_of_time_that_fall_or_repeat_under_another_name_are_told(tmp_path):
    told = ("column 'Period' looks like time stamps and is read as a channel; --time 'Period' makes them the time",)
    for cells in (IN_DIGITS[::-1], SECONDS[::-1], np.repeat(IN_DIGITS[:20], 2)):
        (tmp_path / "own.csv").write_bytes(table(Period=cells, a=NUMBERS))
        assert csvfile.read_frame(tmp_path / "own.csv").remarks == told


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([*range(100, 400, 10), *range(600, 700, 10)], "steps of 10, and by 210 from 390 to 600"),
        ([step**2 for step in range(20)], "steps of 1, and by 3 from 1 to 4"),
        ([*range(200101, 200111), *range(200115, 200120)], "steps of 1, and by 5 from 200110 to 200115"),
    ],
)
def test_a_counter_with_a_gap_is_refused_with_its_place(counts, words):
    values = np.arange(len(counts)) % 7
    words = f"counts in {words}: are rows missing there? Dates are written as 2020-01-31, and a channel has another"
    for name in ("time", "ts"):
        assert f"own.csv: the first column {words}" in sentence(parse, table(**{name: counts, "a": values}), "own.csv")
    _, remarks = parse(pd.DataFrame({"a": values}, counts).to_csv().encode(), "own.csv")  # what a filter has left
    assert remarks == (COUNTED, f"the first column {words} name")
    dated = pd.DataFrame({"date": DAYS[: len(counts)], "a": values}, counts).rename_axis("time")
    assert parse(dated.to_csv().encode(), "own.csv").remarks[0] == COUNTED


@pytest.mark.parametrize(
    ("name", "values", "step"),  # that of the stamps, if it looks like such
    [
        ("x", range(1960, 2000), None),
        ("elapsed", [0.1 * step for step in range(40)], None),
        ("decimal date", [round(1960 + month / 12, 4) for month in range(40)], None),
        ("x", range(1_600_000_000, 1_600_144_000, 3600), "h"),
        ("yearmonth", [100 * (2015 + month // 12) + month % 12 + 1 for month in range(40)], "MS"),
    ],
)
def test_a_column_that_may_be_time_stays_a_channel_and_that_is_said(tmp_path, name, values, step):
    looks, hint = "looks like time stamps", f"--time {name!r} makes them the time"
    looks, hint = (looks, hint) if step else ("rises evenly", "--columns leaves it out")
    said = f"column {name!r} {looks} and is read as a channel; {hint}"
    (tmp_path / "own.csv").write_bytes(table(**{name: values, "a": NUMBERS}))
    frame, remarks = csvfile.read_frame(tmp_path / "own.csv")
    assert (list(frame.columns), remarks) == ([name, "a"], (said,))
    if step:
        frame, _ = csvfile.read_frame(tmp_path / "own.csv", Reading(time=name))
        assert (list(frame.columns), frame.index.freqstr, len(frame)) == (["a"], step, 40)


def test_a_counter_beside_dates_is_told_and_a_walk_is_not(tmp_path):
    walk = np.random.default_rng(0).random(len(DAYS)).cumsum()  # rises, but not evenly
    frame = pd.DataFrame({"date": DAYS, "id": np.arange(len(DAYS)), "a": walk, "tiny": 1e-12 * walk})
    frame.to_csv(tmp_path / "own.csv", index=False)
    told = ("column 'id' rises evenly and is read as a channel; --columns leaves it out",)
    assert csvfile.read_frame(tmp_path / "own.csv").remarks == told


@pytest.mark.parametrize("name", ["index", "id", "row", "step", "ID", "time"])
@pytest.mark.parametrize("counts", [range(40, 0, -1), [*range(20)] * 2, np.repeat(range(20), 2)])
def test_a_counter_that_falls_restarts_or_repeats_is_told(name, counts, tmp_path):
    (tmp_path / "own.csv").write_bytes(table(**{name: counts, "a": NUMBERS}))
    kind = "time" if name == "time" else "a count"
    told = (f"column '{name}' is read as a channel, and its name is one of {kind}; --columns leaves it out",)
    assert csvfile.read_frame(tmp_path / "own.csv").remarks == told


def test_no_more_than_five_suspicions_are_told(tmp_path):
    (tmp_path / "own.csv").write_bytes(table(**{f"c{step}": np.arange(40) * step for step in range(1, 41)}))
    remarks = csvfile.read_frame(tmp_path / "own.csv").remarks
    assert (len(remarks), remarks[-1]) == (6, "35 more columns may be no channels")


# --- which column


def table(**columns) -> bytes:
    return pd.DataFrame(columns).to_csv(index=False).encode()


WORDS = DAYS.strftime("%Y-%m-%d")
NUMBERS = np.arange(40) % 7


@pytest.mark.parametrize("place", [1, 2])
def test_time_in_another_place_is_found_and_that_is_said(place):
    columns = {"a": NUMBERS, "b": NUMBERS}
    names = list(columns)
    names.insert(place, "when")
    frame, remarks = parse(table(**{name: columns.get(name, WORDS) for name in names}), "own.csv")
    assert (list(frame.index), frame.index.name, list(frame.columns)) == (list(DAYS), "when", ["a", "b"])
    assert remarks == (f"the time stamps are those of column {place + 1}, 'when'",)


COUNTED = "the first column counts the rows and is no channel: it is left out"


@pytest.mark.parametrize("columns", [(), ("a",)])
@pytest.mark.parametrize("time", ["", "date"])
def test_dates_beside_a_counted_index_are_the_time(time, columns):
    frame = pd.DataFrame({"date": WORDS, "a": NUMBERS, "b": NUMBERS})
    for blob in (frame.to_csv(), frame[3:].to_csv(), frame.rename_axis("id").to_csv()):
        found, remarks = parse(blob.encode(), "own.csv", Reading(time=time, columns=columns))
        assert (list(found.index), found.index.name) == (list(DAYS[-len(found) :]), "date")
        assert (list(found.columns), remarks) == (["a", "b"][: len(columns) or 2], (COUNTED,))


def test_dates_are_found_behind_two_counters_and_in_any_place_or_form():
    frame = pd.DataFrame({"id": range(40), "a": NUMBERS, "when": WORDS})
    found, remarks = parse(frame.to_csv().encode(), "own.csv")
    assert (list(found.index), list(found.columns)) == (list(DAYS), ["a"])
    second = "column 'id' counts the rows and is no channel: it is left out"
    assert remarks == (COUNTED, second, "the time stamps are those of column 4, 'when'")
    seconds = pd.DataFrame({"timestamp": range(1_600_000_000, 1_600_000_400, 10), "a": NUMBERS})
    found, remarks = parse(seconds.to_csv().encode(), "own.csv")
    assert found.index.freqstr == "10s"
    assert remarks[1].startswith("column 'timestamp' is read as time stamps, from 2020-09-13 12:26:40")
    both = pd.DataFrame({"Date": HOURS.strftime("%d/%m/%Y"), "Time": HOURS.strftime("%H:%M"), "a": NUMBERS})
    assert list(parse(both.to_csv().encode(), "own.csv").values.index) == list(HOURS)


def test_channels_beside_a_counted_index_are_as_before_where_nothing_is_dated():
    frame = pd.DataFrame({"site": "north", "a": NUMBERS, "day": NUMBERS})
    found, remarks = parse(frame.to_csv().encode(), "own.csv", Reading(columns=("a", "day")))
    assert (list(found.columns), remarks) == (["a", "day"], (COUNTED,))
    times = pd.DataFrame({"time": range(1_600_000_000, 1_600_000_400, 10), "year": range(1960, 2000), "month": 1})
    for names in (["time", "year", "month"], ["month", "time", "year"]):
        frame, _ = parse(csvfile.canonical(times[names].astype(float)), "own.csv")  # of a frame of channels
        assert list(frame.columns) == names


def test_of_several_columns_of_dates_one_is_chosen():
    blob = table(a=NUMBERS, begin=WORDS, end=WORDS)
    words = "columns 'begin' and 'end' hold dates: --time NAME says which are the time stamps"
    assert words in sentence(lambda: parse(blob, "own.csv"))
    frame, _ = parse(blob, "own.csv", Reading(time="end", columns=("a",)))
    assert (frame.index.name, list(frame.columns)) == ("end", ["a"])
    frame, _ = parse(table(a=NUMBERS, issued=WORDS, date=WORDS), "own.csv", Reading(columns=("a",)))
    assert frame.index.name == "date"
    assert "no column 'noon'; it has a, begin, end" in sentence(lambda: parse(blob, "own.csv", Reading(time="noon")))


def test_a_day_and_a_time_of_day_in_two_columns_are_one():
    blob = table(Date=HOURS.strftime("%d/%m/%Y"), Time=HOURS.strftime("%H:%M:%S"), a=NUMBERS)
    frame, _ = parse(blob, "own.csv")
    assert (list(frame.index), frame.index.name, list(frame.columns)) == (list(HOURS), "Date", ["a"])


def test_year_month_and_hour_in_columns_of_their_own_are_one():
    months = table(Year=MONTHS.year, Month=MONTHS.month, a=np.arange(30) % 7)
    frame, remarks = parse(months, "own.csv")
    assert (list(frame.index), frame.index.freqstr, list(frame.columns)) == (list(MONTHS), "MS", ["a"])
    assert remarks == ("the columns Year, Month are read as one, the time stamps",)
    hours = table(year=HOURS.year, month=HOURS.month, day=HOURS.day, hour=HOURS.hour, a=NUMBERS)
    assert list(parse(hours, "own.csv").values.index) == list(HOURS)
    twice = table(year=2020, month=[1, 1, 2], a=NUMBERS[:3])
    assert "row 2, 2020 1, repeats the one before it" in sentence(lambda: parse(twice, "own.csv"))


def test_a_channel_under_a_name_of_time_is_told(tmp_path):
    (tmp_path / "own.csv").write_bytes(table(a=NUMBERS, day=NUMBERS))
    told = ("column 'day' is read as a channel, and its name is one of time; --columns leaves it out",)
    assert csvfile.read_frame(tmp_path / "own.csv").remarks == told


def test_a_day_and_its_hour_in_two_columns_are_one_where_a_day_has_every_hour():
    days = HOURS.strftime("%d/%m/%Y")
    frame, _ = parse(table(Date=days, Hour=HOURS.hour, a=NUMBERS), "own.csv")
    assert (list(frame.index), frame.index.name, list(frame.columns)) == (list(HOURS), "Date", ["a"])
    words = sentence(lambda: parse(table(Date=days, Hour=HOURS.hour + 1, a=NUMBERS), "own.csv"))
    assert "repeats the one before it" in words
    peak = table(Date=WORDS, hour=np.arange(40) % 24, a=NUMBERS)  # a channel: each day has one
    assert list(parse(peak, "own.csv").values.columns) == ["hour", "a"]


def test_channels_are_chosen_in_their_order_and_others_may_hold_anything():
    blob = table(date=WORDS, site="north", a=NUMBERS, b=NUMBERS)
    assert "'site', row 1 is not a number: 'north'; --columns" in sentence(lambda: parse(blob, "own.csv"))
    frame, _ = parse(blob, "own.csv", Reading(columns=("b", "a")))
    assert list(frame.columns) == ["b", "a"]
    words = "own.csv has no column 'c' of numbers; it has site, a, b"
    assert sentence(lambda: parse(blob, "own.csv", Reading(columns=("c",)))) == words


def test_read_frame_takes_the_options(tmp_path):
    (tmp_path / "own.csv").write_bytes(table(date=WORDS, a=NUMBERS, b=NUMBERS))
    assert list(csvfile.read_frame(tmp_path / "own.csv", Reading(columns=("b",))).values) == ["b"]


def test_weeks_in_digits_are_no_channel():
    weeks = pd.date_range("2014-12-29", periods=60, freq="W-MON").strftime("%G%V").astype(int)
    assert "counts in steps of 1, and by 48" in sentence(parse, table(week=weeks, a=np.arange(60) % 7), "own.csv")


def test_a_last_row_that_is_the_sum_of_all_others_is_told(tmp_path):
    values = pd.DataFrame({"a": NUMBERS, "b": np.arange(40) % 5 + 0.5})
    for frame, told in ((values, False), (pd.concat([values, values.sum().to_frame().T]), True)):
        frame.to_csv(tmp_path / "own.csv", index=False)
        said = csvfile.read_frame(tmp_path / "own.csv").remarks
        assert said == ("its last row is the sum of all others: if it is their total, leave it out",) * told
