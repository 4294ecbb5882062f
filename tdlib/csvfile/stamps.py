"""Which column of a table holds time stamps, by its name, its place and its cells; `tdlib.csvfile.dates` reads text.

Numbers may be unix time, dates such as 20200131, years, the days that Excel counts, or only count the rows.
"""

import re

import numpy as np
import pandas as pd

from tdlib.checks import listed, require, short
from tdlib.csvfile import dates

# names, in lower case, under which a first column of rising whole numbers is no measurement
DATES = ("date", "datetime", "date_time", "timestamp", "time_stamp", "ds", "datum", "jahr")
DATES += ("year", "quarter", "month", "week", "day", "hour")
TIMES = ("", *DATES, "time", "ts", "unix", "unixtime", "unix_time", "epoch")
COUNTS = ("index", "idx", "level_0", "row", "rows", "row_number", "rownum", "step", "id", "no", "no.", "nr", "#")
UNNAMED = ("", "Unnamed: 0")  # as pandas writes and reads the name of an index without one
FEW = 10  # values, of which nothing is suspected
MOST = 0.9  # of the rows: where as many repeat a stamp, they are of several series
TOLD = 5  # suspicions
ROW = "row"  # in files that `csvfile.canonical` writes: numbers beside it are channels, whatever they are called
UNITS = {"s": (1e8, 1e10), "ms": (1e11, 1e13), "us": (1e14, 1e16), "ns": (1e17, 9e18)}  # unix time from 1973 on
CALENDAR = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by its digits
SERIAL = (20_000, 80_000)  # days since the end of 1899, as Excel counts them: 1954 to 2119


def take(
    frame: pd.DataFrame, path: object, dayfirst: bool | None = None, named: str = "", left_out: int = 0
) -> tuple[pd.DatetimeIndex | None, list[str]]:
    """Take the column of time stamps out of `frame`, and one that only counts the rows: the stamps, and remarks.

    It is the column `named`, or the first, or the only other one that holds dates; columns that count the rows stand
    before it, and as many are `left_out` already. The stamps rise and keep the column's name; None where the rows are
    only numbered. ValueError, which names `path` and the row, for a cell that is no time stamp, dates that may be read
    in two ways, and stamps that repeat or run backwards.
    """
    if named:
        known = f"{path} has no column {short(named)}; it has {listed(frame.columns)}"
        require(named in frame.columns, known)
        counted = _counter(frame) if frame.columns[0] != named else []
        column = frame.pop(named)
        if pd.api.types.is_numeric_dtype(column):
            stamps = numbered(column)
            require(stamps is not None, f"{path}: the numbers of column {short(named)} are no time stamps")
            return _rising(stamps, column, path), [*counted, said(stamps, f"column {short(named)}")]
        stamps, remarks = dates.read(column, path, dayfirst)
        return _rising(stamps, column, path), [*counted, *remarks]
    first = frame.iloc[:, 0]
    if pd.api.types.is_numeric_dtype(first):
        if (parts := _parts(frame)) is not None:
            return _rising(*parts, path), [f"the columns {parts[1].name} are read as one, the time stamps"]
        if (stamps := _first_numbers(frame, path)) is not None:
            return stamps, [said(stamps.to_series(), _place(first, left_out))]
        if counted := _counter(frame, left_out):
            if first.name == ROW and not left_out and all(map(pd.api.types.is_numeric_dtype, frame.dtypes)):
                return None, counted
            stamps, remarks = take(frame, path, dayfirst, left_out=left_out + 1)
            if stamps is None and (gap := uneven(first, _place(first, left_out))):
                require(first.name in UNNAMED, f"{path}: {gap}")  # pandas' own index has what a filter has left
                counted.append(gap)
            return stamps, [*counted, *remarks]
    elif not _mostly_numbers(first) and (_looks_dated(first) or (not left_out and _elsewhere(frame) is None)):
        column = _joined(frame)
        stamps, remarks = dates.read(column, path, dayfirst)
        return _rising(stamps, column, path), remarks
    name = _elsewhere(frame, path)
    if name is None:
        return None, []
    place = list(frame.columns).index(name) + 1 + left_out
    where = f"the time stamps are those of column {place}, {short(name)}"
    stamps, remarks = take(frame, path, dayfirst, name)
    return stamps, [where, *remarks]


