"""Frames and arrays in, figures out. One style, colours that colour-blind readers can tell apart.

A colour stands for a role on every page: truth black, teacher orange, plain MLP blue, distilled green.
"""

from pathlib import Path

import matplotlib

matplotlib.use("agg")  # figures are saved, then shown as the saved picture
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Image
from matplotlib.figure import Figure
from scipy import signal

from tdlib.models import role

COLOURS = {"truth": "#000000", "teacher": "#E69F00", "MLP": "#0072B2", "distilled": "#009E73", "linear": "#999999"}
plt.style.use(Path(__file__).with_name("study.mplstyle"))


def colour(system: str) -> str:
    """The colour of a system's role, from its name in tables ("MLP from iTransformer" is distilled)."""
    if " from " in system:
        return COLOURS["distilled"]
    if system in COLOURS:
        return COLOURS[system]
    name = system.lower()
    return COLOURS["linear"] if role(name) == "student" else COLOURS["teacher"]


def save(figure: Figure, name: str, folder: str | Path) -> Image:
    """Write `name`.png and `name`.pdf; returns the picture, to be shown."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    plt.close(figure)
    return Image(folder / f"{name}.png")


def forecasts(arrays: dict[str, dict[str, np.ndarray]], *, sample: int, channel: int, title: str) -> Figure:
    """One test window: history, truth and each system's forecast. `arrays`: a row's arrays by system."""
    first = next(iter(arrays.values()))
    history, truth = first["sample_x"][sample, :, channel], first["sample_y"][sample, :, channel]
    figure, axis = plt.subplots()
    axis.plot(np.arange(-len(history), 0), history, color="#777777", label="history")
    axis.plot(np.arange(len(truth)), truth, color=COLOURS["truth"], label="truth")
    for system, entry in arrays.items():
        axis.plot(entry["sample_prediction"][sample, :, channel], color=colour(system), label=system)
    axis.axvline(0, color="#777777", linewidth=0.8, linestyle=":")
    axis.set(xlabel="steps from the forecast's start", ylabel="value [deviations]", title=title)
    axis.legend(ncols=1, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def heat_map(table: pd.DataFrame, *, label: str) -> Figure:
    """A table of percentages as colours, 50 neutral, with the numbers written in."""
    height = 1.5 + 0.3 * len(table)
    figure, axis = plt.subplots(figsize=(7.0, height))
    sns.heatmap(table, annot=True, fmt=".1f", vmin=0, vmax=100, cmap="PuOr", ax=axis,
                cbar_kws={"label": label, "ticks": [0, 50, 100]}, linewidths=1)  # fmt: skip
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


def differences(errors: dict[str, np.ndarray], teacher: np.ndarray, *, smooth: int, title: str) -> Figure:
    """Where along the test segment each system beats the teacher: its error minus the teacher's, smoothed."""
    figure, axis = plt.subplots()
    for system, entry in errors.items():
        smoothed = pd.Series(entry - teacher).rolling(smooth, center=True, min_periods=1).mean()
        axis.plot(smoothed, color=colour(system), label=system)
    axis.axhline(0, color=COLOURS["teacher"], linewidth=1, label="teacher")
    axis.set(xlabel="first step of the test window", ylabel="MSE − teacher's MSE", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def scales(parts: dict[int, dict[str, np.ndarray]], *, title: str) -> Figure:
    """One window at several scales: by scale, the series of each system (truth among them)."""
    figure, axes = plt.subplots(len(parts), 1, figsize=(7.0, 1.15 * len(parts) + 0.4), sharey=True)
    for axis, (scale, series) in zip(axes, parts.items(), strict=True):
        for system, values in series.items():
            axis.plot(
                np.arange(len(values)) * 2**scale, values, color=colour(system), label=system, marker="." * (scale > 1)
            )
        axis.set_ylabel(f"scale {scale}\n[deviations]")
    axes[0].set_title(title)
    axes[0].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes[-1].set_xlabel("steps from the forecast's start")
    return figure


def curves(table: pd.DataFrame, *, x: str, label: str) -> Figure:
    """MSE against `x`, a line a system and a panel a setting: columns `setting`, `system`, `MSE` and `x`.

    Several seeds become a band of one deviation.
    """
    settings = list(dict.fromkeys(table["setting"]))
    figure, axes = plt.subplots(1, len(settings), figsize=(7.0, 2.6), squeeze=False)
    palette = {system: colour(system) for system in dict.fromkeys(table["system"])}
    for axis, setting in zip(axes[0], settings, strict=True):
        chosen = table[table["setting"] == setting]
        sns.lineplot(chosen, x=x, y="MSE", hue="system", style="system", palette=palette, markers=True,
                     dashes=False, errorbar="sd", ax=axis)  # fmt: skip
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
    styles = {"teacher": ("teacher", "s"), "plain": ("MLP", "o"), "distilled": ("distilled", "D")}
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
        sns.heatmap(excess, annot=True, fmt=".1f", cmap="viridis_r", vmin=0, ax=axis, linewidths=1,
                    cbar_kws={"label": "% above the best"})  # fmt: skip
        axis.set(title=title, xlabel="beta (features)", ylabel="alpha (forecasts)")
        axis.grid(False)
    return figure


def beside_seeds(runs: pd.DataFrame, seeds: pd.Series, *, label: str) -> Figure:
    """A row a `setting`, a dot a run; the band is the mean of `seeds` and one deviation on either side."""
    settings = list(dict.fromkeys(runs["setting"]))[::-1]
    figure, axis = plt.subplots(figsize=(7.0, 0.9 + 0.26 * len(settings)))
    mean, deviation = seeds.mean(), seeds.std()
    axis.axvspan(mean - deviation, mean + deviation, color=COLOURS["distilled"], alpha=0.15,
                 label="one deviation\nover seeds")  # fmt: skip
    axis.axvline(mean, color=COLOURS["distilled"], linewidth=1)
    axis.plot(runs["test_mse"], [settings.index(setting) for setting in runs["setting"]], "o",
              color=COLOURS["distilled"], label="one run")  # fmt: skip
    axis.set_yticks(range(len(settings)), settings)
    axis.set(xlabel=label, ylim=(-0.6, len(settings) - 0.4))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def spectrograms(series: dict[str, np.ndarray], *, split: int, title: str) -> Figure:
    """Short-time amplitude of history and forecast, one panel a system; the forecast begins at `split`.

    Frequencies above a tenth of a cycle a step carry next to nothing and are left out.
    """
    figure, axes = plt.subplots(1, len(series), figsize=(7.0, 2.4), sharey=True)
    for axis, (system, values) in zip(axes, series.items(), strict=True):
        window = max(8, min(48, len(values) // 4))
        transform = signal.ShortTimeFFT(np.hanning(window), hop=max(1, window // 12), fs=1.0)
        amplitude = np.abs(transform.stft(values - values.mean()))
        extent = transform.extent(len(values))
        picture = axis.imshow(np.log1p(amplitude), origin="lower", aspect="auto", extent=extent, cmap="viridis",
                              vmin=0, vmax=3)  # fmt: skip
        axis.axvline(split, color="white", linestyle=":")
        axis.set(title=system, xlabel="step", xlim=(0, len(values)), ylim=(0, 0.1))
        axis.grid(False)
    axes[0].set_ylabel("frequency [1/step]")
    figure.colorbar(picture, ax=axes, label="log(1 + amplitude)")
    figure.suptitle(title, fontsize=9)
    return figure


def periods(distributions: dict[str, np.ndarray], *, horizon: int, top: int, title: str) -> Figure:
    """Period distributions, as bars: the `top` periods of the truth, and each system's share of them."""
    bins = np.sort(np.argsort(distributions["truth"])[::-1][:top])
    labels = [f"{horizon / (bin + 1):.3g}" for bin in bins]
    table = pd.DataFrame({system: values[bins] for system, values in distributions.items()}, index=labels)
    figure, axis = plt.subplots()
    table.plot.bar(ax=axis, color=[colour(system) for system in table], width=0.8, rot=0)
    axis.set(xlabel="period [steps]", ylabel="share of the distribution Q", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def radar(table: pd.DataFrame) -> Figure:
    """Systems on axes: a line a system (the columns), an axis a row; 1 is the best of the row, outside is better."""
    share = table.rdiv(table.min(axis=1), axis=0)  # best / own
    angles = np.linspace(0, 2 * np.pi, len(share), endpoint=False)
    figure, axis = plt.subplots(figsize=(7.0, 3.6), subplot_kw={"projection": "polar"})
    markers = dict(zip(share, "osD^vP*X", strict=False))
    for system in share:
        values = share[system].to_numpy()
        axis.plot(
            [*angles, angles[0]], [*values, values[0]], color=colour(system), marker=markers[system], label=system
        )
    axis.set_xticks(angles, share.index)
    axis.tick_params(axis="x", pad=12)
    axis.set_ylim(min(0.95, float(share.min().min()) - 0.02), 1.0)
    axis.set_rlabel_position(np.degrees(angles[1] / 2))  # between two axes, where no line runs
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
    systems: str | None = None,
    lines: pd.DataFrame | None = None,
) -> Figure:
    """One dot a run, so that the spread over seeds is seen, and a bar at each mean; one panel a setting.

    `systems` names the column that gives the colours. `lines` has a column a panel: the mean of each
    of its rows, systems, as a vertical line.
    """
    groups, settings = list(dict.fromkeys(table[y])), list(dict.fromkeys(table[panels]))
    figure, axes = plt.subplots(1, len(settings), figsize=(7.0, 0.9 + 0.26 * len(groups)), sharey=True, squeeze=False)
    for axis, setting in zip(axes[0], settings, strict=True):
        here = table[table[panels] == setting]
        for place, group in enumerate(reversed(groups)):
            chosen = here[here[y] == group]
            shade = colour(chosen[systems].iloc[0]) if systems and len(chosen) else COLOURS["distilled"]
            axis.plot(chosen[x], [place] * len(chosen), "o", color=shade, alpha=0.6)
            axis.plot(chosen[x].mean(), place, "|", color="black", markersize=13, label="mean" if place == 0 else None)
        for (system, value), style in zip(
            (lines[setting].items() if lines is not None else ()), ("--", ":"), strict=False
        ):
            axis.axvline(value, color=colour(system), linestyle=style, label=system)
        axis.set(title=setting, xlabel=label)
    axes[0, 0].set_yticks(range(len(groups)), reversed(groups))
    axes[0, 0].set_ylim(-0.6, len(groups) - 0.4)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def training(history: pd.DataFrame, *, title: str) -> Figure:
    """Each part of the loss by epoch, on a log scale, and the validation MSE."""
    figure, axis = plt.subplots()
    parts = [name for name in history if name != "epoch"]
    for part, style in zip(parts, ("-", "--", "-.", ":", (0, (3, 1, 1, 1)), "-"), strict=False):
        label = "validation MSE" if part == "val_mse" else part.replace("_", ", ")
        axis.plot(history["epoch"], history[part], linestyle=style, marker=".", label=label)
    axis.set(xlabel="epoch", ylabel="part of the loss", yscale="log", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def ratios(table: pd.DataFrame, *, x: str, label: str, bound: float) -> Figure:
    """The smallest ratio of the two sides of an inequality by `x`, a line a kind of triple, a panel a form."""
    forms = list(dict.fromkeys(table["form"]))
    figure, axes = plt.subplots(1, len(forms), figsize=(7.0, 2.6), sharey=True)
    for axis, form in zip(axes, forms, strict=True):
        sns.lineplot(table[table["form"] == form], x=x, y="smallest ratio", hue="triples", style="triples",
                     markers=True, dashes=False, palette="colorblind", ax=axis)  # fmt: skip
        axis.axhline(bound, color="#777777", linestyle=":")
        axis.set(title=form, xlabel=label, ylabel="smallest left / right side")
        axis.get_legend().remove()
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def shares(table: pd.DataFrame, *, x: str, label: str) -> Figure:
    """In how many percent of the triples a claim holds, by `x` on a log scale, a line a kind of triple."""
    figure, axis = plt.subplots()
    sns.lineplot(table, x=x, y="holds in %", hue="triples", style="triples", markers=True, dashes=False,
                 palette="colorblind", ax=axis)  # fmt: skip
    axis.set(xscale="log", xlabel=label, ylabel="holds in % of the triples", ylim=(-4, 104))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def bubbles(table: pd.DataFrame, *, x: str, y: str, size: str, labels: tuple[str, str]) -> Figure:
    """A bubble a system (the index), its area by `size`, `x` on a log scale; "A, form" is labelled "form".

    Distilled students have a black edge. A label takes the nearest place that covers nothing.
    """
    figure, axis = plt.subplots(figsize=(7.0, 3.8))
    area = 900 * table[size] / table[size].max() + 8  # points^2
    edges = [0.8 * (" from " in system) for system in table.index]
    axis.scatter(table[x], table[y], s=area, c=[colour(system) for system in table.index], alpha=0.65,
                 edgecolors="black", linewidths=edges)  # fmt: skip
    title = f"area by {size}, {table[size].max():,} in the largest bubble"
    axis.set(xscale="log", xlabel=labels[0], ylabel=labels[1], title=title)
    axis.margins(0.12)
    figure.canvas.draw()  # places are known from here on
    middles = axis.transData.transform(table[[x, y]].to_numpy()) * 72 / figure.dpi  # in points, as all that follows
    boxes = [
        np.concatenate([middle - radius, middle + radius])
        for middle, radius in zip(middles, np.sqrt(area) / 2, strict=True)
    ]
    frame = axis.bbox.extents * 72 / figure.dpi
    for system, middle, radius in zip(table.index, middles, np.sqrt(area) / 2, strict=True):
        text = axis.annotate(system.split(", ")[-1], table.loc[system, [x, y]], (0, 0), fontsize=8,
                             textcoords="offset points", ha="center", va="center",
                             arrowprops={"arrowstyle": "-", "lw": 0.6, "shrinkA": 0, "shrinkB": radius})  # fmt: skip
        half = np.array([len(text.get_text()) * 2.4, 4.5])  # of the label's box at this font size
        offset, box = _free_place(middle, radius, half, boxes, frame)
        text.set_position(offset)
        boxes.append(box)
    return figure


def _free_place(middle: np.ndarray, radius: float, half: np.ndarray, boxes: list[np.ndarray], frame: np.ndarray):
    """(offset, box) of a label around a bubble, as near as it goes; boxes are [left, low, right, high]."""
    for reach in range(5, 120, 2):
        for angle in np.radians([0, 180, 90, 270, 30, 330, 150, 210, 60, 120, 240, 300]):
            direction = np.array([np.cos(angle), np.sin(angle)])
            offset = direction * (radius + reach + half)
            low, high = middle + offset - half, middle + offset + half
            inside = (low > frame[:2]).all() and (high < frame[2:]).all()
            if inside and not any((low < box[2:]).all() and (high > box[:2]).all() for box in boxes):
                return offset, np.concatenate([low, high])
    return offset, np.concatenate([low, high])
