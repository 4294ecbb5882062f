"""What claims are tested by, where it takes more than a line; None where there are too few rows."""

from collections.abc import Callable

import pandas as pd

from tdlib import models, rows
from tdlib.claims.evidence import HORIZONS, Estimate, Evidence, best_on_validation
from tdlib.report import tables


def variant(evidence: Evidence, name: str) -> pd.DataFrame:
    return rows.select(evidence.ablation, variant=name)


def strongest(evidence: Evidence) -> Estimate:
    return evidence.difference(evidence.distilled(), best_on_validation(evidence.baselines()))


def fair(evidence: Evidence) -> Estimate:
    return evidence.difference(evidence.distilled(runs=evidence.fair), evidence.plain(evidence.fair))


def largest_gain(evidence: Evidence) -> Estimate | None:
    here = evidence.main[evidence.main["dataset"] == "ETTm2"]
    found = evidence.difference(evidence.distilled("moderntcn", here), evidence.plain(here))
    return found if found.settings == len(HORIZONS) else None


def published_wins(evidence: Evidence) -> Estimate:
    """Points by which the plain MLP's win rate against iTransformer is above the published one."""
    theirs = tables.published(evidence.published, table="win rate (F3)", teacher=models.title("itransformer"))
    theirs = theirs.set_index("dataset")["value"]
    here = evidence.main[evidence.main["dataset"].isin(theirs.index) & (evidence.main["horizon"] == 96)]
    plain, teacher = evidence.plain(here), here[here["model"] == "itransformer"]
    found = evidence.win_rate(plain, teacher)
    level = theirs[sorted({*plain["dataset"]} & {*teacher["dataset"]})].mean()
    return Estimate(found.value - level, found.low - level, found.high - level, found.settings, found.runs)


def kept(evidence: Evidence) -> Estimate | None:
    found = evidence.keeps
    found = found[found["part"] == "distilled"]
    means = found[["estimate", "low", "high"]].mean()
    return Estimate(*means, len(found), int(found["seeds"].sum())) if len(found) else None


def kept_beyond_null(evidence: Evidence) -> Estimate | None:
    found = evidence.keeps
    own, null = (found.loc[found["part"] == part, ["estimate", "low", "high"]] for part in ("distilled", "null"))
    both = own.index.intersection(null.index)
    if both.empty:
        return None
    own, null = own.loc[both], null.loc[both].rename(columns={"low": "high", "high": "low"})  # the farthest ends
    runs = found.loc[found["part"] == "distilled", "seeds"].loc[both].sum()
    return Estimate(*(own - null).mean()[own.columns], settings=len(both), runs=int(runs))


def coarse(evidence: Evidence) -> Estimate | None:
    """Points by which the relative gain of the coarsest scale is above that of the whole error."""

    def more(ours: pd.Series, theirs: pd.Series) -> float:
        share = [own / plain for own, plain in zip(ours["test_scale_mse"], theirs["test_scale_mse"], strict=True)]
        return 100 * (share[0] - share[-1])

    return evidence.over_runs(evidence.distilled(), evidence.plain(), more)


def nearer(ours: pd.Series, theirs: pd.Series) -> float:
    return 100 * (ours["test_period_kl"] / theirs["test_period_kl"] - 1)


def each(question: str, fewest: int, *names: str) -> Callable[[Evidence], Estimate | None]:
    """The worst of the differences that distillation makes, by teacher or student of page 07."""

    def test(evidence: Evidence) -> Estimate | None:
        runs = evidence.versatility(question)
        groups = [group for name, group in runs.groupby("name", sort=False) if not names or name in names]
        pairs = [(group[group["part"] == "distilled"], group[group["part"] == "plain"]) for group in groups]
        return evidence.worst(pairs, fewest)

    return test


def each_lookback(evidence: Evidence) -> Estimate | None:
    runs = [group for _, group in evidence.lookback.groupby("lookback")]
    mlps = [group[group["model"] == "mlp"] for group in runs]
    return evidence.worst([(mlp[mlp["part"] == "distilled"], mlp[mlp["part"] == "plain"]) for mlp in mlps], 2)


def exact(values: pd.Series | None, value: float, runs: int) -> Estimate | None:
    return None if values is None or values.empty else Estimate(value, value, value, len(values), runs)
