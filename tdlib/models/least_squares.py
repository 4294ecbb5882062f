"""Linear forecasts in closed form: what `ridge` and `phase_ridge` share.

    M = sum over windows and channels of w w',  w = [look-back, horizon] of one window      [S, S],  S = L + H
    W = (G + lambda I)^-1 R         G moments of the inputs [K, K], R of inputs with targets [K, O], both parts of M

All that a least-squares fit asks of the data is M, and neighbouring windows share all but one step: along a diagonal
of M the same products s[t] s[t + lag] are added up over a range that moves on by one, so that one running sum a lag
gives them all. Weather's 757,000 windows of 816 steps take two seconds, where the products take half a minute.
Shapes: C channels, T rows, S steps of a window, L look-back, H horizon, G groups of outputs, K inputs, O outputs.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tdlib.windows import Windows

LAMBDAS = (1e2, 1e3, 1e4, 1e5, 1e6)  # of which the validation error chooses
SHARES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # the same for each window: G grows with their number


class Equations(NamedTuple):
    """The normal equations of linear maps, one for each group of outputs: `gram` [G, K, K], `cross` [G, K, O]."""

    gram: Tensor
    cross: Tensor


def candidates(windows: Windows, relative: bool) -> tuple[float, ...]:
    """The penalties to choose from: LAMBDAS, or SHARES times the training windows and their channels.

    Of a hundred windows, of which a smooth series is known to its last digits, the least of LAMBDAS leaves nothing but
    the mean. On the study's tens of thousands of windows it is at times the one chosen, and SHARES go lower: page 05
    has both.
    """
    count = len(windows) * windows.channels
    return tuple(share * count for share in SHARES) if relative else LAMBDAS


def centred_moments(values: Tensor, lookback: int, horizon: int) -> Tensor:
    """M [S, S] in double precision of all windows of `values` [C, T], each less the mean of its look-back."""
    span = lookback + horizon
    moments = _moments(values.double().cpu(), span)
    centre = torch.eye(span, dtype=torch.float64)
    centre[:, :lookback] -= 1 / lookback
    return centre @ moments @ centre.T


def _moments(values: Tensor, span: int) -> Tensor:
    rows = values.shape[1]
    count = rows - span + 1
    moments = values.new_empty(span, span)
    for lag in range(span):
        products = (values[:, : rows - lag] * values[:, lag:]).sum(0)
        sums = F.pad(products.cumsum(0), (1, 0))
        along = sums[count:] - sums[: span - lag]  # over the `count` windows, from each of their steps on
        moments.diagonal(lag).copy_(along)
        moments.diagonal(-lag).copy_(along)
    return moments


def solve(train: Equations, val: Equations, penalties: tuple[float, ...] = LAMBDAS) -> tuple[Tensor, float]:
    """The maps [G, O, K] with the lambda of `penalties` that has the least error on validation, and that lambda."""
    identity = torch.eye(train.gram.shape[-1], dtype=train.gram.dtype)
    fitted = {}
    for penalty in penalties:
        weights = torch.cholesky_solve(train.cross, torch.linalg.cholesky(train.gram + penalty * identity))
        error = (weights * (val.gram @ weights - 2 * val.cross)).sum()  # less the squares of the targets
        fitted[penalty] = float(error), weights
    penalty = min(fitted, key=lambda penalty: fitted[penalty][0])
    return fitted[penalty][1].mT, penalty
