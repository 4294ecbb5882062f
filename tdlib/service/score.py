"""How good models are on one series, in scaled and in own units, and which one to use: chosen on validation.

    MASE     |truth - forecast| over the mean |y[t] - y[t - period]| of the training rows (Hyndman and Koehler 2006)
    skill    1 - MSE / MSE of the seasonal naive forecast, or of the naive one (see `baseline`)

Shapes: N windows, H horizon, C channels.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn

from tdlib import bootstrap, models
from tdlib.checks import counted
from tdlib.compute import Compute
from tdlib.deploy.efficiency import in_torch, latency
from tdlib.deploy.fused import smallest
from tdlib.train import predict
from tdlib.windows import Splits, Windows

SEASONAL = models.title("seasonal_naive")
NAIVE = models.title("naive")
FEW = 10  # validation windows, below which a choice is luck
LEAST = 0.0005  # a share that is printed as 0.0%


class Residuals(NamedTuple):
    """Truth less forecast, scaled units, float32 [N, H, C], of one model."""

    val: np.ndarray
    test: np.ndarray


def residuals(model: nn.Module, splits: Splits) -> Residuals:
    """What a model gets wrong in every validation and test window."""
    return Residuals(*(_residuals(model, windows) for windows in (splits.val, splits.test)))


def _residuals(model: nn.Module, windows: Windows) -> np.ndarray:
    return torch.cat([y - forecast.prediction for _, _, y, forecast in predict(model, windows)]).cpu().numpy()


def baseline(period: int, lookback: int) -> str:
    """What skill is over: the naive forecast, of the last value, where a look-back does not hold the last period."""
    return SEASONAL if period <= lookback else NAIVE


def naive_scale(splits: Splits, period: int) -> np.ndarray:
    """Per channel [C] the mean |y[t] - y[t - period]| of the training rows, scaled units; NaN for a constant one."""
    values = splits.train.values.double()
    found = (values[:, period:] - values[:, :-period]).abs().mean(1).cpu().numpy()
    return np.where(found > 0, found, np.nan)


def by_window(errors: np.ndarray) -> np.ndarray:
    """The MSE [N] of residuals [N, H, C]."""
    return np.square(errors).mean((1, 2), dtype=np.float64)


def line(both: Residuals, splits: Splits, scale: np.ndarray) -> dict[tuple[str, str], float]:
    """By (segment, measure) a model's MSE and MAE in scaled units, MAE in own units, MASE.

    Means over windows, steps and channels; MASE is over the `naive_scale` [C], without constant channels.
    """
    line = {}
    for segment, errors in both._asdict().items():
        by_channel = np.abs(errors).mean((0, 1), dtype=np.float64)
        line[segment, "MSE"] = float(np.square(errors).mean(dtype=np.float64))
        line[segment, "MAE"] = float(by_channel.mean())
        line[segment, "MAE, own units"] = float((by_channel * splits.deviation).mean())
        measured = ~np.isnan(scale)
        line[segment, "MASE"] = float((by_channel / scale)[measured].mean()) if measured.any() else np.nan
    return line


def table(lines: dict[str, dict[tuple[str, str], float]], against: str = SEASONAL) -> pd.DataFrame:
    """The `line` of each model, with its skill over the model `against`."""
    frame = pd.DataFrame.from_dict(lines, orient="index")
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    for segment in Residuals._fields:
        worst = frame.loc[against, (segment, "MSE")]
        frame[segment, "skill"] = 1 - frame[segment, "MSE"] / worst if worst > 0 else np.nan
    return frame.sort_index(axis=1, level=0, sort_remaining=False)


def cost(model: nn.Module, lookback: int, channels: int) -> tuple[int, float]:
    """Weights of a model, and microseconds of one forecast on this machine, a plain MLP fused first."""
    weights = sum(weight.numel() for weight in model.parameters())
    with Compute().limit_threads():  # a single forecast gains nothing from several
        times = latency(in_torch(smallest(model)).forward, torch.randn(1, lookback, channels), seconds=0.1)
    return weights, 1000 * float(np.median(times))


def difference(first: np.ndarray, second: np.ndarray, block: int) -> tuple[float, tuple[float, float] | None]:
    """By how much the mean of windows' errors [N] lies above that of others, as a share of it, and its 95% interval.

    Blocks of neighbouring windows are drawn (`bootstrap.draws`); None where there are fewer than two.
    """
    share, drawn = bootstrap.draws(
        [[first, second]], ["one"], lambda means: _above(means[..., 0, 0], means[..., 0, 1]), block=block
    )
    enough = bootstrap.blocks(len(first), block) >= bootstrap.FEWEST_BLOCKS
    return share, bootstrap.interval(drawn) if enough else None


def _above(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """By how much an error lies above another, as a share of it; infinite above one of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(first, second), 0.0, np.divide(first, second) - 1)[()]


