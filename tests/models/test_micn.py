import math

import pytest
import torch
import torch.nn.functional as F
from small import build, parameters, series

from tdlib.models.layers import decompose, sinusoids
from tdlib.models.micn import Branch, Isometric, Mean


@pytest.mark.parametrize(("horizon", "count"), [(96, 48_605_799), (720, 72_910_807)])
def test_parameters_at_the_published_size(horizon, count):
    assert parameters("micn", horizon) == count


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"small_kernel": 38}, "small_kernel must be at most 37, the look-back; got 38"),
        ({"large_kernel": 38}, "large_kernel must be at most 37, the look-back; got 38"),
        ({"trend": "line"}, "trend must be 'regression' or 'mean', got 'line'"),
    ],
)
def test_what_is_refused_and_in_which_words(given, words):
    with pytest.raises(ValueError) as refusal:
        build("micn", lookback=37, **given)
    assert str(refusal.value) == f"micn: {words}"


def test_the_outermost_valid_settings_work():
    model = build("micn", 37, 11, 3, small_kernel=37, large_kernel=1, trend="mean")
    assert model(series(2, 37, 3)).prediction.isfinite().all()


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
    torch.testing.assert_close(build("micn", 37, 11).future(trend), expected)
    torch.testing.assert_close(Mean(11)(trend), expected)


def test_its_forward_pass_by_hand():
    model, x = build("micn", 20, 7, 3, small_kernel=4, large_kernel=6).eval(), series(2, 20, 3)
    mean, deviation = x.mean(1, keepdim=True), (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    z = (x - mean) / deviation
    trend = (decompose(z, 5)[1] + decompose(z, 7)[1]) / 2
    season = F.pad(z - trend, (0, 0, 0, 7))
    around = torch.cat([season[:, -1:], season, season[:, :1]], 1)
    h = sum(around[:, k : k + 27] @ model.embed.weight[:, :, k].T for k in range(3)) + sinusoids(27, 16)
    for layer in model.layers:
        h = layer.merge_norm(layer.merge(torch.cat([branch(h) for branch in layer.branches], 2)))
        first, _, second = layer.feed_forward
        h = layer.norm(h + second(F.gelu(first(h))))
    y, forecast = model.head(h) + torch.cat([trend, model.future(trend.mT).mT], 1), model(x)
    torch.testing.assert_close(forecast.features, y.mT, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(forecast.prediction, y[:, -7:] * deviation + mean, rtol=1e-4, atol=1e-4)
