"""The figures of a report: arrays in, pictures out that lie within the page, with words for those who do not see them.

Drawn apart from `matplotlib.pyplot`, so that a notebook's own figures stay as they are, and narrow, with large letters:
they are read on a telephone, too. matplotlib belongs to the extra `pages` and is imported where it is used.
Shapes: T rows, H horizon, C channels, K frequencies.
"""

import base64
import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from tdlib.report.roles import COLOURS, LOOK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH = 5.2  # inches; at 600 px letters of 10 points are as large as the text, at 370 px still read
LETTERS = {
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "savefig.dpi": 200,
    "axes.titlelocation": "left",
}
PAST = "#777777"
BASELINE = "#D55E00"  # of a baseline that is the chosen one; the others have the role `linear`
LABEL, TITLE = 24, 44  # letters of a name at the end of a row, and above a panel


class Picture(NamedTuple):
    """A PNG as a data URI, what it shows in words, and its size in pixels."""

    uri: str
    words: str
    width: int
    height: int


class Line(NamedTuple):
    """How a model is drawn: the same colour and dashes in every figure of a report."""

    label: str
    color: str
    linestyle: str


class Panel(NamedTuple):
    """A channel against time: what was before, what came, and the forecasts of it, each from `start` of `index` on."""

    title: str
    index: np.ndarray  # [T] of time stamps or row numbers
    values: np.ndarray  # [T] or fewer: what is known
    start: int
    forecasts: list[tuple[Line, np.ndarray]]  # each [H]
    bands: dict[float, tuple[np.ndarray, np.ndarray]] = {}  # noqa: RUF012, never changed: level -> ends, each [H]


def _drawn(paint: Callable[..., tuple["Figure", str]]) -> Callable[..., Picture]:
    """A function that paints a figure and describes it, made one that returns the picture."""

    @functools.wraps(paint)
    def picture(*given, **named) -> Picture:
        with _look():
            figure, words = paint(*given, **named)
            return _png(figure, words)

    return picture


@contextlib.contextmanager
def _look() -> Iterator[None]:
    import matplotlib.style

    with warnings.catch_warnings(), matplotlib.style.context([LOOK, LETTERS]):
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a sign that the font lacks is drawn as a box
        yield


def _png(figure: "Figure", words: str) -> Picture:
    import PIL.Image

    figure.savefig(raw := io.BytesIO(), format="png")
    image = PIL.Image.open(raw).convert("RGB").quantize(128)  # a third as large
    image.save(small := io.BytesIO(), format="png", optimize=True)
    return Picture(f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}", words, *image.size)


