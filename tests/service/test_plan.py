"""Plans: period, horizon and look-back found from a series; epochs within the time; what does not fit is named."""

import dataclasses
from collections.abc import Callable

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
    other_test = np.r_[SERIES.values[:480], -3 * SERIES.values[480:]]  # the last fifth
    other_test = dataclasses.replace(SERIES, values=other_test)
    assert {lookback: plan._ridge_error(other_test, lookback, 12) for lookback in tried} == tried


def test_ridge_and_its_look_back_are_chosen_by_what_suits_few_rows():
    time = np.arange(144)[:, None]
    noise = 0.02 * np.random.default_rng(0).standard_normal((144, 1))
    values = np.sin(2 * np.pi * time / 12) + 0.5 * np.cos(4 * np.pi * time / 12) + 3 * time / 144 + noise
    series = data.Series(values, None, ("a",), "own.csv", "")
    assert plan._ridge_error(series, 24, 3) < 0.01  # where lambda is 100 at least, .1
    made = plan.make(series, "own.csv", 24, 3, 12, seconds=1, epochs=1, teacher="ridge")
    for name in ("Ridge", "Phase ridge"):
        assert made.runs[name].settings["relative"]
    assert made.runs["MLP distilled"].teacher_config == made.runs["Ridge"]
    assert plan.make(series, "own.csv", 24, 3, 12, seconds=1, epochs=1).runs["Phase ridge"].settings["period"] == 12


def test_a_plan_has_baselines_members_and_both_students_with_the_epochs_that_were_asked_for():
    made = plan.make(SERIES, *SHAPE, seconds=1, epochs=2)
    names = ["iTransformer", "Ridge", "Phase ridge", "SparseTSF", "CycleNet", "Naive", "Seasonal naive", "DLinear"]
    assert list(made.runs) == [*names, "MLP", "MLP, decay 1", "MLP distilled"]
    plain, decayed = made.runs["MLP"], made.runs["MLP, decay 1"]
    assert (plain.weight_decay, dataclasses.replace(plain, weight_decay=1.0)) == (0.0, decayed)
    assert made.remarks == []
    distilled = made.runs["MLP distilled"]
    assert set(distilled.teacher_configs.values()) == {made.runs[name] for name in names[:5]}
    assert {run.epochs for run in made.runs.values() if run.model in ("mlp", "dlinear", "cyclenet")} == {2}


def test_more_time_is_more_epochs_and_too_little_leaves_models_out(monkeypatch):
    monkeypatch.setattr(plan, "_seconds_of_an_epoch", lambda config, *_: 8.0 if config.model == "itransformer" else 0.1)
    short, long = (plan.make(SERIES, *SHAPE, seconds=seconds) for seconds in (20, 100))
    assert "iTransformer" not in short.runs
    assert short.remarks == ["iTransformer is left out: 20 s of training are too few for it"]
    assert long.runs["iTransformer"].epochs == 4  # 0.35 of 100 s at 8 s
    for name, run in short.runs.items():
        assert run.epochs <= long.runs[name].epochs
    total = sum(long.seconds.values())
    assert 40 <= total <= 100


def test_a_student_without_time_keeps_its_seed_and_its_settings(monkeypatch):
    monkeypatch.setattr(plan, "_seconds_of_an_epoch", lambda *_: 100.0)
    made = plan.make(SERIES, *SHAPE[:3], 12, seconds=1, seed=7, student="fits")
    for name in ("FITS", "FITS distilled"):
        run = made.runs[name]
        assert (run.epochs, run.seed, run.settings["period"]) == (plan.FEWEST_EPOCHS, 7, 12)
    assert set(made.runs) & {"DLinear", "CycleNet", "iTransformer"} == set()


