"""A CSV as a table of numbers: what its first column stands for, and every fault as one sentence that says where.

    bytes --cells--> first column: time stamps, a count of the rows, or a channel --the rest--> values [T, C]

Shapes: T rows, C channels.
"""

import argparse
import contextlib
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tdlib import calendar
from tdlib.checks import require
from tdlib.files import write_atomically

# names, in lower case, under which a first column of rising whole numbers is no measurement
TIMES = ("", "date", "datetime", "time", "timestamp", "time_stamp", "ts", "unix", "unixtime", "unix_time", "epoch")
COUNTS = ("index", "idx", "level_0", "row", "rows", "row_number", "rownum", "step", "id", "no", "no.", "nr", "#")
UNITS = {"s": (1e8, 1e10), "ms": (1e11, 1e13), "us": (1e14, 1e16), "ns": (1e17, 9e18)}  # unix time from 1973 on
CALENDAR = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by its digits


@dataclass(frozen=True)
class Reading:
    """How a file is read where its own look leaves a choice; every default lets the file decide.

    dayfirst       whether 03/04/2015 is the third of April; None infers it from the whole column
    missing        "refuse" missing rows and values, or "interpolate" them
    longest_gap    as many rows one after another may be interpolated
    columns        the channels, in this order; all where none is named
    time           the name of the column of time stamps
    """

    dayfirst: bool | None = None
    missing: str = "refuse"
    longest_gap: int = 24
    columns: tuple[str, ...] = ()
    time: str = ""


class Frame(NamedTuple):
    """What a file holds: float64 `values` by time stamps (or numbered rows), and what was made of it, in sentences."""

    values: pd.DataFrame
    remarks: tuple[str, ...]


def read_frame(path: str | Path, how: Reading = Reading()) -> Frame:
    """The table of a file; ValueError, in one sentence, for whatever is wrong with it (see `data.read_csv`).

    Its index is a DatetimeIndex under the name of its column, with `freq` where the steps are even, or a RangeIndex.
    """
    return parse(content(path), path, how)


def parse(blob: bytes, path: str | Path, how: Reading = Reading()) -> Frame:
    """`read_frame` of a file's bytes; `path` names it in what is said."""
    frame = _parse(blob, path)
    index, remark = _first_column(frame, path)
    require(len(frame.columns) > 0, f"{path} has no column of numbers")
    for column in frame.select_dtypes(exclude="number"):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        wrong = numbers.isna() & frame[column].notna()
        if wrong.any():
            row = int(np.argmax(wrong))
            cell = _short(frame[column][row])
            raise ValueError(f"{path}: column {_short(column)}, row {row + 1} is not a number: {cell}")
        frame[column] = numbers
    frame = frame.astype(np.float64)
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(frame.to_numpy().astype(np.float32))  # models compute in float32: 1e39 counts as infinite
    if bad.any():
        row, column = np.argwhere(bad)[0]
        first = f"the first in column {_short(frame.columns[column])}, row {row + 1}"
        raise ValueError(f"{path} has {bad.sum()} missing or infinite values, {first}")
    frame.columns = frame.columns.map(str)
    if index is not None:
        frame.index = index
    return Frame(frame, (remark,) if remark else ())


