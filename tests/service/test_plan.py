"""Plans: period, horizon and look-back found from a series; epochs within the time; what does not fit is named."""

import dataclasses

import numpy as np
import pytest

from tdlib import data
from tdlib.service import plan

SERIES = data.synthetic(rows=600, channels=2)
SHAPE = ("own.csv", 48, 12, 24)


def test_a_period_is_the_calendars_or_that_of_the_values():
    time = np.arange(400)
    wave = np.sin(2 * np.pi * time / 17)[:, None] + 0.3 * np.random.default_rng(0).standard_normal((400, 1))
    assert plan.find_period(wave, known=12) == 12
    assert plan.find_period(wave, known=1) == 17
    walks = np.random.default_rng(0).standard_normal((50, 400, 1)).cumsum(1)
    assert np.mean([plan.find_period(walk, known=1) > 1 for walk in walks]) < 0.2
    assert plan.find_period(np.ones((400, 1)), known=1) == 1


@pytest.mark.parametrize(
    ("rows", "period", "horizon"),
    [(10_000, 24, 48), (10_000, 96, 96), (10_000, 1, 24), (600, 24, 12), (200, 12, 4), (30, 52, 1), (300, 7, 7)],
)
def test_a_horizon_is_one_or_two_periods_where_the_rows_allow(rows, period, horizon):
    assert plan.find_horizon(rows, period) == horizon


def test_a_lookback_is_a_few_periods_with_the_least_validation_error():
    found = plan.find_lookback(SERIES, 12, 24)
    assert found % 24 == 0
    tried = {lookback: plan._ridge_error(SERIES, lookback, 12) for lookback in (48, 96)}
    assert found == min(tried, key=tried.get)


def test_a_plan_has_baselines_members_and_both_students_with_the_epochs_that_were_asked_for():
    made = plan.make(SERIES, *SHAPE, seconds=1, epochs=2)
    names = ["iTransformer", "Ridge", "Phase ridge", "SparseTSF", "CycleNet", "Naive", "Seasonal naive", "DLinear"]
    assert list(made.runs) == [*names, "MLP", "MLP distilled"]
    assert made.remarks == []
    distilled = made.runs["MLP distilled"]
    assert set(distilled.teacher_configs.values()) == {made.runs[name] for name in names[:5]}
    assert {run.epochs for run in made.runs.values() if run.model in ("mlp", "dlinear", "cyclenet")} == {2}


def test_more_time_is_more_epochs_and_too_little_leaves_models_out(monkeypatch):
    monkeypatch.setattr(plan, "_seconds_of_an_epoch", lambda config, *_: 8.0 if config.model == "itransformer" else 0.1)
    short, long = (plan.make(SERIES, *SHAPE, seconds=seconds) for seconds in (20, 100))
    assert "iTransformer" not in short.runs
    assert short.remarks == ["iTransformer is left out: 20 s of training are too few for it"]
    assert long.runs["iTransformer"].epochs == 5  # 0.4 of 100 s at 8 s
    for name, run in short.runs.items():
        assert run.epochs <= long.runs[name].epochs
    total = sum(long.seconds.values())
    assert 40 <= total <= 100


def test_one_teacher_alone_teaches_by_the_published_recipe():
    made = plan.make(SERIES, *SHAPE, seconds=1, epochs=1, teacher="dlinear", student="rlinear")
    distilled = made.runs["RLinear distilled"]
    assert (distilled.teacher, distilled.co_teachers, distilled.mixup) == ("dlinear", {}, 0)
    assert distilled.teacher_config == made.runs["DLinear"]
    one = plan.make(SERIES, "own.csv", 48, 1, 24, seconds=1, epochs=1, teacher="dlinear")
    assert one.runs["MLP distilled"].scales == 0  # one step has no second scale


def test_the_faster_of_one_thread_and_all_is_taken(monkeypatch):
    seconds = {1: 2.0, 4: 1.0}
    monkeypatch.setattr(plan.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(plan, "_seconds_of_an_epoch", lambda _, __, compute: seconds[compute.threads])
    assert plan.fastest(SERIES, 48, 12).threads == 4
    seconds[4] = 3.0
    assert dataclasses.asdict(plan.fastest(SERIES, 48, 12))["threads"] == 1


def test_a_plan_that_was_made_first_stays_for_the_same_rows_and_wishes(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("a\n1\n")
    first, second = (plan.make(SERIES, *SHAPE, seconds=1, epochs=epochs, teacher="dlinear") for epochs in (1, 2))
    assert plan.kept(path, {"seed": 1}, lambda: first) == first
    assert plan.kept(path, {"seed": 1}, lambda: pytest.fail("measured again")) == first
    assert plan.kept(path, {"seed": 2}, lambda: second) == second
    path.write_text("a\n2\n")
    assert plan.kept(path, {"seed": 2}, lambda: first) == first
    (tmp_path / "own.plan.json").write_text("{")
    assert plan.kept(path, {"seed": 2}, lambda: second) == second
