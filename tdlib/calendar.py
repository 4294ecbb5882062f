"""The calendar of time stamps: their step, those that follow, and after how many steps a series repeats itself.

A step is of the clock (15 minutes, an hour) or of the calendar (business days, weeks, months, quarters, years):
after the end of January comes the end of February, and no median of days says so.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from tdlib.checks import require

DAY = pd.Timedelta(days=1)
MONTH = 365.25 / 12  # days
CYCLES = ((1, 7), (7, 52), (MONTH, 12), (3 * MONTH, 4))  # days of a step, steps until it is the same again


def frequency(index: pd.DatetimeIndex | None) -> offsets.BaseOffset | None:
    """The step of rising time stamps, also where rows are missing: every stamp then lies on the step's grid.

    None without time stamps or with one, where they do not rise, and where no step leads to all of them.
    """
    if index is None or len(index) < 2 or not (index.is_monotonic_increasing and index.is_unique):
        return None
    if index.freq is not None:
        return index.freq
    if len(index) > 2:
        with warnings.catch_warnings():  # of what it will return in a later pandas; `to_offset` takes both
            warnings.simplefilter("ignore", DeprecationWarning)
            whole = to_offset(pd.infer_freq(index))
        # pandas takes the last Friday of a month for its fourth, and any 8 hours for those of business
        if whole is not None and (apart := distances(index, whole)) is not None and (apart == 1).all():
            return whole
    return next((step for step in _candidates(index) if distances(index, step) is not None), None)


def _candidates(index: pd.DatetimeIndex) -> Iterator[offsets.BaseOffset]:
    """Steps by the most common distance of two stamps, those of the calendar first."""
    first, common = index[0], index.to_series().diff().mode()[0]
    days = common / DAY
    months = round(days / MONTH)
    if days > 27 and abs(days - months * MONTH) <= 3:
        if months % 12 == 0:
            yield from (
                offsets.YearBegin(months // 12, month=first.month),
                offsets.YearEnd(months // 12, month=first.month),
            )
        if months % 3 == 0:
            quarters = {"n": months // 3, "startingMonth": first.month}
            yield from (offsets.QuarterBegin(**quarters), offsets.QuarterEnd(**quarters))
        for kind in (offsets.MonthBegin, offsets.MonthEnd, offsets.BusinessMonthBegin, offsets.BusinessMonthEnd):
            yield kind(months)
        yield offsets.DateOffset(months=months)  # the 15th of every month
    if days == 1 and index[-1] - first > 14 * DAY:
        yield offsets.BusinessDay()
    if days % 7 == 0:
        yield offsets.Week(int(days) // 7, weekday=first.weekday())
    yield offsets.Day(int(days)) if days % 1 == 0 else to_offset(common)


def distances(index: pd.DatetimeIndex, step: offsets.BaseOffset) -> np.ndarray | None:
    """How many steps lie between each of T rising stamps and the next, [T - 1]; None where it does not lead to all."""
    if isinstance(step, offsets.Tick):
        apart = index[1:] - index[:-1]
        return None if (apart % pd.Timedelta(step)).any() else (apart // pd.Timedelta(step)).to_numpy()
    places = pd.date_range(index[0], index[-1], freq=step).get_indexer(index)
    return np.diff(places) if step.is_on_offset(index[0]) and (places >= 0).all() else None


def by_a_clock(index: pd.DatetimeIndex) -> bool:
    """Whether stamps, of days or longer steps, all have the same time of day where they are, whatever its offset."""
    local = index.tz_localize(None)
    return (local - local.normalize()).nunique() == 1


def following(index: pd.DatetimeIndex, steps: int, known: offsets.BaseOffset | None = None) -> pd.DatetimeIndex:
    """The `steps` time stamps after the last one, under the same name; ValueError where no calendar goes on to them.

    They go on by the `known` step where that leads to all of `index`: few stamps do not show theirs.
    """
    step = known if known is not None and distances(index, known) is not None else frequency(index)
    require(step is not None, "the time stamps have no common step that could go on")
    try:
        made = pd.date_range(index[-1], periods=steps + 1, freq=step, name=index.name)[1:]
        within = made[-1].year <= 9999  # of more digits no date is written
    except (OverflowError, ValueError):  # pandas' OutOfBoundsDatetime is one
        within = False
    require(within, f"no calendar goes on for {steps} steps after {index[-1]}")
    return made


def period(index: pd.DatetimeIndex | None) -> int:
    """Steps in which a series is expected to repeat itself; 1 for a step that none is known for.

    A day of steps below a day, a week of days or business days, a year of weeks, months or quarters. Where the stamps
    have no common step their median distance counts.
    """
    if index is None or len(index) < 2:
        return 1
    step = frequency(index)
    if step == offsets.BusinessDay():
        return 5
    if isinstance(step, offsets.BusinessHour):
        return int(index.normalize().value_counts().max())
    if length(step) == "28 days":  # and not a month's last Friday
        return 13
    days = index.to_series().diff().median() / DAY
    if days < 1:
        return round(1 / days)
    return next((count for step, count in CYCLES if abs(days / step - 1) < 0.1), 1)


def code(step: offsets.BaseOffset) -> str:
    """A step as an argument of pandas' `asfreq` and `resample`, such as 'MS' in quotation marks."""
    months = _months(step)
    return f"pd.DateOffset(months={months})" if months else repr(step.freqstr)


def spelled(step: offsets.BaseOffset | None) -> str:
    """A step as text, which `parsed` reads again; "" for none, and for one of one's own that no text says."""
    if step is None:
        return ""
    months = _months(step)
    text = f"{months} months" if months else step.freqstr
    with contextlib.suppress(ValueError):
        return text if parsed(text) == step else ""
    return ""


def parsed(text: str) -> offsets.BaseOffset | None:
    """The inverse of `spelled`; ValueError for what is none."""
    if months := re.fullmatch(r"(\d+) months", text):
        return offsets.DateOffset(months=int(months[1]))
    return to_offset(text) if text else None


def _months(step: offsets.BaseOffset) -> int | None:
    """Of an offset without a name in pandas, such as from the 15th of a month to that of the next."""
    return step.kwds.get("months") if type(step) is offsets.DateOffset else None


def length(step: offsets.BaseOffset | None) -> str:
    """How long a step is, in words and whatever day it falls on: the last of a month and the first are "1 month"."""
    if step is None:
        return ""
    kind = type(step).__name__
    for unit, months in (("Month", 1), ("Quarter", 3), ("Year", 12)):
        if unit in kind and not kind.startswith("WeekOf"):
            return _count(step.n * months, "month")
    if months := _months(step):
        return _count(step.n * months, "month")
    if isinstance(step, offsets.Week | offsets.Day):
        return _count(step.n * (7 if isinstance(step, offsets.Week) else 1), "day")
    if isinstance(step, offsets.BusinessDay):
        return _count(step.n, "weekday")
    if isinstance(step, offsets.Tick):
        seconds = pd.Timedelta(step) / pd.Timedelta(seconds=1)
        size, unit = next((pair for pair in ((3600, "hour"), (60, "minute")) if seconds % pair[0] == 0), (1, "second"))
        return _count(seconds / size, unit)
    return str(step)


def _count(number: float, unit: str) -> str:
    return f"{number:g} {unit}{'' if number == 1 else 's'}"