@pytest.mark.parametrize(("period", "fits"), [(12, 12), (1, 24)])
def test_a_student_has_the_period_unless_it_cannot(period, fits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("a\n1\n2\n")
    made = plan.make(SERIES, "own.csv", 48, 12, period, seconds=1, epochs=1, student="fits", teacher="seasonal_naive")
    assert [made.runs[name].settings["period"] for name in ("FITS", "Seasonal naive")] == [fits, period]


def test_one_teacher_alone_teaches_by_the_published_recipe():
    made = plan.make(SERIES, *SHAPE, seconds=1, epochs=1, teacher="dlinear", student="rlinear")
    distilled = made.runs["RLinear distilled"]
    assert (distilled.teacher, distilled.co_teachers, distilled.mixup) == ("dlinear", {}, 0)
    assert distilled.teacher_config == made.runs["DLinear"]
    one = plan.make(SERIES, "own.csv", 48, 1, 24, seconds=1, epochs=1, teacher="dlinear")
    assert one.runs["MLP distilled"].scales == 0  # one step has no second scale


def test_the_faster_of_one_thread_and_all_is_taken(monkeypatch):
    seconds = {1: 2.0, 4: 1.0}
    monkeypatch.setattr(plan, "cores", lambda: 4)  # of more that others use
    monkeypatch.setattr(plan, "_seconds_of_an_epoch", lambda _, __, compute: seconds[compute.threads])
    assert plan.fastest(SERIES, 48, 12).threads == 4
    seconds[4] = 3.0
    assert dataclasses.asdict(plan.fastest(SERIES, 48, 12))["threads"] == 1


def test_a_plan_that_was_made_first_stays_for_the_same_rows_and_wishes(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("a\n1\n")
    shape = (str(path), *SHAPE[1:])
    first, second = (plan.make(SERIES, *shape, seconds=1, epochs=epochs, teacher="dlinear") for epochs in (1, 2))

    def kept(asked: dict, make: Callable) -> plan.Plan:
        return plan.kept(path, asked, make)._replace(ids={})

    assert kept({"seed": 1}, lambda: first) == first
    assert kept({"seed": 1}, lambda: pytest.fail("measured again")) == first
    assert kept({"seed": 2}, lambda: second) == second
    path.write_text("a\n2\n")
    assert kept({"seed": 2}, lambda: first) == first
    (tmp_path / "own.plan.json").write_text("{")
    assert kept({"seed": 2}, lambda: second) == second


def test_a_plan_that_was_moved_is_of_the_rows_where_they_lie_now(tmp_path):
    path = tmp_path / "old" / "own.csv"
    path.parent.mkdir()
    path.write_text("a\n1\n")
    made = plan.kept(path, {}, lambda: plan.make(SERIES, str(path), *SHAPE[1:], seconds=1, epochs=1))
    assert made.ids == {name: run.id for name, run in made.runs.items()}
    path.parent.rename(tmp_path / "new")
    moved = plan.kept(tmp_path / "new" / "own.csv", {}, lambda: pytest.fail("measured again"))
    assert moved.ids == made.ids
    assert {run.dataset for run in moved.runs.values()} == {str(tmp_path / "new" / "own.csv")}
    assert set(moved.runs["MLP distilled"].teacher_configs.values()) <= set(moved.runs.values())
    assert moved.runs["MLP"].id != made.ids["MLP"]


def test_a_seasonal_naive_forecast_is_of_the_period_or_not_there():
    shape = ("own.csv", 10, 5)
    for period, there in ((10, True), (24, False)):
        made = plan.make(SERIES, *shape, period, teacher="ridge", student="rlinear", epochs=1, seconds=1)
        assert ("Seasonal naive" in made.runs) == there
        assert {"Naive", "Ridge", "RLinear"} <= set(made.runs)


def test_a_row_is_too_few_and_is_counted():
    with pytest.raises(ValueError, match="has 1 rows, too few for look-back 1 and horizon 1"):
        plan.find_lookback(data.synthetic(rows=1, channels=1), 1, 1)
