"""What page 15 shows of rows: worked by hand on rows whose correlations are known."""

import numpy as np
import pandas as pd
import pytest
import small
from matplotlib.colors import Normalize

from tdlib import analysis, correlations, rows
from tdlib.report import plots
from tdlib.store import Store


def pair(r: float) -> np.ndarray:
    """Correlations of two channels."""
    return np.array([[1.0, r], [r, 1.0]])


RUNS = [  # variant, seed, alpha, validation MSE; correlation of the forecasts, distances of four windows
    ("plain", 1, 0.0, 0.5, 0.25, [0.04, 0.04, 0.16, 0.16]),
    ("plain", 2, 0.0, 0.5, 0.75, [0.09, 0.09, 0.09, 0.09]),
    ("alone", 1, 0.1, 0.4, 0.5, [0.01, 0.01, 0.01, 0.01]),
    ("alone", 2, 0.1, 0.4, 0.5, [0.01, 0.01, 0.01, 0.01]),
    ("alone", 1, 1.0, 0.1, 0.5, [0.02, 0.02, 0.08, 0.08]),
    ("alone", 2, 1.0, 0.6, 0.5, [0.05, 0.05, 0.05, 0.05]),
]
TRUTH = 0.5


@pytest.fixture
def filled(tmp_path):
    """Rows of two variants, one of them with two alphas."""
    store, lines = Store(tmp_path), []
    for number, (variant, seed, alpha, val, r, apart) in enumerate(RUNS):
        id = f"{number:016x}"
        later = {"correlation": pair(r).astype(np.float16), "correlation_true": pair(TRUTH).astype(np.float16)}
        later |= {"correlation_errors": np.array(apart, np.float32)}
        store.write(small.row(id), small.arrays([1.0, 2.0, 3.0, 4.0]) | later)
        line = {"id": id, "dataset": "toy", "lookback": 1, "horizon": 1, "model": "mlp", "teacher": None}
        line |= {"variant": variant, "seed": seed, "alpha": alpha, "val_mse": val, "test_mse": 2.5}
        lines.append(line)
    return rows.with_systems(pd.DataFrame(lines)), store


def test_alpha_is_chosen_by_the_mean_validation_error_of_all_seeds(filled):
    runs, _ = filled
    kept = correlations.chosen(runs)
    assert kept["variant"].tolist() == ["plain", "plain", "alone", "alone"]
    assert kept.loc[kept["variant"] == "alone", "alpha"].tolist() == [1.0, 1.0]  # 0.35 on average, against 0.4


def test_matrices_are_means_over_seeds_with_the_truth_first(filled):
    runs, store = filled
    found = correlations.matrices(runs[runs["variant"].isin(["plain"])], store)
    assert list(found) == ["truth", "plain"]
    np.testing.assert_array_equal(found["truth"], pair(TRUTH))
    np.testing.assert_array_equal(found["plain"], pair(0.5))


def test_distances_are_roots_of_mean_squares_of_windows_and_of_means(filled):
    runs, store = filled
    assert correlations.apart(pair(0.2), pair(-0.1)) == pytest.approx(0.3)
    far = correlations.distances(runs[runs["variant"] == "plain"], store)
    assert far["distance"].tolist() == pytest.approx([0.1**0.5, 0.3])
    assert far["of the means"].tolist() == pytest.approx([0.25, 0.25])
    (line,) = correlations.levels(runs[runs["variant"] == "plain"], store).to_dict("records")
    assert line["distance"] == pytest.approx(0.095**0.5)
    assert line["low"] < line["distance"] < line["high"]
    assert (line["of the means"], line["deviation"], line["seeds"]) == (pytest.approx(0.25), pytest.approx(0), 2)
    assert (line["validation MSE"], line["MSE"]) == (0.5, 2.5)


def test_a_quantity_of_windows_is_compared_as_errors_are(filled):
    runs, store = filled
    plain, alone = runs[runs["variant"] == "plain"], runs[(runs["variant"] == "alone") & (runs["alpha"] == 1.0)]
    found = analysis.compare(alone, plain, store, correlations.QUANTITY).loc[("toy", 1)]
    assert found["difference"] == pytest.approx(100 * (0.05 / 0.095 - 1))
    assert found["win rate"] == 100
    assert analysis.compare(alone, plain, store).loc[("toy", 1), "difference"] == 0


def test_all_matrices_have_one_scale_with_zero_in_its_middle_and_few_channels_have_numbers():
    few = {"truth": pair(0.5), "MLP": pair(-0.25)}
    figure = plots.correlations({"a, 1 steps": few, "b, 1 steps": {"truth": np.eye(8)}}, label="correlation")
    *panels, bar = figure.axes
    drawn = [panel.collections[0] for panel in panels if panel.collections]
    assert len(panels) == 4 and len(drawn) == 3
    for mesh in drawn:
        assert isinstance(mesh.norm, Normalize)
        assert (mesh.norm.vmin, mesh.norm.vmax) == (-1, 1)
    assert bar.get_ylabel() == "correlation"
    assert [text.get_text() for text in panels[1].texts] == ["1.0", "-0.2", "-0.2", "1.0"]
    assert not panels[2].texts
    assert [text.get_text() for text in panels[3].texts] == ["not in\nthe store"]
    assert [panel.get_title() for panel in panels[:2]] == ["truth", "MLP"]
    assert [panels[place].get_ylabel() for place in (0, 2)] == ["a\n1 steps", "b\n1 steps"]
