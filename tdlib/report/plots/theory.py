"""How far an inequality holds, by how many triples."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tdlib.report.plots.style import legend_beside
from tdlib.report.roles import OTHERS

KINDS = {"hue": "triples", "style": "triples", "markers": True, "dashes": False, "palette": OTHERS[:3]}


def ratios(table: pd.DataFrame, *, x: str, label: str, bounds: dict[str, float]) -> Figure:
    """The smallest ratio of the left side to L_aug by `x`, a line a kind of triple, a panel a form of the left side.

    An inequality holds where the line is above its bound, of `bounds`.
    """
    import seaborn as sns

    forms = list(dict.fromkeys(table["form"]))
    figure, axes = plt.subplots(1, len(forms), figsize=(7.0, 2.6), sharey=True)
    for axis, form in zip(axes, forms, strict=True):
        sns.lineplot(table[table["form"] == form], x=x, y="smallest ratio", ax=axis, **KINDS)
        for (name, bound), style in zip(bounds.items(), (":", "--"), strict=True):
            axis.axhline(bound, color="#777777", linestyle=style, label=f"{name} bound")
        axis.set(title=form, xlabel=label, ylabel=r"smallest left side / $L_\mathrm{aug}$")
        axis.get_legend().remove()
    legend_beside(axes[-1])
    return figure


def shares(table: pd.DataFrame, *, x: str, label: str, claim: str) -> Figure:
    """In how many percent of the triples `claim` holds, by `x` on a log scale, a line a kind of triple."""
    import seaborn as sns

    figure, axis = plt.subplots()
    sns.lineplot(table, x=x, y="holds in %", ax=axis, **KINDS)
    axis.set(xscale="log", xlabel=label, ylabel=f"{claim} holds [%]", ylim=(-4, 104))
    legend_beside(axis)
    return figure
