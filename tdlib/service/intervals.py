"""Bands around a forecast, from what a model got wrong on rows that it has not learned from: split conformal.

    half width of a step and channel = the k-th smallest |truth - forecast| of N validation windows,
    k = ceil((N + 1) level)

Vovk et al., "Algorithmic Learning in a Random World", 2005; Lei et al., JASA 2018, arXiv 1604.04173. That a band holds
its level is a theorem for exchangeable windows, which those of a series are not: `coverage` measures it on test.
Shapes: N windows, H horizon, C channels.
"""

import math

import numpy as np

from tdlib.checks import require

LEVELS = (80, 95)  # percent


def check_levels(levels: tuple[float, ...]) -> None:
    """ValueError unless every level is a percentage between 0 and 100."""
    for level in levels:
        number = isinstance(level, int | float) and 0 < level < 100
        require(number, f"a level is a percentage between 0 and 100, got {level!r}")


def half_widths(residuals: np.ndarray, levels: tuple[float, ...] = LEVELS) -> dict[float, np.ndarray]:
    """Of residuals [N, H, C] the half width [H, C] for each level; infinite where N is too small for the level."""
    check_levels(levels)
    ordered = np.sort(np.abs(residuals), axis=0)
    ranks = {level: math.ceil((len(ordered) + 1) * level / 100 - 1e-9) for level in levels}
    never = np.full(ordered.shape[1:], np.inf)
    return {level: ordered[rank - 1] if rank <= len(ordered) else never for level, rank in ranks.items()}


def coverage(residuals: np.ndarray, widths: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """The share of residuals [N, H, C] within the half widths [H, C] at each step [H].

    Channels that are `constant` [C] on the training rows are left out, where any other is there: their bands have no
    width, and hold them for nothing.
    """
    counted = np.ones_like(constant) if constant.all() else ~constant
    return (np.abs(residuals) <= widths)[..., counted].mean((0, 2))


def held(shares: dict[float, float], widths: dict[float, np.ndarray]) -> str:
    """In words, what the bands of each level hold; and which levels validation has too few windows for."""
    finite = [level for level in shares if np.isfinite(widths[level]).all()]
    words = ", ".join(f"{shares[level]:.0%} (of {level:g}%)" for level in finite)
    never = ", ".join(f"{level:g}%" for level in shares if level not in finite)
    few = f"; for {never} validation has too few windows" if never else ""
    return (f"{words} of the test values" if words else "nothing") + few
