"""Series, forecasts and their spectra, against time or frequency; the training log against epochs.

`colours` by system: see `style.colours`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tdlib.report.plots.style import legend_beside, line
from tdlib.report.roles import COLOURS, OTHERS


def forecasts(
    arrays: dict[str, dict[str, np.ndarray]],
    *,
    colours: dict[str, str],
    sample: int,
    channel: int,
    title: str,
    history: np.ndarray | None = None,
) -> Figure:
    """One test window: history, truth and each system's forecast. `arrays`: a row's arrays by system.

    A row keeps the last 2H steps of the look-back; `history` [L], where given, is drawn in their place.
    """
    first = next(iter(arrays.values()))
    history = first["sample_x"][sample, :, channel] if history is None else history
    truth = first["sample_y"][sample, :, channel]
    figure, axis = plt.subplots()
    axis.plot(np.arange(-len(history), 0), history, color="#777777", label="history")
    axis.plot(np.arange(len(truth)), truth, color=colours["truth"], label="truth")
    for system, entry in arrays.items():
        axis.plot(entry["sample_prediction"][sample, :, channel], **line(system, colours))
    axis.axvline(0, color="#777777", linewidth=0.8, linestyle=":")
    axis.set(xlabel="steps from the forecast's start", ylabel="value [deviations]", title=title)
    legend_beside(axis)
    return figure


def differences(
    errors: dict[str, np.ndarray], teacher: np.ndarray, *, colours: dict[str, str], smooth: int, title: str
) -> Figure:
    """Where along the test segment each system beats the teacher: its error minus the teacher's, smoothed."""
    figure, axis = plt.subplots()
    for system, entry in errors.items():
        smoothed = pd.Series(entry - teacher).rolling(smooth, center=True, min_periods=1).mean()
        axis.plot(smoothed, **line(system, colours))
    axis.axhline(0, color=COLOURS["teacher"], linewidth=1, linestyle="--", label="teacher")
    axis.set(xlabel="first step of the test window", ylabel="MSE − teacher's MSE", title=title)
    legend_beside(axis)
    return figure


def scales(parts: dict[int, dict[str, np.ndarray]], *, colours: dict[str, str], title: str) -> Figure:
    """One window at several scales: by scale, the series of each system (truth among them)."""
    size = (7.0, 1.15 * len(parts) + 0.4)
    figure, axes = plt.subplots(len(parts), 1, figsize=size, sharex=True, sharey=True)
    for axis, (scale, series) in zip(axes, parts.items(), strict=True):
        for system, values in series.items():
            middles = np.arange(len(values)) * 2**scale + (2**scale - 1) / 2  # a mean stands in the middle of its block
            axis.plot(middles, values, marker="." * (scale > 1), **line(system, colours))
        axis.set_ylabel(f"scale {scale}\n[deviations]")
    axes[0].set_title(title)
    legend_beside(axes[0])
    axes[-1].set_xlabel("steps from the forecast's start")
    return figure


def spectrograms(series: dict[str, np.ndarray], *, split: int, title: str) -> Figure:
    """Short-time amplitude of history and forecast, one panel a system; the forecast begins at `split`.

    Frequencies above a tenth of a cycle a step are left out: what is drawn would be a strip.
    """
    from scipy import signal  # half a second, which the other pages need not wait

    figure, axes = plt.subplots(1, len(series), figsize=(7.0, 2.4), sharey=True)
    for axis, (system, values) in zip(axes, series.items(), strict=True):
        window = max(8, min(48, len(values) // 4))
        transform = signal.ShortTimeFFT(np.hanning(window), hop=max(1, window // 12), fs=1.0)
        amplitude = np.abs(transform.stft(values - values[:split].mean()))  # the history's, so that all show it alike
        extent = transform.extent(len(values), center_bins=True)  # a row's middle is its frequency
        shown = {"origin": "lower", "aspect": "auto", "extent": extent, "cmap": "viridis", "vmin": 0, "vmax": 3}
        picture = axis.imshow(np.log1p(amplitude), **shown)
        axis.axvline(split, color="white", linestyle=":")
        axis.set(title=system, xlabel="step", xlim=(0, len(values)), ylim=(0, 0.1))
        axis.grid(False)
    axes[0].set_ylabel("frequency [1/step]")
    figure.colorbar(picture, ax=axes, label="log(1 + amplitude)", extend="max")
    figure.suptitle(title, fontsize=9)
    return figure


def periods(
    distributions: dict[str, np.ndarray], *, colours: dict[str, str], horizon: int, top: int, title: str
) -> Figure:
    """Period distributions, as bars: the `top` periods of the truth, and each system's share of them."""
    bins = np.sort(np.argsort(distributions["truth"])[::-1][:top])
    labels = [f"{horizon / (bin + 1):.3g}" for bin in bins]
    table = pd.DataFrame({system: values[bins] for system, values in distributions.items()}, index=labels)
    figure, axis = plt.subplots()
    table.plot.bar(ax=axis, color=[colours[system] for system in table], width=0.8, rot=0)
    axis.set(xlabel="period [steps]", ylabel="share of the distribution Q", title=title)
    legend_beside(axis)
    return figure


def training(history: pd.DataFrame, *, title: str) -> Figure:
    """Each part of the loss by epoch, on a log scale, and the validation MSE."""
    figure, axis = plt.subplots()
    parts = [name for name in history if name != "epoch"]
    dashes = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)), "-")
    for part, style, shade in zip(parts, dashes, OTHERS, strict=False):
        label = "validation MSE" if part == "val_mse" else part.replace("_", ", ")
        axis.plot(history["epoch"], history[part], linestyle=style, color=shade, marker=".", label=label)
    axis.set(xlabel="epoch", ylabel="part of the loss, or MSE", yscale="log", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    legend_beside(axis)
    return figure
