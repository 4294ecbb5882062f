"""What claims are tested by, where it takes more than a line; None where there are too few rows."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from tdlib import analysis, bootstrap, patient, rows
from tdlib.claims.evidence import HORIZONS, Estimate, Evidence

FIGURE_3 = ("ETTh1", "ETTh2", "ETTm1", "ETTm2", "Weather")  # of its data sets those that are public byte for byte


def variant(evidence: Evidence, name: str) -> pd.DataFrame:
    return rows.select(evidence.ablation, variant=name)


def control(question: str, ours: str, theirs: str) -> Callable[[Evidence], Estimate | None]:
    """One student of a question of page 17 against another; from two runs on."""

    def test(evidence: Evidence) -> Estimate | None:
        found = evidence.controls(question)
        tested = evidence.difference(rows.select(found, name=ours), rows.select(found, name=theirs))
        return tested if tested.runs > 1 else None

    return test


def strongest(evidence: Evidence) -> Estimate:
    return evidence.difference(evidence.distilled(), analysis.strongest(evidence.main))


def largest_gain(evidence: Evidence) -> Estimate | None:
    here = evidence.main[evidence.main["dataset"] == "ETTm2"]
    found = evidence.difference(evidence.distilled("moderntcn", here), evidence.plain(here))
    return found if found.settings == len(HORIZONS) else None


def published_wins(evidence: Evidence) -> Estimate | None:
    """The plain MLP's win rate against iTransformer on the data sets of `FIGURE_3`, all of them there."""
    here = evidence.main[evidence.main["dataset"].isin(FIGURE_3) & (evidence.main["horizon"] == 96)]
    found = evidence.win_rate(evidence.plain(here), here[here["model"] == "itransformer"])
    return found if found.settings == len(FIGURE_3) else None


def halves_unseen(evidence: Evidence) -> Estimate:
    halves = evidence.halves
    return evidence.difference(halves[~halves["dataset"].isin(patient.HALVES_FROM)], evidence.patient)


def published_keep(evidence: Evidence) -> Estimate:
    """What the published figure is a mean of: students of ModernTCN, horizon 96."""
    here = evidence.main[evidence.main["horizon"] == 96]
    here = here[(here["part"] != "distilled") | (here["teacher"] == "moderntcn")]
    return _keeps(evidence, here, lambda means: 100 * analysis.kept(means))


def other_seeds(plain: pd.DataFrame, here: pd.DataFrame) -> list[pd.DataFrame]:
    """The plain MLP in the place of its next seed."""
    return [analysis.other_seeds(plain)]


def all_nulls(plain: pd.DataFrame, here: pd.DataFrame) -> list[pd.DataFrame]:
    """Every baseline of a setting, the plain MLP with weight decay, and the other seeds."""
    untaught = pd.concat([analysis.baselines(here), here[here["part"] == "decayed"]])
    return [group for _, group in untaught.groupby("system", sort=False)] + other_seeds(plain, here)


def chosen_baseline(plain: pd.DataFrame, here: pd.DataFrame) -> list[pd.DataFrame]:
    return [analysis.strongest(here)]


def ridge(plain: pd.DataFrame, here: pd.DataFrame) -> list[pd.DataFrame]:
    return [here[here["model"] == "ridge"]]


def kept_beyond(evidence: Evidence, nulls: Callable) -> Estimate:
    here = pd.concat([evidence.main, evidence.decayed])
    return _keeps(evidence, here, lambda means: 100 * (analysis.kept(means, 0) - analysis.kept(means, 1)), nulls)


def _keeps(
    evidence: Evidence, runs: pd.DataFrame, statistic: Callable[[np.ndarray], np.ndarray], nulls: Callable | None = None
) -> Estimate:
    """A statistic of what distilled student and null keep, and of what the plain MLP wins, windows and seeds paired.

    The null is, in each setting and against each teacher, that of `nulls` which keeps most. Mean over settings and
    teachers, drawn together. `rows.Missing` where there is none.
    """
    values, drawn, count, held = [], [], 0, 0.0
    for place, here in runs.groupby(analysis.SETTING, sort=False):
        plain = evidence.plain(here)
        others = nulls(plain, here) if nulls else []
        taught = here[(here["model"] == "mlp") & (here["part"] == "distilled")]
        for model, students in taught.groupby("teacher", sort=False):
            teacher = evidence.model(model, here)
            if not (len(plain) and len(teacher)):
                continue
            trios = analysis.trios(plain, students, teacher)
            found = [_won(evidence, trios, plain, other) for other in (others if nulls else [students]) if len(other)]
            if kept := [each for each in found if each is not None]:
                wins, groups = max(kept, key=lambda found: analysis.kept(found[0].mean(2), 1))
                names = {"segment": place[0], "setting": f"{place}, {model}"}
                value, draws = bootstrap.draws(wins, groups, statistic, block=place[1] + place[2], **names)
                held = max(held, bootstrap.blocks(wins.shape[2], place[1] + place[2]))
                if math.isfinite(value):  # there was a win to keep
                    values, drawn, count = [*values, value], [*drawn, draws], count + len(groups)
    if not values:
        raise rows.missing(evidence.runs, "no teacher with a plain and a distilled MLP of the same seed")
    ends = bootstrap.interval(np.mean(drawn, 0), held)
    return Estimate(float(np.mean(values)), *ends, settings=len(values), runs=count)


def _won(evidence: Evidence, trios, plain, other) -> tuple[np.ndarray, list] | None:
    """[P, 3, N], on which windows student and other keep a win of the plain MLP's, and which it wins; and P groups."""
    beside = analysis.pairs(plain, other)[["ours", "theirs"]].set_axis(["plain", "other"], axis=1)
    found = trios.merge(beside)
    if found.empty:
        return None
    errors = analysis.paired_errors(evidence.store, found[["plain", "student", "other", "against"]])
    plain, student, other = np.moveaxis(errors[:, :3] < errors[:, 3:], 1, 0)
    return np.stack([plain & student, plain & other, plain], 1), list(found["group"])


def coarse(evidence: Evidence) -> Estimate | None:
    """Points by which the relative gain of the coarsest scale is above that of the whole error."""

    def more(ours: pd.Series, theirs: pd.Series) -> float:
        share = [own / plain for own, plain in zip(ours["test_scale_mse"], theirs["test_scale_mse"], strict=True)]
        return 100 * (share[0] - share[-1])

    return evidence.over_runs(evidence.distilled(), evidence.plain(), more)


def nearer(ours: pd.Series, theirs: pd.Series) -> float:
    return 100 * (ours["test_period_kl"] / theirs["test_period_kl"] - 1)


def each(question: str, fewest: int, *names: str, against: str = "plain") -> Callable[[Evidence], Estimate | None]:
    """The worst of the differences to the plain or decayed student, by teacher or student of page 07."""

    def test(evidence: Evidence) -> Estimate | None:
        runs = evidence.versatility(question)
        groups = [group for name, group in runs.groupby("name", sort=False) if not names or name in names]
        pairs = [(group[group["part"] == "distilled"], group[group["part"] == against]) for group in groups]
        return evidence.worst(pairs, fewest)

    return test


def each_lookback(evidence: Evidence, against: str = "plain") -> Estimate | None:
    mlps = evidence.lookback[evidence.lookback["model"] == "mlp"]
    pairs = [
        (mlp[mlp["part"] == "distilled"], mlp[mlp["part"] == against]) for _, mlp in mlps.groupby(analysis.SETTING)
    ]
    return evidence.worst(pairs, 2) if mlps["lookback"].nunique() > 1 else None
