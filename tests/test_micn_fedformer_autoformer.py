"""MICN, FEDformer and Autoformer: their contract, their refusals, their parts by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from tdlib import models
from tdlib.models import autoformer
from tdlib.models.autoformer import AutoCorrelation, correlation, delayed, strongest
from tdlib.models.fedformer import FourierAttention, FourierBlock, Modes
from tdlib.models.layers import decompose, moving_average
from tdlib.models.micn import Branch, Isometric, Mean
from tdlib.report import tables

TEACHERS = ("micn", "fedformer", "autoformer")
SMALL = {
    "micn": dict(width=6, hidden=10, layers=2, small_kernel=4, large_kernel=7),
    "fedformer": dict(width=6, hidden=10, layers=2, heads=3, modes=5, average=7),
    "autoformer": dict(width=6, hidden=10, layers=2, heads=3, average=7),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As the study trains; two threads beside other work wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(name: str, lookback: int = 37, horizon: int = 11, channels: int = 3, seed: int = 0, **given):
    torch.manual_seed(seed)
    return models.build(name, lookback=lookback, horizon=horizon, channels=channels, **(given or SMALL[name]))


def series(batch: int, lookback: int, channels: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, lookback, channels, generator=torch.Generator().manual_seed(seed)).cumsum(1)


@pytest.mark.parametrize("name", TEACHERS)
def test_nor_does_it_in_training(name):
    model = small(name, **dict(SMALL[name], dropout=0.0)).train()
    x = series(6, 37, 3)
    torch.testing.assert_close(model(x[2:3]).prediction[0], model(x).prediction[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TEACHERS)
def test_channels_are_mixed(name):
    model = small(name).eval()
    x = series(2, 37, 3)
    other = x.clone()
    other[:, :, 2] = series(2, 37, 1, seed=2)[:, :, 0]
    assert not torch.allclose(model(x).prediction[:, :, 0], model(other).prediction[:, :, 0])


@pytest.mark.parametrize(("name", "width"), [("micn", 37 + 11), ("fedformer", 18 + 11), ("autoformer", 18 + 11)])
def test_the_feature_ends_with_the_output_before_de_normalisation(name, width):
    model, x = small(name).eval(), series(4, 37, 3)
    forecast = model(x)
    assert model.feature_width == width
    deviation = (x.var(1, unbiased=False) + 1e-5).sqrt()
    expected = forecast.features[:, :, -11:] * deviation[:, :, None] + x.mean(1)[:, :, None]
    torch.testing.assert_close(forecast.prediction, expected.transpose(1, 2))


REFUSALS = [
    ("micn", dict(small_kernel=38), "micn: small_kernel must lie in 1..37, the look-back, got 38"),
    ("micn", dict(large_kernel=0), "micn: large_kernel must lie in 1..37, the look-back, got 0"),
    ("micn", dict(trend="line"), "micn: trend must be 'regression' or 'mean', got 'line'"),
    ("micn", dict(width=0), "micn: width must be at least 1, got 0"),
    ("fedformer", dict(modes=16), "fedformer: modes must lie in 1..15, the frequencies"),
    ("fedformer", dict(modes=0), "fedformer: modes must lie in 1..15"),
    ("fedformer", dict(), "fedformer: modes must lie in 1..15, the frequencies at look-back 37 and horizon 11"),
    ("autoformer", dict(factor=0), "autoformer: factor must be at least 1, got 0"),
    *((name, {key: 0}, f"{name}: {key} must be at least 1, got 0")
      for name in TEACHERS for key in ("hidden", "layers")),
    *((name, dict(average=0), f"{name}: average must be at least 1, got 0") for name in TEACHERS[1:]),
    *((name, dict(width=10, heads=4), f"{name}: width 10 must be a multiple of heads, 4") for name in TEACHERS[1:]),
    *((name, dict(heads=0), f"{name}: width 512 must be a multiple of heads, 0") for name in TEACHERS[1:]),
    *((name, dict(width=0), f"{name}: width 0 must be a multiple of heads, 8") for name in TEACHERS[1:]),
    *((name, dict(dropout=rate), f"{name}: dropout must lie in [0, 1), got {rate}")
      for name in TEACHERS for rate in (1.0, -0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "sentence"), REFUSALS)
def test_what_is_refused_and_in_which_words(name, given, sentence):
    if name == "fedformer" and given and "modes" not in given:
        given = dict(modes=5) | given
    with pytest.raises(ValueError) as refusal:
        models.build(name, lookback=37, horizon=11, channels=3, **given)
    assert str(refusal.value).startswith(sentence)


def test_the_outermost_valid_settings_work():
    for name, given in [
        ("micn", dict(SMALL["micn"], small_kernel=37, large_kernel=1, trend="mean")),
        ("fedformer", dict(SMALL["fedformer"], modes=15, average=60)),
        ("autoformer", dict(SMALL["autoformer"], factor=40, heads=6, average=1)),
    ]:
        assert small(name, **given)(series(2, 37, 3)).prediction.isfinite().all()


@pytest.mark.parametrize(
    ("name", "horizon", "count"),
    [
        ("micn", 96, 48_605_799),
        ("micn", 720, 72_910_807),
        ("fedformer", 96, 21_533_703),
        ("fedformer", 720, 21_533_703),
        ("autoformer", 96, 10_525_703),
        ("autoformer", 720, 10_525_703),
    ],
)
def test_parameters_at_the_published_size(name, horizon, count):
    with torch.device("meta"):  # shapes without memory
        model = models.build(name, lookback=720, horizon=horizon, channels=7)
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_they_are_teachers_with_names_for_tables():
    assert set(TEACHERS) <= set(models.names("teacher"))
    assert [tables.system(name) for name in TEACHERS] == ["MICN", "FEDformer", "Autoformer"]


@pytest.mark.parametrize("width", [1, 2, 25, 60])
def test_a_decomposition_sums_back_and_its_trend_is_the_moving_average(width):
    h = torch.randn(2, 37, 3)
    season, trend = decompose(h, width)
    torch.testing.assert_close(season + trend, h)
    torch.testing.assert_close(trend, moving_average(h.transpose(1, 2), width).transpose(1, 2), rtol=1e-5, atol=1e-6)


def test_a_decomposition_by_hand():
    season, trend = decompose(torch.tensor([1.0, 4.0, 4.0, 1.0])[None, :, None], 3)
    assert trend.flatten().tolist() == pytest.approx([2, 3, 3, 2])
    assert season.flatten().tolist() == pytest.approx([-1, 1, 1, -1])


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


def test_the_decoder_starts_with_the_last_half_of_the_look_back():
    net = small("autoformer").net
    part = torch.arange(37.0)[None, :, None]
    assert net._known_half(part).flatten().tolist() == [*range(19, 37), *[0] * 11]


def test_a_season_has_no_mean():
    h = autoformer._without_mean(torch.randn(2, 9, 3) + 5)
    torch.testing.assert_close(h.mean(1), torch.zeros(2, 3), rtol=0, atol=1e-5)


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
    q, k, v = (torch.fft.rfft(layer(x), dim=1, norm="ortho") for layer, x in
               ((block.query, h), (block.key, memory), (block.value, memory)))  # fmt: skip
    q, k, v = q[:, block.modes.frequency], k[:, block.memory_modes.frequency], v[:, block.memory_modes.frequency]
    out = torch.zeros(2, 11, 6, dtype=torch.complex64)
    for head in (slice(0, 3), slice(3, 6)):
        scores = torch.einsum("bqe,bke->bqk", q[..., head], k[..., head]) / math.sqrt(3)
        weights = torch.complex(scores.real.tanh(), scores.imag.tanh()) / 2  # sqrt of 4 modes
        out[:, block.modes.frequency, head] = weights @ v[..., head]
    expected = block.out(torch.fft.irfft(out, n=20, dim=1, norm="ortho"))
    torch.testing.assert_close(block(h, memory), expected, rtol=1e-4, atol=1e-5)


def test_the_drawn_frequencies_travel_with_the_weights():
    first, second = small("fedformer", seed=0).eval(), small("fedformer", seed=1).eval()
    x = series(2, 37, 3)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x).prediction, second(x).prediction)


@pytest.mark.parametrize("kernel", [1, 4, 5, 48])
def test_micns_branches_keep_the_length(kernel):
    assert Branch(48, 6, kernel, 0.1)(torch.randn(2, 48, 6)).shape == (2, 48, 6)
    assert Branch(48, 6, kernel, 0.1).pieces == math.ceil(48 / kernel)


def test_micns_branch_is_its_convolutions():
    """Down- and up-sampling by torch's strided convolutions with the same weights, the isometric one causal."""
    torch.manual_seed(0)
    branch, h = Branch(22, 6, 4, 0.0), torch.randn(2, 22, 6)
    season, _ = decompose(h, 5)
    down = branch.down.weight.unflatten(1, (4, 6)).transpose(1, 2)  # [out, in, k]
    near = F.conv1d(F.pad(season.transpose(1, 2), (0, 2)), down, branch.down.bias, stride=4).tanh()  # [B, D, 6]
    causal = branch.isometric.weight.permute(2, 1, 0).flip(2)  # [out, in, N]
    far = F.conv1d(F.pad(near, (5, 0)), causal, branch.isometric.bias).tanh()
    far = branch.global_norm((near + far).transpose(1, 2)).transpose(1, 2)
    up = branch.up.weight.unflatten(0, (4, 6)).permute(2, 1, 0)  # [in, out, k]
    far = F.conv_transpose1d(far, up, stride=4) + branch.up.bias.unflatten(0, (4, 6)).T.repeat(1, 6)
    expected = branch.norm(season + far.tanh().transpose(1, 2)[:, :22])
    torch.testing.assert_close(branch(h), expected, rtol=1e-4, atol=1e-5)


def test_the_isometric_convolution_never_looks_ahead():
    isometric, x = Isometric(9, 3), torch.randn(2, 9, 3)
    other = x.clone()
    other[:, 5:] = 0
    torch.testing.assert_close(isometric(x)[:, :5], isometric(other)[:, :5])
    assert not torch.allclose(isometric(x)[:, 5:], isometric(other)[:, 5:])


def test_micns_trend_starts_as_the_mean():
    trend = torch.randn(2, 3, 37)
    expected = trend.mean(2, keepdim=True).expand(-1, -1, 11)
    torch.testing.assert_close(small("micn").future(trend), expected)
    torch.testing.assert_close(Mean(11)(trend), expected)
