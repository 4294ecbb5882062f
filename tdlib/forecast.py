"""What follows a series, by a run that is trained: after values at hand, or after the last row of a CSV.

Shapes: T rows, L look-back, H horizon, C channels.
"""

from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tdlib import calendar, data
from tdlib.checks import require
from tdlib.run import trained
from tdlib.store import Store


@torch.no_grad()
def forecast(id: str, store: str | Path | Store, values) -> np.ndarray:
    """What follows `values` [T, C], in their own units: [H, C].

    `values` may be an array, a tensor, nested lists, or a frame whose columns are the run's; of its rows the last
    L are read. ValueError without weights, with other channels than the run's, with fewer rows than it looks back,
    for what is not finite real numbers, and where the forecast itself would not be finite.
    """
    model, about = trained(id, store if isinstance(store, Store) else Store(store))
    window = _window(values, about)
    mean, deviation = np.array(about["mean"]), np.array(about["deviation"])
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        scaled = torch.from_numpy(((window - mean) / deviation).astype(np.float32))
        made = model(scaled[None]).prediction[0].numpy() * deviation + mean
    still = np.array(about.get("constant") or False) & (window == window[-1]).all(0)  # [C]
    made = np.where(still, window[-1], made)  # what has never moved stays where it is
    far = f"the forecast of run {id} is not finite: the values are far from those that the run has learned from"
    require(bool(np.isfinite(made).all()), far)
    return made


def forecast_csv(id: str, store: str | Path | Store, path: str | Path) -> pd.DataFrame:
    """What follows the last row of a CSV, with the time stamps that follow its own, or numbered from 1; see `forecast`.

    ValueError too for whatever is wrong with the CSV, and for time stamps that no calendar goes on to.
    """
    series = data.read_csv(path)
    made = forecast(id, store, pd.DataFrame(series.values, columns=list(series.channels)))
    steps = np.arange(1, len(made) + 1)
    if series.index is None or len(series.index) < 2:
        return pd.DataFrame(made, pd.Index(steps, name="step"), series.channels)
    try:
        return pd.DataFrame(made, calendar.following(series.index, len(made)), series.channels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _window(values, about: dict) -> np.ndarray:
    """The last L rows of `values` as float64 [L, C]."""
    lookback, channels = about["config"]["lookback"], about["channels"]
    names = getattr(values, "columns", None)
    if names is not None and not isinstance(names, pd.RangeIndex):
        known = f"the run knows the columns {', '.join(channels)}; these are {', '.join(map(str, names))}"
        require(list(map(str, names)) == channels, known)
    table = _numbers(values)
    shape = f"the run knows {len(channels)} channels, and values must be [rows, {len(channels)}]; got {table.shape}"
    require(table.ndim == 2 and table.shape[1] == len(channels), shape)
    require(len(table) >= lookback, f"{len(table)} rows are too few: the run looks back {lookback}")
    window = table[-lookback:].astype(np.float64)
    bad = int((~np.isfinite(window)).sum())
    require(bad == 0, f"values must be finite; of the last {lookback} rows {bad} values are missing or infinite")
    return window


def _numbers(values) -> np.ndarray:
    """`values` as an array of real numbers."""
    try:
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu()
            values = values.double() if values.is_floating_point() else values  # NumPy has no bfloat16
        if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "biuf":
            values = values.astype(float).filled(np.nan)
        table = np.asarray(values)
        if table.dtype == object and all(isinstance(cell, Real) for cell in table.flat):
            table = table.astype(float)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # ragged lists, tensors without a place, 10^400
        table = np.array(None)
    kind = f"values must be a table of real numbers, got {type(values).__name__} of {table.dtype.name}"
    require(table.dtype.kind in "biuf", kind)
    return table
