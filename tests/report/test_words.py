import math

import pandas as pd

from tdlib.config import RunConfig
from tdlib.report import words


def test_a_sentence_follows_the_rows_and_none_is_left_without_rows():
    changes = pd.Series({"ETTh1": -2.0, "ETTh2": 1.5, "ECL": float("nan")})
    assert words.spread(changes, "a against b") == "a against b: lower in 1 of 2, from -2.0% (ETTh1) to +1.5% (ETTh2)."
    assert words.spread(-changes, "a").startswith("a: lower in 1 of 2, from -1.5% (ETTh2)")
    assert words.spread(changes[:0], "a") == "a: no rows to compare."


def test_different_runs_are_counted_on_each_test_segment():
    runs = pd.DataFrame({"dataset": "ETTh1", "horizon": 96, "id": ["a", "b", "b"]})
    said = (
        "Runs whose test errors this page shows, by test segment (what so many looks are worth: page 14): ETTh1 96: 2."
    )
    assert words.looked_at(runs) == said


def test_an_interval_is_named_where_it_has_two_ends():
    assert words.interval(-2.46, -3.5, -1.42) == "-2.5 [-3.5, -1.4]"
    assert words.interval(-2.46, -4.5, 0.026) == "-2.5 [-4.5, 0.03]"
    assert words.interval(0.4, 0.0, 0.8) == "0.4 [0.0, 0.8]"
    assert words.interval(-2.46, math.nan, math.nan) == words.interval(-2.46, -2.46, -2.46) == "-2.5"


def test_settings_with_one_seed_are_counted_for_each_system():
    names = ["system", "setting", "seed"]
    runs = [("b", "x", 1), ("b", "x", 2), ("b", "y", 1), ("a", "x", 1)]
    said = "b: one seed in 1 of 2 settings\na: one seed in 1 of 1 settings"
    assert words.single_seeds(pd.DataFrame(runs, columns=names)) == said


def test_teachers_are_named_with_their_seeds():
    plain, *taught = (RunConfig("synthetic", 48, 16, "mlp", teacher) for teacher in (None, "nlinear", "dlinear"))
    assert words.teachers([plain]) == "nobody"
    assert words.teachers([plain, *taught, *taught]) == "DLinear of seed 2021, NLinear of seed 2021"
