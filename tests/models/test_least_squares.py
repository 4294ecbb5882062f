import numpy as np
import pytest
import torch

from tdlib import data, models
from tdlib.models import least_squares
from tdlib.models.least_squares import LAMBDAS, Equations, candidates, centred_moments, solve
from tdlib.train import window_errors
from tdlib.windows import split


def centred(values: np.ndarray, lookback: int, horizon: int) -> np.ndarray:
    """All windows of all channels, each less the mean of its look-back: [windows, L + H], one by one."""
    span = lookback + horizon
    windows = [channel[start : start + span] for channel in values for start in range(len(channel) - span + 1)]
    return np.array([window - window[:lookback].mean() for window in windows])


@pytest.mark.parametrize(("rows", "lookback", "horizon", "channels"), [(40, 6, 4, 3), (10, 6, 4, 1), (23, 1, 1, 2)])
def test_the_moments_are_those_of_all_windows(rows, lookback, horizon, channels):
    values = np.random.default_rng(0).normal(size=(channels, rows)).cumsum(1)
    windows = centred(values, lookback, horizon)
    found = centred_moments(torch.from_numpy(values), lookback, horizon)
    np.testing.assert_allclose(found, windows.T @ windows, rtol=1e-9, atol=1e-9)


def test_moments_of_single_precision_are_summed_in_double():
    values = torch.from_numpy(np.random.default_rng(0).normal(100, 1, size=(2, 20_000)).astype(np.float32))
    windows = centred(values.double().numpy(), 3, 2)
    np.testing.assert_allclose(centred_moments(values, 3, 2), windows.T @ windows, rtol=1e-7)


def test_lambda_is_the_one_with_the_least_error_on_validation():
    draw = np.random.default_rng(0).normal
    truth = draw(size=(5, 2))
    x, x_val = draw(size=(60, 5)), draw(size=(40, 5))
    for noise, expected in ((1e-3, LAMBDAS[0]), (1e4, LAMBDAS[-1])):
        y, y_val = x @ truth + noise * draw(size=(60, 2)), x_val @ truth
        parts = [Equations(*(torch.from_numpy(a.T @ b)[None] for b in (a, t))) for a, t in ((x, y), (x_val, y_val))]
        weights, penalty = solve(*parts)
        by_hand = {p: np.linalg.solve(x.T @ x + p * np.eye(5), x.T @ y) for p in LAMBDAS}
        errors = {p: np.square(x_val @ w - y_val).sum() for p, w in by_hand.items()}
        assert penalty == min(errors, key=errors.get) == expected
        np.testing.assert_allclose(weights[0], by_hand[penalty].T, rtol=1e-9)


def test_penalties_of_a_share_of_the_windows_grow_with_them():
    parts = split(data.synthetic(rows=300, channels=3), 20, 7)
    assert candidates(parts.train, relative=False) == LAMBDAS
    count = 3 * len(parts.train)
    assert candidates(parts.train, relative=True) == pytest.approx([10.0**power * count for power in range(-5, 2)])


@pytest.mark.parametrize("name", ["ridge", "phase_ridge"])
@pytest.mark.parametrize("rows", [144, 400])
def test_a_short_series_of_season_and_trend_is_forecast_by_a_small_penalty(name, rows):
    time = np.arange(rows)[:, None]
    noise = 0.05 * np.random.default_rng(0).standard_normal((rows, 1))
    values = np.sin(2 * np.pi * time / 12) + 0.5 * np.cos(4 * np.pi * time / 12) + 3 * time / rows + noise
    parts = split(data.Series(values, None, ("a",), "own.csv", ""), 24, 3)
    shape = {"lookback": 24, "horizon": 3, "channels": 1} | ({"period": 12} if name == "phase_ridge" else {})
    errors = {}
    for relative in (False, True):
        model = models.build(name, **shape, relative=relative)
        penalty = model.solve(parts)["lambda"]
        errors[relative] = window_errors(model, parts.test).mean().item()
    assert penalty < LAMBDAS[0]
    assert errors[True] < errors[False] / (2 if name == "ridge" else 1)


def test_a_series_of_which_nothing_is_known_has_a_map_of_zeros():
    nothing = Equations(torch.zeros(1, 4, 4, dtype=torch.float64), torch.zeros(1, 4, 2, dtype=torch.float64))
    weights, penalty = solve(nothing, nothing)
    assert not weights.any()
    assert penalty == LAMBDAS[0] == min(least_squares.LAMBDAS)
