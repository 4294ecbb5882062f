"""Figures: what a colour stands for, and labels that cover nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
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
    decayed = rows.with_systems(RUNS[RUNS["model"].isin(["mlp", "itransformer"])].assign(weight_decay=1.0))
    assert plots.colours(decayed)["MLP, decay 1"] == plots.COLOURS["decayed"]
    assert plots.colours(decayed)["MLP from iTransformer, decay 1"] == plots.COLOURS["distilled"]
    assert len(set(plots.COLOURS.values())) == len(plots.COLOURS) == 6
    assert set(shades) == {"truth", *RUNS["system"]}


def test_every_figure_of_systems_draws_them_in_their_colours():
    chosen = RUNS[RUNS["system"].isin(["iTransformer", "MLP", "MLP from iTransformer"])]
    shades = plots.colours(chosen)
    systems = [*chosen["system"]]
    series = dict.fromkeys(["truth", *systems], np.arange(8.0))
    arrays = dict.fromkeys(systems, dict.fromkeys(["sample_x", "sample_y", "sample_prediction"], np.ones((1, 4, 1))))
    long = pd.concat([chosen.assign(MSE=0.5, lookback=lookback) for lookback in (4, 8)])
    figures = [
        plots.forecasts(arrays, colours=shades, sample=0, channel=0, title=""),
        plots.differences({system: np.ones(3) for system in systems}, np.ones(3), colours=shades, smooth=2, title=""),
        plots.scales({0: series, 1: series}, colours=shades, title=""),
        plots.curves(long, x="lookback", label="", colours=shades),
        plots.points(chosen, x="test_mse", y="system", label="", colours=shades),
    ]
    for figure in figures[:-1]:
        lines = {line.get_label(): to_hex(line.get_color()).upper() for axis in figure.axes for line in axis.lines}
        assert {system: lines.get(system) for system in systems} == {system: shades[system] for system in systems}
    dots = [to_hex(line.get_color()).upper() for line in figures[-1].axes[0].lines if line.get_marker() != "|"]
    legend = [text.get_text() for text in figures[-1].axes[0].get_legend().get_texts()]
    assert legend == ["plain", "teacher", "distilled", "mean"]  # as the rows are
    assert dots == [shades[system] for system in systems]


def test_a_variant_is_drawn_as_a_distilled_student_beside_lines_in_their_own_colours():
    variants = RUNS[:2].assign(variant=["full", "w/o scale"], setting=["here", "there"])
    lines = pd.DataFrame({"here": [0.4], "there": [np.nan]}, index=["iTransformer"])
    figure = plots.points(variants, x="test_mse", y="variant", label="", colours=plots.colours(RUNS), lines=lines)
    shades = [to_hex(line.get_color()).upper() for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert set(shades) == {plots.COLOURS["distilled"]}
    assert to_hex(figure.axes[0].lines[-1].get_color()).upper() == plots.COLOURS["teacher"]


def test_a_row_without_a_run_says_so_where_it_is_asked_to():
    table = pd.DataFrame({"setting": ["a", "a", "b"], "variant": ["x", "y", "x"], "test_mse": [1.0, 2.0, 3.0]})
    for absent, words in (("", []), ("not in the store", ["not in the store"])):
        first, second = plots.points(table, x="test_mse", y="variant", label="", absent=absent).axes
        assert not first.texts
        assert [(text.get_text(), text.get_position()[1]) for text in second.texts] == [(word, 0) for word in words]


def test_an_error_that_would_take_half_of_a_panel_is_written_and_not_drawn():
    errors = {"a": 0.37, "b": 0.38, "c": 0.39, "d": 0.41, "far": 0.46, "farthest": 0.9}
    table = pd.DataFrame({"setting": "here", "variant": list(errors), "test_mse": list(errors.values())})
    for last, words in (("d", []), ("far", ["0.46 →"]), ("farthest", ["0.46 →", "0.9 →"])):
        figure = plots.points(table.loc[: list(errors).index(last)], x="test_mse", y="variant", label="")
        (axis,) = figure.axes
        assert [text.get_text() for text in axis.texts] == words
        drawn = [at for line in axis.lines if line.get_marker() == "D" for at in line.get_xdata()]
        assert drawn == [value for value in errors.values() if value < 0.42]
        assert axis.get_xlim()[1] < 0.42
    shades = {"farthest": plots.COLOURS["teacher"]}
    legend = plots.points(table, x="test_mse", y="variant", label="", colours=shades).axes[0].get_legend()
    assert "teacher" in [text.get_text() for text in legend.get_texts()]
    own = pd.DataFrame({"setting": "here", "variant": "last", "test_mse": [0.64, 0.27, 0.04]})  # 0.3167, one bit aside
    rest = table[:4].assign(test_mse=[0.3, 0.305, 0.307, 0.31])
    assert not plots.points(pd.concat([rest, own]), x="test_mse", y="variant", label="").axes[0].texts
    assert axis.get_yticklabels()[0].get_text() == "farthest"


def test_ticks_of_panels_side_by_side_do_not_touch():
    spans = [(0.363, 0.423), (0.369, 0.421), (0.41, 0.54), (0.28, 0.3), (0.0, 1.0)]  # three fit into the first two
    ends = [(f"ETTh{place}, 96", end) for place, span in enumerate(spans) for end in span]
    table = pd.DataFrame(ends, columns=["setting", "test_mse"]).assign(variant="x")
    figure = plots.points(table, x="test_mse", y="variant", label="")
    figure.canvas.draw()
    labels = [label for axis in figure.axes for label in axis.get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    assert all(1 <= len(axis.get_xticks()) <= 2 for axis in figure.axes)
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])


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
    bubbles = figure.axes[0].collections[0]
    shades = [to_hex(shade).upper() for shade in bubbles.get_facecolors()[:-1]]
    assert shades == [plots.colours(RUNS)[name] for name in table.index[:-1]]
    assert bubbles.get_facecolors()[-1][3] == 0  # a form of a student is a ring in that student's colour
    assert to_hex(bubbles.get_edgecolors()[-1]).upper() == plots.COLOURS["distilled"]
    edges = figure.axes[0].collections[0].get_linewidths()
    assert [edge > 0 for edge in edges] == [part == "distilled" for part in table["part"]]
    boxes = [Text.get_window_extent(text) for text in texts]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert not any(box.contains(*middle) for middle in figure.axes[0].transData.transform(table[["x", "y"]]))


def test_intervals_have_the_colour_of_their_part():
    table = pd.DataFrame(
        {"estimate": [1.0, 2.0], "low": 0.0, "high": 3.0, "part": ["plain", "linear"]}, index=["a", "b"]
    )
    axis = plots.intervals(table, label="").axes[0]
    shades = {line.get_label(): to_hex(line.get_color()).upper() for line in axis.lines}
    assert shades == {
        "plain, 95% interval": plots.COLOURS["plain"],
        "baseline, 95% interval": plots.COLOURS["linear"],
    }
    whole = plots.intervals(table.drop(columns="part"), label="").axes[0].lines[0]
    assert to_hex(whole.get_color()).upper() == plots.COLOURS["distilled"]
    judged = plots.intervals(
        table.assign(verdict=["yes", "no"]), label="", by="verdict", colours={"yes": "b", "no": "r"}
    )
    assert [line.get_label() for line in judged.axes[0].lines] == ["yes, 95% interval", "no, 95% interval"]
    assert [line.get_color() for line in judged.axes[0].lines] == ["b", "r"]


def test_a_mean_stands_in_the_middle_of_its_block():
    series = {"truth": np.arange(8.0)}
    figure = plots.scales(
        {0: series, 1: {"truth": np.array([0.5, 2.5, 4.5, 6.5])}}, colours=plots.colours(RUNS), title=""
    )
    fine, coarse = (axis.lines[0] for axis in figure.axes)
    assert fine.get_xdata().tolist() == list(range(8))
    assert coarse.get_xdata().tolist() == coarse.get_ydata().tolist() == [0.5, 2.5, 4.5, 6.5]  # on the line y = x


def test_a_history_looks_the_same_whatever_the_forecast():
    history = np.sin(np.arange(96.0) / 4)
    whole = {"truth": np.r_[history, np.zeros(48)], "MLP": np.r_[history, np.full(48, 9.0)]}
    first, second = (axis.images[0].get_array() for axis in plots.spectrograms(whole, split=96, title="").axes[:2])
    np.testing.assert_allclose(first[:, :6], second[:, :6], atol=1e-9)


def test_a_day_is_brightest_in_the_row_around_its_frequency():
    days = dict.fromkeys(["truth", "MLP"], np.sin(2 * np.pi * np.arange(240) / 24))
    image = plots.spectrograms(days, split=192, title="").axes[0].images[0]
    shown, (_, _, low, high) = image.get_array(), image.get_extent()
    row = shown.mean(1).argmax()
    assert low + (row + 0.5) * (high - low) / len(shown) == pytest.approx(1 / 24)


def test_a_colour_bar_keeps_the_colours_that_no_cell_has(tmp_path):
    matrices = {name: np.random.default_rng(0).uniform(-0.5, 1, (7, 7)) for name in "abc"}
    plots.save(plots.correlations({"here": matrices}, label=""), "bar", tmp_path)
    drawn = np.asarray(PIL.Image.open(tmp_path / "bar.png").convert("RGB")).reshape(-1, 3).astype(int)
    ends = 255 * np.array(plt.get_cmap("PuOr")([0.0, 0.05, 1.0]))[:, None, :3]
    assert (abs(drawn - ends).max(-1).min(-1) < 16).all()


def test_curves_are_of_the_column_that_is_named():
    table = RUNS[:1].assign(lookback=4, change=-3.0)
    look = {"label": "", "colours": plots.colours(RUNS)}
    (axis,) = plots.curves(table, x="lookback", y="change", unit="change [%]", **look).axes
    assert list(axis.lines[0].get_ydata()) == [-3.0]
    assert axis.figure.get_supylabel() == "change [%]"


def test_a_figure_is_described_in_words(tmp_path):
    table = pd.DataFrame({"teacher": [0.3], "plain": [0.4], "distilled": [0.2]}, index=["width 64"])
    shown = plots.save(plots.dumbbells(table, label="test MSE"), "sizes", tmp_path)
    assert shown.alt == "Horizontal: test MSE. Rows: width 64. Legend: teacher, plain, distilled."
    assert shown.width == 770


def test_a_forecast_stands_behind_its_whole_look_back_where_that_is_given():
    arrays = {"MLP": dict.fromkeys(["sample_x", "sample_y", "sample_prediction"], np.ones((1, 4, 1)))}
    where = {"colours": plots.colours(RUNS), "sample": 0, "channel": 0, "title": ""}
    for history, length in ((None, 4), (np.zeros(10), 10)):
        line = plots.forecasts(arrays, history=history, **where).axes[0].lines[0]
        assert line.get_xdata().tolist() == list(range(-length, 0))


def test_the_pipeline_has_every_symbol_of_the_loss_and_boxes_that_do_not_overlap(tmp_path):
    figure = plots.pipeline()
    figure.canvas.draw()
    axis = figure.axes[0]
    words = "\n".join(text.get_text() for text in axis.texts)
    for symbol in ("alpha", "beta", "tau", "G(f_t)", "hat{y}_s", "hat{y}_t", "varepsilon", "log"):
        assert symbol in words
    boxes = [patch.get_window_extent() for patch in axis.patches if patch.get_boxstyle().__class__.__name__ != "Larrow"]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])
    assert plots.save(figure, "method", tmp_path, words="in words").alt == "in words"


def test_a_null_is_filled_and_lower_where_it_is_called_a_difference():
    systems = {"system": ["MLP", "FITS", "FITS"], "difference": [1.0, -2.0, 4.0]}
    table = pd.DataFrame(systems | {"blocks": [1.0, 0.0, np.nan]})  # of too few blocks nothing is called
    axis = plots.chance.nulls(table, pd.Series([-3.0], name="distilled"), label="").axes[0]
    hollow, filled, effects = axis.lines[:3]
    apart = plots.chance.APART
    assert (hollow.get_xdata().tolist(), hollow.get_ydata().tolist()) == ([-2.0, 4.0], [1 + apart] * 2)
    assert (filled.get_xdata().tolist(), filled.get_ydata().tolist()) == ([1.0], [2 - apart])
    assert effects.get_ydata().tolist() == [0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["distilled", "FITS", "MLP"]


def test_several_intervals_stand_in_the_row_of_their_opponent():
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "y")])
    table = pd.DataFrame({"estimate": [1.0, 2.0, 3.0], "low": [0.0, 1.0, 2.0], "high": [2.0, 3.0, 4.0]}, index=index)
    axis = plots.several_intervals(table, label="change", reference=0).axes[0]
    first, second = axis.lines[:2]
    assert (first.get_label(), first.get_xdata().tolist(), first.get_ydata().tolist()) == ("x", [1], [-1 / 3])
    assert second.get_xdata().tolist() == [2, 3]
    np.testing.assert_allclose(second.get_ydata(), [-2 / 3, -5 / 3])
    assert [text.get_text() for text in axis.get_yticklabels()] == ["a", "b"]


def test_members_stand_by_their_errors_on_validation_and_on_halves_against_test():
    members = pd.DataFrame({"member": ["a", "b", "a"], "validation": [1, 2, 3], "halves": [4, 5, 6], "test": [7, 8, 9]})
    first, second = plots.chance.evidence(members).axes
    for axis, x in ((first, [1, 3]), (second, [4, 6])):
        assert axis.lines[0].get_xdata().tolist() == x
        assert axis.lines[0].get_ydata().tolist() == [7, 9]
        assert [line.get_label() for line in axis.lines[:2]] == ["a", "b"]


def test_variants_stand_above_the_best_of_their_family():
    variants = pd.DataFrame({"family": ["a"] * 2 + ["b"], "val_mse": [1.0, 2.0, 5.0], "test_mse": [3.0, 1.5, 7.0]})
    first, second = plots.chance.agreement(variants).axes
    assert first.lines[0].get_xdata().tolist() == [0, 100]
    assert first.lines[0].get_ydata().tolist() == [100, 0]
    assert second.lines[0].get_xdata().tolist() == [0]


def test_the_own_pair_of_weights_is_framed_where_the_grid_has_it():
    runs = pd.DataFrame({"alpha": [0.1, 0.1, 1.0, 1.0], "beta": [0.1, 1.0] * 2, "val_mse": 1.0, "test_mse": 2.0})
    for own, corners in (((1.0, 0.1), [(0, 1)]), ((2.0, 0.1), []), (None, [])):
        for axis in plots.weight_grids(runs, own=own).axes[:2]:
            assert [patch.get_xy() for patch in axis.patches] == corners
