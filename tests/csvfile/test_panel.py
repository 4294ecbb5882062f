"""Series in long form become columns, or the one that does not fit is named."""

import pandas as pd
import pytest
from test_csvfile import sentence

from tdlib.csvfile import Reading, parse

DAYS = pd.date_range("2020-01-31", periods=20, freq="ME")


def long(**series) -> pd.DataFrame:
    """A panel: for each series the stamps that it has; its values count up."""
    parts = [pd.DataFrame({"unique_id": name, "ds": list(at), "y": range(len(at))}) for name, at in series.items()]
    return pd.concat(parts, ignore_index=True)


def blob(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def refused(frame: pd.DataFrame) -> str:
    return sentence(parse, blob(frame), "own.csv")


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_panel_becomes_a_column_for_each_series(shuffled):
    frame = long(b=DAYS, a=DAYS)
    frame = frame.sort_values("ds", kind="stable") if shuffled else frame
    wide, remarks = parse(blob(frame), "own.csv")
    assert list(wide.columns) == ["b", "a"]
    assert (list(wide.index), wide.index.freqstr, wide.index.name) == (list(DAYS), "ME", "ds")
    assert wide["a"].tolist() == list(range(20))
    assert remarks == ("its long form holds 2 series, which become columns",)
    assert list(parse(blob(frame), "own.csv", Reading(columns=("a",))).values) == ["a"]


def test_numbers_that_are_read_as_dates_are_told():
    wide, remarks = parse(blob(long(a=range(1990, 2010), b=range(1990, 2010))), "own.csv")
    assert wide.index[0] == pd.Timestamp("1990-01-01")
    said = "column 'ds' is read as time stamps, from 1990-01-01 00:00:00 to 2009-01-01 00:00:00"
    assert remarks == ("its long form holds 2 series, which become columns", said)


def test_steps_may_be_numbers_and_dates_day_first():
    wide, _ = parse(blob(long(a=range(20), b=range(20))), "own.csv")
    assert isinstance(wide.index, pd.RangeIndex)
    wide, _ = parse(blob(long(a=DAYS.strftime("%d/%m/%Y"), b=DAYS.strftime("%d/%m/%Y"))), "own.csv")
    assert list(wide.index) == list(DAYS)
    wide, _ = parse(blob(long(a=range(1990, 2010), b=range(1990, 2010))), "own.csv")
    assert wide.index.freqstr == "YS-JAN"


def test_steps_that_are_numbers_and_lack_some_are_refused():
    steps = [*range(0, 400, 10), *range(600, 700, 10)]
    words = "own.csv: ds counts in steps of 10, and by 210 from 390 to 600: are rows missing there?"
    assert words in refused(long(a=steps, b=steps))


def test_a_series_that_does_not_fit_is_named():
    shifted = refused(long(a=DAYS, b=DAYS[1:]))
    assert "series 'b' begins at 2020-02-29 00:00:00, and 'a' at 2020-01-31 00:00:00" in shifted
    short = refused(long(a=DAYS, b=DAYS[:-1]))
    assert "series 'b' ends at 2021-07-31 00:00:00, and 'a' at 2021-08-31 00:00:00" in short
    twice = refused(long(a=DAYS, b=[*DAYS, DAYS[3]]))
    assert "series 'b' has 2020-04-30 00:00:00 twice, the second time in row 41" in twice
    assert "column 'b', row 6" in refused(long(a=DAYS, b=DAYS.delete(5)))


def test_covariates_are_refused():
    words = refused(long(a=DAYS).assign(temperature=1.0, price=2.0))
    assert "long form with the further columns 'temperature', 'price'; no model here takes covariates" in words
    twice = long(a=DAYS).assign(DS=1)
    assert "with the further columns 'ds'; no model" in refused(twice)


@pytest.mark.parametrize("name", ["unique_id", "ds"])
def test_a_row_without_a_series_or_a_step_is_named(name):
    frame = long(a=DAYS)
    frame.loc[4, name] = None
    assert refused(frame) == f"own.csv: row 5 has no {name}"


def test_names_of_series_are_text():
    frame = long(**{"007": DAYS, "1": DAYS, "1.0": DAYS, "NA": DAYS, "1.000": DAYS})
    for form in ({}, {"sep": ";", "decimal": ","}):
        wide, _ = parse(frame.assign(y=frame["y"] + 0.5).to_csv(index=False, **form).encode(), "own.csv")
        assert list(wide.columns) == ["007", "1", "1.0", "NA", "1.000"]


def test_years_of_two_digits_may_fall():
    years = pd.date_range("1965-01-01", periods=60, freq="YS")
    wide, remarks = parse(blob(long(x=years[::-1].strftime("%d.%m.%y"))), "own.csv")
    assert list(wide.index) == list(years)
    assert remarks[1] == "its years of two digits are read as 1965 to 2024"


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_index_that_pandas_writes_is_passed_over(name):
    text = f"{name},unique_id,ds,y\n7,a,2020-01-01,1\n3,a,2020-01-02,2\n"
    assert list(parse(text.encode(), "own.csv").values.columns) == ["a"]
