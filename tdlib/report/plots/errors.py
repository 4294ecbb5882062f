"""Errors of runs side by side: by model, setting, look-back or seed. `colours` by system: see `style.colours`."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from tdlib.report.plots.style import COLOURS

ACROSS = 4  # panels side by side, so that their titles do not touch


def heat_map(table: pd.DataFrame, *, label: str) -> Figure:
    """A table of percentages as colours, 50 neutral, with the numbers written in."""
    height = 1.5 + 0.3 * len(table)
    figure, axis = plt.subplots(figsize=(7.0, height))
    bar = {"label": label, "ticks": [0, 50, 100]}
    sns.heatmap(table, annot=True, fmt=".1f", vmin=0, vmax=100, cmap="PuOr", ax=axis, cbar_kws=bar, linewidths=1)
    axis.set(xlabel="", ylabel="")
    axis.tick_params(axis="y", rotation=0)
    axis.grid(False)
    return figure


def intervals(table: pd.DataFrame, *, label: str, reference: float | None = None) -> Figure:
    """Estimates with their intervals: columns `estimate`, `low`, `high` and, where known, `published`."""
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.26 * len(table)))
    places = np.arange(len(table))[::-1]
    axis.hlines(places, table["low"], table["high"], color=COLOURS["distilled"], linewidth=2)
    axis.plot(table["estimate"], places, "o", color=COLOURS["distilled"], label="ours, 95% interval")
    if "published" in table and table["published"].notna().any():
        axis.plot(table["published"], places, "D", color=COLOURS["teacher"], fillstyle="none", label="published")
    if reference is not None:
        axis.axvline(reference, color="#777777", linestyle=":")
    axis.set_yticks(places, table.index)
    axis.set(xlabel=label, ylim=(-0.6, len(table) - 0.4))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def curves(table: pd.DataFrame, *, x: str, label: str, colours: dict[str, str]) -> Figure:
    """MSE against `x`, a line a system and a panel a setting: columns `setting`, `system`, `MSE` and `x`.

    Several seeds become a band of one deviation.
    """
    settings = list(dict.fromkeys(table["setting"]))
    figure, axes = plt.subplots(1, len(settings), figsize=(7.0, 2.6), squeeze=False)
    style = {"hue": "system", "style": "system", "palette": colours, "markers": True, "dashes": False}
    for axis, setting in zip(axes[0], settings, strict=True):
        chosen = table[table["setting"] == setting]
        sns.lineplot(chosen, x=x, y="MSE", errorbar="sd", ax=axis, **style)
        axis.set(title=setting, xlabel="", ylabel="")
        axis.set_xticks(sorted(chosen[x].unique()))
        axis.get_legend().remove()
    axes[0, 0].set_ylabel("MSE [scaled units]")
    figure.supxlabel(label, fontsize=9)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def dumbbells(table: pd.DataFrame, *, label: str) -> Figure:
    """A row a name: where `teacher`, `plain` and `distilled` student stand, as far as they are there."""
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.28 * len(table)))
    places = np.arange(len(table))[::-1]
    axis.hlines(places, table["distilled"], table["plain"], color="#999999", linewidth=1)
    styles = {"teacher": ("teacher", "s"), "plain": ("plain", "o"), "distilled": ("distilled", "D")}
    for column, (shade, marker) in styles.items():
        if column in table:
            axis.plot(table[column], places, marker, color=COLOURS[shade], label=column)
    axis.set_yticks(places, table.index)
    axis.set(xlabel=label, ylim=(-0.6, len(table) - 0.4))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def weight_grids(runs: pd.DataFrame) -> Figure:
    """Validation and test MSE over `alpha` and `beta`, in percent above the best cell of each."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.6), sharey=True)
    for axis, (column, title) in zip(axes, {"val_mse": "validation", "test_mse": "test"}.items(), strict=True):
        grid = runs.pivot_table(index="alpha", columns="beta", values=column)
        excess = 100 * (grid / grid.min().min() - 1)
        bar = {"label": "% above the best"}
        sns.heatmap(excess, annot=True, fmt=".1f", cmap="viridis_r", vmin=0, ax=axis, linewidths=1, cbar_kws=bar)
        axis.set(title=title, xlabel="beta (features)", ylabel="alpha (forecasts)")
        axis.grid(False)
    return figure


