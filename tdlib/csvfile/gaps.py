"""Rows that are missing, steps that are uneven, values that are not there: named with their place, or interpolated.

Shapes: T rows, C channels.
"""

import numpy as np
import pandas as pd
from pandas.tseries import offsets

from tdlib import calendar
from tdlib.checks import counted, require, short
from tdlib.csvfile.stamps import ZONE

HOLIDAYS = 0.06  # of all weekdays, and as many in a row as below: where an exchange is closed, nothing is missing
CLOSED = 4
CLOCK = "by a clock that is changed they are even: in pandas, frame.tz_convert('Europe/Berlin').tz_localize(None)"
CLOCK += " mends it, with your zone"
ROUND = [f"{count}{unit}" for unit in ("ms", "s", "min") for count in (1, 5, 10, 15, 30)]
ROUND += ["1h", "2h", "3h", "6h", "12h", "1D"]


def evened(frame: pd.DataFrame, path: object, *, interpolate: bool, longest: int) -> tuple[pd.DataFrame, list[str]]:
    """The frame with even steps and without missing values, and remarks on what was done.

    Without `interpolate` ValueError, in a sentence that says where and how pandas mends it, for steps that are uneven,
    rows that are missing, and missing values; with it for gaps of more than `longest` rows, and for steps that no
    calendar has; either way for missing values at the beginning or the end. Weekdays may lack holidays.
    """
    dated = isinstance(frame.index, pd.DatetimeIndex)
    remarks, lacking = [], 0
    if at_end := _at_an_end(frame.isna()):  # told first: it is not filled as what is missing between is
        raise ValueError(f"{path} {_count(frame.isna())}; {at_end}")
    if dated and len(frame) > 1:
        step = calendar.frequency(frame.index)
        if step is None:
            raise ValueError(f"{path}: {_uneven(frame.index)}")
        absent = _absent(frame.index, step, path)
        if len(absent) == 0:
            frame = frame.set_axis(pd.DatetimeIndex(frame.index, freq=step))  # the caller's own stays as it is
        elif isinstance(step, offsets.BusinessDay) and not interpolate and _holidays(absent, frame.index):
            remarks.append(f"{len(absent)} weekdays, such as {absent[0]:%Y-%m-%d}, have no row and count as holidays")
        else:
            require(interpolate, f"{path}: {_gaps(absent, frame.index, step)}")
            lacking = len(absent)
            frame = frame.reindex(pd.date_range(frame.index[0], frame.index[-1], freq=step, name=frame.index.name))
    missing = frame.isna()
    if not missing.to_numpy().any():
        return frame, remarks
    if not interpolate:
        fills = "a command's --missing interpolate fills them, and in pandas frame.interpolate()"
        raise ValueError(f"{path} {_count(missing)}; {fills}")
    _check_runs(missing, path, longest)
    if lacking:
        remarks.append(f"{counted(lacking, 'missing row')} interpolated, which makes {len(frame)} rows")
    if cells := int(missing.to_numpy().sum()) - lacking * len(frame.columns):
        remarks.append(f"{counted(cells, 'missing value')} interpolated")
    return frame.interpolate("time" if dated else "linear"), remarks


def _count(missing: pd.DataFrame) -> str:
    """How many values are missing, and where; there is one."""
    row, column = np.argwhere(missing.to_numpy())[0]
    where = f"the first in column {short(missing.columns[column])}, row {row + 1}"
    return f"has {int(missing.to_numpy().sum())} missing values, {where}"


def _at_an_end(missing: pd.DataFrame) -> str:
    """What to do about values that are missing at the beginning or the end, and have others on one side only; or ""."""
    table = missing.to_numpy()
    until_end = np.logical_and.accumulate(table[::-1]).sum(0)  # [C] rows
    if until_end.max() == 1:
        return f"row {len(table)}, the last one, is incomplete: leave it out"
    if until_end.max() > 1 and not until_end.all():  # other columns go on
        return "what is known ahead of them, a covariate, no model here takes: leave these rows out"
    for row, where in ((0, "beginning"), (-1, "end")):
        if table[row].any():
            at = f"column {short(missing.columns[table[row].argmax()])} is missing at the {where}"
            return f"{at}; a value on one side only is not interpolated: leave these rows out"
    return ""


def _absent(index: pd.DatetimeIndex, step: offsets.BaseOffset, path: object) -> pd.DatetimeIndex:
    """The stamps between first and last that have no row; ValueError where a row would have no stamp, and be lost."""
    if not _far_apart(index):
        whole = pd.date_range(index[0], index[-1], freq=step)
        if index.isin(whole).all():
            return whole.difference(index)
    raise ValueError(f"{path}: {_uneven(index)}")


