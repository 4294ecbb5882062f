"""Sentences made from rows: what a page says about its tables, whatever the rows are."""

from collections.abc import Iterable

import pandas as pd

from tdlib import models
from tdlib.config import RunConfig


def spread(changes: pd.Series, what: str) -> str:
    """One sentence on changes in percent (negative is lower): in how many it is lower, and both extremes by name."""
    changes = changes.dropna()
    if changes.empty:
        return f"{what}: no rows to compare."
    ends = [(changes.iloc[at], changes.index[at]) for at in (changes.argmin(), changes.argmax())]
    named = [
        f"{value:+.1f}% ({', '.join(map(str, name)) if isinstance(name, tuple) else name})" for value, name in ends
    ]
    return f"{what}: lower in {(changes < 0).sum()} of {len(changes)}, from {named[0]} to {named[1]}."


def interval(value: float, low: float, high: float) -> str:
    """-2.5 [-3.5, -1.4]; without its ends where they are unknown or both the same.

    An end that would be 0.0 has a second digit: on which side of 0 it lies decides a claim.
    """
    value, *ends = (round(number, 1) + 0 for number in (value, low, high))  # + 0: no "-0.0"
    shown = [f"{end:.1f}" if end or not exact else f"{exact:.1g}" for end, exact in zip(ends, (low, high), strict=True)]
    return f"{value:.1f}" + (f" [{shown[0]}, {shown[1]}]" if ends[0] < ends[1] else "")


def looked_at(runs: pd.DataFrame) -> str:
    """How many different runs this page looked at on each test segment (multiplicity); other pages looked, too."""
    counts = runs.groupby(["dataset", "horizon"], sort=False)["id"].nunique()
    found = ", ".join(f"{dataset} {horizon}: {count}" for (dataset, horizon), count in counts.items())
    return f"Runs whose test errors this page shows, by test segment (what so many looks are worth: page 14): {found}."


def single_seeds(runs: pd.DataFrame) -> str:
    """A line a system: in how many of its settings it has one seed, which adds no spread of seeds to an interval."""
    alone = runs.groupby(["system", "setting"], sort=False)["seed"].nunique().eq(1).groupby("system", sort=False)
    counts = alone.agg(["sum", "size"]).itertuples()
    return "\n".join(f"{line.Index}: one seed in {line.sum} of {line.size} settings" for line in counts)


def teachers(runs: Iterable[RunConfig]) -> str:
    """Whom these runs learn from: iTransformer of seed 2021."""
    taught = {(models.title(run.model), run.seed) for each in runs for run in each.teacher_configs.values()}
    return ", ".join(f"{name} of seed {seed}" for name, seed in sorted(taught)) or "nobody"
