"""Figures: what a colour stands for, and labels that cover nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from tdlib import models, rows
from tdlib.report import plots

PAIRS = [(name, None) for name in models.names()] + [("mlp", "itransformer"), ("fits", "moderntcn")]
RUNS = rows.with_systems(
    pd.DataFrame(PAIRS, columns=["model", "teacher"]).assign(dataset="toy", horizon=4, test_mse=0.5, seed=1)
)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_colour_stands_for_what_a_system_is_and_not_for_its_name():
    shades = plots.colours(RUNS)
    assert shades["truth"] == plots.COLOURS["truth"]
    assert shades["MLP"] == plots.COLOURS["plain"]
    assert shades["iTransformer"] == shades["FEDformer"] == plots.COLOURS["teacher"]
    assert shades["MLP from iTransformer"] == shades["FITS from ModernTCN"] == plots.COLOURS["distilled"]
    assert shades["DLinear"] == shades["TSMixer"] == plots.COLOURS["linear"]
    assert len(set(plots.COLOURS.values())) == len(plots.COLOURS) == 5
    assert set(shades) == {"truth", *RUNS["system"]}


def test_every_figure_of_systems_draws_them_in_their_colours():
    chosen = RUNS[RUNS["system"].isin(["iTransformer", "MLP", "MLP from iTransformer"])]
    shades = plots.colours(chosen)
    systems = [*chosen["system"]]
    series = dict.fromkeys(["truth", *systems], np.arange(8.0))
    arrays = dict.fromkeys(systems, dict.fromkeys(["sample_x", "sample_y", "sample_prediction"], np.ones((1, 4, 1))))
    radar = pd.DataFrame({system: [1.0, 2.0, 3.0] for system in systems})
    long = pd.concat([chosen.assign(MSE=0.5, lookback=lookback) for lookback in (4, 8)])
    figures = [
        plots.forecasts(arrays, colours=shades, sample=0, channel=0, title=""),
        plots.differences({system: np.ones(3) for system in systems}, np.ones(3), colours=shades, smooth=2, title=""),
        plots.scales({0: series, 1: series}, colours=shades, title=""),
        plots.radar(radar, colours=shades),
        plots.curves(long, x="lookback", label="", colours=shades),
        plots.points(chosen, x="test_mse", y="system", label="", colours=shades),
    ]
    for figure in figures[:-1]:
        lines = {line.get_label(): to_hex(line.get_color()).upper() for axis in figure.axes for line in axis.lines}
        assert {system: lines.get(system) for system in systems} == {system: shades[system] for system in systems}
    dots = [to_hex(line.get_color()).upper() for line in figures[-1].axes[0].lines if line.get_marker() == "o"]
    assert dots == [shades[system] for system in reversed(systems)]


def test_a_variant_is_drawn_as_a_distilled_student_beside_lines_in_their_own_colours():
    variants = RUNS[:2].assign(variant=["full", "w/o scale"], setting=["here", "there"])
    lines = pd.DataFrame({"here": [0.4], "there": [np.nan]}, index=["iTransformer"])
    figure = plots.points(variants, x="test_mse", y="variant", label="", colours=plots.colours(RUNS), lines=lines)
    shades = [to_hex(line.get_color()).upper() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert set(shades) == {plots.COLOURS["distilled"]}
    assert to_hex(figure.axes[0].lines[-1].get_color()).upper() == plots.COLOURS["teacher"]


def test_labels_of_bubbles_cover_neither_each_other_nor_a_bubble():
    table = RUNS[:-1].set_index("system")[["model", "part"]]  # all but the last: one distilled student
    table.loc["MLP from iTransformer, fused"] = table.iloc[-1]
    random = np.random.default_rng(0)
    x, y = 10 ** random.uniform(0, 1, len(table)), random.uniform(0.3, 0.4, len(table))
    table = table.assign(x=x, y=y, size=random.integers(1, 100, len(table)))
    figure = plots.bubbles(table, x="x", y="y", size="size", labels=("time [ms]", "error"))
    figure.canvas.draw()
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == [*table.index[:-1], "fused"]
    shades = [to_hex(shade).upper() for shade in figure.axes[0].collections[0].get_facecolors()]
    assert shades == [plots.colours(RUNS)[name.removesuffix(", fused")] for name in table.index]
    edges = figure.axes[0].collections[0].get_linewidths()
    assert [edge > 0 for edge in edges] == [part == "distilled" for part in table["part"]]
    boxes = [Text.get_window_extent(text) for text in texts]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert not any(box.contains(*middle) for middle in figure.axes[0].transData.transform(table[["x", "y"]]))