def write_canonical(frame: pd.DataFrame, path: str | Path) -> None:
    """A frame as `read_frame` gives it, in a CSV that it reads back exactly: ISO dates, every digit, no missing cell.

    ValueError where the place cannot be written.
    """
    dated = isinstance(frame.index, pd.DatetimeIndex)
    first = str(frame.columns[0]).strip().lower()
    if not dated and first in (*TIMES, *COUNTS):  # it would be taken for what it is called: the rows are counted first
        frame = frame.set_axis(pd.RangeIndex(len(frame), name="row"))
        dated = True
    write_atomically((Path(path), frame.to_csv(index=dated).encode()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that reads somebody's file; `given` makes a `Reading` of them."""
    usual = Reading()
    first = "whether 03/04/2015 is the third of April (default: what suits the whole column)"
    parser.add_argument("--dayfirst", action=argparse.BooleanOptionalAction, default=usual.dayfirst, help=first)
    missing = "what to do about missing rows and values (default: %(default)s)"
    parser.add_argument("--missing", choices=("refuse", "interpolate"), default=usual.missing, help=missing)
    gap = "as many rows one after another may be interpolated (default: %(default)s)"
    parser.add_argument("--longest-gap", type=int, default=usual.longest_gap, metavar="ROWS", help=gap)
    parser.add_argument("--columns", metavar="A,B", help="the columns to forecast (default: all)")
    parser.add_argument("--time", metavar="NAME", default=usual.time, help="the column of time stamps")


def given(options: argparse.Namespace) -> Reading:
    """The `Reading` that the options of `add_options` ask for; ValueError for a gap below 1."""
    require(options.longest_gap >= 1, f"--longest-gap must be at least 1, got {options.longest_gap}")
    columns = tuple(name.strip() for name in (options.columns or "").split(",") if name.strip())
    return Reading(options.dayfirst, options.missing, options.longest_gap, columns, options.time)


def content(path: str | Path) -> bytes:
    """The bytes of a file; ValueError where it cannot be read. A pipe or a device may never end, and is refused."""
    try:
        place = Path(path)
        if place.exists() and not place.is_dir():
            require(place.is_file(), f"cannot read {path}: it is not a regular file")
        return place.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None


def _parse(blob: bytes, path: str | Path) -> pd.DataFrame:
    try:
        # without a header, so that a row that is wider than the first line is an error and not an index
        first = pd.read_csv(io.BytesIO(blob), header=None, nrows=2, dtype=str).iloc[0].fillna("")
        frame = pd.read_csv(io.BytesIO(blob), low_memory=False)
    except (ValueError, OverflowError) as error:  # empty, ragged or not text
        raise ValueError(f"{path} is not a CSV with a header line: {_plainly(error)}") from None
    numbers = _is_number(first[0]) or (len(first) > 1 and all(map(_is_number, first[1:])))
    require(not numbers, f"{path} has numbers in its first line, where the names of the columns belong")
    require(not frame.empty, f"{path} has a header but no rows")
    return frame


def _plainly(error: Exception) -> str:
    """What the parser means."""
    if isinstance(error, pd.errors.EmptyDataError):
        return "it is empty"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if ragged := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
        expected, line, found = ragged.groups()
        return f"line {line} has {found} values, and the lines above have {expected}"
    if "EOF inside string" in str(error):
        return "a quotation mark is not closed"
    return "its lines cannot be told apart"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_column(frame: pd.DataFrame, path: str | Path) -> tuple[pd.DatetimeIndex | None, str]:
    """Take the first column out of `frame` unless it is a channel: its time stamps, if any, and a remark."""
    column = frame.iloc[:, 0]
    if not pd.api.types.is_numeric_dtype(column):
        given = column.notna().sum()
        if 2 * pd.to_numeric(column, errors="coerce").notna().sum() > given:  # numbers, and a cell that is none
            return None, ""
        return _time_stamps(frame.pop(column.name), path), ""
    name = re.sub("^unnamed: 0$", "", str(column.name).strip().lower())  # pandas' name for none
    numbers = _rising(column)
    if len(frame.columns) == 1 or numbers is None or name not in (*TIMES, *COUNTS):
        return None, ""
    if name in TIMES and (stamps := _numbered_time(numbers)) is not None:
        frame.pop(column.name)
        stamps = _regular(stamps.rename(_own_name(column)))
        return stamps, f"the first column is read as time stamps, from {stamps[0]} to {stamps[-1]}"
    if name in TIMES or (numbers[1:] - numbers[:-1] == 1).all():
        frame.pop(column.name)
        return None, "the first column counts the rows and is no channel: it is left out"
    return None, ""


def _rising(column: pd.Series) -> np.ndarray | None:
    """The column as int64 if it holds whole numbers, each larger than the one before."""
    values = column.to_numpy()
    if values.dtype == bool or not (np.isfinite(values) & (values == np.floor(values)) & (abs(values) < 2**62)).all():
        return None
    values = values.astype(np.int64)
    return values if (values[1:] > values[:-1]).all() else None


def _numbered_time(numbers: np.ndarray) -> pd.DatetimeIndex | None:
    """Dates such as 20200131 or unix time, if that is what rising whole numbers are."""
    if numbers[0] > 0 and len(str(numbers[0])) == len(str(numbers[-1])) in CALENDAR:
        dates = pd.to_datetime(numbers.astype(str), format=CALENDAR[len(str(numbers[0]))], errors="coerce")
        if not dates.isna().any() and dates[0].year >= 1900 and dates[-1].year <= 2100:
            return dates
    for unit, (least, most) in UNITS.items():
        if least <= numbers[0] and numbers[-1] < most:
            return pd.to_datetime(numbers, unit=unit)
    return None


def _time_stamps(column: pd.Series, path: str | Path) -> pd.DatetimeIndex:
    try:
        with warnings.catch_warnings():  # of a format that it cannot guess from the first row
            warnings.simplefilter("ignore", UserWarning)
            stamps = pd.to_datetime(column, errors="coerce")
    except ValueError:
        zones = f"the time stamps of column {_short(column.name)} are of several time zones"
        raise ValueError(f"{path}: {zones}; write all of them in one, such as UTC") from None
    if stamps.isna().any():
        row = int(np.argmax(stamps.isna()))
        cell = _short(column[row])
        raise ValueError(f"{path}: column {_short(column.name)}, row {row + 1} is not a time stamp: {cell}")
    steps = stamps.diff().iloc[1:] <= pd.Timedelta(0)
    if steps.any():
        row = int(np.argmax(steps)) + 1
        fault = "repeats" if stamps[row] == stamps[row - 1] else "is earlier than"
        raise ValueError(f"{path}: the time stamp of row {row + 1}, {column[row]}, {fault} the one before it")
    return _regular(pd.DatetimeIndex(stamps).rename(_own_name(column)))


def _own_name(column: pd.Series) -> str | None:
    return None if column.name == "Unnamed: 0" else str(column.name)


def _regular(stamps: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The same with their `freq`, where none is missing."""
    with contextlib.suppress(ValueError):
        stamps.freq = calendar.frequency(stamps)
    return stamps


def _short(value: object) -> str:
    """A cell or a name as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}…{text[-10:]}"
