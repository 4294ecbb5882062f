"""Every model keeps one contract; sizes are the published ones; what is simple is computed by hand."""

import numpy as np
import pytest
import small
import torch

from tdlib import models
from tdlib.models import layers


@pytest.fixture(autouse=True)
def one_thread():
    """As every run of a study."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(name: str, lookback: int, horizon: int, channels: int, **settings) -> torch.nn.Module:
    torch.manual_seed(0)
    shape = {"lookback": lookback, "horizon": horizon, "channels": channels}
    return models.build(name, **shape, **(small.settings(name) | settings))


def worn(model: torch.nn.Module, lookback: int, channels: int) -> torch.nn.Module:
    """The model in evaluation mode, after some training batches have moved its running statistics."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(1 + 2 * torch.randn(8, lookback, channels))
    return model.eval()


def parameters(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


# --- sizes


@pytest.mark.parametrize(("horizon", "count"), [(96, 836_842), (192, 935_338), (336, 1_083_082), (720, 1_477_066)])
def test_the_mlp_has_the_published_number_of_parameters(horizon, count):
    assert parameters(models.build("mlp", lookback=720, horizon=horizon, channels=7)) == count


@pytest.mark.parametrize(("horizon", "count"), [(96, 1_001_312), (720, 1_161_680)])
def test_itransformer_has_the_published_number_of_parameters(horizon, count):
    model = models.build("itransformer", lookback=720, horizon=horizon, channels=7, width=256, hidden=256, layers=2)
    assert parameters(model) == count
    assert model.feature_width == 256


def test_moderntcn_has_the_number_of_parameters_and_the_width_that_it_states():
    model = models.build("moderntcn", lookback=720, horizon=96, channels=7)
    assert parameters(model) == 1_199_136
    assert model.feature_width == 64 * 180


# --- the contract


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize(
    ("lookback", "horizon", "channels"), [(48, 16, 3), (47, 13, 2), (97, 101, 1), (50, 1, 4), (61, 8, 1)]
)
def test_every_model_returns_its_shapes_for_any_usual_window(name, lookback, horizon, channels):
    model = build(name, lookback, horizon, channels)
    forecast = model(torch.randn(5, lookback, channels))
    assert isinstance(forecast, models.Forecast)
    assert forecast.prediction.shape == (5, horizon, channels)
    assert forecast.features.shape == (5, channels, model.feature_width)
    assert forecast.prediction.dtype == forecast.features.dtype == torch.float32
    assert all(part.isfinite().all() for part in forecast)


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize(("lookback", "horizon", "channels"), [(1, 1, 1), (2, 3, 1), (5, 3, 2), (13, 2, 1)])
def test_every_model_takes_a_very_short_window_or_refuses_it_by_name(name, lookback, horizon, channels):
    try:
        model = build(name, lookback, horizon, channels).eval()
    except ValueError as error:
        assert str(error).startswith(f"{name}: ")
        assert "look-back" in str(error) or "horizon" in str(error)
        assert str(lookback) in str(error) or str(horizon) in str(error)
    else:
        forecast = model(torch.randn(1, lookback, channels))
        assert forecast.prediction.shape == (1, horizon, channels)
        assert forecast.prediction.isfinite().all()


@pytest.mark.parametrize("name", models.names())
def test_in_evaluation_mode_a_forecast_does_not_depend_on_the_other_windows(name):
    model = worn(build(name, 48, 16, 3), 48, 3)
    x = torch.randn(6, 48, 3)
    others = torch.cat([x[:1], 100 + 1000 * torch.randn(5, 48, 3)])
    with torch.no_grad():
        together, among_others, alone = model(x), model(others), model(x[:1])
    for part, among, single in zip(together, among_others, alone, strict=True):
        torch.testing.assert_close(part[:1], single, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(part[:1], among[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", models.names())
def test_in_evaluation_mode_the_same_window_gives_the_same_bits_and_leaves_the_model_alone(name):
    model = worn(build(name, 48, 16, 3), 48, 3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(2, 48, 3)
    copy = x.clone()
    first, second = model(x), model(x)
    assert torch.equal(first.prediction, second.prediction)
    assert torch.equal(first.features, second.features)
    assert torch.equal(x, copy)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", models.names())
def test_a_constant_window_has_a_finite_forecast_and_finite_gradients(name):
    model = build(name, 48, 16, 2)
    forecast = model(torch.full((3, 48, 2), 7.0))
    assert forecast.prediction.isfinite().all()
    (forecast.prediction.square().mean() + forecast.features.square().mean()).backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", models.names())
def test_every_weight_has_a_part_in_the_forecast(name):
    model = build(name, 48, 16, 3)
    model(torch.randn(4, 48, 3)).prediction.square().mean().backward()
    assert [key for key, weight in model.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("name", models.names())
def test_the_seed_of_torch_fixes_the_weights(name):
    first, second = build(name, 48, 16, 2).state_dict(), build(name, 48, 16, 2).state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("wrong", ["lookback", "horizon", "channels"])
def test_a_shape_below_one_is_refused_by_name(name, wrong):
    for value in (0, -3):
        shape = {"lookback": 48, "horizon": 16, "channels": 2} | {wrong: value}
        with pytest.raises(ValueError, match=f"{wrong} must be at least 1, got {value}"):
            models.build(name, **shape)


@pytest.mark.parametrize("name", models.names())
def test_an_unknown_setting_is_refused_with_the_valid_ones(name):
    valid = ", ".join(models.settings(name)) or "none"
    with pytest.raises(ValueError) as caught:
        build(name, 48, 16, 2, depth=3)
    assert str(caught.value) == f"{name} has no setting 'depth'; it has: {valid}"


@pytest.mark.parametrize("name", models.names())
def test_every_setting_of_the_wrong_type_is_refused_by_name(name):
    for key, value in models.settings(name).items():
        for wrong in (None, [value], 2 if isinstance(value, str) else "2"):
            with pytest.raises(ValueError, match=f"{name}: {key} must be {type(value).__name__}, got "):
                models.settings(name, {key: wrong})


def test_an_unknown_model_is_refused_with_the_valid_ones():
    words = f"unknown model 'giant'; known: {', '.join(models.names())}"
    for call in (models.settings, models.role, lambda name: build(name, 48, 16, 2)):
        with pytest.raises(ValueError) as caught:
            call("giant")
        assert str(caught.value) == words


def test_settings_are_the_defaults_changed_by_what_is_given():
    assert models.settings("mlp", {"width": 64}) == {"width": 64, "average": 25, "norm": "mean", "layers": 1}
    assert models.settings("nlinear") == {}
    changed = models.settings("itransformer", {"dropout": 0})  # a whole number where a float belongs
    assert changed["dropout"] == 0.0
    assert type(changed["dropout"]) is float
    with pytest.raises(ValueError, match="mlp: width must be int, got True"):
        models.settings("mlp", {"width": True})
    with pytest.raises(ValueError, match=r"mlp: width must be int, got 64\.0"):
        models.settings("mlp", {"width": 64.0})


def test_every_model_is_a_student_or_a_teacher():
    assert models.names("student") + models.names("teacher") == sorted(models.names(), key=models.role)
    assert {"mlp", "dlinear", "nlinear"} <= set(models.names("student"))
    assert {"itransformer", "moderntcn"} <= set(models.names("teacher"))


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("mlp", {"width": 0}, "mlp: width must be at least 1, got 0"),
        ("mlp", {"average": 0}, "mlp: average must be at least 1, got 0"),
        ("mlp", {"norm": "max"}, "mlp: norm must be 'none', 'mean' or 'revin', got 'max'"),
        ("dlinear", {"average": -1}, "dlinear: average must be at least 1, got -1"),
        ("itransformer", {"width": 15}, "itransformer: width 15 must be a multiple of heads, 2"),
        ("itransformer", {"heads": 0}, "itransformer: width 16 must be a multiple of heads, 0"),
        ("itransformer", {"width": 0}, "itransformer: width 0 must be"),
        ("itransformer", {"layers": 0}, "itransformer: layers must be at least 1, got 0"),
        ("itransformer", {"dropout": 1.0}, r"itransformer: dropout must lie in \[0, 1\), got 1.0"),
        ("itransformer", {"dropout": -0.1}, r"itransformer: dropout must lie in \[0, 1\), got -0.1"),
        ("itransformer", {"hidden": 0}, "itransformer: hidden"),
        ("moderntcn", {"patch": 0}, "moderntcn: patch must lie in 1..48, the look-back, got 0"),
        ("moderntcn", {"patch": 49}, "moderntcn: patch must lie in 1..48, the look-back, got 49"),
        ("moderntcn", {"stride": 0}, "moderntcn: stride must lie in 1..8, the patch, got 0"),
        ("moderntcn", {"stride": 9}, "moderntcn: stride must lie in 1..8, the patch, got 9"),
        ("moderntcn", {"large_kernel": 50}, "moderntcn: kernels must be odd and positive, got 50 and 5"),
        ("moderntcn", {"small_kernel": 4}, "moderntcn: kernels must be odd and positive, got 9 and 4"),
        ("moderntcn", {"small_kernel": -1}, "moderntcn: kernels must be"),
        ("moderntcn", {"dim": 0}, "moderntcn: dim, ratio and blocks must be at least 1"),
        ("moderntcn", {"ratio": 0}, "moderntcn: dim, ratio and blocks must be at least 1"),
        ("moderntcn", {"blocks": 0}, "moderntcn: dim, ratio and blocks must be at least 1"),
        ("moderntcn", {"dropout": 1.0}, r"moderntcn: dropout must lie in \[0, 1\), got 1.0"),
        ("moderntcn", {"head_dropout": 1.0}, "moderntcn: head_dropout"),
        ("moderntcn", {"head_dropout": -0.5}, "moderntcn: head_dropout"),
    ],
)
def test_a_setting_that_no_model_can_have_is_refused_by_name(name, settings, words):
    with pytest.raises(ValueError, match=words):
        build(name, 48, 16, 2, **settings)


# --- channels


@pytest.mark.parametrize("name", ["mlp", "dlinear", "nlinear", "itransformer"])
def test_permuting_the_channels_permutes_the_forecasts(name):
    model = build(name, 48, 16, 4).eval()  # fresh: BatchNorm's weights are the same for every channel
    x, order = torch.randn(3, 48, 4), torch.tensor([2, 0, 3, 1])
    straight, permuted = model(x), model(x[:, :, order])
    torch.testing.assert_close(permuted.prediction, straight.prediction[:, :, order])
    torch.testing.assert_close(permuted.features, straight.features[:, order])


@pytest.mark.parametrize(("name", "mixes"), [("mlp", False), ("dlinear", False), ("nlinear", False),
                                             ("itransformer", True), ("moderntcn", True)])  # fmt: skip
def test_only_the_teachers_let_one_channel_see_another(name, mixes):
    model = worn(build(name, 48, 16, 3), 48, 3)
    x = torch.randn(2, 48, 3)
    changed = x.clone()
    changed[:, :, 2] = torch.randn(2, 48)
    difference = (model(x).prediction - model(changed).prediction).abs().amax((0, 1))
    assert difference[2] > 1e-3
    assert (difference[:2] > 1e-5).all() if mixes else (difference[:2] == 0).all()


@pytest.mark.parametrize("name", ["mlp", "nlinear", "itransformer", "moderntcn"])
def test_a_shift_of_the_window_shifts_the_forecast(name):
    model = worn(build(name, 48, 16, 2), 48, 2)
    x, shift = torch.randn(3, 48, 2), torch.tensor([5.0, -3.0])
    torch.testing.assert_close(model(x + shift).prediction, model(x).prediction + shift, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", models.names("teacher"))
def test_a_teachers_forecast_stretches_with_its_window(name):
    model = build(name, 37, 11, 3).eval()
    x = torch.randn(4, 37, 3, generator=torch.Generator().manual_seed(1)).cumsum(1)
    torch.testing.assert_close(model(2 * x + 5).prediction, 2 * model(x).prediction + 5, rtol=1e-3, atol=1e-2)


def test_revin_makes_the_mlp_follow_the_scale_of_the_window():
    x = torch.randn(3, 48, 2)
    model = worn(build("mlp", 48, 16, 2, norm="revin"), 48, 2)
    torch.testing.assert_close(model(10 * x).prediction, 10 * model(x).prediction, rtol=1e-3, atol=1e-3)
    plain = worn(build("mlp", 48, 16, 2), 48, 2)
    assert not torch.allclose(plain(10 * x).prediction, 10 * plain(x).prediction, rtol=1e-2, atol=1e-2)


# --- by hand


def test_dlinear_is_two_matrices_on_the_trend_and_on_the_rest():
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 6, 3))
    seasonal, trend, b_seasonal, b_trend = (random.normal(size=shape) for shape in ((4, 6), (4, 6), 4, 4))
    padded = np.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    average = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    expected = np.einsum("hl,blc->bhc", seasonal, x - average) + np.einsum("hl,blc->bhc", trend, average)
    expected += (b_seasonal + b_trend)[None, :, None]
    model = build("dlinear", 6, 4, 3, average=3).double()
    values = {"seasonal.weight": seasonal, "seasonal.bias": b_seasonal, "trend.weight": trend, "trend.bias": b_trend}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    forecast = model(torch.from_numpy(x))
    np.testing.assert_allclose(forecast.prediction.detach(), expected, rtol=1e-12)
    np.testing.assert_allclose(forecast.features.detach(), expected.transpose(0, 2, 1), rtol=1e-12)


def test_nlinear_is_one_matrix_on_the_distance_from_the_last_value():
    random = np.random.default_rng(0)
    x, weight, bias = random.normal(size=(2, 6, 3)), random.normal(size=(4, 6)), random.normal(size=4)
    change = np.einsum("hl,blc->bhc", weight, x - x[:, -1:]) + bias[None, :, None]
    model = build("nlinear", 6, 4, 3).double()
    model.load_state_dict({"linear.weight": torch.from_numpy(weight), "linear.bias": torch.from_numpy(bias)})
    forecast = model(torch.from_numpy(x))
    np.testing.assert_allclose(forecast.prediction.detach(), change + x[:, -1:], rtol=1e-12)
    np.testing.assert_allclose(forecast.features.detach(), change.transpose(0, 2, 1), rtol=1e-12)


def test_the_feature_of_the_mlp_is_the_sum_of_both_branches_before_batchnorm():
    model = worn(build("mlp", 8, 4, 2, average=3), 8, 2)
    x = torch.randn(3, 8, 2)
    z = (x - x.mean(1, keepdim=True)).transpose(1, 2)
    padded = torch.cat([z[..., :1], z, z[..., -1:]], dim=-1)
    trend = padded.unfold(-1, 3, 1).mean(-1)
    h_seasonal, h_trend = model.seasonal_in(z - trend), model.trend_in(trend)
    torch.testing.assert_close(model(x).features, h_seasonal + h_trend)
    y = model.seasonal_out(model.seasonal_norm(h_seasonal).relu()) + model.trend_out(model.trend_norm(h_trend).relu())
    torch.testing.assert_close(model(x).prediction, y.transpose(1, 2) + x.mean(1, keepdim=True))


# --- what models share


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
