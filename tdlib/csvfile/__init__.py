"""Somebody's file as a table of numbers with a calendar; every fault is one sentence that says where.

    bytes --cells--> text and numbers --stamps, panel--> time stamps [T], channels --gaps--> even steps, values [T, C]

Shapes: T rows, C channels.
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tdlib.checks import counted, listed, one_of, require, short
from tdlib.csvfile import cells, gaps, panel, stamps
from tdlib.csvfile.cells import content
from tdlib.files import write_atomically

__all__ = ["Frame", "Reading", "add_options", "content", "given", "parse", "read_frame", "write_canonical"]

FILL = 9e18  # and beyond, as float32's or netCDF's largest, or the least whole number
LARGEST = (32767, -32768, 65535, 2**31 - 1, -(2**31))  # whole numbers; a logger may keep tenths in them
SENTINELS = (-999.25, -127, *LARGEST, *(number / 10 for number in LARGEST))  # for no value, nines and eights apart
FAR, FARTHEST = 3, 30  # a gap beside the middle values, in their width, that parts a code from them, and an error
TOLD = 3  # of such values of a column
RARE = 0.01  # of the rows: what is there more often is a state of its own
FEW = 10  # different values, which may be states
BINARY = (".gz", ".xlsx", ".parquet")
ENDINGS = (".csv", ".tsv", ".txt", *BINARY)  # what a path of a file of numbers ends in


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

    def __post_init__(self):
        one_of("missing", self.missing, ("refuse", "interpolate"))
        require(self.longest_gap >= 1, f"the longest gap must be at least 1 row, got {self.longest_gap}")


class Frame(NamedTuple):
    """What a file holds: float64 `values` by time stamps (or numbered rows), and what was made of it, in sentences."""

    values: pd.DataFrame
    remarks: tuple[str, ...]


def read_frame(path: str | Path, how: Reading = Reading()) -> Frame:
    """The table of a file; ValueError, in one sentence, for whatever is wrong with it (see `data.read_csv`).

    Its index is a DatetimeIndex under the name of its column, with `freq` where the calendar has one (weekdays
    without holidays have none), or a RangeIndex.
    """
    frame, remarks, numbers = _read(content(path), path, how)
    return Frame(frame, (*remarks, *stamps.suspicions(numbers), *_sentinels(numbers)))


def parse(blob: bytes, path: str | Path, how: Reading = Reading()) -> Frame:
    """`read_frame` of a file's bytes, without remarks on its values; `path` names it in what is said.

    What is remarked here is part of a run's id (`data.checksum`), and a guess about values may change.
    """
    return Frame(*_read(blob, path, how)[:2])


def _read(blob: bytes, path: str | Path, how: Reading) -> tuple[pd.DataFrame, tuple[str, ...], pd.DataFrame]:
    """The table of a file, remarks, and its numbers before any is interpolated."""
    frame, remarks = cells.table(blob, path)
    if panel.is_long(frame):
        frame, said = panel.widened(frame, path, how.dayfirst)
        index = frame.index if isinstance(frame.index, pd.DatetimeIndex) else None
        frame = frame.reset_index(drop=True)
    else:
        index, said = stamps.take(frame, path, how.dayfirst, how.time)
    remarks += said
    numbers = _numbers(_chosen(frame, path, how.columns), path)
    if index is not None:
        numbers.index = index
    frame, said = gaps.evened(numbers, path, interpolate=how.missing == "interpolate", longest=how.longest_gap)
    return frame, (*remarks, *said), numbers


def _chosen(frame: pd.DataFrame, path: str | Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """The channels alone, in their order."""
    require(len(frame.columns) > 0, f"{path} has no column of numbers")
    for name in columns:
        known = f"{path} has no column {short(name)} of numbers; it has {listed(frame.columns)}"
        require(name in frame.columns, known)
    frame = frame[list(columns)] if columns else frame
    require("" not in frame.columns, f"{path}: column 1 has no name in the header, and is no time")
    return frame


def _numbers(frame: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """The cells as float64, NaN where there is none."""
    made = {}
    for name, column in frame.items():
        kind = {"M": "dates, and is not the time", "m": "durations, and no numbers"}.get(column.dtype.kind, "")
        require(not kind, f"{path}: column {short(name)} holds {kind}; --columns leaves it out")
        numbers = column if pd.api.types.is_numeric_dtype(column) else pd.to_numeric(column, errors="coerce")
        wrong = numbers.isna() & column.notna()
        if wrong.any():
            row = int(np.argmax(wrong))
            words = f"column {short(name)}, row {row + 1} is not a number: {short(column.iloc[row])}"
            grouped = re.fullmatch(r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d+)?\s*", str(column.iloc[row]))
            hint = "; --columns chooses the columns to read" if wrong.sum() > 1 else ""
            hint = "; pandas.read_csv(..., thousands=',') reads it" if grouped else hint
            raise ValueError(f"{path}: {words}{hint}")
        require(not numbers.isna().all(), f"{path}: column {short(name)} has no value in any row")
        made[name] = numbers.astype(np.float64)
    whole = pd.DataFrame(made)
    values = whole.to_numpy()
    with np.errstate(over="ignore"):
        too_large = np.isinf(values.astype(np.float32))  # models compute in it
    for found, kind in ((np.isinf(values), "infinite values"), (too_large, "values larger than float32 holds")):
        if found.any():
            row, column = np.argwhere(found)[0]
            where = f"the first in column {short(whole.columns[column])}, row {row + 1}"
            raise ValueError(f"{path} has {int(found.sum())} {kind}, {where}")
    return whole


def _sentinels(frame: pd.DataFrame) -> list[str]:
    """What is said of values far from all others of their column: codes such as -9999, or a few that may be errors."""
    remarks = []
    for name, column in frame.items():
        values, counts = np.unique(column.dropna(), return_counts=True)
        if len(values) > FEW:
            (low, high), (lowest, highest) = (_middle(values, gap) for gap in (FAR, FARTHEST))
        else:  # they may be states, and one of them 999, but hardly -999
            far = len(values) > 1 and 0 > values[0] < values[1] - FAR * (values[-1] - values[1])
            low, high, lowest, highest = int(far), len(values), 0, len(values)
        told = []
        for place in (*range(low), *range(high + 1, len(values))):
            value, rows = values[place], int(counts[place])
            digits = set(f"{abs(value):.12g}".replace(".", ""))
            nines = (digits == {"9"} and value >= 999) or (digits in ({"9"}, {"8"}, {"7"}) and value <= -99)
            coded = nines or value in SENTINELS or abs(value) > FILL
            wrong = rows <= max(1, RARE * len(column)) and not lowest <= place <= highest
            if coded or wrong:
                meant = "stands for a missing one" if coded else "is an error"
                found = f"column {short(name)} has {value:.12g} in {counted(rows, 'row')}"
                told.append(f"{found}, far from its other values: if it {meant}, leave it empty")
        remarks += told[:TOLD]
    return remarks


def _middle(values: np.ndarray, gap: float) -> tuple[int, int]:
    """The first and last of the middle of different values in order: up to a gap that is `gap` times as wide as it."""
    cut = max(2, len(values) // 10)
    low, high = cut, len(values) - 1 - cut
    while True:
        width = gap * (values[high] - values[low])
        lower = low > 0 and values[low] - values[low - 1] <= width
        higher = high < len(values) - 1 and values[high + 1] - values[high] <= width
        if not (lower or higher):
            return low, high
        low, high = low - lower, high + higher


def write_canonical(frame: pd.DataFrame, path: str | Path) -> None:
    """A frame as `read_frame` gives it, in a CSV that it reads back exactly; see `canonical`.

    OSError or DiskFull where the place cannot be written.
    """
    write_atomically((Path(path), canonical(frame)))


def canonical(frame: pd.DataFrame) -> bytes:
    """The bytes of that CSV: ISO dates, every digit, no missing cell.

    Rows without dates are counted first where a channel would be taken for what it is called, such as "time" or 0.
    """
    first, *others = (str(name).strip().lower() for name in frame.columns)
    dated = isinstance(frame.index, pd.DatetimeIndex)
    if dated and cells.is_data(str(frame.index.name)):
        frame = frame.rename_axis(None)
    alike = first in stamps.COUNTS or cells.is_data(first) or not {first, *others}.isdisjoint(stamps.TIMES)
    if not dated and alike:
        frame = frame.set_axis(pd.RangeIndex(len(frame), name=stamps.ROW))
        dated = True
    return frame.to_csv(index=dated).encode()


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
    """The `Reading` that the options of `add_options` ask for; ValueError for no columns, or a gap below 1."""
    columns = tuple(name.strip() for name in (options.columns or "").split(",") if name.strip())
    require(bool(columns) or options.columns is None, f"--columns {options.columns!r} names no column")
    return Reading(options.dayfirst, options.missing, options.longest_gap, columns, options.time)
