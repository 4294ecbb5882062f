"""Frames as people have them, wide or long, as one wide table of numbers, and forecasts back in the same form.

    wide    a column a channel; the index holds time stamps or periods, or numbers the rows
    long    columns unique_id, ds, y: a row for each series and time stamp (`panel`; as statsforecast has it)

Shapes: T rows, C channels.
"""

import itertools

import numpy as np
import pandas as pd
from pandas.tseries import offsets

from tdlib import calendar, data
from tdlib.checks import require, short
from tdlib.csvfile import Frame, gaps, panel, stamps
from tdlib.csvfile.cells import check_upright

FARTHEST = 1e5  # deviations in the middle half of the values: beyond, float32 keeps about two digits of these
MODEL = "tdlib"  # what forecasts in long form are called, as in statsforecast's frames a model's name


def wide(frame: pd.DataFrame, step: offsets.BaseOffset | None = None) -> Frame:
    """A frame in either form as float64 [T, C], the columns' names as text, and what was made of it, in sentences.

    Time stamps are those of UTC where their zone's clock is changed within the rows, unless all are of one time of day,
    and of periods their begins.
    `step` is that of the stamps where it is known: few rows do not show that they are weekdays, with a holiday.
    ValueError for what is no frame, a value that is missing or no finite number, names that repeat, an index of neither
    stamps nor numbers, time stamps that do not rise, are uneven or leave some out (`gaps.evened`), and for a long frame
    that has no wide form (`panel.widened`).
    """
    require(isinstance(frame, pd.DataFrame), f"a series is a pandas DataFrame, got {type(frame).__name__}")
    remarks = []
    if panel.is_long(frame):
        frame, remarks = panel.widened(frame, "the frame", None)
    else:
        check_upright(frame.columns, "the frame")
    require(frame.shape[0] > 0 and frame.shape[1] > 0, f"a frame of {frame.shape[0]} rows and {frame.shape[1]} columns")
    names = frame.columns.map(str)
    twice = names[names.duplicated()]
    require(not len(twice), f"two columns are called {twice[0]!r}" if len(twice) else "")
    for name, column in zip(names, frame.dtypes, strict=True):
        number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
        dates = f"frame.set_index(pd.to_datetime(frame.pop({name!r}))) if these are time stamps"
        require(number, f"column {name!r} holds no numbers, but {column}: set it as the index, {dates}")
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        first = f"the first in column {names[column]!r}, row {row + 1}"
        raise ValueError(f"the frame has {len(bad)} missing or infinite values, {first}")
    index = frame.index.to_timestamp() if isinstance(frame.index, pd.PeriodIndex) else frame.index
    rising = index.is_monotonic_increasing and index.is_unique
    if isinstance(index, pd.DatetimeIndex):
        require(rising, "the time stamps of the frame must rise: see DataFrame.sort_index")
        table, said = pd.DataFrame(values, _even_clock(index), names), []
        if step is None or not _goes_on(table.index, step):
            table, said = gaps.evened(table, "the frame", interpolate=False, longest=1)
        return Frame(table, (*remarks, *said))
    kind = f"the index of the frame holds neither time stamps nor numbers, but {short(index[0])}"
    mends = "frame.index = pd.to_datetime(frame.index) reads text, and frame.reset_index(drop=True) numbers the rows"
    require(pd.api.types.is_numeric_dtype(index), f"{kind}: {mends}")
    fault = "they do not rise" if not rising else stamps.uneven(pd.Series(index), "it")
    mends = "frame.reset_index(drop=True) numbers the rows, if none is missing and they stand in order"
    require(not fault, f"the index of the frame numbers its rows: {fault.partition(':')[0]}; {mends}")
    return Frame(pd.DataFrame(values, columns=names), tuple(remarks))


def _goes_on(index: pd.DatetimeIndex, step: offsets.BaseOffset) -> bool:
    """Whether each stamp is a `step` after the one before it, or, of weekdays, some holidays later."""
    apart = calendar.distances(index, step)
    most = gaps.CLOSED + 1 if isinstance(step, offsets.BusinessDay) else 1
    return apart is not None and bool((apart <= most).all())


def _even_clock(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """In UTC where the zone's clock is changed within the rows: an hour would repeat, another one lack. Not days."""
    if index.tz is None:
        return index
    universal = index.tz_convert("UTC")
    offsets = index.tz_localize(None) - universal.tz_localize(None)
    return index if offsets.nunique() == 1 or calendar.by_a_clock(index) else universal


def series(table: pd.DataFrame, name: str) -> data.Series:
    """A table of `wide` as the series of the file `name`.csv."""
    index = table.index if isinstance(table.index, pd.DatetimeIndex) else None
    return data.Series(table.to_numpy(), index, tuple(table.columns), f"{name}.csv", "")


def band(channel: str, level: float) -> tuple[str, str]:
    """What the lower and the upper end of a band are called, after statsforecast: load-lo-80, load-hi-80."""
    return f"{channel}-lo-{level:g}", f"{channel}-hi-{level:g}"


def check_names(channels: list[str], levels: tuple[float, ...]) -> None:
    """ValueError for a channel that is called as a band of another one is: one would overwrite the other."""
    for channel in channels:
        for name in itertools.chain.from_iterable(band(channel, level) for level in levels):
            words = f"the column {name!r} is called as a band of {channel!r} will be: give it another name"
            require(name not in channels, words)


def check_scale(table: pd.DataFrame) -> None:
    """ValueError for a channel whose values are all one in float32, in which models compute, after scaling.

    One value of 1e15 among others of about 10 does that, and values below 1e-160, whose squares are 0.
    """
    values = table.to_numpy()
    with np.errstate(over="ignore"):
        deviation, middle = values.std(0), np.subtract(*np.percentile(values, (75, 25), axis=0))
    for name, column, wide, narrow in zip(table.columns, values.T, deviation, middle, strict=True):
        require(wide > 0 or (column == column[0]).all(), f"the values of {name!r} are too small: take larger units")
        row = int(np.abs(column - np.median(column)).argmax())
        words = (
            f"{name!r} has {column[row]:g} in row {row + 1}, so far from its other values that these would count as one"
        )
        require(narrow == 0 or wide < FARTHEST * narrow, f"{words}: if it stands for a missing one, leave it out")


def bounded(forecasts: pd.DataFrame, *, nonnegative: bool, integer: bool) -> pd.DataFrame:
    """Forecasts and bands of which nothing is below 0, or all is rounded, where that is asked for."""
    found = forecasts.clip(lower=0) if nonnegative else forecasts
    return found.round() + 0.0 if integer else found  # -0.0 becomes 0


def stacked(forecasts: pd.DataFrame, channels: list[str], levels: tuple[float, ...]) -> pd.DataFrame:
    """Forecasts in wide form as unique_id, ds, tdlib, tdlib-lo-80, tdlib-hi-80, ..."""
    parts = []
    for channel in channels:
        names = {channel: MODEL}
        for level in levels:
            names |= dict(zip(band(channel, level), band(MODEL, level), strict=True))
        part = forecasts[list(names)].rename(columns=names).rename_axis("ds").reset_index()
        part.insert(0, "unique_id", channel)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
