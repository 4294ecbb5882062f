"""Errors of runs side by side: by model, setting, look-back or seed. `colours` by system: see `style.colours`."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tdlib.report.plots.style import legend_beside, readable, role
from tdlib.report.roles import COLOURS, OTHERS

MARKERS = {"truth": "P", "teacher": "s", "plain": "o", "decayed": "v", "distilled": "D", "linear": "^"}
MARKERS |= {"holds": "o", "inconclusive": "D", "does not hold here": "^"}  # verdicts
NAMES = {"linear": "baseline", "decayed": "plain, with decay"}  # what a legend calls a role, where it is not its name
ACROSS = 4  # panels side by side, so that their titles do not touch


def heat_map(table: pd.DataFrame, *, label: str, limits: tuple[int, int] = (0, 100), colours: str = "PuOr") -> Figure:
    """Percentages as `colours` between two limits, with the numbers written in; hatched where there is none."""
    import seaborn as sns

    height = 1.5 + 0.3 * len(table)
    figure, axis = plt.subplots(figsize=(7.0, height))
    low, high = limits
    beyond = "max" if table.max(axis=None) > high else "neither"
    bar = {"label": label, "ticks": [low, (low + high) / 2, high], "extend": beyond}
    sns.heatmap(table, annot=True, fmt=".1f", vmin=low, vmax=high, cmap=colours, ax=axis, cbar_kws=bar, linewidths=1)
    readable(axis)
    axis.set(xlabel="", ylabel="")
    axis.patch.set(hatch="////", edgecolor="#BBBBBB")
    axis.tick_params(axis="y", rotation=0)
    axis.grid(False)
    return figure


def intervals(
    table: pd.DataFrame,
    *,
    label: str,
    reference: float | None = None,
    by: str = "part",
    colours: dict[str, str] = COLOURS,
) -> Figure:
    """Estimates with their intervals: columns `estimate`, `low`, `high` and, where known, `published`.

    The column `by`, a key of `colours`, says whose an estimate is, or of what kind; without it all are distilled
    students.
    """
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.26 * len(table)))
    places = np.arange(len(table))[::-1]
    kinds = table[by] if by in table else pd.Series("distilled", index=table.index)
    for kind in dict.fromkeys(kinds):
        own, here, shade = table[(kinds == kind).to_numpy()], places[(kinds == kind).to_numpy()], colours[kind]
        axis.hlines(here, own["low"], own["high"], color=shade, linewidth=2)
        name = NAMES.get(kind, kind) if kinds.nunique() > 1 else "ours"
        look = {"color": shade, "markersize": 4, "label": f"{name}, 95% interval"}
        axis.plot(own["estimate"], here, MARKERS.get(kind, "D"), **look)
        for end in (own["low"], own["high"]):  # are seen of an interval that is narrower than its marker, too
            axis.scatter(end, here, marker="|", color=shade)
    if "published" in table and table["published"].notna().any():
        axis.plot(table["published"], places, "P", color=OTHERS[0], fillstyle="none", label="published")
    if reference is not None:
        axis.axvline(reference, color="#777777", linestyle=":")
    axis.set_yticks(places, table.index)
    axis.set(xlabel=label, ylim=(-0.6, len(table) - 0.4))
    legend_beside(axis)
    return figure


def several_intervals(
    table: pd.DataFrame, *, label: str, reference: float, colours: dict[str, str] | None = None
) -> Figure:
    """Estimates with their intervals (`estimate`, `low`, `high`) by the two levels of the index.

    A row a name of the first level, in it a dot for each of the second, whose `colours` may be given; of two systems of
    one colour the second is hollow.
    """
    rows, systems = (list(dict.fromkeys(table.index.get_level_values(level))) for level in (0, 1))
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.13 * len(rows) * (len(systems) + 1)))
    shades = dict(zip(systems, map(to_hex, plt.get_cmap("viridis")(np.linspace(0, 0.85, len(systems)))), strict=True))
    drawn = []
    for place, (system, usual) in enumerate(shades.items()):
        shade = (colours or {}).get(system, usual)
        look = {"color": shade, "markersize": 4.5, "markerfacecolor": "white" if shade in drawn else shade}
        drawn.append(shade)
        own = table.xs(system, level=1)
        heights = [-rows.index(name) - (place + 1) / (len(systems) + 1) for name in own.index]
        axis.hlines(heights, own["low"], own["high"], color=shade, linewidth=2)
        axis.plot(own["estimate"], heights, "Dos^v"[place % 5], label=system, **look)
    axis.axvline(reference, color="#777777", linestyle=":")
    axis.set_yticks(-np.arange(len(rows)) - 0.5, rows)
    axis.set(xlabel=label, ylim=(-len(rows), 0))
    legend_beside(axis)
    return figure


def curves(
    table: pd.DataFrame,
    *,
    x: str,
    label: str,
    colours: dict[str, str],
    log: bool = False,
    y: str = "MSE",
    unit: str = "MSE [scaled units]",
) -> Figure:
    """A column `y` against `x`, or its logarithm: a panel a `setting`, a line a `system`.

    Several seeds become a band of one deviation.
    """
    import seaborn as sns

    settings = list(dict.fromkeys(table["setting"]))
    figure, axes, last = panel_grid(settings, height=1.8, by_data_set=True)
    style = {"hue": "system", "style": "system", "palette": colours, "markers": True, "dashes": False}
    for setting, axis in axes.items():
        chosen = table[table["setting"] == setting]
        sns.lineplot(chosen, x=x, y=y, errorbar="sd", ax=axis, **style)
        axis.set(xlabel="", ylabel="")
        axis.set_title(setting.replace(" steps", ""), fontsize="small")
        if log:
            axis.set_xscale("log", base=2)
        values = sorted(chosen[x].unique())
        axis.set_xticks(values, [value if len(values) < 6 or not at % 2 else "" for at, value in enumerate(values)])
        axis.get_legend().remove()
    figure.supylabel(unit, fontsize=9)
    figure.supxlabel(label, fontsize=9)
    legend_beside(last)
    return figure


def panel_grid(
    names: list[str], *, height: float, by_data_set: bool = False, **options
) -> tuple[Figure, dict[str, Axes], Axes]:
    """A panel a name, `ACROSS` side by side, each `height` inches high; the last of the first row is for the legend.

    `by_data_set`: names are settings, and where they fill more than a row, each data set begins one.
    """
    apart = by_data_set and len(names) > ACROSS
    groups = [list(group) for _, group in itertools.groupby(names, lambda name: apart and name.split(", ")[0])]
    rows = [group[at : at + ACROSS] for group in groups for at in range(0, len(group), ACROSS)]
    across, size = max(map(len, rows)), (7.0, len(rows) * height + 0.4)
    figure, axes = plt.subplots(len(rows), across, figsize=size, squeeze=False, **options)
    panels = {name: axes[row, at] for row, part in enumerate(rows) for at, name in enumerate(part)}
    for axis in {*axes.flat} - {*panels.values()}:
        axis.remove()
    return figure, panels, axes[0, len(rows[0]) - 1]


def dumbbells(table: pd.DataFrame, *, label: str) -> Figure:
    """A row a name: where `teacher`, `plain`, `decayed` and `distilled` student stand, as far as they are there."""
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.28 * len(table)))
    places = np.arange(len(table))[::-1]
    axis.hlines(places, table["distilled"], table["plain"], color="#999999", linewidth=1)
    for column in ("teacher", "plain", "decayed", "distilled"):
        if column in table:
            style = {"color": COLOURS[column], "label": NAMES.get(column, column)}
            axis.plot(table[column], places, MARKERS[column], **style)
    axis.set_yticks(places, table.index)
    axis.set(xlabel=label, ylim=(-0.6, len(table) - 0.4))
    legend_beside(axis)
    return figure


def weight_grids(runs: pd.DataFrame, *, own: tuple[float, float] | None = None) -> Figure:
    """Validation and test MSE over `alpha` and `beta`, in percent above the best cell of each; `own` is framed."""
    import seaborn as sns

    figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.6), sharey=True)
    segments = {"validation": "val_mse", "test": "test_mse"}
    grids = {title: runs.pivot_table(index="alpha", columns="beta", values=error) for title, error in segments.items()}
    above = {title: 100 * (grid / grid.min(axis=None) - 1) for title, grid in grids.items()}
    look = {"cmap": "viridis_r", "vmin": 0, "vmax": max(grid.max(axis=None) for grid in above.values())}
    for axis, (title, excess) in zip(axes, above.items(), strict=True):
        bar = {"label": "% above the best"}
        sns.heatmap(excess, annot=True, fmt=".1f", ax=axis, linewidths=1, cbar_kws=bar, **look)
        readable(axis)
        axis.set(title=title, xlabel="beta (features)", ylabel="alpha (forecasts)")
        if own and own[0] in excess.index and own[1] in excess:
            corner = excess.columns.get_loc(own[1]), excess.index.get_loc(own[0])
            axis.add_patch(plt.Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2, clip_on=False))
        axis.grid(False)
    return figure


def beside_seeds(runs: pd.DataFrame, seeds: pd.Series, *, label: str) -> Figure:
    """A row a `setting`, a dot a run; the band is the mean of `seeds` and one deviation on either side."""
    settings = list(dict.fromkeys(runs["setting"]))[::-1]
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.26 * len(settings)))
    mean, deviation = seeds.mean(), seeds.std()
    shade, places = COLOURS["distilled"], [settings.index(setting) for setting in runs["setting"]]
    axis.axvspan(mean - deviation, mean + deviation, color=shade, alpha=0.15, label="one deviation\nover seeds")
    axis.axvline(mean, color=shade, linewidth=1, label="mean over seeds")
    axis.plot(runs["test_mse"], places, "o", color=shade, label="one run")
    axis.set_yticks(range(len(settings)), settings)
    axis.set(xlabel=label, ylim=(-0.6, len(settings) - 0.4))
    legend_beside(axis)
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
    absent: str = "",
) -> Figure:
    """One dot a run, so that the spread over seeds is seen, and a bar at each mean; one panel a setting.

    A `y` that is no system is drawn as a distilled student. `lines` has a column a panel: the mean of each of its
    rows, systems, as a vertical line. `absent` is what a row says that has no run in a panel; one that would take
    more than half of it for itself is written, with an arrow.
    """
    groups, settings = list(dict.fromkeys(table[y])), list(dict.fromkeys(table[panels]))
    size = {"height": 0.55 + 0.17 * len(groups), "by_data_set": panels == "setting"}
    figure, axes, last = panel_grid(settings, **size, sharey=True)
    for setting, axis in axes.items():
        here = table[table[panels] == setting]
        means = here.groupby(y)[x].mean().reindex(groups)
        last_in_view = _last_in_view(means.dropna())
        for place, group in zip(reversed(range(len(groups))), groups, strict=True):
            chosen = here[here[y] == group]
            shade = (colours or {}).get(group, COLOURS["distilled"])
            part = role(shade)
            name = NAMES.get(part, part)
            known = axis.get_legend_handles_labels()[1]
            style = {"color": shade, "alpha": 0.6, "label": None if name in known else name}
            written = {"va": "center", "transform": axis.get_yaxis_transform(), "fontsize": "x-small"}
            mean = means[group]
            dots = chosen[x][: 0 if mean > last_in_view else None]
            axis.plot(dots, [place] * len(dots), MARKERS[part], **style)  # the legend names it, also without a dot
            if absent and chosen.empty:
                axis.text(0.5, place, absent, ha="center", color="#777777", **written)
            elif mean > last_in_view:
                over = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a line may pass there
                axis.text(0.98, place, f"{mean:.3g} →", ha="right", color=shade, bbox=over, **written)
            else:
                axis.plot(mean, place, "|", color="black", markersize=13)
        axis.plot([], [], "|", color="black", markersize=13, label="mean")  # in the legend after the rows
        references = lines[setting].items() if lines is not None else ()
        for (system, value), style in zip(references, ("--", ":", "-."), strict=False):
            axis.axvline(value, color=colours[system], linestyle=style, label=system)
        axis.set_title(setting.replace(" steps", ""), fontsize="small")
        axis.margins(x=0.12)  # no dot is cut by the frame
        axis.locator_params(axis="x", nbins=2)
        axis.tick_params(axis="x", labelsize="small")  # side by side, two ticks of five figures just fit
        low, high = axis.get_xlim()  # two parts may have three ends in view
        ticks = [tick for tick in axis.get_xticks() if low <= tick <= high]
        axis.set_xticks(ticks if len(ticks) < 3 else [ticks[0], ticks[-1]])
    figure.supxlabel(label, fontsize=9)
    last.set_yticks(range(len(groups)), list(reversed(groups)))  # and of all others
    last.set_ylim(-0.6, len(groups) - 0.4)
    legend_beside(last)
    return figure


def _last_in_view(means: pd.Series) -> float:
    """The largest of `means` that is drawn: each beyond is further from the next one than all others are apart."""
    ordered = means.sort_values().to_list()
    while len(ordered) > 4 and ordered[-1] - ordered[-2] > ordered[-2] - ordered[0]:
        ordered.pop()
    return ordered[-1]
