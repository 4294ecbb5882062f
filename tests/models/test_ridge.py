import numpy as np
import pytest
import torch
from by_hand import ridge
from small import build, parameters

from tdlib import data
from tdlib.train import window_errors
from tdlib.windows import Windows, split


def design(windows: Windows, channel: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Look-backs and horizons of all windows of some channels, less the look-back's mean: [rows, L], [rows, H]."""
    x, y = (part[:, :, channel].double().numpy() for part in windows.batch(torch.arange(len(windows))))
    mean = x.mean(1, keepdims=True)
    return tuple((part - mean).transpose(0, 2, 1).reshape(-1, part.shape[1]) for part in (x, y))


@pytest.fixture(scope="module")
def splits():
    return split(data.synthetic(rows=300, channels=3), 20, 7)


def test_one_map_for_all_channels_is_the_penalised_least_squares_solution(splits):
    model = build("ridge", 20, 7, 3)
    kept = model.solve(splits)
    expected = ridge(*design(splits.train), kept["lambda"])
    np.testing.assert_allclose(model.weight[0].detach(), expected, rtol=1e-4, atol=1e-6)


def test_lambda_has_the_least_validation_error_of_all_candidates(splits):
    kept = build("ridge", 20, 7, 3).solve(splits)
    x, y = design(splits.val)
    errors = {
        penalty: np.square(x @ ridge(*design(splits.train), penalty).T - y).mean()
        for penalty in (1e2, 1e3, 1e4, 1e5, 1e6)
    }
    assert kept == {"lambda": min(errors, key=errors.get)}


def test_a_map_for_each_channel_is_that_of_the_channel_alone(splits):
    model = build("ridge", 20, 7, 3, per_channel=True)
    kept = model.solve(splits)
    logs = []
    for channel in range(3):
        alone = build("ridge", 20, 7, 1)
        parts = [Windows(part.values[channel : channel + 1], 20, 7) for part in splits[:2]]
        logs.append(np.log10(alone.solve(splits._replace(train=parts[0], val=parts[1]))["lambda"]))
        torch.testing.assert_close(model.weight[channel], alone.weight[0])
        expected = ridge(*design(splits.train, slice(channel, channel + 1)), 10 ** logs[-1])
        np.testing.assert_allclose(model.weight[channel].detach(), expected, rtol=1e-4, atol=1e-6)
    assert kept["lambda"] == pytest.approx(10 ** np.mean(logs))


def test_its_forecast_is_the_map_of_the_distance_from_the_windows_mean(splits):
    model = build("ridge", 20, 7, 3, per_channel=True)
    x, _ = splits.test.batch(torch.arange(4))
    mean = x.mean(1, keepdim=True)
    expected = torch.stack([(x - mean)[..., c] @ model.weight[c].T for c in range(3)], 2)
    forecast = model(x)
    torch.testing.assert_close(forecast.prediction, expected + mean)
    torch.testing.assert_close(forecast.features, expected.mT)


def test_a_fit_does_not_depend_on_what_was_there_before(splits):
    one, other = build("ridge", 20, 7, 3), build("ridge", 20, 7, 3)
    other.solve(splits)
    assert one.solve(splits) == other.solve(splits)
    assert torch.equal(one.weight, other.weight)


def test_the_shortest_series_and_a_constant_channel_have_a_fit():
    values = np.random.default_rng(0).normal(size=(80, 2)).astype(np.float32)
    values[:, 1] = 3
    parts = split(data.Series(values, None, ("a", "b"), "own", ""), 30, 6)
    for per_channel in (False, True):
        model = build("ridge", 30, 6, 2, per_channel=per_channel)
        model.solve(parts)
        assert window_errors(model, parts.test).isfinite().all()


def test_it_has_the_number_of_parameters_that_it_states():
    assert parameters("ridge", 96) == 69_120
    assert parameters("ridge", 96, per_channel=True) == 7 * 69_120
