"""Error against latency and size, with labels that find a free place."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from tdlib.report.plots.style import colours


def bubbles(table: pd.DataFrame, *, x: str, y: str, size: str, labels: tuple[str, str]) -> Figure:
    """A bubble a system (the index), its area by `size`, `x` on a log scale; "A, form" is labelled "form".

    `part` and `model` give the colours; distilled students have a black edge, their forms are rings.
    A label takes the nearest place that covers nothing.
    """
    figure, axis = plt.subplots(figsize=(7.0, 3.8))
    area = 900 * table[size] / table[size].max() + 8  # points^2
    shades = table.index.map(colours(table.rename_axis("system").reset_index()))
    forms = table.index.str.contains(", ")  # of a system that is drawn, too: rings, which do not hide each other
    fills = [to_rgba(shade, 0 if form else 0.65) for form, shade in zip(forms, shades, strict=True)]
    edges = 0.8 * (table["part"] == "distilled") + 0.6 * forms
    rims = [shade if form else "black" for form, shade in zip(forms, shades, strict=True)]
    axis.scatter(table[x], table[y], s=area, c=fills, edgecolors=rims, linewidths=edges)
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
        line = {"arrowstyle": "-", "lw": 0.6, "shrinkA": 0, "shrinkB": radius}
        text = axis.annotate(
            system.split(", ")[-1],
            table.loc[system, [x, y]],
            (0, 0),
            fontsize=8,
            textcoords="offset points",
            ha="center",
            va="center",
            arrowprops=line,
        )
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