def _far_apart(index: pd.DatetimeIndex) -> bool:
    """Whether the common step would take far more rows than there are: a stamp is wrong, or of another century."""
    return bool((index[-1] - index[0]) / index.to_series().diff().mode()[0] > 20 * len(index) + 1000)


def _holidays(absent: pd.DatetimeIndex, index: pd.DatetimeIndex) -> bool:
    days = len(absent) + len(index)
    longest = index.to_series().diff().max() / calendar.DAY  # of four weekdays and a weekend: 7
    return len(absent) <= HOLIDAYS * days and longest <= CLOSED + 3


def _uneven(index: pd.DatetimeIndex) -> str:
    """Where the steps of stamps change that lie on no grid."""
    steps = index.to_series().diff().iloc[1:]
    common = steps.mode()[0]
    row = int((steps != common).argmax())
    found = f"row {row + 2} comes {words(steps.iloc[row])} after row {row + 1}, at {index[row + 1]}"
    evens = CLOCK if _by_a_clock(index, common) else f"in pandas, {_evening(index)} evens them"
    return f"the time stamps are uneven: {found}, where the most common step is {words(common)}; {evens}"


def _by_a_clock(index: pd.DatetimeIndex, common: pd.Timedelta) -> bool:
    """Whether stamps of a zone would be even, were some not an hour off: in another zone the clock is changed."""
    cycle, hour = min(common, calendar.DAY), pd.Timedelta(hours=1)
    clocks = ((index - index.normalize()) % cycle).unique()
    return index.tz is not None and len(clocks) == 2 and abs(clocks[1] - clocks[0]) in (hour, cycle - hour)


def _evening(index: pd.DatetimeIndex) -> str:
    """The line that makes stamps even: one of each month, quarter, year or day, or each moved a little; else means."""
    ways = {f"index.to_period({kind!r}).to_timestamp()": index.tz_localize(None).to_period(kind) for kind in "YQM"}
    found = {code: periods.to_timestamp() for code, periods in ways.items()} | {"index.normalize()": index.normalize()}
    usual = index.to_series().diff().median()
    near = min(ROUND, key=lambda step: abs(np.log(usual / pd.Timedelta(step)))) if usual > pd.Timedelta(0) else ROUND[0]
    found[f"index.round({near!r})"] = index.round(near)
    for code, stamps in found.items():
        step = calendar.frequency(stamps)
        near_enough = step is not None and not _far_apart(stamps)
        if near_enough and len(pd.date_range(stamps[0], stamps[-1], freq=step)) == len(stamps):
            return f"frame.index = frame.{code}"
    return f"frame.resample({near!r}).mean().interpolate()"


def _gaps(absent: pd.DatetimeIndex, index: pd.DatetimeIndex, step: offsets.BaseOffset) -> str:
    """Where rows are missing, and what fills them."""
    after = index.searchsorted(absent)  # of each missing one the rows before it
    first, gaps = int(after[0]), len(set(after))
    count = f"{counted(len(absent), 'row')} {'is' if len(absent) == 1 else 'are'} missing"
    several = f" in {gaps} gaps, the first" if gaps > 1 else ""
    fills = (
        f"a command's --missing interpolate fills them, and in pandas frame.asfreq({calendar.code(step)}).interpolate()"
    )
    alone = (after == first).sum() == 1 and isinstance(step, offsets.Tick) and index.tz is None
    spring = alone and absent[0].weekday() == 6 and absent[0].hour < 4  # a Sunday's night has an hour less
    clock = f"; if the clock was put forward then, {ZONE}" if spring else ""
    return f"{count}{several} after row {first}, {index[first - 1]}; {fills}{clock}"


def words(step: pd.Timedelta) -> str:
    return str(step).removesuffix(" 00:00:00").removeprefix("0 days ")


def _check_runs(missing: pd.DataFrame, path: object, longest: int) -> None:
    """ValueError for a gap that is too long to be interpolated."""
    for name in missing.columns[missing.any()]:
        column = missing[name].to_numpy()
        edges = np.flatnonzero(np.diff(np.r_[False, column, False].astype(int)))  # begin and end of each run
        begins, ends = edges[::2], edges[1::2]
        run = int((ends - begins).argmax())
        length, where = int(ends[run] - begins[run]), _place(missing.index, begins[run])
        words = f"{path}: column {short(name)} is missing for {length} rows from {where} on"
        require(length <= longest, f"{words}, more than --longest-gap {longest}")


def _place(index: pd.Index, row: int) -> str:
    return str(index[row]) if isinstance(index, pd.DatetimeIndex) else f"row {row + 1}"
