import math

import pandas as pd
import pytest

from tdlib.report import words


def test_a_sentence_follows_the_rows_and_none_is_left_without_rows():
    changes = pd.Series({"ETTh1": -2.0, "ETTh2": 1.5, "ECL": float("nan")})
    assert words.spread(changes, "a against b") == "a against b: lower in 1 of 2, from -2.0% (ETTh1) to +1.5% (ETTh2)."
    assert words.spread(-changes, "a").startswith("a: lower in 1 of 2, from -1.5% (ETTh2)")
    assert words.spread(changes[:0], "a") == "a: no rows to compare."


def test_validation_beside_test_marks_where_they_disagree_and_runs_are_counted():
    runs = pd.DataFrame({"dataset": "ETTh1", "horizon": 96, "id": ["a", "b", "c"], "variant": ["full", "x", "y"]})
    runs = runs.assign(val_mse=[1.0, 1.1, 1.1], test_mse=[1.0, 0.9, 1.2], model="mlp", seed=1)
    assert words.on_both(runs, "variant", "full")["disagree"].tolist() == ["", "x", ""]
    assert words.looked_at(runs) == "Runs that this page alone looks at on each test segment: ETTh1 96: 3."


def test_an_interval_is_named_where_it_has_two_ends():
    assert words.interval(-2.46, -3.5, -1.42) == "-2.5 [-3.5, -1.4]"
    assert words.interval(-2.46, math.nan, math.nan) == words.interval(-2.46, -2.46, -2.46) == "-2.5"


@pytest.mark.parametrize(("model", "change"), [("mlp", -10.0), ("ridge", -55.0)])
def test_means_are_of_the_seeds_that_both_have_unless_one_has_none(model, change):
    lines = [("full", "mlp", 1, 1.0), ("full", "mlp", 2, 3.0), ("x", model, 1, 0.9), ("y", "mlp", 3, 0.5)]
    runs = pd.DataFrame(lines, columns=["variant", "model", "seed", "test_mse"])
    runs = runs.assign(dataset="ETTh1", horizon=96, val_mse=runs["test_mse"])
    table = words.on_both(runs, "variant", "full").droplevel(["dataset", "horizon"])
    assert table.loc["x", ["validation [%]", "test [%]"]].tolist() == pytest.approx([change, change])
    assert table.loc["y", "test [%]"] != table.loc["y", "test [%]"]  # they share no seed
    assert table.loc["full", "test [%]"] == 0
