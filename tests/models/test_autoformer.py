import math

import pytest
import torch
import torch.nn.functional as F
from small import build, parameters, series

from tdlib.models.autoformer import AutoCorrelation, correlation, delayed, strongest


@pytest.mark.parametrize("horizon", [96, 720])
def test_parameters_at_the_published_size(horizon):
    assert parameters("autoformer", horizon) == 10_525_703


def test_the_outermost_valid_settings_work():
    model = build("autoformer", 37, 11, 3, factor=40, heads=16, average=1)
    assert model(series(2, 37, 3)).prediction.isfinite().all()


def spectrum(h: torch.Tensor) -> torch.Tensor:
    """Of [B, S, channels], as one head [B, F, 1, channels]."""
    return torch.fft.rfft(h, dim=1).unsqueeze(2)


@pytest.mark.parametrize("steps", [40, 41])
def test_auto_correlation_finds_a_planted_delay(steps):
    key = torch.randn(3, steps, 4, generator=torch.Generator().manual_seed(0))
    query = torch.stack([key[i].roll(delay, 0) for i, delay in enumerate((3, 17, 30))])
    similarity = correlation(spectrum(query), spectrum(key), steps)  # [B, S, 1]
    assert similarity.argmax(1).flatten().tolist() == [3, 17, 30]  # of each window by itself
    torch.testing.assert_close(similarity.amax(1).flatten(), key.square().mean((1, 2)))
    by_hand = torch.stack([(query * key.roll(delay, 1)).mean((1, 2)) for delay in range(steps)], dim=1)
    torch.testing.assert_close(similarity[..., 0], by_hand, rtol=1e-4, atol=1e-5)


def test_the_largest_delays_share_a_weight_of_one():
    similarity = torch.tensor([0.0, 2.0, 1.0, 3.0])[None, :, None]
    two = torch.tensor([3.0, 2.0]).softmax(0)
    torch.testing.assert_close(
        strongest(similarity, 2).flatten(), torch.stack([0 * two[0], two[1], 0 * two[0], two[0]])
    )
    assert strongest(similarity, 0).flatten().tolist() == [0, 0, 0, 1]
    torch.testing.assert_close(strongest(similarity, 9).sum(1), torch.ones(1, 1))


@pytest.mark.parametrize("steps", [12, 13])
def test_delayed_copies_by_hand(steps):
    value, weights = torch.randn(2, steps, 4), torch.zeros(2, steps, 1)
    weights[:, 0], weights[:, 5] = 0.25, 0.75
    expected = 0.25 * value + 0.75 * value.roll(-5, 1)  # roll: v(t + 5)
    torch.testing.assert_close(delayed(spectrum(value), weights).squeeze(2), expected)


def test_auto_correlation_as_the_paper_writes_it():
    """Projections in the time domain, one delay at a time, against spectra; memory shorter and longer."""
    torch.manual_seed(0)
    block, h = AutoCorrelation(6, 2, 1), torch.randn(2, 20, 6)
    for memory in (h, torch.randn(2, 13, 6), torch.randn(2, 29, 6)):
        aligned = F.pad(memory[:, -20:], (0, 0, 0, max(0, 20 - memory.shape[1])))
        q, k, v = block.query(h), block.key(aligned), block.value(aligned)
        out = torch.zeros_like(h)
        for window in range(2):
            for head in (slice(0, 3), slice(3, 6)):
                r = torch.stack([(q[window, :, head] * k[window, :, head].roll(d, 0)).mean() for d in range(20)])
                kept, delays = r.topk(int(math.log(20)))
                for share, delay in zip(kept.softmax(0), delays.tolist(), strict=True):
                    out[window, :, head] += share * v[window, :, head].roll(-delay, 0)
        torch.testing.assert_close(block(h, memory), block.out(out), rtol=1e-4, atol=1e-5)
