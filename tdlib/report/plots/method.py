"""The method in one picture: who computes what, what is compared with what, and which weights learn (Fig 6)."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tdlib.report.plots.style import COLOURS

COMPARED, FADED = "#555555", "#777777"


def pipeline() -> Figure:
    """Teacher and student side by side on one look-back; four comparisons, their formulas and the loss below them."""
    figure, axis = plt.subplots(figsize=(7.0, 5.2))
    figure.get_layout_engine().set(w_pad=0, h_pad=0)  # a unit of either axis is an inch
    axis.set(xlim=(0, 7.0), ylim=(0, 5.2))
    axis.set_axis_off()
    teacher, student, truth = COLOURS["teacher"], COLOURS["distilled"], COLOURS["truth"]

    look = _box(axis, 0.65, 3.55, "look-back\n$x$  [L × C]", truth, width=1.0)
    large = _box(axis, 2.05, 4.7, "teacher, frozen\nTransformer or CNN", teacher, width=1.4)
    small = _box(axis, 2.05, 2.4, "student, learns\nMLP", student, width=1.4)
    wide = _box(axis, 3.75, 4.7, "feature $f_t$", teacher)
    projector = _box(axis, 3.75, 4.15, "projector $G$\nlearns, thrown away", FADED, width=1.45, style="--")
    narrow = _box(axis, 3.75, 2.4, "feature $f_s$", student)
    above = _box(axis, 5.75, 4.7, "forecast $\\hat{y}_t$", teacher)
    below = _box(axis, 5.75, 2.4, "forecast $\\hat{y}_s$", student)
    future = _box(axis, 3.75, 1.75, "truth $y$  [H × C]", truth, width=1.3)
    features = _box(axis, 3.75, 3.3, "$S(f_s, G(f_t))$ + $P(f_s, G(f_t))$", COMPARED, width=2.05, round=True)
    forecasts = _box(axis, 5.95, 3.3, "$S(\\hat{y}_s, \\hat{y}_t)$ + $P(\\hat{y}_s, \\hat{y}_t)$", COMPARED, 1.75, True)
    error = _box(axis, 5.75, 1.75, "MSE$(\\hat{y}_s, y)$", COMPARED, width=1.3, round=True)

    for start, end in ((large, wide), (wide, above), (small, narrow), (narrow, below), (future, error)):
        _arrow(axis, (_right(start), start[1]), (_left(end), end[1]))
    for start, end in ((wide, projector), (projector, features), (above, forecasts), (below, error)):
        _arrow(axis, (start[0], _low(start)), (start[0], _high(end)))
    for start, end in ((narrow, features), (below, forecasts)):
        _arrow(axis, (start[0], _high(start)), (start[0], _low(end)))
    for end in (large, small):
        _arrow(axis, (look[0], _high(look) if end is large else _low(look)), (_left(end), end[1]), bent=True)
    axis.text(
        1.35, 4.22, "runs once over the training\nwindows; $f_t$ and $\\hat{y}_t$ are kept", fontsize=8, va="center"
    )
    for box, weight in ((features, "\\beta"), (forecasts, "\\alpha")):
        axis.text(_left(box) - 0.05, box[1], f"$\\times {weight}$", fontsize=9, ha="right", va="center")

    _formulas(axis)
    return figure


def _formulas(axis: Axes) -> None:
    """The loss, and what its parts are, along the foot of the picture."""
    loss = (
        "$\\mathcal{L}$ = MSE$(\\hat{y}_s, y)$ + $\\alpha\\,[S(\\hat{y}_s, \\hat{y}_t) + P(\\hat{y}_s, \\hat{y}_t)]$ "
        "+ $\\beta\\,[S(f_s, G(f_t)) + P(f_s, G(f_t))]$"
    )
    scale = (
        "$x^{(m)}_i = \\frac{1}{2}(x^{(m-1)}_{2i} + x^{(m-1)}_{2i+1})$,   "
        "$S(a, b) = \\frac{1}{M+1}\\sum_{m=0}^{M}$ MSE$(a^{(m)}, b^{(m)})$"
    )
    period = (
        "$Q(x) = $ softmax$(|$rfft$(x)|_{1..n} / \\tau)$,   "
        "$P(a, b) = \\frac{1}{n}\\sum_{i=1}^{n} Q_i(b)\\,[\\log Q_i(b) - \\log(Q_i(a) + \\varepsilon)]$"
    )
    axis.plot([0.15, 6.85], [1.4, 1.4], color=FADED, linewidth=0.6)
    for height, name, formula in ((1.1, "loss", loss), (0.7, "many scales", scale), (0.28, "many periods", period)):
        axis.text(0.15, height, name, fontsize=9, va="center", weight="bold")
        axis.text(1.22, height, formula, fontsize=10, va="center")


def _box(
    axis: Axes, x: float, y: float, words: str, shade: str, width: float = 1.1, round: bool = False, style: str = "-"
) -> tuple[float, float, float, float]:
    """A box around (x, y); returns x, y, width and height."""
    height = 0.46 if "\n" in words else 0.34
    shape = "round,pad=0,rounding_size=0.16" if round else "square,pad=0"
    corner = (x - width / 2, y - height / 2)
    box = {"edgecolor": shade, "facecolor": "#EEEEEE" if round else "white", "linewidth": 1.6, "linestyle": style}
    axis.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **box))
    axis.text(x, y, words, ha="center", va="center", fontsize=8.5)
    return x, y, width, height


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], bent: bool = False) -> None:
    line = {"arrowstyle": "-|>", "color": COMPARED, "linewidth": 1.0, "shrinkA": 1, "shrinkB": 1}
    if bent:  # first up or down, then across
        line["connectionstyle"] = "angle,angleA=90,angleB=180,rad=0"
    axis.annotate("", end, start, arrowprops=line)


def _left(box: tuple[float, float, float, float]) -> float:
    return box[0] - box[2] / 2


def _right(box: tuple[float, float, float, float]) -> float:
    return box[0] + box[2] / 2


def _low(box: tuple[float, float, float, float]) -> float:
    return box[1] - box[3] / 2


def _high(box: tuple[float, float, float, float]) -> float:
    return box[1] + box[3] / 2
