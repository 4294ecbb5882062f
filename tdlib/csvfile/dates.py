"""What cells of text mean as time stamps: ISO 8601, days first, years of two digits, names of months, quarters, weeks.

    cells --layout "D/D/Y", format %d/%m/%Y, the whole column decides--> time stamps

Text is read as ISO 8601 where it can be, else by its layout: each run of digits or letters is a D (one or two
digits), a Y (four) or an M (a month's name). Where a layout leaves a choice, such as the third of April or the
fourth of March, the column as a whole decides: its stamps rise in even steps one way only.
"""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from tdlib import calendar
from tdlib.checks import short

LAYOUTS = {
    "Y": ("%Y",),
    "YD": ("%Y %m",),
    "DY": ("%m %Y",),
    "YDD": ("%Y %m %d",),
    "DDY": ("%d %m %Y", "%m %d %Y"),
    "DDD": ("%d %m %y", "%m %d %y", "%y %m %d"),
    "MY": ("%b %Y",),
    "YM": ("%Y %b",),
    "MD": ("%b %y",),
    "DMY": ("%d %b %Y",),
    "MDY": ("%b %d %Y",),
    "YMD": ("%Y %b %d",),
    "DMD": ("%d %b %y",),
    "MDD": ("%b %d %y",),
}
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H.%M", "%H.%M.%S")
CLOCK = r"(\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:\.\d+)?)?(?:\s*[AaPp][Mm])?)"
WITH_CLOCK = rf"^(\S.*?)[T\s,]+{CLOCK}$"
WEEK = r"\d{4} W\d{2}"
OFFSET = r"^(.{11,}?)\s*(?:Z|[+-]\d\d(?::?\d\d)?)$"  # behind a day and a time
QUARTER = r"\d{4}[\s./-]?0?[1-4]"  # or a month: but no series has the first four months alone
KNOWN = "write it as 2020-01-31 or 2020-01-31 13:00"


def read(column: pd.Series, path: object, dayfirst: bool | None = None) -> tuple[pd.Series, list[str]]:
    """The time stamps in a column of text, and remarks; ValueError for a cell that is none, or may be two."""
    if pd.api.types.is_datetime64_any_dtype(column):
        stamps, remarks = column, []
    else:
        text = column.astype("str").str.strip()
        check_quarters(text, path)
        stamps, remarks = iso(text)
        if stamps.isna().any():
            ways = by_layout(text, dayfirst)
            best = min([stamps, *ways.values()], key=lambda way: way.isna().sum())
            whole = {form: way for form, way in ways.items() if not way.isna().any()}
            if whole:
                best, remarks = _decided(whole, column, path)
            elif best is not stamps:
                remarks = []
            stamps = best
    if stamps.isna().any():
        row = int(np.argmax(stamps.isna()))
        cell = short(column.iloc[row])
        hint = f"; {KNOWN}" if stamps.isna().all() else ""
        raise ValueError(f"{path}: column {short(column.name)}, row {row + 1} is not a time stamp: {cell}{hint}")
    return stamps, remarks


def check_quarters(text: pd.Series, path: object) -> None:
    """ValueError where all cells are a year and a number from 1 to 4."""
    if len(text) > 4 and text.str.fullmatch(QUARTER).all():
        raise ValueError(f"{path}: are {text.iloc[0]} and {text.iloc[1]} quarters? Write 2020-Q1, or 2020-01-01")


def most(text: pd.Series) -> int:
    """How many cells are time stamps in the one reading that takes most."""
    return max(int(way.notna().sum()) for way in [iso(text)[0], *by_layout(text, None).values()])


def iso(text: pd.Series) -> tuple[pd.Series, list[str]]:
    text = text.mask(text.str.lower().isin(("now", "today")))  # pandas knows what day it is
    if text.iloc[:1].str.endswith(("UTC", "GMT")).any():
        text = text.str.replace(r"(?<=:\d\d) ?(UTC|GMT)$", "Z", regex=True)
    head = text.head(1000)
    text = head.reindex(text.index) if _parsed(head, "ISO8601", utc=True).isna().all() else text
    try:
        return _parsed(text, "ISO8601"), []
    except ValueError:  # several offsets, as those of summer and winter
        local = _parsed(text.str.replace(OFFSET, r"\1", regex=True), "ISO8601")
        if calendar.by_a_clock(pd.DatetimeIndex(local)):
            return local, ["its time stamps, of several offsets, are read as local time"]
        return _parsed(text, "ISO8601", utc=True), ["its time stamps, of several offsets, are read as UTC"]


def _parsed(text: pd.Series, form: str, **how) -> pd.Series:
    return pd.to_datetime(text, format=form, errors="coerce", **how)


