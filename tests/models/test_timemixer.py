import pytest
import torch
import torch.nn.functional as F
from small import build, parameters, series, silence

from tdlib.models import timemixer
from tdlib.models.layers import moving_average


@pytest.mark.parametrize(("horizon", "ours", "published"), [(96, 3_201_553, 3_201_737), (720, 4_046_449, 4_046_633)])
def test_parameters_at_the_published_size(horizon, ours, published):
    assert parameters("timemixer", horizon) == ours
    assert abs(ours / published - 1) < 0.01


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"poolings": 6}, "poolings must be at most 5, how often look-back 37 can be halved; got 6"),
        ({"poolings": -1}, "poolings must be at least 0, got -1"),
    ],
)
def test_what_is_refused_and_in_which_words(given, words):
    with pytest.raises(ValueError) as refusal:
        build("timemixer", lookback=37, **given)
    assert str(refusal.value) == f"timemixer: {words}"


@pytest.mark.parametrize("poolings", [0, 5])
def test_the_outermost_valid_settings_work(poolings):
    assert build("timemixer", 37, 11, 3, poolings=poolings)(series(2, 37, 3)).prediction.isfinite().all()


def test_the_feature_is_the_output_before_de_normalisation():
    model, x = build("timemixer", 37, 11).eval(), series(4, 37, 3)
    forecast = model(x)
    deviation = (x.var(1, unbiased=False) + 1e-5).sqrt()
    expected = forecast.features * deviation[:, :, None] + x.mean(1)[:, :, None]
    torch.testing.assert_close(forecast.prediction, expected.transpose(1, 2))


def test_timemixers_scales_are_averages_of_pairs():
    scales = timemixer.scales(torch.arange(7.0)[None, None], 2)
    assert [scale.flatten().tolist() for scale in scales] == [[0, 1, 2, 3, 4, 5, 6], [0.5, 2.5, 4.5], [1.5]]


def mixing_layer(lengths, average=5):
    """A layer whose two matrices along D are the identity, to see seasons and trends as they are mixed."""
    torch.manual_seed(0)
    layer = timemixer._Layer(lengths, 2, 2, average)
    layer._feed_forward = lambda h: h
    return layer


def test_timemixers_mixing_keeps_shapes_and_its_parts_sum_back():
    lengths = [13, 6, 3]
    layer = mixing_layer(lengths)
    h = [torch.randn(4, 2, length) for length in lengths]
    assert [mixed.shape for mixed in layer(h)] == [h_m.shape for h_m in h]
    silence(layer.season, layer.trend)  # nothing is mixed: season + trend are the input, plus the residual
    for mixed, h_m in zip(layer(h), h, strict=True):
        torch.testing.assert_close(mixed, 2 * h_m)


def test_timemixers_seasons_go_up_and_its_trends_down():
    lengths = [13, 6, 3]
    h = [torch.randn(4, 2, length) for length in lengths]

    def reached(quiet: str, at: int = 1) -> list[bool]:
        layer = mixing_layer(lengths)
        silence(getattr(layer, quiet))
        changed = [h_m + torch.randn_like(h_m) if m == at else h_m for m, h_m in enumerate(h)]
        return [not torch.equal(a, b) for a, b in zip(layer(h), layer(changed), strict=True)]

    assert reached(quiet="trend") == [False, True, True]  # a season reaches the coarser scales only
    assert reached(quiet="season") == [True, True, False]  # a trend the finer ones
    assert reached(quiet="trend", at=0) == [True, True, True]  # through the one between
    assert reached(quiet="season", at=2) == [True, True, True]


def test_timemixers_last_network_is_two_matrices_along_the_width():
    torch.manual_seed(0)
    layer, h = timemixer._Layer([8, 4], 2, 3, 3), [torch.randn(1, 2, 8), torch.randn(1, 2, 4)]
    silence(layer.season, layer.trend)
    for mixed, h_m in zip(layer(h), h, strict=True):
        torch.testing.assert_close(mixed, h_m + layer.narrow(F.gelu(layer.widen(h_m.mT))).mT)


def test_timemixers_season_by_hand():
    layer = mixing_layer([8, 4], average=3)
    silence(layer.trend)
    h = [torch.randn(1, 2, 8), torch.randn(1, 2, 4)]
    season = h[0] - moving_average(h[0], 3)
    first, _, second = layer.season[0]
    mixed = F.gelu(season @ first.weight.T + first.bias) @ second.weight.T + second.bias
    torch.testing.assert_close(layer(h)[1], 2 * h[1] + mixed)


def test_the_order_of_timemixers_last_maps_does_not_matter():
    model = build("timemixer", 37, 11)
    h = torch.randn(4, 16, 37)
    along_time = model.predictors[0]
    projected_first = along_time(timemixer._along_width(model.project, h).squeeze(1))
    bias = model.project.bias * along_time.weight.sum(1) + along_time.bias
    predicted_first = torch.einsum("d,bdl,hl->bh", model.project.weight[0], h, along_time.weight) + bias
    torch.testing.assert_close(projected_first, predicted_first)
