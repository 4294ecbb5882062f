"""How far an inequality holds, by how many triples."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tdlib.report.plots.style import legend_beside
from tdlib.report.roles import OTHERS

KINDS = {"hue": "triples", "style": "triples", "markers": True, "dashes": False, "palette": OTHERS[:3]}


def ratios(table: pd.DataFrame, *, x: str, label: str, bound: float) -> Figure:
    """The smallest ratio of the two sides of an inequality by `x`, a line a kind of triple, a panel a form."""
    import seaborn as sns

    forms = list(dict.fromkeys(table["form"]))
    figure, axes = plt.subplots(1, len(forms), figsize=(7.0, 2.6), sharey=True)
    for axis, form in zip(axes, forms, strict=True):
        sns.lineplot(table[table["form"] == form], x=x, y="smallest ratio", ax=axis, **KINDS)
        axis.axhline(bound, color="#777777", linestyle=":")
        axis.set(title=form, xlabel=label, ylabel="smallest left / right side")
        axis.get_legend().remove()
    legend_beside(axes[-1])
    return figure


def shares(table: pd.DataFrame, *, x: str, label: str) -> Figure:
    """In how many percent of the triples a claim holds, by `x` on a log scale, a line a kind of triple."""
    import seaborn as sns

    figure, axis = plt.subplots()
    sns.lineplot(table, x=x, y="holds in %", ax=axis, **KINDS)
    axis.set(xscale="log", xlabel=label, ylabel="holds in % of the triples", ylim=(-4, 104))
    legend_beside(axis)
    return figure