def _rising(stamps: pd.Series, column: pd.Series, path: object) -> pd.DatetimeIndex:
    """The stamps as an index; ValueError, with what pandas does about it, where they do not rise."""
    steps = stamps.diff().iloc[1:]
    wrong = steps <= pd.Timedelta(0)
    if wrong.any():
        row = int(np.argmax(wrong)) + 1
        fault = "repeats" if steps.iloc[row - 1] == pd.Timedelta(0) else "is earlier than"
        place = f"the time stamp of row {row + 1}, {column.iloc[row]}, {fault} the one before it"
        raise ValueError(f"{path}: {place}{_put_right(stamps, steps, row)}")
    return pd.DatetimeIndex(stamps).rename(None if column.name in UNNAMED else str(column.name))


def _put_right(stamps: pd.Series, steps: pd.Series, row: int) -> str:
    """What to do about time stamps that do not rise, first at `row`."""
    several = "; of several series below one another the columns are to be called unique_id, ds, y"
    if stamps.duplicated(keep=False).mean() >= MOST:
        return several
    if hint := _autumn(stamps, row):
        return hint
    if stamps.is_unique:
        return "; in pandas, frame.sort_index() sorts the rows"
    if (steps == pd.Timedelta(0)).sum() == stamps.duplicated().sum():  # only beside one another
        return "; in pandas, frame[~frame.index.duplicated()] keeps the first row of each"
    return several


def _joined(frame: pd.DataFrame) -> pd.Series:
    """The first column, taken out of `frame`, with the time of day, or the hour, that the next one may hold."""
    first = frame.pop(frame.columns[0])
    if not len(frame.columns):
        return first
    date, name, clock = first, frame.columns[0], frame.iloc[:, 0]
    if pd.api.types.is_datetime64_any_dtype(first):  # of a workbook
        date = first.astype("str").str.removesuffix(" 00:00:00")
    if not pd.api.types.is_string_dtype(date):
        return first
    if name.lower() == "hour" and set(clock.unique()) == set(range(24)) and date.duplicated().any():
        clock = clock.astype(int).astype("str") + ":00"
    if not (pd.api.types.is_string_dtype(clock) and clock.str.fullmatch(dates.CLOCK).all()):
        return first
    if date.str.fullmatch(dates.WITH_CLOCK).any():
        return first
    frame.pop(name)
    return (date + " " + clock).rename(first.name)


ZONE = "in pandas, frame.tz_localize('Europe/Berlin', ambiguous='infer').tz_convert('UTC') mends it, with your zone"


def _autumn(stamps: pd.Series, row: int) -> str:
    """A hint where the clock has been put back: an hour once more, on a Sunday of autumn."""
    here, back = stamps[row], stamps[row - 1] - stamps[row]
    if pd.Timedelta(0) <= back <= pd.Timedelta(hours=1) and here.hour < 4 and here.weekday() == 6 and here.tz is None:
        return f"; if the clock was put back then, {ZONE}"
    return ""


# --- numbers


def _first_numbers(frame: pd.DataFrame, path: object) -> pd.DatetimeIndex | None:
    """The time stamps that a first column of numbers stands for, taken out of `frame`; None where it holds none.

    ValueError where they do not rise, unless other columns hold dates: it may be the year of these.
    """
    column, name = frame.iloc[:, 0], _name(frame)
    if len(frame.columns) == 1 or name not in TIMES:
        return None
    last = column % 10  # asked first: a million rows are numbers faster than text
    if name in DATES and last.between(1, 4).all() and last.nunique() > 1:  # Excel's days in steps of ten all end alike
        dates.check_quarters(column.astype("str"), path)
    stamps = numbered(column, counted=name in DATES)
    if stamps is None or (not (stamps.is_unique and stamps.is_monotonic_increasing) and _elsewhere(frame)):
        return None
    frame.pop(column.name)
    return _rising(stamps, column, path)


