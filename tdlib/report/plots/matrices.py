"""Correlations between channels as colours (TimeDistill, Fig. 9)."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from tdlib.report.plots.style import readable

FEW = 7  # channels: with more, numbers do not fit into the cells


def correlations(matrices: dict[str, dict[str, np.ndarray]], *, label: str, most: float = 1.0) -> Figure:
    """A row a setting, a column a system: matrices [C, C] on one scale, from -`most` to `most`, 0 neutral.

    The panel of what is not there says so.
    """
    systems = list(dict.fromkeys(system for found in matrices.values() for system in found))
    shape = len(matrices), len(systems)
    figure, axes = plt.subplots(*shape, figsize=(7.0, 0.4 + 6.2 / max(4, shape[1]) * shape[0]), squeeze=False)
    for axis, (setting, system) in zip(axes.flat, itertools.product(matrices, systems), strict=True):
        if system in matrices[setting]:
            _draw(axis, matrices[setting][system], most)
        else:
            axis.set(xticks=[], yticks=[])
            axis.text(0.5, 0.5, "not in\nthe store", ha="center", va="center", fontsize=7, color="#777777")
    for axis, system in zip(axes[0], systems, strict=True):
        axis.set_title(system.replace(" + ", "\n+ "), fontsize=8)
    for axis, setting in zip(axes[:, 0], matrices, strict=True):
        axis.set_ylabel(setting.replace(", ", "\n"), fontsize=8)
    bar = figure.colorbar(axes[0, 0].collections[0], ax=axes, fraction=0.025, pad=0.01, ticks=[-most, 0, most])
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _draw(axis: plt.Axes, matrix: np.ndarray, most: float) -> None:
    import seaborn as sns

    numbers = [str(number) for number in range(1, len(matrix) + 1)]
    text = {"annot": len(matrix) <= FEW, "fmt": ".1f" if most >= 1 else ".2f", "annot_kws": {"fontsize": 4.5}}
    colours = {"vmin": -most, "vmax": most, "cmap": "PuOr", "cbar": False}
    sns.heatmap(matrix, ax=axis, square=True, xticklabels=numbers, yticklabels=numbers, **colours, **text)
    readable(axis)
    axis.tick_params(labelsize=4.5, length=0, pad=1)
    axis.tick_params(axis="x", rotation=90 if len(matrix) > FEW else 0)
    axis.tick_params(axis="y", rotation=0)
    axis.grid(False)
