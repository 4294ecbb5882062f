"""Splits, scaling and windows of a series, as the published protocol draws them.

    series --borders--> train | val | test --strided views--> Windows.batch(index) -> x, y

Windows are never copied one by one: a split is one tensor [C, rows], and all its windows are a
strided view of it. No window is ever dropped.
Shapes: T rows, C channels, N windows, B batch, L look-back, H horizon.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tdlib.checks import one_of, require
from tdlib.data import Series

LONGEST = 1_000_000  # steps of a look-back or a horizon: more than any series here has rows
HALVES = ("first", "second")  # of the training rows


class Windows:
    """All windows of one split, stride 1, as strided views of one tensor [C, rows]."""

    def __init__(self, values: Tensor, lookback: int, horizon: int):
        self.values, self.channels, self.lookback, self.horizon = values, len(values), lookback, horizon
        self._all = values.unfold(1, lookback + horizon, 1).transpose(0, 1)  # [N, C, L + H], a view

    def __len__(self) -> int:
        return self._all.shape[0]

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The windows of `index`: x [B, L, C] and y [B, H, C], gathered in one operation."""
        block = self._all.index_select(0, index.to(self._all.device)).transpose(1, 2)
        return block[:, : self.lookback], block[:, self.lookback :]


class Splits(NamedTuple):
    """Scaled windows of the three segments, and the scaling in float64: unit = (value - mean) / deviation, each [C].

    A channel that is `constant` over the training rows, or whose squares are too small to be told from 0, has
    deviation 1.
    """

    train: Windows
    val: Windows
    test: Windows
    mean: np.ndarray
    deviation: np.ndarray
    constant: np.ndarray  # bool


def borders(name: str, rows: int) -> tuple[int, int, int]:
    """Rows at which the training, validation and test segments end (the published protocol)."""
    if name in ("ETTh1", "ETTh2") and rows == 17420:
        return 8640, 11520, 14400  # 12, 4 and 4 months of 30 days
    if name in ("ETTm1", "ETTm2") and rows == 69680:
        return 34560, 46080, 57600
    return int(0.7 * rows), rows - int(0.2 * rows), rows


def split(series: Series, lookback: int, horizon: int, device: torch.device | str = "cpu") -> Splits:
    """Windows of the three segments, scaled per channel by the training rows alone, at `device`.

    Validation and test begin `lookback` rows early: their first target is their first own row.
    ValueError where a segment is shorter than one window, with the number of rows needed.
    """
    check_shape(lookback, horizon)
    rows = len(series.values)
    if not _long_enough(series.name, rows, lookback, horizon):
        needed = _rows_needed(series.name, rows, lookback, horizon)
        few = _too_few(series, lookback, horizon)
        raise ValueError(f"{few}: each segment must hold a window, which takes {needed} rows")
    train_end, val_end, test_end = borders(series.name, rows)
    scaled, *scaling = _scaled(series.values, train_end, device)
    return Splits(
        Windows(scaled[:, :train_end], lookback, horizon),
        Windows(scaled[:, train_end - lookback : val_end], lookback, horizon),
        Windows(scaled[:, val_end - lookback : test_end], lookback, horizon),
        *scaling,
    )


def halved(splits: Splits, half: str) -> tuple[Splits, Windows]:
    """`splits` whose training rows are their "first" or "second" half, and the windows that forecast the other one.

    ValueError where half of the training rows hold no window.
    """
    one_of("half", half, HALVES)
    values, lookback, horizon = (getattr(splits.train, name) for name in ("values", "lookback", "horizon"))
    middle = values.shape[1] // 2
    few = f"half of {values.shape[1]:,} training rows holds no window of {lookback} + {horizon} steps"
    require(middle >= lookback + horizon, few)
    first, second = values[:, :middle], values[:, middle:]
    seen, unseen = (first, values[:, middle - lookback :]) if half == "first" else (second, first)
    return splits._replace(train=Windows(seen, lookback, horizon)), Windows(unseen, lookback, horizon)


def whole(series: Series, lookback: int, horizon: int, device: torch.device | str = "cpu") -> Splits:
    """All windows as training windows, scaled by all rows: for a model that is to forecast what follows.

    Validation and test are the last fifth of the same rows, and tell nothing of how well it will.
    ValueError for fewer rows than a window has, with their number.
    """
    check_shape(lookback, horizon)
    rows = len(series.values)
    few = _too_few(series, lookback, horizon)
    require(rows >= lookback + horizon, f"{few}: a window takes {lookback + horizon} rows")
    scaled, *scaling = _scaled(series.values, rows, device)
    first = max(0, min(int(0.8 * rows), rows - horizon) - lookback)
    last = Windows(scaled[:, first:], lookback, horizon)
    return Splits(Windows(scaled, lookback, horizon), last, last, *scaling)


def _scaled(
    values: np.ndarray, known: int, device: torch.device | str
) -> tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]:
    """All rows, float32 [C, T], scaled by the first `known` ones, whose mean, deviation and constancy [C] follow."""
    train = values[:known].astype(np.float64)
    mean, deviation = train.mean(0), train.std(0)
    # the deviation of 0.1, 0.1, 0.1 is not quite 0, and that of 1e-170, -1e-170 is
    constant = (train == train[0]).all(0) | (deviation == 0)
    mean, deviation = np.where(constant, train[0], mean), np.where(constant, 1, deviation)
    scaled = torch.from_numpy(((values - mean) / deviation).astype(np.float32).T.copy()).to(device)
    return scaled, mean, deviation, constant


def check_shape(lookback: int, horizon: int) -> None:
    """ValueError unless look-back and horizon are whole numbers in 1..LONGEST."""
    got = f"got {lookback!r} and {horizon!r}"
    whole = all(isinstance(steps, int | np.integer) for steps in (lookback, horizon))
    require(whole, f"look-back and horizon must be whole numbers, {got}")
    require(min(lookback, horizon) >= 1, f"look-back and horizon must be at least 1, {got}")
    require(max(lookback, horizon) <= LONGEST, f"look-back and horizon must be at most {LONGEST:,} steps, {got}")


def _too_few(series: Series, lookback: int, horizon: int) -> str:
    return f"{series.name} has {len(series.values)} rows, too few for look-back {lookback} and horizon {horizon}"


def _rows_needed(name: str, rows: int, lookback: int, horizon: int) -> int:
    """The least number, above `rows`, from which on every series is long enough: borders are rounded."""
    enough = functools.partial(_long_enough, name, lookback=lookback, horizon=horizon)
    fewer = int(max((lookback + horizon) / 0.7, horizon / 0.1)) - 30  # of them no series is long enough
    return next(n for n in itertools.count(max(rows, fewer)) if all(enough(m) for m in range(n, n + 10)))


def _long_enough(name: str, rows: int, lookback: int, horizon: int) -> bool:
    train_end, val_end, test_end = borders(name, rows)
    return train_end >= lookback + horizon and val_end - train_end >= horizon and test_end - val_end >= horizon
