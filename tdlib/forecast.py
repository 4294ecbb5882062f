"""What follows a series, by a run that is trained: after values at hand, or after the last row of a CSV.

Shapes: T rows, L look-back, H horizon, C channels.
"""

import shlex
import warnings
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pandas.tseries import offsets
from torch import Tensor, nn

from tdlib import calendar, csvfile
from tdlib.checks import listed, require
from tdlib.run import trained
from tdlib.store import Store

WEEKDAY = calendar.length(offsets.BusinessDay())
FARTHER, FAR = 10, 1000  # deviations that all values of a channel are away from its mean: warned of, refused


class InOwnUnits(nn.Module):
    """x -> prediction in the series' own units, both float64, around a model that works in scaled ones, in float32.

    A channel that was constant in training and is so in a window stays where it is.
    """

    def __init__(self, model: nn.Module, mean: list[float], deviation: list[float], constant: list[bool] | None = None):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float64))
        self.register_buffer("constant", torch.tensor(constant) if constant and any(constant) else None)

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(((x - self.mean) / self.deviation).float())
        y = y if isinstance(y, Tensor) else y.prediction
        y = y.double() * self.deviation + self.mean
        if self.constant is None:
            return y
        last = x[:, -1:]  # [B, 1, C]
        return torch.where(self.constant & (x == last).all(1, keepdim=True), last, y)


def forecast(id: str, store: str | Path | Store, values) -> np.ndarray:
    """What follows `values` [T, C], in their own units: [H, C].

    `values` may be an array, a tensor, nested lists, or a frame whose columns are the run's; of its rows the last
    L are read. ValueError without weights, with other channels than the run's, with fewer rows than it looks back,
    for what is not finite real numbers, for time stamps of another step, for values FAR from all that the run has seen,
    and where the forecast itself would not be finite; a UserWarning for values that are FARTHER than usual.
    """
    return by_model(*trained(id, store if isinstance(store, Store) else Store(store)), values)


@torch.no_grad()
def by_model(model: nn.Module, about: dict, values) -> np.ndarray:
    """`forecast` by a model at hand and what describes it (see `run.load_model`)."""
    window = _window(values, about)
    check_step(getattr(values, "index", None), about)  # of a frame; a list has a method of that name
    own = InOwnUnits(model, about["mean"], about["deviation"], about.get("constant"))
    made = own(torch.from_numpy(window)[None])[0].numpy()
    far = "the forecast is not finite: the values are far from those that the run has learned from"
    require(bool(np.isfinite(made).all()), far)
    _check_units(window, about)
    return made


def following(
    model: nn.Module, about: dict, frame: pd.DataFrame, step: offsets.BaseOffset | None = None
) -> pd.DataFrame:
    """`by_model` of a frame, with the time stamps that follow its own, or numbered from 1.

    `step` is that of its stamps where the caller knows it, and has checked it: four days may be weekdays.
    ValueError too for time stamps that no calendar goes on to.
    """
    made = by_model(model, about, frame if step is None else frame.reset_index(drop=True))
    if isinstance(frame.index, pd.DatetimeIndex) and (len(frame) > 1 or step is not None):
        return pd.DataFrame(made, calendar.following(frame.index, len(made), step), about["channels"])
    return pd.DataFrame(made, pd.RangeIndex(1, len(made) + 1, name="step"), about["channels"])


def forecast_csv(
    id: str, store: str | Path | Store, path: str | Path, how: csvfile.Reading | None = None
) -> pd.DataFrame:
    """What follows the last row of a CSV: see `following`; ValueError too for whatever is wrong with the CSV.

    A UserWarning says what was made of the file, and what looks odd in it.
    """
    frame, remarks = csvfile.read_frame(path, how or csvfile.Reading())
    if remarks:
        warnings.warn(f"{path}: {'; '.join(remarks)}", stacklevel=2)
    found = trained(id, store if isinstance(store, Store) else Store(store))
    try:
        return following(*found, frame)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _window(values, about: dict) -> np.ndarray:
    """The last L rows of `values` as float64 [L, C]."""
    lookback, channels = about["config"]["lookback"], about["channels"]
    names = getattr(values, "columns", None)
    if names is not None and not isinstance(names, pd.RangeIndex):
        check_columns([*map(str, names)], channels)
    table = _numbers(values)
    shape = f"the run knows {len(channels)} channels, and values must be [rows, {len(channels)}]; got {table.shape}"
    require(table.ndim == 2 and table.shape[1] == len(channels), shape)
    require(len(table) >= lookback, f"{len(table)} rows are too few: the run looks back {lookback}")
    window = table[-lookback:].astype(np.float64)
    bad = int((~np.isfinite(window)).sum())
    require(bad == 0, f"values must be finite; of the last {lookback} rows {bad} values are missing or infinite")
    return window


def check_columns(names: list[str], channels: list[str]) -> None:
    """ValueError for other columns than the run's, or another order: it names the missing, or the option that mends."""
    missing = [name for name in channels if name not in names]
    chosen = shlex.quote(",".join(channels)) if len(channels) <= 10 else "with all of their names, in their order,"
    frame = f", and in pandas frame[{channels}]" if len(channels) <= 10 else ""
    mend = f"there is no {listed(missing)}" if missing else f"--columns {chosen} chooses them{frame}"
    known = f"the run knows the columns {listed(channels)}; these are {listed(names)}"
    require(names == channels, f"{known}; {mend}")


def check_step(index: object, about: dict, step: offsets.BaseOffset | None = None) -> None:
    """ValueError for time stamps of another step than those that the run has learned from, where both are known.

    What is known of that is its length in words, or the `step` itself: neighbours that are one of it apart will do,
    of weekdays also with holidays between some.
    """
    if about.get("step") and isinstance(index, pd.DatetimeIndex):
        found = calendar.length(calendar.frequency(index))
        step = offsets.BusinessDay() if step is None and about["step"] == WEEKDAY else step
        apart = None if step is None or found in ("", about["step"]) else calendar.distances(index, step)
        near = apart is not None and (apart.min() if isinstance(step, offsets.BusinessDay) else apart.max()) == 1
        words = f"the run has learned from steps of {about['step']}, and these are of {found}"
        require(found in ("", about["step"]) or near, words)


def _check_units(window: np.ndarray, about: dict) -> None:
    """Whether the values of each channel are near those that the run has learned from; see `forecast`."""
    mean, deviation = np.array(about["mean"]), np.array(about["deviation"])
    constant = np.array(about.get("constant") or [False] * len(mean))
    moved = constant & (window != mean).any(0)
    nearest = np.where(constant, 0, (abs(window - mean) / deviation).min(0))  # [C]
    worst = int(nearest.argmax())
    away = f"all values of {about['channels'][worst]!r} are {min(nearest[worst], 1e9):,.0f} or more deviations away"
    words = f"{away} from the mean that the run has learned from: are they in other units?"
    require(nearest[worst] < FAR, words)
    if nearest[worst] >= FARTHER:
        warnings.warn(words, stacklevel=3)
    if moved.any():
        name, value = about["channels"][int(moved.argmax())], mean[int(moved.argmax())]
        warnings.warn(f"{name!r} was always {value:g} where the run has learned, and is not now", stacklevel=3)


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