def beside_seeds(runs: pd.DataFrame, seeds: pd.Series, *, label: str) -> Figure:
    """A row a `setting`, a dot a run; the band is the mean of `seeds` and one deviation on either side."""
    settings = list(dict.fromkeys(runs["setting"]))[::-1]
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.26 * len(settings)))
    mean, deviation = seeds.mean(), seeds.std()
    shade, places = COLOURS["distilled"], [settings.index(setting) for setting in runs["setting"]]
    axis.axvspan(mean - deviation, mean + deviation, color=shade, alpha=0.15, label="one deviation\nover seeds")
    axis.axvline(mean, color=shade, linewidth=1)
    axis.plot(runs["test_mse"], places, "o", color=shade, label="one run")
    axis.set_yticks(range(len(settings)), settings)
    axis.set(xlabel=label, ylim=(-0.6, len(settings) - 0.4))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def radar(table: pd.DataFrame, *, colours: dict[str, str]) -> Figure:
    """Systems on axes: a line a system (the columns), an axis a row; 1 is the best of the row, outside is better."""
    share = table.rdiv(table.min(axis=1), axis=0)  # best / own
    angles = np.linspace(0, 2 * np.pi, len(share), endpoint=False)
    figure, axis = plt.subplots(figsize=(7.0, 3.6), subplot_kw={"projection": "polar"})
    markers = dict(zip(share, itertools.cycle("osD^vP*X"), strict=False))
    for system in share:
        values = share[system].to_numpy()
        style = {"color": colours[system], "marker": markers[system], "label": system}
        axis.plot([*angles, angles[0]], [*values, values[0]], **style)
    axis.set_xticks(angles, share.index)
    axis.tick_params(axis="x", pad=12)
    axis.set_ylim(min(0.95, float(share.min().min()) - 0.02), 1.0)
    axis.set_rlabel_position(180 / len(share))  # between two axes, where no line runs
    axis.yaxis.set_major_locator(plt.MaxNLocator(4))
    axis.legend(loc="center left", bbox_to_anchor=(1.25, 0.5))
    return figure


def points(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    label: str,
    panels: str = "setting",
    colours: dict[str, str] | None = None,
    lines: pd.DataFrame | None = None,
) -> Figure:
    """One dot a run, so that the spread over seeds is seen, and a bar at each mean; one panel a setting.

    A `y` that is no system is drawn as a distilled student. `lines` has a column a panel: the mean of each of its
    rows, systems, as a vertical line.
    """
    groups, settings = list(dict.fromkeys(table[y])), list(dict.fromkeys(table[panels]))
    columns = min(ACROSS, len(settings))
    lines_of_panels = -(-len(settings) // columns)
    size = (7.0, lines_of_panels * (0.9 + 0.26 * len(groups)))
    figure, axes = plt.subplots(lines_of_panels, columns, figsize=size, sharey=True, squeeze=False)
    for axis in axes.flat[len(settings) :]:
        axis.remove()
    for axis, setting in zip(axes.flat, settings, strict=False):
        here = table[table[panels] == setting]
        for place, group in enumerate(reversed(groups)):
            chosen = here[here[y] == group]
            shade = (colours or {}).get(group, COLOURS["distilled"])
            axis.plot(chosen[x], [place] * len(chosen), "o", color=shade, alpha=0.6)
            axis.plot(chosen[x].mean(), place, "|", color="black", markersize=13, label="mean" if place == 0 else None)
        references = lines[setting].items() if lines is not None else ()
        for (system, value), style in zip(references, ("--", ":"), strict=False):
            axis.axvline(value, color=colours[system], linestyle=style, label=system)
        axis.set_title(setting.replace(" steps", ""), fontsize="small")
        axis.set_xlabel(label)
        axis.locator_params(axis="x", nbins=2)
    axes[0, 0].set_yticks(range(len(groups)), list(reversed(groups)))
    axes[0, 0].set_ylim(-0.6, len(groups) - 0.4)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
