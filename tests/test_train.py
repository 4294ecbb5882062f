"""The one training loop: its schedule, its end, what stops it; and figures that do not depend on the batch size."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from tdlib import data, evaluate, models, run, study, train
from tdlib.evaluate import Evaluation
from tdlib.models import Forecast
from tdlib.store import Store
from tdlib.train import Diverged, Objective, Supervised, fit, predict, window_errors
from tdlib.windows import Splits, Windows, split

OPTIONS = {"learning_rate": 0.01, "batch_size": 32, "epochs": 1, "patience": 5}


@pytest.fixture(autouse=True)
def one_thread():
    """As every run of a study."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def splits() -> Splits:
    return split(data.synthetic(rows=300, channels=3), 48, 16)


def linear(horizon: int = 16, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return models.build("nlinear", lookback=48, horizon=horizon, channels=channels)


def student() -> nn.Module:
    torch.manual_seed(0)
    return models.build("mlp", lookback=48, horizon=16, channels=3, width=8)


@pytest.fixture
def validation(monkeypatch):
    """Make the validation MSE of the epochs a given list; returns the model's states at the time of each."""

    def script(*values: float) -> list[dict[str, torch.Tensor]]:
        states, remaining = [], iter(values)

        def errors(model, windows):
            states.append({name: value.clone() for name, value in model.state_dict().items()})
            return torch.full((len(windows),), next(remaining))

        monkeypatch.setattr(train, "window_errors", errors)
        return states

    return script


def same(state: dict, other: dict) -> bool:
    return all(torch.equal(value, other[name]) for name, value in state.items())


# --- schedule


def test_the_learning_rate_holds_for_two_epochs_and_then_halves(splits, monkeypatch):
    rates, plain = [], torch.optim.Adam.step

    def step(self, *arguments, **keywords):
        rates.append(tuple(group["lr"] for group in self.param_groups))
        return plain(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    fit(linear(), Supervised(), splits, **(OPTIONS | {"epochs": 5, "patience": 9}))
    steps = -(-len(splits.train) // 32)
    assert len(rates) == 5 * steps
    assert rates[::steps] == [(0.01,), (0.01,), (0.005,), (0.0025,), (0.00125,)]
    assert all(len(set(rates[start : start + steps])) == 1 for start in range(0, 5 * steps, steps))


def test_an_epoch_uses_every_window_once_in_another_order(splits):
    seen = []

    class Spy(Supervised):
        def forward(self, forecast, y, index):
            seen.append(index)
            assert torch.equal(y, splits.train.batch(index)[1])
            return super().forward(forecast, y, index)

    fit(linear(), Spy(), splits, **(OPTIONS | {"epochs": 2}))
    steps = -(-len(splits.train) // 32)
    epochs = torch.cat(seen[:steps]), torch.cat(seen[steps:])
    assert len(seen[steps - 1]) == len(splits.train) % 32  # the last batch is a smaller one
    for epoch in epochs:
        assert torch.equal(epoch.sort().values, torch.arange(len(splits.train)))
    assert not torch.equal(*epochs)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_a_named_part_is_its_mean_over_windows_whatever_the_batch_size(batch_size, splits):
    class Index(Objective):
        weights = {"index": 1.0}  # noqa: RUF012

        def forward(self, forecast, y, index):
            return {"index": index.float().mean() + 0 * forecast.prediction.sum()}

    history = fit(linear(), Index(), splits, **(OPTIONS | {"batch_size": batch_size}))
    assert history[0]["index"] == pytest.approx((len(splits.train) - 1) / 2, rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_the_parts(splits):
    class Parts(Objective):
        def __init__(self, weights):
            super().__init__()
            self.weights = weights

        def forward(self, forecast, y, index):
            squares = (forecast.prediction - y).square()
            return {"early": squares[:, :8].mean(), "late": squares[:, 8:].mean()}

    states = []
    for objective in (Parts({"early": 0.5, "late": 0.5}), Supervised(), Parts({"early": 1.0, "late": 0.0})):
        model = linear()
        torch.manual_seed(1)
        fit(model, objective, splits, **OPTIONS)
        states.append(model.state_dict()["linear.weight"])
    torch.testing.assert_close(states[0], states[1], rtol=1e-3, atol=1e-5)
    assert torch.equal(states[2][8:], linear().state_dict()["linear.weight"][8:])  # no weight, no gradient
    assert not torch.allclose(states[2][:8], linear().state_dict()["linear.weight"][:8])


def test_the_objectives_own_weights_are_trained_too(splits):
    class Shift(Supervised):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(()))

        def forward(self, forecast, y, index):
            return {"supervised": (forecast.prediction + self.shift - y).square().mean()}

    objective = Shift()
    fit(linear(), objective, splits, **OPTIONS)
    assert objective.shift.item() != 0


def test_training_lowers_the_loss_and_the_validation_error(splits):
    model = linear()
    before = window_errors(model, splits.val).mean().item()
    history = fit(model, Supervised(), splits, **(OPTIONS | {"epochs": 4}))
    assert history[-1]["supervised"] < 0.8 * history[0]["supervised"]
    assert min(epoch["val_mse"] for epoch in history) < 0.8 * before


def test_the_seed_fixes_every_bit_of_a_training(splits):
    results = []
    for seed in (5, 5, 6):
        model = student()
        torch.manual_seed(seed)
        results.append((fit(model, Supervised(), splits, **OPTIONS), model.state_dict()))
    assert results[0][0] == results[1][0] != results[2][0]
    assert same(results[0][1], results[1][1])
    assert not same(results[0][1], results[2][1])


# --- the end


def test_training_stops_after_patience_epochs_without_a_better_one(splits, validation):
    states = validation(0.9, 0.5, 0.7, 0.6, 0.5, 0.1)  # equal is not better; 0.1 is never reached
    model = linear()
    history = fit(model, Supervised(), splits, **(OPTIONS | {"epochs": 20, "patience": 3}))
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4, 5]
    assert [epoch["val_mse"] for epoch in history] == pytest.approx([0.9, 0.5, 0.7, 0.6, 0.5])
    assert same(model.state_dict(), states[1])
    assert not same(states[1], states[4])


def test_a_better_epoch_starts_the_patience_anew(splits, validation):
    states = validation(0.5, 0.6, 0.4, 0.6, 0.7, 0.1)
    model = linear()
    history = fit(model, Supervised(), splits, **(OPTIONS | {"epochs": 20, "patience": 2}))
    assert len(history) == 5
    assert same(model.state_dict(), states[2])


def test_the_best_weights_are_restored_after_the_last_epoch_too(splits, validation):
    states = validation(0.5, 0.3, 0.4)
    model = student()  # with BatchNorm, whose running statistics belong to the best epoch as well
    history = fit(model, Supervised(), splits, **(OPTIONS | {"epochs": 3}))
    assert len(history) == 3
    assert same(model.state_dict(), states[1])
    assert "seasonal_norm.running_mean" in states[1]


def test_the_validation_error_is_that_of_the_restored_weights(splits):
    model = student()
    history = fit(model, Supervised(), splits, **(OPTIONS | {"epochs": 6, "learning_rate": 0.1}))
    errors = [epoch["val_mse"] for epoch in history]
    assert window_errors(model, splits.val).mean(dtype=torch.float64).item() == min(errors)


# --- divergence


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["supervised", "period_feature"])
def test_a_part_that_is_not_finite_stops_the_run_and_is_named(part, value, splits):
    calls = []

    class Breaks(nn.Module):
        weights = {"supervised": 1.0, "period_feature": 0.5}  # noqa: RUF012

        def forward(self, forecast, y, index):
            calls.append(index)
            parts = {name: (forecast.prediction - y).square().mean() for name in self.weights}
            if len(calls) == 3:
                parts[part] = parts[part] * value
            return parts

    model = linear()
    with pytest.raises(Diverged, match=rf"^training stopped: {part} is (nan|inf)$"):
        fit(model, Breaks(), splits, **OPTIONS)
    assert len(calls) == 3  # at once
    assert all(weight.isfinite().all() for weight in model.parameters())  # the broken step is not taken


def test_a_validation_error_that_is_not_finite_stops_the_run_and_is_named(splits, validation):
    states = validation(0.5, float("nan"))
    with pytest.raises(Diverged, match=r"^training stopped: the validation MSE is nan$"):
        fit(linear(), Supervised(), splits, **(OPTIONS | {"epochs": 9}))
    assert len(states) == 2


# --- figures


def direct(model: nn.Module, windows: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, truth, forecast) of all windows at once, [N, ...], double precision."""
    x, y = windows.batch(torch.arange(len(windows)))
    with torch.no_grad():
        forecast = model.eval()(x).prediction
    return tuple(part.double().numpy() for part in (x, y, forecast))


def distribution(values: np.ndarray) -> np.ndarray:
    """Period distributions [N, C, H // 2] of [N, H, C], by hand."""
    amplitude = np.abs(np.fft.rfft(values, axis=1))[:, 1:].transpose(0, 2, 1) / 0.5
    weights = np.exp(amplitude - amplitude.max(2, keepdims=True))
    return weights / weights.sum(2, keepdims=True)


def with_batches_of(monkeypatch, size: int) -> None:
    for module in (train, evaluate):
        monkeypatch.setattr(module, "predict", functools.partial(predict, batch_size=size))


def test_window_errors_are_those_of_each_window_in_order(splits):
    model = student()
    _, y, forecast = direct(model, splits.val)
    errors = window_errors(model, splits.val)
    assert errors.shape == (len(splits.val),)
    np.testing.assert_allclose(errors, np.square(forecast - y).mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_no_figure_depends_on_the_batch_size(size, splits, monkeypatch):
    model = student()
    assert len(splits.test) % 7  # the last batch is a smaller one
    errors, result = window_errors(model, splits.test), evaluate.evaluate(model, splits.test)
    with_batches_of(monkeypatch, size)
    torch.testing.assert_close(window_errors(model, splits.test), errors, rtol=1e-5, atol=1e-7)
    again = evaluate.evaluate(model, splits.test)
    for name in ("mse", "mae", "scale_mse", "period_kl"):
        assert getattr(again, name) == pytest.approx(getattr(result, name), rel=1e-5)
    assert list(again.arrays) == list(result.arrays)
    for name, value in result.arrays.items():
        np.testing.assert_allclose(again.arrays[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_prediction_yields_every_window_once_in_order_in_evaluation_mode(splits):
    model = student().train()
    batches = list(predict(model, splits.val, batch_size=10))
    assert torch.equal(torch.cat([index for index, *_ in batches]), torch.arange(len(splits.val)))
    assert len(batches[-1][0]) == len(splits.val) % 10 > 0
    assert not model.training
    assert not any(forecast.prediction.requires_grad for *_, forecast in batches)


@pytest.mark.parametrize(("channels", "largest"), [(1, 256), (64, 256), (65, 252), (862, 19), (20_000, 1)])
def test_a_batch_of_many_channels_holds_fewer_windows_and_none_is_lost(channels, largest):
    class Last(nn.Module):
        def forward(self, x):
            sizes.append(len(x))
            return Forecast(x[:, -1:], x)

    sizes, windows = [], Windows(torch.arange(261.0).expand(channels, -1), 1, 1)
    errors = window_errors(Last(), windows)
    assert max(sizes) == largest
    assert sum(sizes) == len(windows) == 260
    assert torch.equal(errors, torch.ones(260))


def test_an_evaluation_is_what_numpy_says(splits, monkeypatch):
    with_batches_of(monkeypatch, 10)
    model, windows = student(), splits.test
    x, y, forecast = direct(model, windows)
    result = evaluate.evaluate(model, windows, samples=5)
    squares = np.square(forecast - y)
    assert isinstance(result, Evaluation)
    assert result.mse == pytest.approx(squares.mean(), rel=1e-5)
    assert result.mae == pytest.approx(np.abs(forecast - y).mean(), rel=1e-5)
    scales = [np.square((forecast - y).reshape(len(y), -1, 2**m, 3).mean(2)).mean() for m in range(4)]
    assert result.scale_mse == pytest.approx(scales, rel=1e-5)
    p, q = distribution(forecast), distribution(y)
    assert result.period_kl == pytest.approx((q * np.log(q / p)).sum(2).mean(), rel=1e-4)
    arrays = result.arrays
    np.testing.assert_allclose(arrays["errors"], squares.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(arrays["channel_mse"], squares.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(arrays["step_mse"], squares.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(arrays["periods"], p.mean(0), rtol=1e-4)
    np.testing.assert_allclose(arrays["periods_true"], q.mean(0), rtol=1e-4)
    chosen = arrays["sample_index"]
    assert chosen[0] == 0
    assert chosen[-1] == len(windows) - 1
    assert len(chosen) == 5
    assert np.ptp(np.diff(chosen)) <= 1
    for name, value in (("sample_x", x[:, -32:]), ("sample_y", y), ("sample_prediction", forecast)):
        assert arrays[name].dtype == np.float16
        np.testing.assert_allclose(arrays[name], value[chosen], rtol=1e-3, atol=1e-4)


def test_an_odd_horizon_is_halved_as_pooling_does():
    windows = split(data.synthetic(rows=300, channels=2), 48, 7).test
    model = linear(horizon=7, channels=2)
    _, y, forecast = direct(model, windows)
    difference = forecast - y
    half = (difference[:, 0:6:2] + difference[:, 1:6:2]) / 2
    quarter = (half[:, :1] + half[:, 1:2]) / 2
    expected = [np.square(part).mean() for part in (difference, half, quarter)]
    assert evaluate.evaluate(model, windows).scale_mse == pytest.approx(expected, rel=1e-5)


def test_a_horizon_of_one_step_has_an_error_and_no_period():
    splits = split(data.synthetic(rows=300, channels=3), 48, 1)
    model = linear(horizon=1)
    fit(model, Supervised(), splits, **OPTIONS)
    _, y, forecast = direct(model, splits.test)
    result = evaluate.evaluate(model, splits.test)
    assert result.scale_mse == pytest.approx([np.square(forecast - y).mean()], rel=1e-5)
    assert result.period_kl == 0
    assert result.arrays["periods"].shape == (3, 0)
    assert result.arrays["errors"].shape == (len(splits.test),)


def test_fewer_windows_than_samples_are_all_kept_once():
    windows = Windows(torch.randn(3, 48 + 16 + 1), 48, 16)
    arrays = evaluate.evaluate(linear(), windows).arrays
    assert arrays["sample_index"].tolist() == [0, 1]
    assert arrays["sample_y"].shape == (2, 16, 3)


# --- the test windows


def test_the_test_windows_are_read_once_and_only_after_training(tmp_path, monkeypatch):
    made, reads, plain = [], [], Windows.batch

    def spied_split(*arguments):
        made.append(split(*arguments))
        return made[-1]

    def batch(self, index):
        reads.append((self, index))
        return plain(self, index)

    monkeypatch.setattr(run, "split", spied_split)
    monkeypatch.setattr(Windows, "batch", batch)
    config = study.RunConfig("synthetic", 48, 16, "mlp", epochs=2, settings={"width": 8})
    run.train_run(config, Store(tmp_path))
    (splits,) = made
    segments = [next(name for name in ("train", "val", "test") if getattr(splits, name) is who) for who, _ in reads]
    first = segments.index("test")
    assert set(segments[:first]) == {"train", "val"}
    assert set(segments[first:]) == {"test"}
    assert torch.equal(torch.cat([index for _, index in reads[first:]]), torch.arange(len(splits.test)))
