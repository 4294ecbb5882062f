"""The one training loop: its schedule, its end, what stops it; errors do not depend on the batch size."""

import functools
import math

import pytest
import torch
from torch import nn

from tdlib import models, train
from tdlib.models import Forecast
from tdlib.train import Diverged, Mixture, Objective, Supervised, fit, predict, train_epoch, window_errors
from tdlib.windows import Windows

OPTIONS = {"learning_rate": 0.01, "batch_size": 32, "epochs": 1, "patience": 5}


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


def test_every_epoch_trains_in_training_mode_and_is_validated_in_evaluation_mode(splits, caplog):
    model, modes = linear(), []
    model.register_forward_pre_hook(lambda model, _: modes.append((torch.is_grad_enabled(), model.training)))
    with caplog.at_level("INFO", logger="tdlib.train"):
        fit(model, Supervised(), splits, **(OPTIONS | {"epochs": 2}))
    assert set(modes) == {(True, True), (False, False)}
    assert [record.args[0] for record in caplog.records] == [1, 2]


def test_the_learning_rate_holds_for_two_epochs_and_then_halves(splits, monkeypatch):
    rates, plain = [], torch.optim.AdamW.step

    def step(self, *arguments, **keywords):
        rates.append(tuple(group["lr"] for group in self.param_groups))
        return plain(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    fit(linear(), Supervised(), splits, **(OPTIONS | {"epochs": 5, "patience": 9}))
    steps = -(-len(splits.train) // 32)
    assert len(rates) == 5 * steps
    assert rates[::steps] == [(0.01,), (0.01,), (0.005,), (0.0025,), (0.00125,)]
    assert all(len(set(rates[start : start + steps])) == 1 for start in range(0, 5 * steps, steps))


def test_an_epoch_uses_every_window_once_in_another_order(splits):
    seen = []

    class Spy(Supervised):
        def forward(self, forecast, y, index, mix):
            seen.append(index)
            assert torch.equal(y, splits.train.batch(index)[1])
            return super().forward(forecast, y, index, mix)

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

        def forward(self, forecast, y, index, mix):
            return {"index": index.float().mean() + 0 * forecast.prediction.sum()}

    history = fit(linear(), Index(), splits, **(OPTIONS | {"batch_size": batch_size}))
    assert history[0]["index"] == pytest.approx((len(splits.train) - 1) / 2, rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_the_parts(splits):
    class Parts(Objective):
        def __init__(self, weights):
            super().__init__()
            self.weights = weights

        def forward(self, forecast, y, index, mix):
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


def test_a_step_follows_the_weighted_sum_of_the_parts(splits):
    """By plain gradient descent: Adam would hide how large a weight is."""

    class Parts(Objective):
        weights = {"early": 0.25, "late": 3.0}  # noqa: RUF012

        def forward(self, forecast, y, index, mix):
            squares = (forecast.prediction - y).square()
            return {"early": squares[:, :8].mean(), "late": squares[:, 8:].mean()}

    model = linear()
    before = model.linear.weight.detach().clone()
    x, y = splits.train.batch(torch.arange(len(splits.train)))
    squares = (model(x).prediction - y).square()
    loss = 0.25 * squares[:, :8].mean() + 3 * squares[:, 8:].mean()
    (slope,) = torch.autograd.grad(loss, model.linear.weight)
    train_epoch(model, Parts(), splits.train, torch.optim.SGD(model.parameters(), 0.1), len(x))
    torch.testing.assert_close(model.linear.weight, before - 0.1 * slope)


def test_a_step_does_not_look_for_a_gpu(splits, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: asked.append(1) or 0)
    counts = []
    for size in (len(splits.train), 8):
        model = linear()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        train_epoch(model, Supervised(), splits.train, optimizer, size, mixup=0.4)
        counts.append(len(asked))
        asked.clear()
    assert counts[0] == counts[1] > 0


def test_the_plain_objective_is_the_mse_at_weight_one():
    forecast, y = torch.tensor([[[1.0, 2.0], [3.0, 5.0]]]), torch.zeros(1, 2, 2)
    parts = Supervised()(Forecast(forecast, forecast), y, torch.tensor([0]))
    assert parts == {"supervised": torch.tensor(39 / 4)}
    assert Supervised.weights == {"supervised": 1.0}  # Adam would hide another factor


def test_the_objectives_own_weights_are_trained_too(splits):
    class Shift(Supervised):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(()))

        def forward(self, forecast, y, index, mix):
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


def test_without_weight_decay_a_step_is_one_of_adam(splits, monkeypatch):
    states = []
    for optimizer in (torch.optim.AdamW, lambda weights, weight_decay, **rest: torch.optim.Adam(weights, **rest)):
        monkeypatch.setattr(torch.optim, "AdamW", optimizer)
        model = student()
        torch.manual_seed(5)
        fit(model, Supervised(), splits, **OPTIONS)
        states.append(model.state_dict())
    assert same(*states)


def test_weight_decay_shrinks_every_weight_by_rate_times_decay_a_step(splits):
    class Still(Supervised):
        def forward(self, forecast, y, index, mix):
            return {"supervised": 0 * forecast.prediction.sum()}

    model = linear()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, Still(), splits, **(OPTIONS | {"epochs": 1}), weight_decay=0.5)
    steps = math.ceil(len(splits.train) / OPTIONS["batch_size"])
    left = (1 - 0.5 * OPTIONS["learning_rate"]) ** steps
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name] * left)


