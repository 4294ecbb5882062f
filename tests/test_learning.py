"""Every model learns within its smoke budget, and learns the same again.

The default series of the smoke profile has 1,600 rows, along which a slow drift decides as much as the
waves do; the two Transformers that carry a trend of their own learn that drift. Twice as many rows show the waves.
"""

import functools

import pytest
import torch

from tdlib import data, models, windows
from tdlib.profiles import Profile
from tdlib.train import Supervised, fit, train_epoch, window_errors

LOOKBACK, HORIZON, PERIOD = 96, 24, 48  # the longest of the series' periods


@functools.cache
def splits() -> windows.Splits:
    return windows.split(data.synthetic(rows=3000), LOOKBACK, HORIZON)


@functools.cache
def repeated_period() -> float:
    """Test MSE of the forecast that repeats what was there one period ago."""
    x, y = splits().test.batch(torch.arange(len(splits().test)))
    return (x[:, LOOKBACK - PERIOD :][:, :HORIZON] - y).square().mean().item()


def fresh(name: str) -> tuple:
    config = Profile("smoke").config("synthetic", HORIZON, name)
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    return config, models.build(name, lookback=LOOKBACK, horizon=HORIZON, channels=4, **config.settings)


@pytest.mark.parametrize("name", models.names())
def test_it_beats_the_forecast_that_repeats_the_last_period(name):
    config, model = fresh(name)
    budget = {key: getattr(config, key) for key in ("learning_rate", "batch_size", "epochs", "patience")}
    fit(model, Supervised(), splits(), **budget)
    assert window_errors(model, splits().test).mean().item() < repeated_period()


@pytest.mark.parametrize("name", models.names())
def test_one_training_step_is_the_same_on_the_same_seed(name):
    states = []
    for _ in range(2):
        config, model = fresh(name)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        rows = windows.Windows(torch.randn(4, LOOKBACK + HORIZON + 7), LOOKBACK, HORIZON)  # eight windows: one step
        train_epoch(model, Supervised(), rows, optimizer, 8)
        states.append(model.state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
