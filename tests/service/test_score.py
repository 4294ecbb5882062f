"""Scores by hand; the verdict says what the errors say, whichever way they point."""

import numpy as np
import pytest
import torch

from tdlib import data, models
from tdlib.service import score
from tdlib.windows import split

SPLITS = split(data.synthetic(rows=300, channels=2), 24, 8)


def errors(val: float, test: float, noise: int = 0, count: int = 60) -> score.Residuals:
    """Residuals whose MSE is `val` and, about, `test`."""
    random = np.random.default_rng(noise)
    return score.Residuals(
        np.full((count, 4, 2), val**0.5), test**0.5 * (1 + 0.2 * random.standard_normal((count, 4, 2)))
    )


def tabled(found: dict[str, score.Residuals], against: str = score.SEASONAL):
    scale = score.naive_scale(SPLITS, 24)
    return score.table({name: score.line(both, SPLITS, scale) for name, both in found.items()}, against)


def verdict(found: dict[str, score.Residuals], against: str = score.SEASONAL) -> score.Verdict:
    errors = {name: score.by_window(both.test) for name, both in found.items()}
    windows = len(next(iter(found.values())).val)
    return score.verdict(tabled(found, against), errors, windows, "MLP distilled", "MLP", 8, against)


def test_a_cost_is_in_weights_and_microseconds(monkeypatch):
    monkeypatch.setattr(score, "latency", lambda *_, **__: np.array([0.25, 0.5, 9.0]))  # milliseconds
    model = models.build("nlinear", lookback=24, horizon=8, channels=2)
    assert score.cost(model, 24, 2) == (24 * 8 + 8, 500.0)


def test_scores_are_those_of_the_residuals():
    model = models.build("seasonal_naive", lookback=24, horizon=8, channels=2, period=24)
    found = {"Seasonal naive": score.residuals(model, SPLITS), "half": errors(0.25, 1.0)}
    index = torch.arange(len(SPLITS.test))
    x, y = SPLITS.test.batch(index)
    naive = (y - x[:, :8]).numpy()
    table = tabled(found)
    assert table.loc["Seasonal naive", ("test", "MSE")] == pytest.approx(np.square(naive).mean())
    assert table.loc["Seasonal naive", ("test", "skill")] == 0
    own = np.abs(naive * SPLITS.deviation).mean()
    assert table.loc["Seasonal naive", ("test", "MAE, own units")] == pytest.approx(own)
    train = SPLITS.train.values.numpy()
    scale = np.abs(train[:, 24:] - train[:, :-24]).mean(1)
    assert table.loc["half", ("val", "MASE")] == pytest.approx((0.5 / scale).mean())
    assert table.loc["half", ("val", "MSE")] == pytest.approx(0.25)


def judged(**found: score.Residuals) -> score.Verdict:
    return verdict({name.replace("_", " "): both for name, both in found.items()})


def test_the_least_validation_error_is_chosen_whatever_test_says():
    found = judged(
        Seasonal_naive=errors(1, 1), Ridge=errors(0.5, 0.9), MLP=errors(0.6, 0.4), MLP_distilled=errors(0.7, 0.5)
    )
    assert (found.chosen, found.distillation_helps) == ("Ridge", False)
    assert "Validation does not choose distillation here" in found.words  # which on test would have been better
    assert "On test MLP errs less" in found.words


def test_distillation_helps_where_validation_chooses_it_and_test_agrees():
    found = judged(Seasonal_naive=errors(1, 1), MLP=errors(0.6, 0.6, 1), MLP_distilled=errors(0.4, 0.4, 2))
    assert (found.chosen, found.distillation_helps) == ("MLP distilled", True)
    assert "Distillation helps here" in found.words
    assert "60% less than the seasonal naive forecast" in found.words.replace("59%", "60%").replace("58%", "60%")


def test_a_choice_that_test_refutes_is_no_help():
    found = judged(Seasonal_naive=errors(1, 1), MLP=errors(0.5, 0.4, 1), MLP_distilled=errors(0.4, 0.6, 2))
    assert (found.chosen, found.distillation_helps) == ("MLP distilled", False)
    assert "of no use" in found.words


