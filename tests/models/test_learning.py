"""Every model learns within its smoke budget, and learns the same again; every student learns from every teacher."""

import functools

import pytest
import small
import torch

from tdlib import data, models, windows
from tdlib.distill import Distillation
from tdlib.profiles import Profile
from tdlib.teachers import LiveTeacher
from tdlib.train import Supervised, fit, train_epoch, window_errors

LOOKBACK, HORIZON, PERIOD = 96, 24, 48  # the longest of the series' periods
# Along few rows a slow drift decides as much as the waves do: the models that follow a drift need more.
ROWS = {"timesnet": 2200, "fedformer": 2200, "autoformer": 3000, "sparsetsf": 3000}


@functools.cache
def splits(rows: int) -> windows.Splits:
    return windows.split(data.synthetic(rows=rows), LOOKBACK, HORIZON)


def repeated_period(test: windows.Windows) -> float:
    """MSE of the forecast that repeats what was there one period ago."""
    x, y = test.batch(torch.arange(len(test)))
    return (x[:, LOOKBACK - PERIOD :][:, :HORIZON] - y).square().mean().item()


def fresh(name: str) -> tuple:
    config = Profile("smoke").config("synthetic", HORIZON, name)
    torch.manual_seed(config.seed)
    return config, models.build(name, lookback=LOOKBACK, horizon=HORIZON, channels=4, **config.settings)


@pytest.mark.parametrize("name", [name for name in small.TRAINED if "naive" not in name])
def test_it_beats_the_forecast_that_repeats_the_last_period(name):
    config, model = fresh(name)
    budget = {key: getattr(config, key) for key in ("learning_rate", "batch_size", "epochs", "patience")}
    parts = splits(ROWS.get(name, 1600))
    model.solve(parts) if models.closed_form(name) else fit(model, Supervised(), parts, **budget)
    assert window_errors(model, parts.test).mean().item() < repeated_period(parts.test)


@pytest.mark.parametrize("name", [name for name in models.names() if not models.closed_form(name)])
def test_one_training_step_is_the_same_on_the_same_seed(name):
    states = []
    for _ in range(2):
        config, model = fresh(name)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        rows = windows.Windows(torch.randn(4, LOOKBACK + HORIZON + 7), LOOKBACK, HORIZON)  # eight windows: one step
        train_epoch(model, Supervised(), rows, optimizer, 8)
        states.append(model.state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


# --- two steps of distillation on tiny shapes


def build(name: str) -> torch.nn.Module:
    return small.build(name, lookback=32, horizon=8, channels=3)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.fixture(scope="module", params=models.names("teacher"))
def teacher(request) -> torch.nn.Module:
    return build(request.param)


@pytest.mark.parametrize("name", models.names("student"))
def test_two_steps_move_every_weight_of_the_student_and_none_of_the_teacher(name, teacher):
    student, rows = build(name), windows.Windows(small.series(1, 32 + 8 + 7, 3)[0].T, 32, 8)  # eight windows
    source = LiveTeacher(teacher, rows)
    objective = Distillation(source, teacher.feature_width, student.feature_width, alpha=1.0, beta=1.0)
    before, frozen = weights(student), weights(teacher)
    optimizer = torch.optim.Adam([*student.parameters(), *objective.parameters()], lr=1e-2, fused=True)
    parts = train_epoch(student, objective, rows, optimizer, batch_size=4)
    assert set(parts) == set(objective.weights)
    assert len(parts) == 5
    still = [key for key, value in student.named_parameters() if torch.equal(value, before[key])]
    assert not still, f"{name} has weights that no part of the loss reaches: {still}"
    assert all(torch.equal(value, frozen[key]) for key, value in teacher.state_dict().items())
    assert all(weight.grad is None for weight in teacher.parameters())