def _each(text: pd.Series, work: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """`work` on every cell, done once for cells that are the same: a day has many rows."""
    codes, cells = pd.factorize(text)
    return work(pd.Series(cells, dtype=text.dtype)).reindex(codes).set_axis(text.index)


def by_layout(text: pd.Series, dayfirst: bool | None) -> dict[str, pd.Series]:
    """Each reading that the layout of the first date allows, by its format; NaT where a cell is not of it."""
    date, hours = text, pd.Series(pd.Timedelta(0), text.index)
    if text.head(100).str.contains(":").any() or text.head(100).str.fullmatch(WITH_CLOCK).any():
        parts = text.str.extract(WITH_CLOCK)
        date, hours = parts[0].fillna(text), _hours(parts[1])
    date = _each(date, _in_parts)
    if date.str.fullmatch(WEEK).any():
        return {"week": _each(date, lambda week: _parsed(week + " 1", "%G W%V %u"))}
    layout = next((kinds for kinds in map(_layout, date.head(100)) if kinds in LAYOUTS), "")
    forms = _allowed(LAYOUTS.get(layout, ()), dayfirst)
    head = {form: _parsed(date.head(1000), form).isna().sum() for form in forms}
    fewest = min(head.values(), default=0)
    hours = hours.astype("timedelta64[us]")  # which reach beyond 2262, where nanoseconds end
    return {form: _two_digits(date, form).astype("datetime64[us]") + hours for form, n in head.items() if n == fewest}


def _in_parts(date: pd.Series) -> pd.Series:
    """Days, months and years with one blank between them, names of months in three letters, quarters as months."""
    date = date.str.replace(r"^(\d{4})[\s-]?Q([1-4])$|^Q([1-4])[\s-]?(\d{4})$", _quarter, regex=True)
    date = date.str.replace(r"^(\d{4})-?W(\d{2})$", r"\1 W\2", regex=True)
    date = date.str.replace(r"([A-Za-z]{3})[a-z]*\b", r"\1", regex=True)
    return date.str.replace(r"[\s./,-]+", " ", regex=True).str.strip()


def _quarter(found: re.Match) -> str:
    year, quarter = found[1] or found[4], int(found[2] or found[3])
    return f"{year} {3 * quarter - 2:02}"


def _layout(date: str) -> str:
    kinds = (("Y" if len(part) == 4 else "D") if part.isdigit() else "M" for part in str(date).split())
    return "".join(kinds)


def _allowed(forms: tuple[str, ...], dayfirst: bool | None) -> Iterator[str]:
    for form in forms:
        if dayfirst is None or len(forms) == 1 or (form.startswith("%d") == dayfirst and form.startswith(("%d", "%m"))):
            yield form


def _hours(clock: pd.Series) -> pd.Series:
    """The time of day, 0 where a cell has none: spreadsheets leave midnight out."""
    given = clock.dropna()
    if given.empty:
        return pd.Series(pd.Timedelta(0), clock.index)
    best = min(CLOCKS, key=lambda form: _parsed(given.head(1000), form).isna().sum())
    time = _each(given, lambda cells: _parsed(cells, best)) - pd.Timestamp(1900, 1, 1)
    return time.reindex(clock.index).where(clock.notna(), pd.Timedelta(0))


def _two_digits(date: pd.Series, form: str) -> pd.Series:
    """The days of `date`; two digits of a year are those of the shortest span, of several that end with the last row.

    The last year is not later than next year: 70 is 1970, and 68 before 1971 is 1968.
    """
    days = _each(date, lambda cells: _parsed(cells, form))
    if "%y" not in form or days.isna().any():
        return days
    latest = pd.Timestamp.now().year + 1
    years = days.dt.year.unique()
    last = min((days.iloc[-1].year, *years), key=lambda year: ((year - years) % 100).max())
    last -= 100 * (last > latest)
    years = last - (last - days.dt.year) % 100
    return days.mask(days.dt.year > years, days - pd.DateOffset(years=100))


def _decided(ways: dict[str, pd.Series], column: pd.Series, path: object) -> tuple[pd.Series, list[str]]:
    """The one of several readings that the whole column speaks for."""
    distinct = {}
    for form, way in ways.items():
        if not any(way.equals(other) for other in distinct.values()):
            distinct[form] = way
    rising = {form: way for form, way in distinct.items() if (way.diff().iloc[1:] > pd.Timedelta(0)).all()} or distinct
    sparse = sorted(rising, key=lambda form: _emptiness(rising[form]))
    form = sparse[0]
    if len(sparse) > 1 and 2 * _emptiness(rising[form]) > _emptiness(rising[sparse[1]]):
        both = " or ".join(f"{rising[form].iloc[-1]:%Y-%m-%d}" for form in sparse[:2])
        option = "say --dayfirst or --no-dayfirst, or write the dates as 2020-01-31"
        raise ValueError(f"{path}: {short(column.iloc[-1])} in column {short(column.name)} may be {both}: {option}")
    stamps, remarks = rising[form], []
    if len(distinct) > 1:
        order = {"%d": "the day first", "%m": "the month first", "%y": "the year first"}[form[:2]]
        remarks.append(f"its dates are read with {order}, as only so they rise in even steps")
    if "%y" in form:
        remarks.append(f"its years of two digits are read as {stamps.min().year} to {stamps.max().year}")
    return stamps, remarks


def _emptiness(stamps: pd.Series) -> float:
    """How many times as many rows as there are would fill the span at the most common step: 1 if none is missing."""
    steps = stamps.diff().iloc[1:]
    common = steps.mode()
    if common.empty or common[0] <= pd.Timedelta(0):
        return np.inf
    return float((stamps.max() - stamps.min()) / (common[0] * len(steps)))