def _panels(heights: Sequence[float], **options) -> tuple["Figure", "list[Axes]"]:
    """Panels one above the other, each of its height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, sum(heights) + 0.3))
    return figure, list(figure.subplots(len(heights), squeeze=False, height_ratios=heights, **options)[:, 0])


def shortened(names: Sequence[str], longest: int) -> list[str]:
    """Names as far as a figure has room for them, those that would look alike with their column."""
    cut = [name if len(name) <= longest else f"{name[: longest - 1]}…" for name in names]
    numbers = [f"… column {place}" for place in range(1, len(cut) + 1)]
    return [
        name if cut.count(name) == 1 else f"{name[: longest - len(number)]}{number}"
        for name, number in zip(cut, numbers, strict=True)
    ]


def _text(words: str) -> str:
    """In one line, and with no sign that starts a formula."""
    return "".join(sign if sign.isprintable() else " " for sign in words).replace("$", r"\$")


def _plain(axis: "Axis") -> None:
    """Numbers of a logarithmic axis as one reads them, some of each decade where it has few."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    subs = (1, 1.5, 2, 3, 5, 7) if decades < 1.2 else (1, 2, 5) if decades < 3.5 else (1,)
    axis.set_major_locator(MaxNLocator(4) if decades < 0.3 else LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _whole(axes: "Axes") -> None:
    """Steps and epochs are counted."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _time(axes: "Axes", index: np.ndarray) -> None:
    """Dates as short as they can be told apart, or the numbers of rows."""
    if np.issubdtype(index.dtype, np.datetime64):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=6)  # wider apart it finds no step for some ranges
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axes.set_xlabel("row")


def _bare(axes: "Axes", *, labels: bool = False) -> None:
    """Leave what stands below a panel to the one below it, `labels` apart."""
    axes.set_xlabel("")
    if not labels:
        axes.tick_params(labelbottom=False)
        axes.xaxis.get_offset_text().set_visible(False)


def _legend(figure: "Figure", columns: int = 3) -> None:
    """Of all panels, below them."""
    found = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(found.values(), found.keys(), loc="outside lower left", ncols=columns)


@_drawn
def ratios(table: pd.DataFrame, chosen: str) -> tuple["Figure", str]:
    """Columns ratio, low and high by model: its test MSE over that of the chosen one, with 95% intervals."""
    table = table.sort_values("ratio", kind="stable")[::-1]
    figure, (axes,) = _panels([0.5 + 0.27 * len(table)])
    places = np.arange(len(table))
    axes.axvline(1, color=BASELINE, linewidth=1, linestyle="--")
    axes.hlines(places, table["low"], table["high"], color=PAST, linewidth=2.5)
    axes.plot(table["ratio"], places, "o", color=COLOURS["truth"], markersize=5)
    axes.set_yticks(places, table.index)
    axes.set(xscale="log", xlabel=f"test MSE over that of {chosen}", ylim=(-0.6, len(table) - 0.4))
    _plain(axes.xaxis)
    words = ", ".join(f"{name} {ratio:.3g}" for name, ratio in table["ratio"][::-1].items())
    return figure, f"Dots with intervals, a row a model: test MSE over that of {chosen}: {words}."


@_drawn
def errors(table: pd.DataFrame, lines: dict[str, Line], chosen: str) -> tuple["Figure", str]:
    """Columns val and test by model: a hollow dot and a full one."""
    table = table.sort_values("val", kind="stable")[::-1]
    figure, (axes,) = _panels([0.7 + 0.27 * len(table)])
    places = np.arange(len(table))
    shades = [lines[name].color for name in table.index]
    axes.hlines(places, table["val"], table["test"], color=shades, linewidth=1)
    axes.scatter(table["val"], places, edgecolor=shades, facecolor="white", zorder=3, label="validation")
    axes.scatter(table["test"], places, color=shades, zorder=3, label="test")
    labels = axes.set_yticks(places, table.index) and axes.get_yticklabels()
    labels[list(table.index).index(chosen)].set_fontweight("bold")
    axes.set(xscale="log" if (table > 0).all(axis=None) else "linear", xlabel="MSE [scaled units]")
    axes.set_ylim(-0.6, len(table) - 0.4)
    if axes.get_xscale() == "log":
        _plain(axes.xaxis)
    _legend(figure)
    words = ", ".join(f"{name} {line['val']:.3g} and {line['test']:.3g}" for name, line in table[::-1].iterrows())
    return figure, f"Two dots a row, a row a model: MSE on validation and on test: {words}."


@_drawn
def series(
    index: np.ndarray, values: pd.DataFrame, periods: np.ndarray, power: np.ndarray, period: int
) -> tuple["Figure", str]:
    """The last rows [T, C], a panel a channel, and below them the power [K] of the periods [K], `period` marked."""
    figure, panels = _panels([*[1.15] * values.shape[1], 2.0])
    for axes, name in zip(panels, values, strict=False):
        axes.plot(index, values[name], color=COLOURS["truth"], linewidth=0.9)
        axes.set_title(_text(name))
        _time(axes, index)
        axes.sharex(panels[0])
    for axes in panels[:-2]:
        _bare(axes)
    below = panels[-1]
    below.plot(periods, power, color=COLOURS["plain"], linewidth=1.1)
    below.set(xscale="log", yscale="log", xlabel="period [steps]", ylabel="share of power", title="spectrum")
    _plain(below.xaxis)
    if period > 1:
        below.axvline(period, color=BASELINE, linestyle="--", linewidth=1.2, label=f"period {period}")
        below.legend(loc="upper left")
    names = ", ".join(values)
    marked = f", with a line at the period of {period} steps" if period > 1 else ""
    return figure, f"Lines: the last {len(index):,} rows of {names}; below, the power of each period{marked}."


@_drawn
def windows(panels: list[Panel], *, history: str = "before") -> tuple["Figure", str]:
    """A panel a channel or a window: what is known, forecasts from the dotted line on, and their bands."""
    figure, drawn = _panels([1.55] * len(panels))
    for axes, panel in zip(drawn, panels, strict=True):
        later = panel.index[panel.start :]
        past = np.arange(min(panel.start + 1, len(panel.values)))  # up to the first true value, where there is one
        truth = np.arange(panel.start, len(panel.values))
        axes.plot(panel.index[past], panel.values[past], color=PAST, label=history)
        if len(truth):
            axes.plot(panel.index[truth], panel.values[truth], color=COLOURS["truth"], label="truth")
        for level, (low, high) in sorted(panel.bands.items(), reverse=True):
            shade = panel.forecasts[0][0].color
            axes.fill_between(later, low, high, color=shade, alpha=0.2, linewidth=0, label=f"{level:g}% band")
        for line, values in panel.forecasts:
            axes.plot(later, values, **line._asdict(), marker="." if len(later) == 1 else None)
        axes.axvline(later[0], color=PAST, linewidth=0.8, linestyle=":")
        axes.set_title(_text(panel.title))
        _time(axes, panel.index)
    same = all(np.array_equal(panel.index, panels[0].index) for panel in panels)
    for axes in drawn[:-1]:
        _bare(axes, labels=not same)
    _legend(figure)
    titles = "; ".join(panel.title for panel in panels)
    levels = " and ".join(f"{level:g}%" for level in panels[0].bands)
    bands = f" with bands of {levels}" if levels else ""
    names = ", ".join(line.label for line, _ in panels[0].forecasts)
    return figure, f"Lines over time, forecasts of {names}{bands}: {titles}."


@_drawn
def by_step_and_channel(
    steps: dict[str, np.ndarray], channels: pd.DataFrame, lines: dict[str, Line]
) -> tuple["Figure", str]:
    """MSE by step [H] of each model, and by channel: a column a model."""
    figure, (above, below) = _panels([1.9, 0.5 + 0.26 * len(channels)])
    places = np.arange(len(channels))[::-1]
    marks = dict(zip(steps, "osD", strict=False))
    for name, values in steps.items():
        style = lines[name]._asdict() | ({"marker": "."} if len(values) < 3 else {})
        above.plot(np.arange(1, len(values) + 1), values, **style)
        below.plot(channels[name], places, marks[name], color=lines[name].color)
    above.set(xlabel="step", ylabel="MSE [scaled]", ylim=(0, None))
    _whole(above)
    below.locator_params(axis="x", nbins=5)
    below.set_yticks(places, map(_text, channels.index))
    below.set(xlabel="MSE [scaled units]", ylim=(-0.6, len(channels) - 0.4), xlim=(0, None))
    _legend(figure)
    names = " and ".join(steps)
    return figure, f"Lines: test MSE of {names} by step; below, dots: by channel, {len(channels)} rows."


@_drawn
def coverage(shares: dict[float, np.ndarray]) -> tuple["Figure", str]:
    """The share [H] of test values within the band of each level, by step, and the level itself, dashed."""
    figure, (axes,) = _panels([2.3])
    for (level, share), shade in zip(sorted(shares.items()), _shades(len(shares)), strict=True):
        mark = "." if len(share) < 3 else None
        axes.plot(np.arange(1, len(share) + 1), 100 * share, color=shade, marker=mark, label=f"{level:g}% band")
        axes.axhline(level, color=shade, linestyle="--", linewidth=1)
    axes.set(xlabel="step", ylabel="within the band [%]")
    _whole(axes)
    axes.plot([], [], color=PAST, linestyle="--", linewidth=1, label="nominal")
    _legend(figure, 4)
    ends = "; ".join(f"{level:g}%: {100 * s.min():.0f} to {100 * s.max():.0f}" for level, s in sorted(shares.items()))
    return figure, f"Lines: percent of test values within each band by step, nominal levels dashed. {ends}."


def _shades(count: int) -> list[str]:
    return [(COLOURS["plain"], COLOURS["distilled"], BASELINE, COLOURS["teacher"])[place % 4] for place in range(count)]


@_drawn
def shifts(table: pd.DataFrame) -> tuple["Figure", str]:
    """Columns validation and test by channel: mean less that of the training rows, in deviations."""
    figure, (axes,) = _panels([0.6 + 0.27 * len(table)])
    places = np.arange(len(table))[::-1]
    axes.axvline(0, color=PAST, linewidth=1)
    axes.hlines(places, 0, table["test"], color=COLOURS["plain"], linewidth=1)
    white = {"facecolor": "white", "edgecolor": COLOURS["plain"]}
    axes.scatter(table["validation"], places, **white, zorder=3, label="validation rows")
    axes.scatter(table["test"], places, color=COLOURS["plain"], zorder=3, label="test rows")
    axes.set_yticks(places, map(_text, table.index))
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel="mean less the training rows' [deviations]", ylim=(-0.6, len(table) - 0.4))
    _legend(figure)
    words = ", ".join(f"{name} {value:+.2f}" for name, value in table["test"].items())
    return (
        figure,
        f"Dots, a row a channel: test rows' mean less the training rows', in deviations: {words}.",
    )


@_drawn
def training(logs: dict[str, pd.Series], lines: dict[str, Line]) -> tuple["Figure", str]:
    """Validation MSE by epoch of each model that learns by gradient."""
    figure, (axes,) = _panels([2.3])
    for name, log in logs.items():
        axes.plot(log.index, log, **lines[name]._asdict(), marker=".")
    last = max(log.index[-1] for log in logs.values())
    axes.set(xlabel="epoch", ylabel="validation MSE", yscale="log", xlim=(0.5, last + 0.5))
    _whole(axes)
    _plain(axes.yaxis)
    _legend(figure)
    best = ", ".join(f"{name} {log.min():.3g} in epoch {log.idxmin()}" for name, log in logs.items())
    return figure, f"Lines: validation MSE by epoch; the least of each: {best}."