def _counter(frame: pd.DataFrame, left_out: int = 0) -> list[str]:
    """Take out a first column that counts the rows, after as many as are `left_out`; what is said of it, if it is."""
    column, name = frame.iloc[:, 0], _name(frame)
    if len(frame.columns) == 1 or name not in (*TIMES, *COUNTS) or not pd.api.types.is_numeric_dtype(column):
        return []
    whole = _whole(column)
    if whole is None or (name not in TIMES and (np.diff(whole) != 1).any()):
        return []
    frame.pop(column.name)
    return [f"{_place(column, left_out)} counts the rows and is no channel: it is left out"]


def _place(column: pd.Series, left_out: int) -> str:
    """What a column is called that is the first, or the next after those that are `left_out`."""
    return f"column {short(column.name)}" if left_out else "the first column"


def _name(frame: pd.DataFrame) -> str:
    """The first column's name, in lower case and as it was in the file."""
    return re.sub("^unnamed: 0$", "", str(frame.columns[0]).lower())  # pandas' name for none


def said(stamps: pd.Series, which: str) -> str:
    return f"{which} is read as time stamps, from {stamps.iloc[0]} to {stamps.iloc[-1]}"


def _whole(column: pd.Series) -> np.ndarray | None:
    """The column as int64 if it holds whole numbers, each larger than the one before."""
    values = column.to_numpy()
    if values.dtype == bool or not (np.isfinite(values) & (values == np.floor(values)) & (abs(values) < 2**62)).all():
        return None
    values = values.astype(np.int64)
    return values if (values[1:] > values[:-1]).all() else None


def uneven(numbers: pd.Series, which: str) -> str:
    """What is said of rising numbers that count rows in uneven steps, as some are missing; "" for even ones."""
    steps = numbers.astype(float).diff().iloc[1:]
    wrong = ~np.isclose(steps, steps.mode()[:1], rtol=0.01, atol=0)
    if not wrong.any():
        return ""
    row = int(wrong.argmax())
    place = f"and by {steps.iloc[row]:g} from {numbers.iloc[row]} to {numbers.iloc[row + 1]}"
    mends = "are rows missing there? Dates are written as 2020-01-31, and a channel has another name"
    return f"{which} counts in steps of {steps.mode()[0]:g}, {place}: {mends}"


def numbered(column: pd.Series, counted: bool = True) -> pd.Series | None:
    """Dates such as 20200131 or unix time; with `counted` also years and Excel's days. None where they are neither.

    In any order, which is no matter of theirs: those that fall or repeat are refused as dates of text are.
    """
    places, values = pd.factorize(column, sort=True)
    made = None if (places < 0).any() else _of_rising(pd.Series(values), counted)
    return None if made is None else made.take(places).set_axis(column.index)


def _of_rising(column: pd.Series, counted: bool) -> pd.Series | None:
    whole = _whole(column)
    if whole is not None:
        digits = len(str(whole[0]))
        if whole[0] > 0 and digits == len(str(whole[-1])) in CALENDAR and (digits > 6 or counted):
            stamps = pd.to_datetime(pd.Series(whole.astype(str)), format=CALENDAR[digits], errors="coerce")
            if not stamps.isna().any() and stamps.iloc[0].year >= 1900 and stamps.iloc[-1].year <= 2100:
                return stamps
        for unit, (least, most) in UNITS.items():
            if least <= whole[0] and whole[-1] < most:
                return pd.to_datetime(pd.Series(whole), unit=unit)
        if counted and whole[0] >= 1000 and whole[-1] <= 2200:
            return pd.to_datetime(pd.Series(whole.astype(str)), format="%Y")
    values = column.to_numpy(float)
    if UNITS["s"][0] <= values[0] and values[-1] < UNITS["s"][1]:  # with parts of a second
        return pd.to_datetime(pd.Series(values), unit="s").dt.round("ms")
    if counted and values[0] >= SERIAL[0] and values[-1] < SERIAL[1]:
        return pd.to_datetime(pd.Series(values), unit="D", origin="1899-12-30").dt.round("s")
    return None


