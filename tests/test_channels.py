"""The multivariate pattern against values worked by hand, its gradient, and channels that do not move."""

import inspect
import math

import numpy as np
import pytest
import torch

from tdlib.channels import STILL, correlation, distance, multi_channel


def noise(*shape, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- values

UP, WAVE, DOWN = [1.0, 2.0, 3.0, 4.0], [1.0, -1.0, -1.0, 1.0], [8.0, 6.0, 4.0, 2.0]
BENT = [1.0, 2.0, 3.0, 2.0]  # about its mean -1, 0, 1, 0: its products with UP sum to 2, with WAVE to -2


def window(*channels) -> torch.Tensor:
    """One window [1, C, H]."""
    return torch.tensor([channels], dtype=torch.float64)


def test_the_correlation_is_the_one_worked_by_hand():
    found = correlation(window(UP, WAVE, DOWN, BENT))[0]
    bent, wave = 2 / math.sqrt(10), -2 / math.sqrt(8)
    hand = [[1, 0, -1, bent], [0, 1, 0, wave], [-1, 0, 1, -bent], [bent, wave, -bent, 1]]
    torch.testing.assert_close(found, torch.tensor(hand, dtype=torch.float64), atol=3e-6, rtol=0)


def test_the_correlation_is_pearsons_of_each_window():
    x = noise(5, 4, 30).cumsum(-1)
    for own, found in zip(x, correlation(x), strict=True):
        np.testing.assert_allclose(found.numpy(), np.corrcoef(own.numpy()), atol=1e-5)


def test_the_loss_is_the_mean_over_windows_and_pairs():
    """Pairs of (UP, WAVE, DOWN): 0, -1, 0; of (UP, UP, DOWN): 1, -1, -1; of (DOWN, WAVE, DOWN): 0, 1, 0."""
    student = torch.cat([window(UP, WAVE, DOWN), window(UP, UP, DOWN)])
    teacher = torch.cat([window(UP, UP, DOWN), window(DOWN, WAVE, DOWN)])
    by_hand = [(1 + 0 + 1) / 3, (1 + 4 + 1) / 3]
    apart = distance(correlation(student), correlation(teacher))
    assert apart.tolist() == pytest.approx(by_hand, abs=1e-5)
    assert multi_channel(student, teacher).item() == pytest.approx(sum(by_hand) / 2, abs=1e-5)


def test_level_and_size_of_a_channel_do_not_count():
    x = noise(3, 4, 20)
    moved = x * torch.tensor([0.5, 1.0, 3.0, 7.0])[:, None] + torch.tensor([0.0, -5.0, 2.0, 9.0])[:, None]
    assert multi_channel(moved, x).item() < 1e-10
    assert multi_channel(-x, x).item() < 1e-10  # all channels at once: each pair keeps its sign
    assert multi_channel(x * torch.tensor([-1.0, 1, 1, 1])[:, None], x).item() > 1e-2


# --- gradients


def test_the_gradient_is_that_of_finite_differences():
    student, teacher = (noise(2, 3, 8, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(multi_channel, (student, teacher), atol=1e-8)
    still = (STILL * noise(2, 3, 8, seed=3)).requires_grad_()  # where the floor is felt
    assert torch.autograd.gradcheck(multi_channel, (still, teacher), atol=1e-5, eps=1e-8)


def test_a_step_along_the_gradient_brings_the_correlations_together():
    student, teacher = noise(4, 3, 24, seed=1).requires_grad_(), noise(4, 3, 24, seed=2)
    before = multi_channel(student, teacher)
    (gradient,) = torch.autograd.grad(before, student)
    assert multi_channel(student - 0.1 * gradient / gradient.abs().max(), teacher) < before


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-24, 1e-6, 1e-3, 1.0, 1e4, 1e20, 3e38])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
def test_loss_and_gradient_are_bounded_for_every_finite_input(size, offset):
    x = (2 * torch.rand(4, 3, 24, generator=torch.Generator().manual_seed(0)) - 1) * size
    student = (x + offset).clamp(-3e38, 3e38).requires_grad_()
    entry = correlation(student)
    assert entry.abs().max() <= 1 + 1e-5
    (gradient,) = torch.autograd.grad(entry[:, 0, 1].sum(), student)
    assert gradient.norm(dim=-1).max() <= 2 / (STILL * math.sqrt(24))  # as the docstring says
    loss = multi_channel(student, noise(4, 3, 24, dtype=torch.float32))
    loss.backward()
    assert 0 <= loss.item() <= 4
    assert student.grad.isfinite().all()


# --- channels that do not move


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e-24, 1e6 + 0.1, 3e38])
def test_a_constant_channel_has_correlation_zero_with_all_others(value):
    x = noise(2, 3, 96, dtype=torch.float32)
    x[:, 1] = value
    x[:, 2] = value
    found = correlation(x)
    assert (found[:, 1:] == 0).all() and (found[:, :, 1:] == 0).all()
    assert (found[:, 0, 0] - 1).abs().max() < 1e-5


def test_a_channel_that_only_rounding_moves_has_almost_none():
    """One unit in the last place up and down, in step with another channel that does move."""
    beat = (torch.arange(96) % 2).float()
    for offset in (1e2, 1e4, 1e6):
        unit = float(np.spacing(np.float32(offset)))
        x = torch.stack([offset + unit * beat, beat, offset + unit * beat])[None]
        assert x[0, 0].unique().numel() == 2
        off = correlation(x)[0, [0, 0, 1], [1, 2, 2]]
        assert off.abs().max() < 0.05


def test_a_tiny_movement_has_none_though_its_shape_is_the_same():
    wave = noise(1, 1, 96, dtype=torch.float32)
    assert correlation(torch.cat([1e-24 * wave, wave], 1))[0, 0, 1].abs() < 1e-12
    assert correlation(torch.cat([1e-1 * wave, wave], 1))[0, 0, 1] == pytest.approx(1, abs=1e-3)


def test_a_large_offset_changes_a_channel_that_moves_only_as_far_as_it_is_rounded():
    x = noise(1, 2, 96, dtype=torch.float32)
    assert torch.allclose(correlation(x + 1000), correlation(x), atol=1e-3)


# --- precision, and what is refused


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_less_than_float32_is_computed_in_float32(dtype):
    a, b = (noise(3, 4, 24, seed=seed).to(dtype) for seed in (1, 2))
    found = multi_channel(a, b)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, multi_channel(a.float(), b.float()), rtol=0, atol=0)
    assert found.item() == pytest.approx(multi_channel(a.double(), b.double()).item(), rel=1e-5)


def test_one_channel_one_step_and_other_shapes_are_refused_in_one_sentence():
    for shape, words in [
        ((2, 1, 8), "channel_forecast needs at least two channels, got 1"),
        ((2, 3, 1), "channel_forecast needs a horizon of at least 2, got 1"),
    ]:
        with pytest.raises(ValueError, match=f"^{words}$"):
            multi_channel(noise(*shape), noise(*shape))
    with pytest.raises(ValueError, match=r"^student and teacher differ in shape: \(2, 3, 8\) and \(2, 2, 8\)$"):
        inspect.unwrap(multi_channel)(noise(2, 3, 8), noise(2, 2, 8))  # without the tests' own check of shapes


def test_one_channel_has_no_distance():
    assert distance(correlation(noise(2, 1, 8)), correlation(noise(2, 1, 8))).tolist() == [0, 0]
