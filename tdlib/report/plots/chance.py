"""What chance alone does, drawn: nulls beside effects, sources of doubt, validation against test, many looks."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tdlib.report.plots.errors import panel_grid
from tdlib.report.plots.style import legend_beside
from tdlib.report.roles import COLOURS, OTHERS

APART = 0.16  # of a row's height: what is called a difference hides nothing of what is not


def nulls(table: pd.DataFrame, effects: pd.Series, *, label: str) -> Figure:
    """A row a `system`, a dot a null's `difference`; filled, and lower, where its interval over blocks leaves out zero.

    `effects`, of no null, stand in the lowest row.
    """
    systems = list(dict.fromkeys(table["system"]))
    figure, axis = plt.subplots(figsize=(7.0, 1.1 + 0.26 * (len(systems) + 1)))
    for beyond, words in ((False, "a seed against another"), (True, "the same, called\na difference by blocks")):
        chosen = table[(table["blocks"] == 1) == beyond]  # NaN where a segment has too few blocks to call anything
        fill, lift = (OTHERS[0], -APART) if beyond else ("none", APART)
        places = [len(systems) - systems.index(system) + lift for system in chosen["system"]]
        axis.plot(chosen["difference"], places, "o", color=OTHERS[0], markerfacecolor=fill, label=words)
    axis.plot(
        effects, np.zeros(len(effects)), "D", color=COLOURS["distilled"], alpha=0.6, label="distilled against plain"
    )
    axis.axvline(0, color="#777777", linestyle=":")
    axis.set_yticks(range(len(systems) + 1), [effects.name, *reversed(systems)])
    axis.set(xlabel=label, ylim=(-0.6, len(systems) + 0.6))
    legend_beside(axis)
    return figure


def widths(table: pd.DataFrame, *, label: str) -> Figure:
    """Mean width of an interval over settings by number of `seeds`, a line for each thing that is drawn."""
    figure, axis = plt.subplots()
    means = table.drop(columns="setting").groupby("seeds").mean()
    for name, style, shade in zip(("both", "blocks alone", "seeds alone"), ("o-", "s--", "^:"), OTHERS, strict=False):
        axis.plot(means.index, means[name], style, color=shade, label=name)
    axis.set_xticks(means.index)
    axis.set(xlabel="pairs of seeds", ylabel=label, ylim=(0, None))
    legend_beside(axis)
    return figure


def agreement(variants: pd.DataFrame) -> Figure:
    """A panel a `family`, a dot a variant: `val_mse` and `test_mse` in percent above the family's best of each."""
    figure, axes, _ = panel_grid(list(dict.fromkeys(variants["family"])), height=1.9)
    for family, axis in axes.items():
        errors = variants.loc[variants["family"] == family, ["val_mse", "test_mse"]]
        above = 100 * (errors / errors.min() - 1)
        axis.plot(above["val_mse"], above["test_mse"], "o", color=COLOURS["distilled"], alpha=0.6, markersize=4)
        axis.set_title(family.replace(": ", "\n"), fontsize="small")
    figure.supxlabel("validation MSE, % above the best", fontsize=9)
    figure.supylabel("test MSE, % above the best", fontsize=9)
    return figure


def evidence(members: pd.DataFrame) -> Figure:
    """A panel for `validation` and one for `halves`: each `member`'s error there and on `test`, a dot a setting [%].

    Where the order is the same on both, dots lie along the line.
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.2), sharey=True)
    groups = list(members.groupby("member", sort=False))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(groups)))
    for axis, kind in zip(axes, ("validation", "halves"), strict=True):
        for (name, group), shade, marker in zip(groups, shades, itertools.cycle("osD^v<>P"), strict=False):
            axis.plot(group[kind], group["test"], marker, color=shade, alpha=0.8, markersize=5, label=name)
        axis.axline((0, 0), slope=1, color="#777777", linestyle=":")
        axis.set(title=kind, xlabel="MSE there, % from the members' mean")
    axes[0].set_ylabel("test MSE, % from the members' mean")
    legend_beside(axes[1])
    return figure


def looks(curves: dict[str, pd.DataFrame]) -> Figure:
    """A panel a family: expected test MSE of the variant that is chosen among k, against a variant at random [%].

    Frames have the index k and the columns `on test` and `on validation`.
    """
    figure, axes, last = panel_grid(list(curves), height=1.9)
    for family, curve in curves.items():
        axis = axes[family]
        axis.plot(curve.index, curve["on test"], "--", color=OTHERS[1], label="chosen on test")
        axis.plot(curve.index, curve["on validation"], "-", color=OTHERS[0], label="chosen on\nvalidation")
        axis.axhline(0, color="#777777", linestyle=":")
        axis.set_title(family.replace(": ", "\n"), fontsize="small")
    figure.supxlabel("variants tried, k", fontsize=9)
    figure.supylabel("test MSE [% against one at random]", fontsize=9)
    legend_beside(last)
    return figure
