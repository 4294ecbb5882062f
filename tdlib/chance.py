"""What chance alone does to a comparison: nulls, sources of doubt, choosing by validation, the best of many looks.

A null is a pair of runs that differ by their seed alone: whatever one seems to gain on the other is chance.
Errors are of test windows, [N], as the store keeps them; `runs` are rows with systems (`rows.with_systems`).
"""

import itertools
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tdlib import analysis, bootstrap
from tdlib.checks import require
from tdlib.rows import missing
from tdlib.store import Store


def nulls(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Each seed of a system against each earlier one of the same setting: `setting`, `system`, `difference`, ...

    `difference` of the MSE in percent, `win rate` in percent, and whether each of two 95% intervals of the difference
    leaves out zero: `windows` takes windows as independent, `blocks` draws blocks of look-back + horizon windows, NaN
    where the segment holds too few for an interval (`bootstrap.FEWEST_BLOCKS`).
    ValueError where no system has two seeds in one setting.
    """
    lines = []
    for place, group in runs.groupby(["setting", "system"], sort=False):
        found = {id: store.arrays(id)["errors"].astype(float) for id in group["id"]}
        block = int(group["lookback"].iloc[0] + group["horizon"].iloc[0])
        for earlier, later in itertools.combinations(found.values(), 2):
            line = dict(zip(("setting", "system"), place, strict=True))
            line |= {"difference": 100 * (later.mean() / earlier.mean() - 1)}
            line |= {"win rate": analysis.win_rate(later, earlier)}
            lines.append(line | {"windows": _beyond(later - earlier), "blocks": _beyond(later - earlier, block)})
    if not lines:
        raise missing(runs, "no system with two seeds")
    return pd.DataFrame(lines)


def _beyond(differences: np.ndarray, block: int = 1) -> float:
    """1 where the 95% interval of the mean leaves out zero, else 0; of independent windows by the normal formula."""
    if block == 1:
        return float(abs(differences.mean()) > 1.96 * differences.std(ddof=1) / np.sqrt(len(differences)))
    _, drawn = bootstrap.draws(differences[None, None], [0], _mean, block=block)
    low, high = bootstrap.interval(drawn, bootstrap.blocks(len(differences), block))
    return np.nan if np.isnan(low) else float(low > 0 or high < 0)


def widths(runs: pd.DataFrame, ours: str, theirs: str, store: Store) -> pd.DataFrame:
    """Width of the 95% interval of the difference in MSE [percent] between two systems, by what is drawn.

    One line a setting and number of `seeds`: `seeds alone` (the segment as a whole), `blocks alone` (the pair of runs
    as it is), and `both`; the last two NaN where the segment holds too few blocks. The pairs are the first ones, of one
    seed each. ValueError where the two share no seed.
    """
    lines = []
    for setting, group in runs.groupby("setting", sort=False):
        ids = group.pivot_table(index="seed", columns="system", values="id", aggfunc="first").reindex(
            columns=[ours, theirs]
        )
        pairs = ids.dropna().to_numpy()
        if not len(pairs):
            continue
        errors = np.stack([[store.arrays(id)["errors"].astype(float) for id in pair] for pair in pairs])  # [P, 2, N]
        block = int(group["lookback"].iloc[0] + group["horizon"].iloc[0])
        for count in range(1, len(pairs) + 1):
            here, mean = errors[:count], errors[:count].mean(0, keepdims=True)
            parts = {"seeds alone": (here, here.shape[2]), "blocks alone": (mean, block), "both": (here, block)}
            line = {name: _width(values, length) for name, (values, length) in parts.items()}
            lines.append({"setting": setting, "seeds": count} | line)
    if not lines:
        raise missing(runs, f"no seed of both {ours} and {theirs}")
    return pd.DataFrame(lines)


def _width(errors: np.ndarray, block: int) -> float:
    def difference(means: np.ndarray) -> np.ndarray:
        mine, other = np.moveaxis(means.mean(-2), -1, 0)
        return 100 * (mine / other - 1)

    _, drawn = bootstrap.draws(errors, range(len(errors)), difference, block=block)
    held = np.inf if block == errors.shape[2] else bootstrap.blocks(errors.shape[2], block)  # the whole is not drawn
    low, high = bootstrap.interval(drawn, held)
    return high - low


def coverage(settings: int, seeds: int, *, blocks: float = 3.4, trials: int = 200) -> float:
    """Of 95% intervals as `analysis.compare` makes them, the share that holds the true difference, in percent.

    On made-up errors whose true difference is 0: each of the `settings` that are pooled has an effect of its seeds
    (deviation 1 from seed to seed) and of its `blocks` of windows (deviation 2, shared by the seeds), so that one seed
    is as unsure as the mean of four blocks. By default as many blocks as a test segment of hourly data holds.
    """
    length, count, random, held = 10, 1000, np.random.default_rng(0), 0
    windows = round(blocks * length)
    for _ in range(trials):
        drawn = np.zeros(count)
        for setting in range(settings):
            seed = random.normal(0, 1, (seeds, 1))
            time = np.repeat(random.normal(0, 2, windows // length + 1), length)[:windows]
            effects = seed + time
            look = {"block": length, "segment": f"{setting}", "count": count}
            drawn += bootstrap.draws(effects[:, None], range(seeds), _mean, **look)[1]
        low, high = bootstrap.interval(drawn)
        held += low <= 0 <= high
    return 100 * held / trials


def _mean(means: np.ndarray) -> np.ndarray:
    return means.mean((-2, -1))


def best_of(chosen_by: ArrayLike, judged_by: ArrayLike) -> np.ndarray:
    """Expected `judged_by` [n] of the variant with the least `chosen_by` among k drawn without replacement: k = 1..n.

    Exact: the i-th smallest (from 0) is the least of k draws in C(n-1-i, k-1) of C(n, k) cases. Judged by what it is
    chosen by, it is the mean of the best of k looks; judged by another segment, what the choice is worth.
    """
    chosen, judged = np.asarray(chosen_by, dtype=float), np.asarray(judged_by, dtype=float)
    fits = chosen.ndim == 1 and chosen.size > 0 and chosen.shape == judged.shape
    require(fits, "chosen_by and judged_by must be one number per variant")
    n, ordered = len(chosen), judged[np.argsort(chosen, kind="stable")]
    cases = np.array([[comb(n - 1 - i, k - 1) / comb(n, k) for i in range(n)] for k in range(1, n + 1)])
    return cases @ ordered