@pytest.mark.parametrize(("test", "helps", "said"), [(5.0, False, "does not"), (0.4, True, "agrees")])
def test_what_test_is_too_short_to_tell_is_no_level(test, helps, said):
    few = {
        name: score.Residuals(*(part[:6] for part in errors(*sizes)))
        for name, sizes in {"Seasonal naive": (1, 1), "MLP": (0.5, 0.5, 1), "MLP distilled": (0.4, test, 2)}.items()
    }
    found = verdict(few)
    assert (found.chosen, found.distillation_helps) == ("MLP distilled", helps)
    assert f"Validation chooses distillation, and test, too short to tell chance, {said}:" in found.words
    assert "level" not in found.words


def test_level_with_the_best_is_said_to_be_level():
    found = judged(Seasonal_naive=errors(1, 1), MLP=errors(0.5, 0.5, 1), MLP_distilled=errors(0.49, 0.5, 2))
    assert "Distillation is level with the best here" in found.words


def test_without_a_distilled_student_it_says_so():
    assert "There is no distilled student" in judged(Seasonal_naive=errors(1, 1), MLP=errors(0.5, 0.5)).words


def test_a_plain_student_that_was_left_out_is_not_spoken_of():
    found = judged(Seasonal_naive=errors(1, 1), Ridge=errors(0.5, 0.5, 1), MLP_distilled=errors(0.4, 0.4, 2))
    assert "without a teacher" not in found.words
    assert (
        "Against MLP without a teacher"
        in judged(Seasonal_naive=errors(1, 1), MLP=errors(0.5, 0.5, 1), MLP_distilled=errors(0.4, 0.4, 2)).words
    )


def test_the_interval_of_a_difference_needs_two_blocks():
    first, second = (score.by_window(errors(1, size, seed).test) for size, seed in ((1, 1), (0.5, 2)))
    share, interval = score.difference(first, second, block=8)
    assert interval[0] < share < interval[1]
    assert share == pytest.approx(first.mean() / second.mean() - 1)
    assert score.difference(first, second, block=40)[1] is None


def test_models_without_an_error_are_level():
    none = score.Residuals(np.zeros((40, 4, 2)), np.zeros((40, 4, 2)))
    some = errors(0.1, 0.1, count=40)
    nothing = score.by_window(none.test)
    assert score.difference(nothing, nothing, block=8)[0] == 0
    assert score.difference(score.by_window(some.test), nothing, block=8)[0] == np.inf
    assert judged(Seasonal_naive=none, MLP=none, MLP_distilled=none).chosen == "Seasonal naive"


def test_skill_is_over_what_the_lookback_holds():
    assert score.baseline(24, 24) == "Seasonal naive"
    assert score.baseline(24, 23) == "Naive"
    found = {"Naive": errors(1, 1), "MLP": errors(0.5, 0.5)}
    scores = tabled(found, "Naive")
    assert scores.loc["MLP", ("val", "skill")] == pytest.approx(0.5)
    words = verdict(found, "Naive").words
    assert "less than the naive forecast" in words
    assert "seasonal" not in words


@pytest.mark.parametrize(("count", "said"), [(1, "1 validation window:"), (9, "9 validation windows:"), (10, "")])
def test_a_choice_that_rests_on_few_windows_says_so(count, said):
    words = judged(Seasonal_naive=errors(1, 1, count=count), MLP=errors(0.5, 0.5, count=count)).words
    assert ("little more than chance" in words) == bool(said)
    assert said in words


def test_a_series_without_error_has_no_percentages():
    none = score.Residuals(np.zeros((40, 4, 2)), np.zeros((40, 4, 2)))
    few = errors(1e-9, 1e-9, count=40)
    for plain in (none, few):
        found = judged(Seasonal_naive=none, MLP=plain, MLP_distilled=few)
        assert "nothing that distillation could gain: Seasonal naive does without, and has no error" in found.words
        assert not {"inf", "nan", "+inf%", "+nan%"} & set(found.words.replace("(", " ").replace(",", " ").split())
        assert not found.distillation_helps


@pytest.mark.parametrize(("least", "said"), [(0.49999, False), (0.499, True)])
def test_a_difference_that_would_be_printed_as_none_is_left_out(least, said):
    first, second = (
        score.Residuals(np.full((40, 4, 2), val**0.5), np.full((40, 4, 2), test**0.5))
        for val, test in ((0.4, 0.5), (0.5, least))
    )
    words = judged(Seasonal_naive=errors(1, 1, count=40), Ridge=first, MLP=second).words
    assert ("On test MLP errs less" in words) == said