def test_the_seed_fixes_every_bit_of_a_training(splits):
    results = []
    for seed in (5, 5, 6):
        model = student()
        torch.manual_seed(seed)
        results.append((fit(model, Supervised(), splits, **OPTIONS), model.state_dict()))
    assert results[0][0] == results[1][0] != results[2][0]
    assert same(results[0][1], results[1][1])
    assert not same(results[0][1], results[2][1])


# --- patience


def steps_by_hand(splits, **patience) -> tuple[list[list[torch.Tensor]], nn.Module]:
    """The weights after every step of an epoch, and the model that is kept."""
    states = []

    class Recorder(torch.optim.AdamW):
        def step(self, *arguments, **keywords):
            super().step(*arguments, **keywords)
            states.append([value.detach().clone() for value in self.param_groups[0]["params"]])

    model = student()
    torch.manual_seed(5)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.optim, "AdamW", Recorder)
        fit(model, Supervised(), splits, **OPTIONS, **patience)
    return states, model


def test_the_average_of_weights_is_the_one_of_a_loop_by_hand_and_is_what_is_validated_and_kept(splits, validation):
    validated = validation(0.5)
    states, model = steps_by_hand(splits, weight_average=0.9)
    assert len(states) == math.ceil(len(splits.train) / 32)
    shares = [0.9 ** (len(states) - 1 - place) for place in range(len(states))]
    average = [
        sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares)
        for values in zip(*states, strict=True)
    ]
    for value, wanted, last in zip(model.parameters(), average, states[-1], strict=True):
        torch.testing.assert_close(value.detach(), wanted)
        assert not torch.equal(value.detach(), last)
    assert same(validated[0], model.state_dict())


def test_an_average_takes_no_part_in_the_steps(splits):
    for with_average, without in zip(
        steps_by_hand(splits, weight_average=0.9)[0], steps_by_hand(splits)[0], strict=True
    ):
        assert all(torch.equal(a, b) for a, b in zip(with_average, without, strict=True))


def test_the_rate_holds_and_falls_as_it_is_told(splits, validation, monkeypatch):
    rates = []

    def epoch(model, objective, windows, optimizer, *rest):
        rates.append(optimizer.param_groups[0]["lr"])
        return {"supervised": 1.0}

    validation(*[1.0] * 5)
    monkeypatch.setattr(train, "train_epoch", epoch)
    fit(linear(), Supervised(), splits, **(OPTIONS | {"epochs": 5}), rate_hold=3, rate_decay=0.8)
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.008, 0.0064])


def test_a_mixture_is_a_share_of_a_window_and_the_rest_of_its_partner():
    mix = Mixture(torch.tensor([0.25, 0.5, 1.0]).view(3, 1, 1), torch.tensor([1, 2, 0]))
    part = torch.tensor([4.0, 8.0, 16.0]).view(3, 1, 1)
    assert mix(part).flatten().tolist() == [0.25 * 4 + 0.75 * 8, 0.5 * 8 + 0.5 * 16, 16.0]


def test_mixtures_are_of_the_whole_batch_with_shares_of_a_beta():
    torch.manual_seed(0)
    mix = Mixture.draw(4000, 0.4, torch.device("cpu"))
    assert mix.partner.sort().values.tolist() == list(range(4000))
    assert mix.share.shape == (4000, 1, 1)
    assert mix.share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert mix.share.var().item() == pytest.approx(0.25 / 1.8, abs=0.01)  # of Beta(a, a): 1 / (4 (2a + 1))


