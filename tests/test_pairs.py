"""Every student learns from every teacher: two steps of distillation on tiny shapes.

Models added later are covered by their names; a size that they share by name is made small.
"""

import functools

import pytest
import small
import torch

from tdlib import models
from tdlib.distill import Distillation
from tdlib.teachers import LiveTeacher
from tdlib.train import train_epoch
from tdlib.windows import Windows

LOOKBACK, HORIZON, CHANNELS = 32, 8, 3


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """A run has one thread; more only wait for each other where other work shares the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return models.build(name, lookback=LOOKBACK, horizon=HORIZON, channels=CHANNELS, **small.settings(name))


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@functools.cache
def windows() -> Windows:
    generator = torch.Generator().manual_seed(0)
    rows = LOOKBACK + HORIZON + 7  # eight windows: two steps of four
    return Windows(torch.randn(CHANNELS, rows, generator=generator), LOOKBACK, HORIZON)


@pytest.fixture(scope="module", params=models.names("teacher"))
def teacher(request) -> torch.nn.Module:
    return build(request.param)


@pytest.mark.parametrize("name", models.names("student"))
def test_two_steps_move_every_weight_of_the_student_and_none_of_the_teacher(name, teacher):
    student = build(name)
    source = LiveTeacher(teacher, windows())
    objective = Distillation(source, teacher.feature_width, student.feature_width, alpha=1.0, beta=1.0)
    before, frozen = weights(student), weights(teacher)
    optimizer = torch.optim.Adam([*student.parameters(), *objective.parameters()], lr=1e-2, fused=True)
    parts = train_epoch(student, objective, windows(), optimizer, batch_size=4)
    assert set(parts) == set(objective.weights)
    assert len(parts) == 5
    still = [key for key, value in student.named_parameters() if torch.equal(value, before[key])]
    assert not still, f"{name} has weights that no part of the loss reaches: {still}"
    assert all(torch.equal(value, frozen[key]) for key, value in teacher.state_dict().items())
    assert all(weight.grad is None for weight in teacher.parameters())
