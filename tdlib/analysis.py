"""Who wins where, and how sure that is (TimeDistill, section 3).

Errors are the mean squared errors of the test windows, [N], as the store keeps them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike


def win_rate(student_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Share of windows on which the student's error is strictly smaller, in percent."""
    student, teacher = _checked(student_errors, teacher_errors)
    return float(100 * np.mean(student < teacher))


def tie_rate(student_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Share of windows with equal errors, in percent: no win for either side."""
    student, teacher = _checked(student_errors, teacher_errors)
    return float(100 * np.mean(student == teacher))


def win_keep(mlp_errors: ArrayLike, distilled_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Of the windows on which the plain MLP beats the teacher, the share that the distilled one wins too, in percent.

    NaN where the plain MLP wins nowhere. Both ValueErrors as in `win_rate`.
    """
    mlp, distilled, teacher = _checked(mlp_errors, distilled_errors, teacher_errors)
    wins = mlp < teacher
    return float(100 * np.mean(distilled[wins] < teacher[wins])) if wins.any() else float("nan")


def _checked(*errors: ArrayLike) -> list[np.ndarray]:
    """ValueError for errors that are empty, not finite, or of different windows."""
    arrays = [np.asarray(entry, dtype=float) for entry in errors]
    if any(array.ndim != 1 or not array.size for array in arrays):
        raise ValueError("errors must be one number per window, and there must be a window")
    if len({array.size for array in arrays}) > 1:
        raise ValueError(f"errors must be of the same windows, got {', '.join(str(a.size) for a in arrays)} of them")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("errors must be finite numbers")
    return arrays


def block_interval(
    statistic: Callable[..., float],
    *errors: ArrayLike,
    block: int,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of `statistic(*errors)` from a moving-block bootstrap over the windows.

    Neighbouring windows share almost all their values, so whole blocks of `block` windows are drawn;
    look-back + horizon windows is the least after which two windows have nothing in common (Kunsch 1989).
    (NaN, NaN) where there are fewer than two blocks: so little says nothing of its own spread.
    """
    arrays = _checked(*errors)
    count = arrays[0].size
    if count < 2 * block:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    starts = random.integers(0, count - block + 1, (draws, -(-count // block)))
    values = []
    for start in starts:
        index = (start[:, None] + np.arange(block)).ravel()[:count]
        values.append(statistic(*(array[index] for array in arrays)))
    tail = 100 * (1 - level) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)
