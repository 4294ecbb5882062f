import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from small import build, parameters, series

from tdlib.models.timesnet import Inception, fold, strongest_periods, unfold


@pytest.mark.parametrize(("horizon", "ours", "published"), [(96, 1_175_159, 1_175_191), (720, 1_625_063, 1_625_095)])
def test_parameters_at_the_published_size(horizon, ours, published):
    assert parameters("timesnet", horizon) == ours
    assert abs(ours / published - 1) < 0.01


def test_more_periods_than_frequencies_are_refused():
    with pytest.raises(ValueError, match=r"^timesnet: periods must be at most 24, the frequencies .*; got 25$"):
        build("timesnet", lookback=37, horizon=11, periods=25)
    assert build("timesnet", 37, 11, 3, periods=24)(series(2, 37, 3)).prediction.isfinite().all()


def test_timesnet_finds_a_planted_period_in_each_window():
    time = torch.arange(96.0)
    planted = torch.tensor([48, 24, 12, 8])
    h = torch.sin(2 * math.pi * time[None, :, None] / planted[:, None, None] + torch.tensor([0.0, 1.0, 2.0]))
    h = h + 0.3 * torch.sin(2 * math.pi * time / 6)[None, :, None]
    periods, amplitude = strongest_periods(h, 2)
    assert periods[:, 0].tolist() == planted.tolist()
    assert periods[:, 1].tolist() == [6] * 4
    torch.testing.assert_close(amplitude[:, 0], torch.full((4,), 48.0), rtol=1e-3, atol=0)  # half of 96 steps
    assert strongest_periods(h[:, :95] + 100, 1)[0].max() <= 95  # the mean is no period


def test_a_period_is_rounded_up():
    h = torch.cos(2 * math.pi * 3 * torch.arange(10.0) / 10)[None, :, None]
    assert strongest_periods(h, 1)[0].item() == 4  # 10 / 3


@pytest.mark.parametrize("period", [1, 2, 5, 7, 16, 36, 37])
def test_folding_and_unfolding_restores_the_sequence(period):
    h = torch.randn(2, 37, 3)
    picture = fold(h, period)
    rows = -(-37 // period)
    assert picture.shape == (2, 3, rows, period)
    assert torch.equal(picture[0, :, (period > 1) * 0, 0], h[0, 0])
    if rows > 1:
        assert torch.equal(picture[:, :, 1, 0], h[:, period])  # one period later: the row below
    assert torch.equal(unfold(picture, 37), h)


@pytest.mark.parametrize("shape", [(20, 20), (1, 9), (9, 1), (2, 30), (4, 3)])
def test_the_mean_kernel_is_the_mean_of_the_convolutions(shape):
    torch.manual_seed(0)
    inception = Inception(3, 4, 6).double()
    picture = torch.randn(2, 3, *shape, dtype=torch.float64)
    expected = torch.stack([conv(picture) for conv in inception.convs]).mean(0)
    torch.testing.assert_close(inception(picture), expected)


def test_timesnets_block_by_hand():
    """The grouped computation against one window and one period at a time, as the paper writes it."""
    block = build("timesnet", 37, 11, width=5, hidden=4, periods=4, kernels=3).blocks[0]
    h = torch.randn(5, 48, 5)
    periods, amplitude = strongest_periods(h, 4)
    expected = h.clone()
    for i in range(5):
        for period, share in zip(periods[i].tolist(), amplitude[i].softmax(0), strict=True):
            picture = block.narrow(F.gelu(block.widen(fold(h[i : i + 1], period))))
            expected[i] += share * unfold(picture, 48)[0]
    torch.testing.assert_close(block(h), block.norm(expected))


def forward_by_hand(model: torch.nn.Module, x: torch.Tensor, periods: int) -> torch.Tensor:
    """One window and one period at a time; the two-dimensional convolutions are torch's."""
    w, steps, out = dict(model.named_parameters()), x.shape[1] + model.feature_width, []
    for window in x:
        mean, deviation = window.mean(0), (window.var(0, unbiased=False) + 1e-5).sqrt()
        z = (window - mean) / deviation
        around = torch.cat([z[-1:], z, z[:1]])  # the ends meet
        h = sum(around[k : k + len(z)] @ w["embed.weight"][:, :, k].T for k in range(3))  # [L, D]
        for t, d in itertools.product(range(len(z)), range(h.shape[1])):
            angle = t / 10000 ** (d // 2 * 2 / h.shape[1])
            h[t, d] += math.cos(angle) if d % 2 else math.sin(angle)
        h = w["extend.weight"] @ h + w["extend.bias"][:, None]  # [T, D]
        for i, block in enumerate(model.blocks):
            strength = torch.fft.rfft(h, dim=0).abs().mean(1)
            strongest = sorted(range(1, len(strength)), key=lambda f: -strength[f])[:periods]
            shares = torch.stack([strength[f] for f in strongest]).softmax(0)
            mixed = h.clone()
            for frequency, share in zip(strongest, shares, strict=True):
                period = math.ceil(steps / frequency)
                rows = math.ceil(steps / period)
                picture = torch.zeros(rows * period, h.shape[1])
                picture[:steps] = h
                picture = picture.T.reshape(1, -1, rows, period)
                for size in ("widen", "narrow"):
                    convs = getattr(block, size).convs  # kernels 1 and 3
                    picture = sum(F.conv2d(picture, conv.weight, conv.bias, padding="same") for conv in convs) / 2
                    picture = F.gelu(picture) if size == "widen" else picture
                mixed = mixed + share * picture.reshape(h.shape[1], -1).T[:steps]
            mixed = mixed - mixed.mean(1, keepdim=True)
            mixed = mixed / (mixed.square().mean(1, keepdim=True) + 1e-5).sqrt()
            h = mixed * w[f"blocks.{i}.norm.weight"] + w[f"blocks.{i}.norm.bias"]
        last = h[x.shape[1] :]  # the horizon
        out.append((last @ w["head.weight"].T + w["head.bias"]) * deviation + mean)
    return torch.stack(out)


def test_its_forward_pass_by_hand():
    model = build("timesnet", 20, 7, 3, width=5, hidden=4, periods=3, kernels=2).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    x = series(4, 20, 3)
    forecast, expected = model(x), forward_by_hand(model, x, periods=3)
    torch.testing.assert_close(forecast.prediction, expected, rtol=1e-4, atol=1e-4)
    mean, deviation = x.mean(1), (x.var(1, unbiased=False) + 1e-5).sqrt()
    features = ((expected - mean[:, None]) / deviation[:, None]).transpose(1, 2)
    torch.testing.assert_close(forecast.features, features, rtol=1e-3, atol=1e-3)


def test_in_training_the_embedding_is_dropped_out():
    model, seen = build("timesnet", dropout=0.3).train(), []
    model.extend.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(series(50, 48, 3))
    assert (seen[0] == 0).double().mean().item() == pytest.approx(0.3, abs=0.02)
