"""A forecaster of one's own series, drawn: its forecast with bands, what its bands hold."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tdlib.report.plots.style import COLOURS, legend_beside
from tdlib.service.frames import band

SHADES = (0.4, 0.2)  # of the narrowest band, and of wider ones


def bands(history: pd.DataFrame, forecast: pd.DataFrame, levels: list[float]) -> Figure:
    """A panel a channel of `history` [T, C], and what follows: `forecast` as of `Forecaster.predict`."""
    figure, axes = plt.subplots(history.shape[1], 1, figsize=(7.0, 1.5 * history.shape[1]), sharex=True, squeeze=False)
    for axis, channel in zip(axes.flat, history, strict=True):
        axis.plot(history.index, history[channel], color=COLOURS["truth"], linewidth=1, label="known")
        axis.plot(forecast.index, forecast[channel], color=COLOURS["distilled"], linewidth=1.2, label="forecast")
        for place, level in enumerate(sorted(levels)):
            low, high = (forecast[name] for name in band(channel, level))
            shade = {"color": COLOURS["distilled"], "alpha": SHADES[min(place, 1)], "linewidth": 0}
            axis.fill_between(forecast.index, low, high, label=f"{level:g}% band", **shade)
        axis.set_ylabel(channel)
    figure.supylabel("the series' own units", fontsize=9)
    axes.flat[-1].tick_params(axis="x", rotation=30)
    legend_beside(axes.flat[0])
    return figure


def coverage(shares: dict[float, np.ndarray]) -> Figure:
    """By step, the share [H] of test values that each band holds; dotted, the share that it promises."""
    figure, axis = plt.subplots(figsize=(7.0, 2.6))
    for level, marker in zip(sorted(shares), "os^D", strict=False):
        steps = np.arange(1, len(shares[level]) + 1)
        style = {"color": COLOURS["distilled"], "markersize": 3, "linewidth": 1}
        axis.plot(steps, 100 * shares[level], f"{marker}-", label=f"{level:g}% band", **style)
        axis.axhline(level, color="#777777", linestyle=":")
    axis.set(xlabel="step of the forecast", ylabel="test values inside, %", ylim=(None, 101))
    legend_beside(axis)
    return figure
