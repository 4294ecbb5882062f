"""What the figures of a report show is what they are given."""

import numpy as np
import pandas as pd
import pytest

from tdlib.service import figures
from tdlib.service.figures import Line, Panel

LINES = {"Ridge": Line("Ridge", "#D55E00", "-"), "Naive": Line("Naive", "#999999", "-."), "MLP": Line("MLP", "b", ":")}


def painted(drawing, *given, **named):
    """The figure, drawn once, and its words."""
    with figures._look():
        figure, words = drawing.__wrapped__(*given, **named)
        figure.canvas.draw()
    return figure, words


def labels(axis) -> list[str]:
    return [text.get_text().replace("−", "-") for text in axis.get_ticklabels()]


def test_names_that_are_cut_stay_apart():
    names = ["load", "a long name of a meter, north", "a long name of a meter, south", "a" * 30]
    cut = figures.shortened(names, 20)
    assert cut == ["load", "a long nam… column 2", "a long nam… column 3", "a" * 19 + "…"]
    assert figures.shortened(names, 40) == names


def test_names_with_any_sign_are_drawn():
    values = pd.DataFrame({"$\\frac": [1.0, 2.0, 3.0], "_line\nbreak 風": [2.0, 1.0, 2.0]})
    power = np.array([0.2, 0.5, 0.3])
    picture = figures.series(np.arange(1, 4), values, np.array([8.0, 4.0, 2.0]), power, 1)
    assert "$\\frac, _line\nbreak 風" in picture.words
    figure, _ = painted(figures.series, np.arange(1, 4), values, np.array([8.0, 4.0, 2.0]), power, 1)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["\\$\\frac", "_line break 風", "spectrum"]


def test_ratios_stand_best_first_with_their_intervals():
    table = pd.DataFrame({"ratio": [2.0, 0.8], "low": [1.5, 0.6], "high": [3.0, 1.1]}, index=["Naive", "MLP"])
    figure, words = painted(figures.ratios, table, "Ridge")
    axes = figure.axes[0]
    assert labels(axes.yaxis) == ["Naive", "MLP"]  # from below
    assert list(axes.lines[1].get_xdata()) == [2.0, 0.8]
    assert [[x for x, _ in part] for part in axes.collections[0].get_segments()] == [[1.5, 3.0], [0.6, 1.1]]
    assert words.endswith("MLP 0.8, Naive 2.")


def test_ratios_without_intervals_are_dots():
    table = pd.DataFrame({"ratio": [2.0], "low": [np.nan], "high": [np.nan]}, index=["Naive"])
    assert figures.ratios(table, "Ridge").words.endswith("Naive 2.")


def test_the_chosen_model_is_bold_and_errors_of_zero_are_drawn():
    table = pd.DataFrame({"val": [0.0, 0.5], "test": [0.0, 0.7]}, index=["Ridge", "Naive"])
    figure, _ = painted(figures.errors, table, LINES, "Ridge")
    axes = figure.axes[0]
    weights = {text.get_text(): text.get_fontweight() for text in axes.yaxis.get_ticklabels()}
    assert weights == {"Naive": "normal", "Ridge": "bold"}
    assert axes.get_xscale() == "linear"
    assert axes.collections[2].get_offsets()[:, 0].tolist() == [0.7, 0.0]


def test_the_period_is_marked_where_there_is_one():
    values = pd.DataFrame({"load": np.arange(5.0)})
    given = (np.arange(5), values, np.array([24.0, 12.0, 2.0]), np.array([0.6, 0.3, 0.1]))
    figure, words = painted(figures.series, *given, 12)
    assert list(figure.axes[-1].lines[1].get_xdata()) == [12, 12]
    assert "the period of 12 steps" in words
    assert len(painted(figures.series, *given, 1)[0].axes[-1].lines) == 1


def test_a_window_shows_truth_forecast_and_bands_from_its_start_on():
    index = pd.date_range("2020-01-01", periods=6, freq="D").to_numpy()
    made, half = np.array([4.0, 5.0]), np.array([0.5, 1.0])
    bands = {80: (made - half, made + half), 95: (made - 2 * half, made + 2 * half)}
    ahead = Panel("ahead", index, np.arange(4.0), 4, [(LINES["Ridge"], made)], bands)
    past = Panel("past", index, np.arange(6.0), 4, [(LINES["Naive"], made)])
    figure, words = painted(figures.windows, [ahead, past])
    above, below = figure.axes
    assert [line.get_label() for line in above.lines[:2]] == ["before", "Ridge"]
    assert [line.get_label() for line in below.lines[:3]] == ["before", "truth", "Naive"]
    assert list(above.lines[1].get_ydata()) == [4.0, 5.0]
    assert list(below.lines[1].get_ydata()) == [4.0, 5.0]
    wide, narrow = (area.get_paths()[0].vertices[:, 1] for area in above.collections)
    assert (wide.min(), wide.max(), narrow.min(), narrow.max()) == (3.0, 7.0, 3.5, 6.0)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        *("before", "truth", "Ridge", "Naive", "80% band", "95% band")
    }
    assert "forecasts of Ridge with bands of 80% and 95%" in words


def test_coverage_has_its_nominal_lines():
    figure, words = painted(figures.coverage, {95: np.array([0.9, 1.0]), 80: np.array([0.7, 0.85])})
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert drawn[:4] == [[70.0, 85.0], [80, 80], [90.0, 100.0], [95, 95]]
    assert "80%: 70 to 85; 95%: 90 to 100" in words


@pytest.mark.parametrize(("ends", "fewest"), [((0.9, 1.1), 2), ((0.6, 2.0), 3), ((0.01, 50.0), 4), ((1e-6, 1e6), 2)])
def test_a_logarithmic_axis_has_a_few_plain_numbers(ends, fewest):
    table = pd.DataFrame({"val": ends, "test": ends}, index=["Ridge", "Naive"])
    figure, _ = painted(figures.errors, table, LINES, "Ridge")
    low, high = figure.axes[0].get_xlim()
    shown = [float(text) for text in labels(figure.axes[0].xaxis) if low <= float(text) <= high]
    assert fewest <= len(shown) <= 13
