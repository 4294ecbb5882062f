"""How sure a figure is: a bootstrap over seeds and time (Efron and Tibshirani 1993; Politis and Romano 1992).

    one draw:  teachers with replacement, the students of each with replacement, circular blocks of windows

One less of each than there are, where there is more than one: means of as many draws as there are seeds, three say,
would have two thirds of the variance that means of three seeds have (Rao and Wu, JASA 83, 1988).
Every statistic here is a function of means over windows, so a draw needs no more than sums over blocks.
Two students of one teacher, and two neighbouring windows, are not independent: teachers and blocks are drawn whole.
Shapes: P runs or pairs of runs, K quantities of each window, N windows, D draws.
"""

import zlib
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tdlib.checks import require

DRAWS = 10_000  # of a thousand, an end that lies near a bound may fall on either side of it
FEWEST_BLOCKS = 2  # fewer say nothing of their own spread


def draws(
    quantities: ArrayLike,
    groups: Sequence[Hashable],
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    block: int,
    segment: str = "",
    setting: str = "",
    count: int = DRAWS,
) -> tuple[float, np.ndarray]:
    """`statistic` of the means [P, K] of `quantities` [P, K, N], and of `count` draws of them, [D].

    It is given means [..., P', K] of a draw's P' runs, many draws at once, and returns one value, or an axis of
    several, for each: [...]. `groups` names the teacher of each of the P runs: runs of one group are drawn within it,
    and a group as often as it has runs.
    Blocks of `block` windows start anywhere; one that reaches the end goes on at the beginning; a draw has a block less
    than the N windows. Settings of one test `segment` draw the same blocks, so that what a draw does to the time of one
    horizon it does to the others; runs are drawn anew for each `setting`: no training is part of two.
    ValueError where a quantity is not finite, groups and runs differ in number, or `statistic` is of one draw only.
    """
    quantities = np.asarray(quantities, dtype=float)
    require(quantities.ndim == 3 and quantities.size > 0, "quantities must be of runs, quantities and windows")
    require(len(groups) == len(quantities), f"{len(quantities)} runs need as many groups, got {len(groups)}")
    require(bool(np.isfinite(quantities).all()), "quantities must be finite numbers")
    require(min(block, count) >= 1, f"block and count must be at least 1, got {block} and {count}")
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    means = _block_means(quantities, block, _random(segment), count)  # [D, P, K]
    runs = _runs([places[group] for group in groups], f"{segment}; {setting}", count)
    estimate = statistic(quantities.mean(2))
    values = np.empty((count, *np.shape(estimate)))
    for some, chosen in runs:
        found = np.asarray(statistic(means[some[:, None], chosen]))
        require(found.shape[:1] == some.shape, "statistic must give a value for each draw")
        values[some] = found
    return estimate, values


def _random(segment: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(segment.encode()))


def _block_means(quantities: np.ndarray, block: int, random: np.random.Generator, count: int) -> np.ndarray:
    """Means over N - block windows, made of blocks that are drawn, the last one cut: [D, P, K]."""
    windows = quantities.shape[2]
    size = max(windows - block, min(block, windows))
    lengths = np.full(-(-size // block), min(block, size))
    lengths[-1] = size - lengths[:-1].sum()
    starts = (random.random((len(lengths), count)) * windows).astype(int)
    twice = np.concatenate([quantities, quantities], 2).cumsum(2)
    sums = np.concatenate([np.zeros_like(twice[:, :, :1]), twice], 2)  # of the windows before a place
    drawn = sum(sums[:, :, start + length] - sums[:, :, start] for start, length in zip(starts, lengths, strict=True))
    return np.moveaxis(drawn / size, 2, 0)


def _runs(groups: list[int], name: str, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """`count` times: groups with replacement, and from each some of its runs, with replacement.

    Groups may differ in size, and so draws in their number of runs P': pairs of those draws [d] that have as many, and
    their runs [d, P'].
    With other random numbers than the blocks, which settings share.
    """
    random = _random(name).spawn(1)[0]
    sizes = np.bincount(groups)
    chosen = random.choice(groups, (count, _fewer(len(sizes))))  # [d, groups]
    places = (random.random((*chosen.shape, _fewer(sizes.max()))) * sizes[chosen][..., None]).astype(int)
    members = np.argsort(groups, kind="stable")[(np.cumsum(sizes) - sizes)[chosen][..., None] + places]
    drawn = np.arange(places.shape[2]) < _fewer(sizes)[chosen][..., None]  # of a small group fewer
    lengths = drawn.sum((1, 2))
    alike = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    return [(draws, members[draws][drawn[draws]].reshape(len(draws), -1)) for draws in alike]


def of_groups(values: Sequence[ArrayLike]) -> tuple[float, float, float]:
    """The mean over groups of the means of their values, and its interval: groups, then values of each, are drawn."""
    random, shape = _random("groups"), (DRAWS, _fewer(len(values)))
    drawn = [np.take(own, random.integers(0, len(own), (*shape, _fewer(len(own))))).mean(-1) for own in values]
    chosen = random.integers(0, len(values), (1, *shape))
    draws = np.take_along_axis(np.stack(drawn), chosen, 0).mean((0, 2))
    return float(np.mean([np.mean(own) for own in values])), *interval(draws)


def _fewer(count: ArrayLike) -> np.ndarray:
    return np.maximum(1, count - 1)


def interval(values: ArrayLike, blocks: float = np.inf) -> tuple[float, float]:
    """The middle 95% of draws of so many `blocks`, NaN for fewer than FEWEST_BLOCKS; undefined draws are left out."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not values.size or blocks < FEWEST_BLOCKS:
        return np.nan, np.nan
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def blocks(windows: int, block: int) -> float:
    """How many blocks a test segment holds. An interval from fewer than `FEWEST_BLOCKS` is not to be given."""
    return windows / block
