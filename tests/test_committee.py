"""A committee's weights against cases worked by hand; what each weighting must keep whatever the errors are."""

import numpy as np
import pytest
import torch
from torch import nn

from tdlib import committee
from tdlib.committee import WEIGHTINGS, error_moments, errors, held_out, weigh
from tdlib.models import Forecast


class Constant(nn.Module):
    def __init__(self, value: float, horizon: int = 16):
        super().__init__()
        self.value, self.horizon = value, horizon

    def forward(self, x):
        return Forecast(torch.full((len(x), self.horizon, x.shape[2]), self.value), x)


def random_moments(members: int, windows: int = 60, seed: int = 0) -> np.ndarray:
    """E of random errors that share a part, as those of real members do."""
    draw = np.random.default_rng(seed).normal
    found = draw(size=(windows, 1, 8)) + draw(size=(windows, members, 8)) * (1 + np.arange(members)[:, None])
    return found @ found.transpose(0, 2, 1) / 8


def once(matrix: list[list[float]]) -> np.ndarray:
    return np.array([matrix], dtype=float)


# --- errors


def test_the_moments_are_means_of_products_of_errors(splits):
    moments = error_moments([Constant(1.0), Constant(-2.0)], splits.val)
    y = splits.val.batch(torch.arange(len(splits.val)))[1].double()
    assert moments.shape == (len(splits.val), 2, 2)
    np.testing.assert_allclose(moments[:, 0, 0], (1 - y).square().mean((1, 2)))
    np.testing.assert_allclose(moments[:, 0, 1], ((1 - y) * (-2 - y)).mean((1, 2)))
    np.testing.assert_allclose(moments[:, 0, 1], moments[:, 1, 0])


def test_a_committees_error_is_that_of_its_mean_forecast(splits):
    weights = np.array([0.25, 0.75])
    found = errors(error_moments([Constant(1.0), Constant(-2.0)], splits.val), weights)
    y = splits.val.batch(torch.arange(len(splits.val)))[1].double()
    np.testing.assert_allclose(found, (0.25 * 1 - 0.75 * 2 - y).square().mean((1, 2)))


def test_members_of_other_windows_and_a_member_alone_are_refused(splits):
    with pytest.raises(ValueError, match=r"^a committee has at least two members, got 1$"):
        error_moments([Constant(1.0)], splits.val)
    words = r"forecasts \[113, 8, 3\] where the windows have \[113, 16, 3\]: members of a committee forecast the same"
    with pytest.raises(ValueError, match=words.replace("113", str(len(splits.val)))):
        error_moments([Constant(1.0), Constant(1.0, horizon=8)], splits.val)


# --- weights


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [0.5, 0.5]),
        ("adaptive", [0.5, 0.5]),
        ("least squares", [0.8, 0.2]),  # of independent errors: inverse to their variance
        ("half", [0.65, 0.35]),
        ("error", [256 / 257, 1 / 257]),
        ("greedy", [10 / 12, 2 / 12]),  # (10^2 + 4 2^2) / 12^2, less than with 9 and 3 or 11 and 1
    ],
)
def test_two_members_with_independent_errors_of_which_one_has_four_times_the_other(how, expected):
    np.testing.assert_allclose(weigh(how, once([[1, 0], [0, 4]])), expected, atol=1e-12)


def test_least_squares_leaves_out_who_does_not_help_and_cancels_what_is_opposite():
    np.testing.assert_allclose(weigh("least squares", once([[1, 2], [2, 9]])), [1, 0], atol=1e-12)
    np.testing.assert_allclose(weigh("least squares", once([[1, -1], [-1, 1]])), [0.5, 0.5])


@pytest.mark.parametrize("how", WEIGHTINGS)
@pytest.mark.parametrize("members", [2, 3, 7])
def test_weights_are_not_negative_and_sum_to_one(how, members):
    for moments in (random_moments(members), np.ones((9, members, members))):  # and a committee of twins
        weights = weigh(how, moments)
        assert weights.shape == (members,)
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_no_weighting_fits_better_than_least_squares(seed):
    moments = random_moments(5, seed=seed)
    least = errors(moments, weigh("least squares", moments)).mean()
    rivals = [weigh(how, moments) for how in committee.SCORED]
    rivals += list(np.random.default_rng(seed).dirichlet(np.ones(5), 200))
    assert least <= min(errors(moments, weights).mean() for weights in rivals) + 1e-12


@pytest.mark.parametrize("how", WEIGHTINGS)
def test_a_member_whose_errors_are_not_finite_is_refused(how):
    moments = random_moments(3)
    moments[5, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"^the forecasts of a committee's members must be finite$"):
        weigh(how, moments)


def test_an_unknown_weighting_is_refused():
    with pytest.raises(
        ValueError, match="weighting knows mean, least squares, half, error, greedy, held out, adaptive"
    ):
        weigh("loudest", random_moments(2))


# --- blocks held out


def test_a_block_is_scored_with_the_weights_of_the_others():
    moments = np.array([[[1.0, 0], [0, 4]], [[4.0, 0], [0, 1]]])  # who is better changes from the first to the second
    assert held_out("mean", moments, blocks=2) == pytest.approx(5 / 4)
    assert held_out("least squares", moments, blocks=2) == pytest.approx(0.2**2 * 1 + 0.8**2 * 4)
    assert weigh("held out", moments).tolist() == [0.5, 0.5]


def test_blocks_are_stretches_of_time_and_four_by_default():
    moments = np.repeat([[[1.0, 0], [0, 4]], [[4.0, 0], [0, 1]]], 4, 0)  # who is better changes in the middle
    assert held_out("least squares", moments, blocks=2) == pytest.approx(0.2**2 * 1 + 0.8**2 * 4)
    assert held_out("least squares", moments) == pytest.approx(0.4**2 * 1 + 0.6**2 * 4)  # of three blocks two differ


def test_where_one_member_stays_the_better_least_squares_is_chosen():
    moments = np.repeat(once([[1, 0], [0, 4]]), 8, 0)
    assert held_out("least squares", moments) == pytest.approx(0.8)
    np.testing.assert_allclose(weigh("held out", moments), [0.8, 0.2])


@pytest.mark.parametrize("windows", [1, 2, 3])
def test_fewer_windows_than_blocks_are_a_block_each(windows):
    moments = np.repeat(once([[1, 0], [0, 4]]), windows, 0)
    assert held_out("half", moments) == pytest.approx(0.65**2 + 4 * 0.35**2)
    assert weigh("held out", moments).sum() == pytest.approx(1)


@pytest.mark.parametrize("how", committee.SCORED)
def test_members_that_are_always_right_make_no_weight_that_is_none(how):
    one, none = np.zeros((8, 3, 3)), np.zeros((8, 3, 3))
    one[:, 0, 0] = 1.0
    for moments in (one, none):
        weights = committee.weigh(how, moments)
        assert np.isfinite(weights).all()
        assert weights.sum() == pytest.approx(1)
