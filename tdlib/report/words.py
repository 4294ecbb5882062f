"""Sentences made from rows: what a page says about its tables, whatever the rows are."""

import pandas as pd

from tdlib import models
from tdlib.report.tables import disagree


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


def on_both(runs: pd.DataFrame, name: str, reference: str) -> pd.DataFrame:
    """Validation and test MSE of each `name` against `reference` of its data set and horizon [%].

    Means over the seeds that both have, or over all where one of the two is in closed form and has none; NaN where they
    share none. `disagree` marks where validation and test differ on which of the two is better.
    """
    keys, errors, lines = ["dataset", "horizon"], {"val_mse": "validation [%]", "test_mse": "test [%]"}, {}
    base = runs[runs[name] == reference]
    for place, own in runs.groupby([*keys, name], sort=False):
        theirs = base[(base[keys] == list(place[:2])).all(axis=1)]
        if not any(map(models.closed_form, {*own["model"], *theirs["model"]})):
            own, theirs = own[own["seed"].isin(theirs["seed"])], theirs[theirs["seed"].isin(own["seed"])]
        lines[place] = 100 * (own[list(errors)].mean() / theirs[list(errors)].mean() - 1)
    table = pd.DataFrame(lines).T.rename_axis([*keys, name]).rename(columns=errors)
    return table.assign(disagree=disagree(table["validation [%]"], table["test [%]"]))
