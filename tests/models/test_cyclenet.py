import math

import numpy as np
import pytest
import torch
from by_hand import assert_same, linear, normalised, weights
from small import build, parameters, series, silence


def forward(model: torch.nn.Module, x: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Window by window and channel by channel, with a complex sum and `np.interp`."""
    w, period, steps = weights(model), model.period, x.shape[1]
    z, mean, deviation = normalised(x)
    whole = steps - steps % period
    y = np.zeros((*z.shape[:2], horizon))
    for b, c in np.ndindex(*z.shape[:2]):
        time = np.arange(steps)[-whole:]
        position = np.angle(np.sum(z[b, c, -whole:] * np.exp(-2j * np.pi * time / period))) * period / (2 * np.pi)
        cycle = np.interp(position + np.arange(steps + horizon), np.arange(period), w["cycle"][c], period=period)
        y[b, c] = linear(w, "linear", z[b, c] - cycle[:steps]) + cycle[steps:]
    return (y * deviation + mean).transpose(0, 2, 1), y


@pytest.mark.parametrize(
    ("lookback", "horizon", "period"), [(24, 12, 6), (26, 10, 7), (25, 3, 5), (8, 20, 8), (9, 4, 2), (7, 3, 1)]
)
def test_it_is_a_linear_layer_around_a_cycle_at_the_windows_position(lookback, horizon, period):
    assert_same(
        forward, build("cyclenet", lookback, horizon, 3, period=period), series(4, lookback, 3), horizon=horizon
    )


@pytest.mark.parametrize("start", [0, 1, 5.5, 11.75])
def test_the_cycle_begins_at_the_crest_of_the_windows_wave(start):
    model = build("cyclenet", 30, 12, 1, period=12)
    time = torch.arange(30.0) + start  # where the window stands in the cycle, which the model is not told
    position = model._position(torch.cos(2 * math.pi * time / 12).view(1, 1, 30) + 7)
    torch.testing.assert_close(position.flatten(), torch.tensor([float(start)]), rtol=0, atol=1e-3)


def test_a_series_that_is_its_cycle_is_continued_by_the_cycle_alone():
    """Periods of 12 and 6 steps: at every start of the window the cycle goes on where the window ends."""
    model, time = build("cyclenet", 36, 20, 1, period=12).double(), torch.arange(80.0, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * time / 12) + 0.5 * torch.sin(2 * math.pi * time / 6)
    silence(model)
    with torch.no_grad():
        model.cycle.copy_(wave[:12] / math.sqrt(wave[:12].square().mean() + 1e-5))
    for start in range(12):
        forecast = model(wave[start : start + 36].view(1, 36, 1)).prediction.flatten()
        torch.testing.assert_close(forecast, wave[start + 36 : start + 56], rtol=0, atol=1e-6)


def test_the_cycle_is_learned_from_zero():
    model = build("cyclenet", 36, 12, 2, period=12)
    assert not model.cycle.any()
    y = series(3, 36 + 12, 2)
    (model(y[:, :36]).prediction - y[:, 36:]).square().mean().backward()
    assert (model.cycle.grad.abs() > 0).all()


def test_a_window_without_any_wave_has_a_finite_forecast():
    model = build("cyclenet", 24, 6, 1, period=6)
    torch.nn.init.normal_(model.cycle)
    for x in (torch.zeros(1, 24, 1), torch.full((1, 24, 1), 5.0)):
        assert model(x).prediction.isfinite().all()


def test_it_has_the_number_of_parameters_that_it_states():
    assert parameters("cyclenet", 96) == 69_216 + 24 * 7


def test_a_period_longer_than_the_look_back_is_refused():
    with pytest.raises(ValueError, match=r"^cyclenet: period must be at most 20, the look-back; got 25$"):
        build("cyclenet", 20, 4, 1, period=25)