class Verdict(NamedTuple):
    """The model to use, whether distillation is why, and the reasons in words."""

    chosen: str
    distillation_helps: bool
    words: str


def verdict(
    scores: pd.DataFrame,
    found: dict[str, np.ndarray],
    windows: int,
    distilled: str,
    plain: str,
    block: int,
    against: str = SEASONAL,
) -> Verdict:
    """The model with the least validation error, and what distillation gains over the best that does without.

    `found` are the errors of all test windows [N] by model; validation has as many as `windows`.
    Distillation helps where the distilled student is the choice of validation, and is not worse than the best other
    model on test by more than chance (`difference`, over blocks of as many windows), or not at all where test is too
    short to tell chance. Models that are not in `scores` were left out. The skill in `scores` is over `against`.
    """
    errors, test = scores["val", "MSE"], scores["test", "MSE"]
    chosen = str(errors.idxmin())
    of_others = errors.drop(distilled, errors="ignore")
    runner_up = str(of_others.idxmin())
    skill = scores.loc[chosen, ("test", "skill")]
    words = [
        f"Use {chosen}: of {len(errors)} models it errs least on validation (MSE {errors[chosen]:.4g}); on test its "
        f"MSE is {test[chosen]:.4g}, {_skill(skill, against)}."
    ]
    if windows < FEW:
        words.append(f"It rests on {counted(windows, 'validation window')}: the choice is little more than chance.")
    best = str(test.idxmin())
    gap = 1 - test[best] / test[chosen] if test[best] < test[chosen] else 0.0
    if gap >= LEAST:
        words.append(f"On test {best} errs less, by {gap:.1%}: known only afterwards.")
    if distilled not in errors.index:
        words.append("There is no distilled student: the remarks say what was left out, and why.")
        return Verdict(chosen, False, " ".join(words))
    if not min(errors[runner_up], test[runner_up]) > 0:  # of a series that stands still, say
        words.append(f"There is nothing that distillation could gain: {runner_up} does without, and has no error.")
        return Verdict(chosen, False, " ".join(words))
    share, interval = difference(found[distilled], found[runner_up], block)
    compared = f"{distilled} against {runner_up}, the best model without distillation"
    figures = f"{_above(errors[distilled], errors[runner_up]):+.1%} MSE on validation, {share:+.1%} on test"
    figures += f" (95%: {interval[0]:+.1%} to {interval[1]:+.1%})" if interval else " (too few windows for an interval)"
    helps = chosen == distilled and bool((interval[0] if interval else share) <= 0)
    if chosen == distilled and not interval:
        verb = (
            f"Validation chooses distillation, and test, too short to tell chance, {'agrees' if helps else 'does not'}"
        )
    elif helps:
        verb = "Distillation helps here" if interval[1] < 0 else "Distillation is level with the best here"
    elif interval and interval[0] > 0:
        verb = "Distillation is of no use on this series"
    else:
        verb = "Validation does not choose distillation here"
    words.append(f"{verb}: {compared}, has {figures}.")
    if plain in found and test[plain] > 0:  # it may have diverged
        over_plain = difference(found[distilled], found[plain], block)[0]
        words.append(f"Against {plain} without a teacher it has {over_plain:+.1%} on test.")
    return Verdict(chosen, helps, " ".join(words))


def _skill(skill: float, against: str) -> str:
    if np.isnan(skill):
        return f"where the {against.lower()} forecast has no error"
    return f"{abs(skill):.0%} {'less' if skill >= 0 else 'more'} than the {against.lower()} forecast"
