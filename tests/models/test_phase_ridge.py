import numpy as np
import pytest
import torch
from by_hand import ridge
from small import build, parameters

from tdlib import data
from tdlib.train import window_errors
from tdlib.windows import Windows, split


def smooth(z: np.ndarray, period: int) -> np.ndarray:
    """(z + its average over the nearest whole odd number of steps, ends repeated) / 2, step by step."""
    half, last = period // 2, len(z) - 1
    average = [np.mean([z[min(max(t + k, 0), last)] for k in range(-half, half + 1)]) for t in range(len(z))]
    return (z + np.array(average)) / 2


def design(windows: Windows, period: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each period to come, the inputs and the truth of all windows, channels and phases that lie in the horizon."""
    lookback, horizon = windows.lookback, windows.horizon
    periods, rows = lookback // period, {}
    for index in range(len(windows)):
        x, y = (part[0].double().numpy() for part in windows.batch(torch.tensor([index])))
        for c in range(windows.channels):
            mean = x[:, c].mean()
            z = smooth(x[:, c] - mean, period)[lookback - periods * period :]
            for step in range(horizon):
                inputs, outputs = rows.setdefault(step // period, ([], []))
                inputs.append(z[step % period :: period])
                outputs.append([y[step, c] - mean])
    return {k: (np.array(inputs), np.array(outputs)) for k, (inputs, outputs) in rows.items()}


@pytest.mark.parametrize(
    ("lookback", "horizon", "period"),
    [(24, 12, 6), (26, 10, 6), (25, 3, 5), (8, 5, 8), (9, 4, 1)],  # whole; neither whole; less than a period; one
)
def test_it_is_the_penalised_least_squares_solution_over_phases(lookback, horizon, period):
    parts = split(data.synthetic(rows=150, channels=2), lookback, horizon)
    model = build("phase_ridge", lookback, horizon, 2, period=period)
    kept = model.solve(parts)
    expected = [ridge(*rows, kept["lambda"])[0] for rows in design(parts.train, period).values()]
    assert model.linear.weight.shape == (-(-horizon // period), lookback // period)
    np.testing.assert_allclose(model.linear.weight.detach(), expected, rtol=1e-4, atol=1e-6)
    errors = {}
    for penalty in (1e2, 1e3, 1e4, 1e5, 1e6):
        fitted = {k: ridge(*rows, penalty).T for k, rows in design(parts.train, period).items()}
        errors[penalty] = sum(np.square(x @ fitted[k] - y).sum() for k, (x, y) in design(parts.val, period).items())
    assert kept == {"lambda": min(errors, key=errors.get)}
    mse = sum(
        np.square(x @ model.linear.weight[k].detach().double().numpy() - y[:, 0]).sum()
        for k, (x, y) in design(parts.test, period).items()
    )
    assert window_errors(model, parts.test).mean().item() == pytest.approx(
        mse / (len(parts.test) * 2 * horizon), rel=1e-4
    )


def test_phases_by_hand():
    model = build("phase_ridge", 5, 3, 1, period=2)  # the last four of five steps; two periods to come, cut to 3
    with torch.no_grad():
        model.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 10.0]]))
    x = torch.tensor([4.0, -1.0, 0.0, 3.0, -6.0])  # its mean is 0
    smoothed = [(-1 + 3 / 3) / 2, (0 + 2 / 3) / 2, (3 - 3 / 3) / 2, (-6 - 9 / 3) / 2]  # averages of three steps
    forecast = model(x[None, :, None])
    expected = [smoothed[0], smoothed[1], 10 * smoothed[2]]
    torch.testing.assert_close(forecast.prediction.flatten(), torch.tensor(expected))
    torch.testing.assert_close(forecast.features.flatten(), torch.tensor(expected))


def test_it_has_the_number_of_parameters_that_it_states():
    assert parameters("phase_ridge", 96) == 120
    assert parameters("phase_ridge", 96, period=144) == 5


def test_a_period_longer_than_the_look_back_is_refused():
    with pytest.raises(ValueError, match=r"^phase_ridge: period must be at most 20, the look-back; got 25$"):
        build("phase_ridge", 20, 4, 1, period=25)
