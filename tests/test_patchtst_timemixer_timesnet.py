"""PatchTST, TimeMixer and TimesNet: their contract, their refusals, their parts by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from tdlib import models
from tdlib.models import timemixer
from tdlib.models.layers import moving_average
from tdlib.models.patchtst import cut
from tdlib.models.timesnet import Inception, fold, strongest_periods, unfold
from tdlib.report import tables

TEACHERS = ("patchtst", "timemixer", "timesnet")
SMALL = {
    "patchtst": dict(patch=5, stride=3, width=12, hidden=10, heads=3),
    "timemixer": dict(width=3, hidden=5, layers=2, poolings=2, average=7),
    "timesnet": dict(width=5, hidden=4, layers=2, periods=2, kernels=3),
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


@pytest.mark.parametrize("name", ["patchtst", "timemixer"])
def test_channels_are_independent(name):
    model = small(name).eval()
    x, order = series(4, 37, 3), [2, 0, 1]
    permuted, straight = model(x[:, :, order]), model(x)
    torch.testing.assert_close(permuted.prediction, straight.prediction[:, :, order])
    torch.testing.assert_close(permuted.features, straight.features[:, order])


def test_timesnet_mixes_channels():
    model = small("timesnet").eval()
    x = series(2, 37, 3)
    other = x.clone()
    other[:, :, 2] = series(2, 37, 1, seed=2)[:, :, 0]
    assert not torch.allclose(model(x).prediction[:, :, 0], model(other).prediction[:, :, 0])


@pytest.mark.parametrize("name", ["timemixer", "timesnet"])
def test_the_feature_is_the_output_before_de_normalisation(name):
    model, x = small(name).eval(), series(4, 37, 3)
    forecast = model(x)
    deviation = (x.var(1, unbiased=False) + 1e-5).sqrt()
    expected = forecast.features * deviation[:, :, None] + x.mean(1)[:, :, None]
    torch.testing.assert_close(forecast.prediction, expected.transpose(1, 2))


def test_patchtsts_head_reads_the_feature_of_each_channel():
    model, x = small("patchtst").eval(), series(4, 37, 3)
    forecast = model(x)
    deviation = (x.var(1, unbiased=False) + 1e-5).sqrt()
    expected = model.head(forecast.features) * deviation[:, :, None] + x.mean(1)[:, :, None]
    torch.testing.assert_close(forecast.prediction, expected.transpose(1, 2))


REFUSALS = [
    ("patchtst", dict(patch=38), "patchtst: patch must lie in 1..37, the look-back, got 38"),
    ("patchtst", dict(patch=0), "patchtst: patch must lie in 1..37"),
    ("patchtst", dict(patch=5, stride=6), "patchtst: stride must lie in 1..5, the patch, got 6"),
    ("patchtst", dict(stride=0), "patchtst: stride must lie in 1..16"),
    ("patchtst", dict(width=10, heads=4), "patchtst: width 10 must be a multiple of heads, 4"),
    ("patchtst", dict(heads=0), "patchtst: width 512 must be a multiple of heads, 0"),
    ("patchtst", dict(width=0), "patchtst: width 0 must be a multiple of heads, 16"),
    ("timemixer", dict(poolings=6), "timemixer: poolings must lie in 0..5, the times that look-back 37 can be halved"),
    ("timemixer", dict(poolings=-1), "timemixer: poolings must lie in 0..5"),
    ("timemixer", dict(width=0), "timemixer: width must be at least 1, got 0"),
    ("timemixer", dict(average=0), "timemixer: average must be at least 1, got 0"),
    ("timesnet", dict(periods=25), "timesnet: periods must lie in 1..24, the frequencies of look-back"),
    ("timesnet", dict(periods=0), "timesnet: periods must lie in 1..24"),
    ("timesnet", dict(kernels=0), "timesnet: kernels must be at least 1, got 0"),
    ("timesnet", dict(width=0), "timesnet: width must be at least 1, got 0"),
    *((name, {key: 0}, f"{name}: {key} must be at least 1, got 0")
      for name in TEACHERS for key in ("hidden", "layers")),
    *((name, dict(dropout=rate), f"{name}: dropout must lie in [0, 1), got {rate}")
      for name in TEACHERS for rate in (1.0, -0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "sentence"), REFUSALS)
def test_what_is_refused_and_in_which_words(name, given, sentence):
    with pytest.raises(ValueError) as refusal:
        small(name, **given)
    assert str(refusal.value).startswith(sentence)


def test_the_outermost_valid_settings_work():
    for name, given in [
        ("patchtst", dict(SMALL["patchtst"], patch=37, stride=37)),
        ("timemixer", dict(SMALL["timemixer"], poolings=5)),
        ("timesnet", dict(SMALL["timesnet"], periods=24)),
    ]:
        assert small(name, **given)(series(2, 37, 3)).prediction.isfinite().all()


@pytest.mark.parametrize(
    ("name", "horizon", "ours", "published"),
    [
        ("patchtst", 96, 7_630_944, 7_585_376),
        ("patchtst", 720, 36_385_488, 36_339_920),
        ("timemixer", 96, 3_201_553, 3_201_737),
        ("timemixer", 720, 4_046_449, 4_046_633),
        ("timesnet", 96, 1_175_159, 1_175_191),
        ("timesnet", 720, 1_625_063, 1_625_095),
    ],
)
def test_parameters_at_the_published_size(name, horizon, ours, published):
    model = models.build(name, lookback=720, horizon=horizon, channels=7)
    assert sum(weight.numel() for weight in model.parameters()) == ours
    assert abs(ours / published - 1) < 0.01


def test_they_are_teachers_with_names_for_tables():
    assert set(TEACHERS) <= set(models.names("teacher"))
    assert [tables.system(name) for name in TEACHERS] == ["PatchTST", "TimeMixer", "TimesNet"]


def test_patches_overlap_and_the_last_value_is_repeated():
    patches = cut(torch.arange(7.0)[None], 4, 2)
    assert patches.tolist() == [[[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 6]]]
    assert cut(torch.zeros(1, 720), 16, 8).shape == (1, 90, 16)  # as published
    for lookback in range(16, 40):
        assert float(cut(torch.arange(float(lookback))[None], 16, 8).max()) == lookback - 1  # no value is left out


def test_timemixers_scales_are_averages_of_pairs():
    scales = timemixer.scales(torch.arange(7.0)[None, None], 2)
    assert [scale.flatten().tolist() for scale in scales] == [[0, 1, 2, 3, 4, 5, 6], [0.5, 2.5, 4.5], [1.5]]


def mixing_layer(lengths, average=5):
    """A layer whose two matrices along D are the identity, to see seasons and trends as they are mixed."""
    torch.manual_seed(0)
    layer = timemixer._Layer(lengths, 2, 2, average)
    layer._feed_forward = lambda h: h
    return layer


def silent(mlps):
    for mlp in mlps:
        torch.nn.init.zeros_(mlp[2].weight), torch.nn.init.zeros_(mlp[2].bias)


def test_timemixers_mixing_keeps_shapes_and_its_parts_sum_back():
    lengths = [13, 6, 3]
    layer = mixing_layer(lengths)
    h = [torch.randn(4, 2, length) for length in lengths]
    assert [mixed.shape for mixed in layer(h)] == [h_m.shape for h_m in h]
    silent(layer.season), silent(layer.trend)  # nothing is mixed: season + trend are the input, plus the residual
    for mixed, h_m in zip(layer(h), h, strict=True):
        torch.testing.assert_close(mixed, 2 * h_m)


def test_timemixers_seasons_go_up_and_its_trends_down():
    lengths = [13, 6, 3]
    h = [torch.randn(4, 2, length) for length in lengths]
    changed = [h[0], h[1] + torch.randn(4, 2, 6), h[2]]

    def reached(quiet: str) -> list[bool]:
        layer = mixing_layer(lengths)
        silent(getattr(layer, quiet))
        return [not torch.equal(a, b) for a, b in zip(layer(h), layer(changed), strict=True)]

    assert reached(quiet="trend") == [False, True, True]  # a season reaches the coarser scales only
    assert reached(quiet="season") == [True, True, False]  # a trend the finer ones


def test_timemixers_season_by_hand():
    layer = mixing_layer([8, 4], average=3)
    silent(layer.trend)
    h = [torch.randn(1, 2, 8), torch.randn(1, 2, 4)]
    season = h[0] - moving_average(h[0], 3)
    first, _, second = layer.season[0]
    mixed = F.gelu(season @ first.weight.T + first.bias) @ second.weight.T + second.bias
    torch.testing.assert_close(layer(h)[1], 2 * h[1] + mixed)


def test_the_order_of_timemixers_last_maps_does_not_matter():
    model = small("timemixer")
    h = torch.randn(4, 3, 37)
    along_time = model.predictors[0]
    projected_first = along_time(timemixer._along_width(model.project, h).squeeze(1))
    bias = model.project.bias * along_time.weight.sum(1) + along_time.bias
    predicted_first = torch.einsum("d,bdl,hl->bh", model.project.weight[0], h, along_time.weight) + bias
    torch.testing.assert_close(projected_first, predicted_first)


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
    block = small("timesnet", **dict(SMALL["timesnet"], periods=4)).blocks[0]
    h = torch.randn(5, 48, 5)
    periods, amplitude = strongest_periods(h, 4)
    expected = h.clone()
    for i in range(5):
        for period, share in zip(periods[i].tolist(), amplitude[i].softmax(0), strict=True):
            picture = block.narrow(F.gelu(block.widen(fold(h[i : i + 1], period))))
            expected[i] += share * unfold(picture, 48)[0]
    torch.testing.assert_close(block(h), block.norm(expected))
