"""Sentences made from rows: what a page says about its tables, whatever the rows are."""

import pandas as pd


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
    """-2.5 [-3.5, -1.4]; without its ends where they are unknown or both the same."""
    value, low, high = (round(number, 1) + 0 for number in (value, low, high))  # + 0: no "-0.0"
    return f"{value:.1f}" + (f" [{low:.1f}, {high:.1f}]" if low < high else "")


def looked_at(runs: pd.DataFrame) -> str:
    """How many different runs this page looked at on each test segment (multiplicity); other pages looked, too."""
    counts = runs.groupby(["dataset", "horizon"], sort=False)["id"].nunique()
    found = ", ".join(f"{dataset} {horizon}: {count}" for (dataset, horizon), count in counts.items())
    return f"Runs that this page alone looks at on each test segment: {found}."