def test_inputs_and_truth_are_mixed_alike(splits):
    """A model that knows the truth of every window, linear as it is, also knows that of every mixture."""
    batches = []

    class Spy(Supervised):
        def forward(self, forecast, y, index, mix):
            x, truth = splits.train.batch(index)
            torch.testing.assert_close(y, mix(truth))
            batches.append((mix(x), mix(truth) - truth))
            return super().forward(forecast, y, index, mix)

    class Echo(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.seen = nn.Parameter(torch.ones(())), []

        def forward(self, x):
            self.seen.append(x)
            return Forecast(self.scale * x[:, :16], x)

    model = Echo()
    train_epoch(model, Spy(), splits.train, torch.optim.SGD(model.parameters(), 1e-3), 32, mixup=0.4)
    for x, (mixed, change) in zip(model.seen, batches, strict=True):
        torch.testing.assert_close(x, mixed)
        assert change.abs().max() > 0


def test_the_seed_fixes_every_bit_of_a_patient_training(splits):
    patience = {"weight_average": 0.9, "mixup": 0.4, "rate_hold": 1, "rate_decay": 0.8}
    results = []
    for changes in ({}, {}, {"mixup": 0.5}, {"weight_average": 0.8}):
        model = student()
        torch.manual_seed(5)
        results.append((fit(model, Supervised(), splits, **OPTIONS, **(patience | changes)), model.state_dict()))
    assert results[0][0] == results[1][0]
    assert same(results[0][1], results[1][1])
    assert not any(same(results[0][1], result[1]) for result in results[2:])


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


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_without_restoring_the_weights_of_the_last_epoch_stay_or_their_average(average, splits, validation):
    states = validation(0.3, 0.5, 0.4)
    model = student()
    given = OPTIONS | {"epochs": 3, "weight_average": average}
    assert len(fit(model, Supervised(), splits, **given, restore=False)) == 3
    assert same(model.state_dict(), states[2])
    assert not same(states[0], states[2])


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

    class Breaks(Objective):
        weights = {"supervised": 1.0, "period_feature": 0.5}  # noqa: RUF012

        def forward(self, forecast, y, index, mix):
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


@pytest.mark.parametrize("shape", [(16, 1), (1, 3), (3, 16)])
def test_a_prediction_of_another_shape_is_refused_before_it_is_learned_from(shape, splits):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.level = nn.Parameter(torch.zeros(shape))

        def forward(self, x):
            return Forecast(self.level.expand(len(x), *shape), x)

    model = Own()
    words = r"^Own must return a prediction \[B, H, C\] = \[{}, 16, 3\], got \[{}, {}, {}\]$"
    with pytest.raises(ValueError, match=words.format(32, 32, *shape)):
        fit(model, Supervised(), splits, **OPTIONS)
    assert not model.level.any()
    count = len(splits.val)
    with pytest.raises(ValueError, match=words.format(count, count, *shape)):  # also of what was solved
        window_errors(model, splits.val)


# --- figures


class Odd(nn.Module):
    """A linear layer whose `answer` is made of its forecast [B, H, C]."""

    def __init__(self, answer):
        super().__init__()
        self.layer, self.answer = nn.Linear(48, 16), answer

    def forward(self, x):
        return self.answer(self.layer(x.mT).mT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda y: y, r"\[32, 16, 3\], got Tensor, no Forecast of a tensor"),
        (lambda y: (y, y), r"\[32, 16, 3\], got tuple, no Forecast of a tensor"),
        (lambda y: None, r"\[32, 16, 3\], got NoneType, no Forecast of a tensor"),
        (lambda y: Forecast(y.detach().numpy(), y), r"\[32, 16, 3\], got ndarray, no Forecast of a tensor"),
        (lambda y: Forecast(y.detach(), y), "no part of the loss depends on the weights of Odd"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(answer, words, splits):
    with pytest.raises(ValueError, match=f"{words}$"):
        fit(Odd(answer), Supervised(), splits, **OPTIONS)


def test_a_forecast_in_double_precision_is_learned_from(splits):
    rounded, double = ([], [])
    for found, answer in ((rounded, lambda y: Forecast(y, y)), (double, lambda y: Forecast(y.double(), y))):
        torch.manual_seed(0)
        found += fit(Odd(answer), Supervised(), splits, **OPTIONS)
    assert double[-1]["val_mse"] == pytest.approx(rounded[-1]["val_mse"], rel=1e-4)


def test_a_model_without_weights_is_refused(splits):
    with pytest.raises(ValueError, match=r"^Identity has no weight to train, and no `solve`$"):
        fit(nn.Identity(), Supervised(), splits, **OPTIONS)


@pytest.mark.parametrize("name", ["batch_size", "epochs", "patience"])
def test_a_training_of_nothing_is_refused(name, splits):
    with pytest.raises(ValueError, match=r"^batch_size, epochs and patience must be at least 1, got 0$"):
        fit(linear(), Supervised(), splits, **(OPTIONS | {name: 0}))


@pytest.mark.parametrize(
    "patience", [{"weight_average": 1.0}, {"mixup": math.inf}, {"rate_hold": -3}, {"rate_decay": math.nan}]
)
def test_a_patience_that_no_training_can_have_is_refused(patience, splits):
    with pytest.raises(ValueError, match=r"^weight_average is below 1, mixup finite, rate_decay above 0"):
        fit(linear(), Supervised(), splits, **OPTIONS, **patience)


def test_window_errors_are_those_of_each_window_in_order(splits):
    model = student()
    x, y = splits.val.batch(torch.arange(len(splits.val)))
    with torch.no_grad():
        forecast = model.eval()(x).prediction
    errors = window_errors(model, splits.val)
    assert errors.shape == (len(splits.val),)
    torch.testing.assert_close(errors, (forecast - y).square().mean((1, 2)), rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_window_errors_do_not_depend_on_the_batch_size(size, splits, monkeypatch):
    model = student()
    assert len(splits.test) % 7  # the last batch is a smaller one
    errors = window_errors(model, splits.test)
    monkeypatch.setattr(train, "predict", functools.partial(predict, batch_size=size))
    torch.testing.assert_close(window_errors(model, splits.test), errors, rtol=1e-5, atol=1e-7)


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