def _parts(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series] | None:
    """Year, month and perhaps day and hour in the first columns, taken out of `frame`: the stamps, and the cells."""
    found = {name.lower(): name for name in frame.columns if name.lower() in ("year", "month", "day", "hour")}
    together = set(found.values()) == set(frame.columns[: len(found)])
    if not {"year", "month"} <= found.keys() or not together or len(found) == len(frame.columns):
        return None
    parts = frame[list(found.values())].set_axis(list(found), axis=1)
    if not all(map(pd.api.types.is_numeric_dtype, parts.dtypes)):
        return None
    stamps = pd.to_datetime(parts if "day" in parts else parts.assign(day=1), errors="coerce")
    if stamps.isna().any():
        return None
    for name in found.values():
        frame.pop(name)
    return stamps, parts.astype("str").agg(" ".join, axis=1).rename(", ".join(found.values()))


def suspicions(frame: pd.DataFrame) -> list[str]:
    """What is said of channels that may be none: by their names, or by values that look like time or count the rows."""
    undated, said, values = not isinstance(frame.index, pd.DatetimeIndex), [], frame.to_numpy()
    if undated and len(frame) > FEW and values[-1].any() and np.allclose(values[-1], values[:-1].sum(0), 1e-4, 0):
        said.append("its last row is the sum of all others: if it is their total, leave it out")
    for place, (name, column) in enumerate(frame.items()):
        which, hint = short(name), "--columns leaves it out"
        enough = len(column) >= FEW and column.notna().all()
        if enough and undated and place == 0 and _dated(column):
            hint = f"--time {which} makes them the time"
            said.append(f"column {which} looks like time stamps and is read as a channel; {hint}")
        elif enough and _evenly(column.to_numpy(float)):
            said.append(f"column {which} rises evenly and is read as a channel; {hint}")
        elif name.lower() in (*TIMES, *COUNTS, "unnamed: 0") and len(frame.columns) > 1:
            kind = "time" if name.lower() in TIMES else "a count"
            said.append(f"column {which} is read as a channel, and its name is one of {kind}; {hint}")
    more = f"{len(said) - TOLD} more columns may be no channels"
    return said[:TOLD] + [more] * (len(said) > TOLD)


def _dated(column: pd.Series) -> bool:
    """Whether numbers can hardly be anything but time: ordered days, or months such as 201501, or unix time."""
    months = len(f"{column.iloc[0]:.0f}") == 6
    ordered = column.is_monotonic_increasing or column.is_monotonic_decreasing
    return ordered and column.nunique() > 1 and numbered(column, counted=months) is not None


def _evenly(values: np.ndarray) -> bool:
    """Whether values rise in steps that differ by no more than rounding, as that of a tenth of a year."""
    steps = np.diff(values)
    return bool(steps[0] > 0 and np.allclose(steps, np.median(steps), rtol=0.01, atol=0))


# --- which column


def _mostly_numbers(column: pd.Series) -> bool:
    """Of a column of text: numbers, and a cell or two that are none."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return False
    numbers = pd.to_numeric(column.astype("str").str.replace(",", ".", n=1, regex=False), errors="coerce")
    return bool(2 * numbers.notna().sum() > column.notna().sum())


def _looks_dated(column: pd.Series) -> bool:
    """Whether the first cells of a column of text are dates."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    cells = column.dropna().head(20)
    if pd.api.types.is_numeric_dtype(column) or cells.empty or _mostly_numbers(cells):
        return False
    text = cells.astype("str").str.strip()
    return 2 * dates.most(text) > len(cells)


def _elsewhere(frame: pd.DataFrame, path: object = "") -> str | None:
    """The column, none in first place, that holds dates; of several the one whose name says so."""
    others = frame.columns[1:]
    dated = [name for name in others if _looks_dated(frame[name])]
    if not dated:
        numbers = (name for name in others if name.lower() in TIMES and pd.api.types.is_numeric_dtype(frame[name]))
        years = {name: name.lower() in DATES and frame[name].is_unique for name in numbers}  # else one of a calendar
        dated = [name for name, counted in years.items() if numbered(frame[name], counted) is not None]
    by_name = [name for name in dated if name.lower() in TIMES]
    if len(dated) > 1 and len(by_name) != 1 and path:
        several = " and ".join(map(short, dated))
        raise ValueError(f"{path}: columns {several} hold dates: --time NAME says which are the time stamps")
    return (by_name if len(by_name) == 1 else dated or [None])[0]
