import math

import pytest
import torch
from small import build, parameters, series, settings

from tdlib import models
from tdlib.models.fedformer import FourierAttention, FourierBlock, Modes


@pytest.mark.parametrize("horizon", [96, 720])
def test_parameters_at_the_published_size(horizon):
    assert parameters("fedformer", horizon) == 21_533_703


def test_more_modes_than_frequencies_are_refused():
    words = r"^fedformer: modes must be at most 15, the frequencies of the shorter of encoder and decoder; got 16$"
    with pytest.raises(ValueError, match=words):
        build("fedformer", lookback=37, horizon=11, modes=16)
    assert build("fedformer", 37, 11, 3, modes=15, average=60)(series(2, 37, 3)).prediction.isfinite().all()


def test_the_default_number_of_modes_fits_a_short_horizon():
    assert len(build("fedformer", 96, 24, modes=64).net.decoder.mix.modes.frequency) == 37  # of 72 steps


@pytest.mark.parametrize("steps", [24, 25])
def test_modes_keep_exactly_the_chosen_frequencies(steps):
    torch.manual_seed(0)
    modes, h = Modes(steps, 5), torch.randn(2, steps, 3)
    kept = modes.inverse(modes(h))
    whole = torch.fft.rfft(h, dim=1)
    mask = torch.zeros(steps // 2 + 1, 1)
    mask[modes.frequency] = 1
    assert mask.sum() == 5
    torch.testing.assert_close(kept, torch.fft.irfft(whole * mask, n=steps, dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(modes.inverse(modes(kept)), kept, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 24, 25])
def test_a_fourier_block_with_all_modes_and_identities_is_the_identity(steps):
    block = FourierBlock(steps, 6, 2, steps // 2 + 1)
    with torch.no_grad():
        for weight in (block.query.weight, block.out.weight):
            weight.copy_(torch.eye(6))
        block.kernel[0], block.kernel[1] = torch.eye(3), 0.0
    h = torch.randn(2, steps, 6)
    torch.testing.assert_close(block(h, h), h, rtol=1e-4, atol=1e-5)


def test_a_fourier_block_cannot_make_a_frequency_that_it_does_not_have():
    torch.manual_seed(0)
    block = FourierBlock(24, 6, 2, 3)
    out = torch.fft.rfft(block(torch.randn(2, 24, 6), torch.zeros(1)), dim=1).abs().amax((0, 2))
    assert (out > 1e-3).nonzero().flatten().tolist() == block.modes.frequency.tolist()


def test_fourier_attention_by_hand():
    torch.manual_seed(0)
    block, h, memory = FourierAttention(20, 14, 6, 2, 4), torch.randn(2, 20, 6), torch.randn(2, 14, 6)
    q, k, v = (
        torch.fft.rfft(layer(x), dim=1, norm="ortho")
        for layer, x in ((block.query, h), (block.key, memory), (block.value, memory))
    )
    q, k, v = q[:, block.modes.frequency], k[:, block.memory_modes.frequency], v[:, block.memory_modes.frequency]
    out = torch.zeros(2, 11, 6, dtype=torch.complex64)
    for head in (slice(0, 3), slice(3, 6)):
        scores = torch.einsum("bqe,bke->bqk", q[..., head], k[..., head]) / math.sqrt(3)
        weights = torch.complex(scores.real.tanh(), scores.imag.tanh()) / 2  # sqrt of 4 modes
        out[:, block.modes.frequency, head] = weights @ v[..., head]
    expected = block.out(torch.fft.irfft(out, n=20, dim=1, norm="ortho"))
    torch.testing.assert_close(block(h, memory), expected, rtol=1e-4, atol=1e-5)


def test_the_drawn_frequencies_travel_with_the_weights():
    first = build("fedformer", 37, 11).eval()
    second = models.build("fedformer", lookback=37, horizon=11, channels=3, **settings("fedformer")).eval()
    x = series(2, 37, 3)
    assert not torch.equal(first(x).prediction, second(x).prediction)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x).prediction, second(x).prediction)
