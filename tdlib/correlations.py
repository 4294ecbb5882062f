"""How channels move together in forecasts, and how far that is from the truth: what page 15 shows of the rows.

`runs` are rows with systems (`rows.with_systems`) and the name of their `variant`. A row keeps the mean correlations
between channels over its test windows, forecast and truth, and how far apart the two of each window are
(`channels.distance`); rows from before 2026-11-26 do not.

    distance        sqrt of the mean over windows and pairs of channels of (R_ij(forecast) - R_ij(truth))^2
    of the means    the same of the two mean matrices: what is left when windows have averaged out
"""

import numpy as np
import pandas as pd
import torch

from tdlib import bootstrap, channels
from tdlib.store import Store

QUANTITY = "correlation_errors"  # of each window, as `analysis.compare` takes it


def chosen(runs: pd.DataFrame) -> pd.DataFrame:
    """Of each variant that is there with several alphas, the runs of the one with the least validation error."""
    means = runs.groupby(["setting", "variant", "alpha"], sort=False)["val_mse"].mean()
    best = set(means.groupby(level=["setting", "variant"]).idxmin())
    return runs[[place in best for place in zip(runs["setting"], runs["variant"], runs["alpha"], strict=True)]]


def matrices(runs: pd.DataFrame, store: Store) -> dict[str, np.ndarray]:
    """By variant of one setting, "truth" first, the mean correlations [C, C] over test windows and seeds."""
    found: dict[str, list[np.ndarray]] = {}
    for variant, id in zip(runs["variant"], runs["id"], strict=True):
        arrays = store.arrays(id)
        found.setdefault("truth", [arrays["correlation_true"]])
        found.setdefault(variant, []).append(arrays["correlation"])
    return {variant: np.mean(each, 0, dtype=float) for variant, each in found.items()}


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Root of `channels.distance` of two matrices [C, C]."""
    return float(channels.distance(*(torch.from_numpy(matrix.astype(float)) for matrix in (one, other))).sqrt())


def distances(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """The runs with their `distance` from the truth, and that `of the means`."""
    arrays = [store.arrays(id) for id in runs["id"]]
    return runs.assign(
        distance=[float(np.sqrt(each[QUANTITY].mean(dtype=float))) for each in arrays],
        **{"of the means": [apart(each["correlation"], each["correlation_true"]) for each in arrays]},
    )


def levels(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """One line a setting and variant: `distance` and its 95% interval over seeds and blocks of windows.

    Beside it, means over seeds: the distance `of the means`, with the deviation, and the MSE on validation and test.
    """
    lines = []
    for place, group in distances(runs, store).groupby(["setting", "variant"], sort=False):
        quantities = np.stack([store.arrays(id)[QUANTITY] for id in group["id"]])[:, None]
        dataset, block = group["dataset"].iloc[0], int(group["lookback"].iloc[0] + group["horizon"].iloc[0])
        value, drawn = bootstrap.draws(quantities, list(group["teacher_seed"]), _root, block=block, segment=dataset)
        low, high = bootstrap.interval(drawn, bootstrap.blocks(quantities.shape[2], block))
        means = group[["of the means", "val_mse", "test_mse"]].mean()
        line = dict(zip(("setting", "variant"), place, strict=True)) | {"distance": value, "low": low, "high": high}
        line |= {"of the means": means["of the means"], "deviation": group["of the means"].std()}
        line |= {"validation MSE": means["val_mse"], "MSE": means["test_mse"], "seeds": len(group)}
        lines.append(line)
    return pd.DataFrame(lines)


def _root(means: np.ndarray) -> np.ndarray:
    return np.sqrt(means.mean((-2, -1)))
