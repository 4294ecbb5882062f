"""Frames as people have them, wide or long, as one wide table of numbers, and forecasts back in the same form.

    wide    a column a channel; the index holds time stamps, or numbers the rows
    long    columns unique_id, ds, y: a row for each series and time stamp (as statsforecast has it)

Shapes: T rows, C channels.
"""

import numpy as np
import pandas as pd

from tdlib import data, gaps
from tdlib.checks import require

LONG = ("unique_id", "ds", "y")
MODEL = "tdlib"  # what forecasts in long form are called, as in statsforecast's frames a model's name


def is_long(frame: pd.DataFrame) -> bool:
    """Whether a frame has the three columns of the long form."""
    return set(LONG) <= set(frame.columns)


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame in either form as float64 [T, C], the columns' names as text.

    Time stamps are those of UTC where their zone's clock is changed within the rows.
    ValueError for what is no frame, a value that is missing or no finite number, names that repeat, time stamps that do
    not rise, are uneven or leave some out (`gaps.evened`), and series of a long frame that do not share their time
    stamps (the first one that differs is named).
    """
    require(isinstance(frame, pd.DataFrame), f"a series is a pandas DataFrame, got {type(frame).__name__}")
    if is_long(frame):
        frame = _unstacked(frame)
    require(frame.shape[0] > 0 and frame.shape[1] > 0, f"a frame of {frame.shape[0]} rows and {frame.shape[1]} columns")
    names = frame.columns.map(str)
    twice = names[names.duplicated()]
    require(not len(twice), f"two columns are called {twice[0]!r}" if len(twice) else "")
    for name, column in zip(names, frame.dtypes, strict=True):
        number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
        require(number, f"column {name!r} holds no numbers, but {column}")
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        first = f"the first in column {names[column]!r}, row {row + 1}"
        raise ValueError(f"the frame has {len(bad)} missing or infinite values, {first}")
    if isinstance(frame.index, pd.DatetimeIndex):
        rising = frame.index.is_monotonic_increasing and frame.index.is_unique
        require(rising, "the time stamps of the frame must rise: see DataFrame.sort_index")
        table = pd.DataFrame(values, _even_clock(frame.index), names)
        found, _ = gaps.evened(table, "the frame", interpolate=False, longest=1)
        return found
    return pd.DataFrame(values, columns=names)


def _even_clock(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """In UTC where the zone's clock is changed within the rows: an hour would repeat, another one lack."""
    if index.tz is None:
        return index
    universal = index.tz_convert("UTC")
    offsets = index.tz_localize(None) - universal.tz_localize(None)
    return index if offsets.nunique() == 1 else universal


def series(table: pd.DataFrame, name: str) -> data.Series:
    """A table of `wide` as the series of the file `name`.csv."""
    index = table.index if isinstance(table.index, pd.DatetimeIndex) else None
    return data.Series(table.to_numpy(), index, tuple(table.columns), f"{name}.csv", "")


def _unstacked(frame: pd.DataFrame) -> pd.DataFrame:
    """unique_id, ds, y -> a column for each series, in order of appearance, by time stamp."""
    pairs = frame.duplicated(["unique_id", "ds"])
    if pairs.any():
        name, stamp = frame.loc[pairs, ["unique_id", "ds"]].iloc[0]
        raise ValueError(f"series {name!r} has two values at {stamp}")
    table = frame.pivot(index="ds", columns="unique_id", values="y")[frame["unique_id"].unique()]
    lengths = frame.groupby("unique_id", sort=False)["ds"].agg(["size", "min", "max"])
    differ = (lengths != lengths.iloc[0]).any(axis=1)
    if differ.any():
        name, (size, first, last) = lengths.index[differ.argmax()], lengths[differ].iloc[0]
        other = f"series {lengths.index[0]!r} {lengths['size'].iloc[0]} from {lengths['min'].iloc[0]}"
        raise ValueError(
            f"series {name!r} has {size} rows from {first} to {last}, {other} to {lengths['max'].iloc[0]}: "
            "all series of a panel must have the same time stamps; cut or fill them first"
        )
    table.columns.name = None
    return table


def band(channel: str, level: float) -> tuple[str, str]:
    """What the lower and the upper end of a band are called, after statsforecast: load-lo-80, load-hi-80."""
    return f"{channel}-lo-{level:g}", f"{channel}-hi-{level:g}"


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
