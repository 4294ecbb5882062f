"""Several teachers as one: whose forecasts count for how much, as validation says.

    f = sum_k w_k f_k,  w_k >= 0,  sum_k w_k = 1
    e_n(w) = w' E_n w,   E_n[k, l] = mean over steps and channels of (f_k - y)(f_l - y)      of window n

Weights that sum to one make the error of any committee a quadratic form of its members' errors: what is kept of
a segment is E [N, K, K], and every weighting is fitted and scored from it. The segment is validation, or that and
the halves of training: there members are the same models trained on the other half (`RunConfig.weighed_on`).

    mean             all the same
    least squares    argmin over w of w' E w on validation (stacking: Breiman, Machine Learning 1996)
    half             the mean of these two: the first does not overfit, the second leaves out who does not help
    error            in proportion to the validation error to the power -4
    greedy           twelve members, each the one that helps most, with replacement (Caruana et al., ICML 2004)
    held out         of those above, the one with the least error on blocks of validation that it was not fitted to
    adaptive         equal at first, then after the student's gradients (`rivals.alignment`)

Shapes: K members, N windows, B batch, H horizon, C channels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from tdlib.checks import one_of, require
from tdlib.train import predict
from tdlib.windows import Windows

POWER, ROUNDS, BLOCKS = -4, 12, 4
FLOOR = 1e-9  # of the largest error, what counts as none


@torch.no_grad()
def error_moments(members: list[nn.Module], windows: Windows) -> np.ndarray:
    """E [N, K, K], double precision. ValueError for fewer than two members, or forecasts that are not [B, H, C]."""
    require(len(members) > 1, f"a committee has at least two members, got {len(members)}")
    moments = []
    for steps in zip(*(predict(member, windows) for member in members), strict=True):
        (_, _, y, _), *_ = steps
        forecasts = [forecast.prediction for *_, forecast in steps]
        for forecast in forecasts:
            shapes = f"a member forecasts {list(forecast.shape)} where the windows have {list(y.shape)}"
            require(forecast.shape == y.shape, f"{shapes}: members of a committee forecast the same windows")
        errors = torch.stack([(forecast - y).double().flatten(1) for forecast in forecasts], 1)  # [B, K, H C]
        moments.append(errors @ errors.mT / errors.shape[2])
    return torch.cat(moments).cpu().numpy()


def errors(moments: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The error of a committee on each window [N], from E [N, K, K] and weights [K] that sum to one."""
    return np.einsum("k,nkl,l->n", weights, moments, weights)


def weigh(how: str, moments: np.ndarray) -> np.ndarray:
    """The weights [K] of a weighting, fitted to E [N, K, K] of validation windows; of "adaptive" the first ones."""
    one_of("weighting", how, WEIGHTINGS)
    require(bool(np.isfinite(moments).all()), "the forecasts of a committee's members must be finite")
    if how == "held out":
        how = min(_FITTED, key=lambda each: held_out(each, moments))
    return _FITTED.get(how, _equal)(moments.mean(0))


def held_out(how: str, moments: np.ndarray, blocks: int = BLOCKS) -> float:
    """The error of a weighting where each of `blocks` stretches of time is scored with the weights of the others.

    Of a single window, which has no others, its own. Windows on both sides of an edge share steps: a gap of a horizon
    on both sides of a middle block would leave a sixth of ETTh1's windows of 720 steps to fit to.
    """
    if len(moments) == 1:
        return float(errors(moments, weigh(how, moments))[0])
    parts = np.array_split(np.arange(len(moments)), min(blocks, len(moments)))
    scored = [errors(moments[part], weigh(how, np.delete(moments, part, 0))) for part in parts]
    return float(np.concatenate(scored).mean())


def _equal(moments: np.ndarray) -> np.ndarray:
    return np.full(len(moments), 1 / len(moments))


def _least_squares(moments: np.ndarray) -> np.ndarray:
    """Minimises |R u|^2 + (sum u - 1)^2 over u >= 0, R'R = E: u / sum u is the minimiser over weights of sum one.

    Of u = t w the error is t^2 w' E w + (t - 1)^2; for any t it grows with w' E w.
    """
    if not moments.any():  # all of them are right
        return _equal(moments)

    from scipy.optimize import nnls  # half a second, which most programs that come by here need not wait

    values, vectors = np.linalg.eigh(moments / np.trace(moments))
    root = np.sqrt(values.clip(0))[:, None] * vectors.T
    found, _ = nnls(np.vstack([root, np.ones(len(root))]), np.append(np.zeros(len(root)), 1.0))
    return found / found.sum()


def _half(moments: np.ndarray) -> np.ndarray:
    return (_equal(moments) + _least_squares(moments)) / 2


def _error(moments: np.ndarray) -> np.ndarray:
    errors = np.diag(moments)
    weights = np.maximum(errors, FLOOR * errors.max() or 1.0) ** POWER  # of a series without noise one may be 0
    return weights / weights.sum()


def _greedy(moments: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(moments))
    for _ in range(ROUNDS):
        tried = chosen + np.eye(len(moments))
        chosen = min(tried, key=lambda counts: counts @ moments @ counts)
    return chosen / chosen.sum()


_FITTED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": _equal,
    "least squares": _least_squares,
    "half": _half,
    "error": _error,
    "greedy": _greedy,
}
SCORED = (*_FITTED, "held out")  # by their errors alone
WEIGHTINGS = (*SCORED, "adaptive")
