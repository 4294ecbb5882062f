"""What models share, by hand."""

import math

import numpy as np
import pytest
import torch

from tdlib.models import layers


@pytest.mark.parametrize("scale", [True, False])
def test_denormalize_is_the_inverse_of_normalize(scale):
    x = 100 + 5 * torch.randn(3, 48, 2, dtype=torch.float64)
    z, stats = layers.normalize(x, scale=scale)
    torch.testing.assert_close(layers.denormalize(z, stats), x)
    torch.testing.assert_close(z.mean(1), torch.zeros(3, 2, dtype=torch.float64))
    if scale:
        torch.testing.assert_close(z.var(1, unbiased=False), torch.ones(3, 2, dtype=torch.float64), rtol=1e-5, atol=0)
    else:
        torch.testing.assert_close(z, x - x.mean(1, keepdim=True))


def test_denormalize_takes_any_number_of_steps():
    x = 7 + 3 * torch.randn(2, 48, 1)
    stats = layers.normalize(x)[1]
    assert layers.denormalize(torch.zeros(2, 5, 1), stats).shape == (2, 5, 1)
    torch.testing.assert_close(layers.denormalize(torch.zeros(2, 5, 1), stats), x.mean(1, keepdim=True).expand(2, 5, 1))


def test_a_constant_window_is_normalised_to_zeros():
    z, stats = layers.normalize(torch.full((2, 48, 3), 1e4))
    assert torch.equal(z, torch.zeros(2, 48, 3))
    assert (stats.deviation > 0).all()


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1, [1, 2, 4, 8]),
        (2, [3 / 2, 6 / 2, 12 / 2, 16 / 2]),  # 1 2 4 8 | 8
        (3, [4 / 3, 7 / 3, 14 / 3, 20 / 3]),  # 1 | 1 2 4 8 | 8
        (4, [8 / 4, 15 / 4, 22 / 4, 28 / 4]),  # 1 | 1 2 4 8 | 8 8
        (9, [(4 * 1 + 1 + 2 + 4 + 8 + 8) / 9, (3 + 15 + 16) / 9, (2 + 15 + 24) / 9, (1 + 15 + 32) / 9]),
    ],
)
def test_the_moving_average_repeats_the_ends(width, expected):
    average = layers.moving_average(torch.tensor([[[1.0, 2.0, 4.0, 8.0]]]), width)
    torch.testing.assert_close(average, torch.tensor([[expected]], dtype=torch.float32))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 13])
@pytest.mark.parametrize("length", [1, 5, 30])
def test_the_gradient_of_the_moving_average_is_that_of_finite_differences(width, length):
    x = torch.randn(2, length, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layers.moving_average(x, width, dim=1), x)


def test_dropout_does_nothing_in_evaluation_mode_or_at_rate_zero():
    x = torch.randn(3, 5)
    assert torch.equal(layers.Dropout(0.5).eval()(x), x)
    assert torch.equal(layers.Dropout(0.0).train()(x), x)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_dropout_keeps_its_rate_and_the_expectation(rate):
    torch.manual_seed(0)
    count = 200_001  # no multiple of four
    y = layers.Dropout(rate).train()(torch.ones(count))
    dropped = (y == 0).double().mean().item()
    assert dropped == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / count))
    assert y.mean().item() == pytest.approx(1, abs=5 * np.sqrt(rate / (1 - rate) / count))
    kept = y[y != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_draws_the_numbers_that_randint_draws_so_that_rows_trained_with_those_come_again(rate):
    torch.manual_seed(3)
    y = layers.Dropout(rate).train()(torch.ones(10_001))
    torch.manual_seed(3)
    draws = torch.randint(-(2**63), 2**63 - 1, (10_001 // 4 + 1,)).view(torch.int16)[:10_001]
    assert torch.equal(y, (draws >= round(rate * 2**16) - 2**15) / (1 - rate))


def test_the_draws_of_dropout_do_not_hang_together():
    torch.manual_seed(0)
    y = layers.Dropout(0.5).train()(torch.ones(100_000)) - 1  # -1 or 1
    for lag in (1, 2, 3, 4, 8):  # four draws share one random integer
        assert abs((y[lag:] * y[:-lag]).mean().item()) < 5 / np.sqrt(100_000)


def test_dropout_passes_gradients_where_it_passes_values():
    torch.manual_seed(0)
    x = torch.randn(4, 7, 3, requires_grad=True)
    y = layers.Dropout(0.4).train()(x)
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0)
    assert 0 < (y == 0).sum() < y.numel()
    torch.testing.assert_close(x.grad * x, y)


def test_a_rate_of_dropout_that_rounds_to_one_drops_everything():
    y = layers.Dropout(1 - 1e-6).train()(torch.ones(10_000))
    assert (y == 0).double().mean() > 0.99


@pytest.mark.parametrize("width", [1, 2, 25, 60])
def test_a_decomposition_sums_back_and_its_trend_is_the_moving_average(width):
    h = torch.randn(2, 37, 3)
    season, trend = layers.decompose(h, width)
    torch.testing.assert_close(season + trend, h)
    average = layers.moving_average(h.transpose(1, 2), width).transpose(1, 2)
    torch.testing.assert_close(trend, average, rtol=1e-5, atol=1e-6)


def test_a_decomposition_by_hand():
    season, trend = layers.decompose(torch.tensor([1.0, 4.0, 4.0, 1.0])[None, :, None], 3)
    assert trend.flatten().tolist() == pytest.approx([2, 3, 3, 2])
    assert season.flatten().tolist() == pytest.approx([-1, 1, 1, -1])


def test_the_position_code_is_sine_and_cosine_by_turns():
    code = layers.sinusoids(9, 5)
    for step in range(9):
        slow, slower = step * 10000 ** (-2 / 5), step * 10000 ** (-4 / 5)
        expected = [math.sin(step), math.cos(step), math.sin(slow), math.cos(slow), math.sin(slower)]
        assert code[step].tolist() == pytest.approx(expected, abs=1e-6)


def test_affines_inverse_undoes_it():
    affine, z = layers.Affine(3), torch.randn(2, 5, 3)
    with torch.no_grad():
        affine.scale.copy_(torch.tensor([2.0, -0.5, 4.0]))
        affine.shift.copy_(torch.tensor([1.0, 0.0, -3.0]))
    torch.testing.assert_close(affine(z)[..., 0], 2 * z[..., 0] + 1)
    torch.testing.assert_close(affine.inverse(affine(z)), z)
