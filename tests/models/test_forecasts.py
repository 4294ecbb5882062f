"""What every model promises of its forecasts, and what some do; models added later are covered by their names."""

import pytest
import torch
from small import FOUNDATION, TRAINED, build, series, worn

from tdlib import models

ALL = pytest.mark.parametrize("name", models.names())
SHARED = ("mlp", "dlinear", "nlinear", "naive", "seasonal_naive", "ridge", "phase_ridge")  # by all channels
IDLE = {  # a bias that is the same at all steps: the decomposition takes the season's mean away with it
    "autoformer": {
        f"net.{part}.bias" for part in ("encoder_norm", "decoder_norm", "encoder.0.mix.out", "encoder.1.mix.out")
    },
    "fedformer": {"net.encoder_norm.bias", "net.decoder_norm.bias"},
}


@ALL
def test_in_evaluation_mode_a_forecast_does_not_depend_on_the_other_windows(name):
    model, x = worn(name), torch.randn(6, 48, 3)
    others = torch.cat([x[:1], 100 + 1000 * torch.randn(5, 48, 3)])
    with torch.no_grad():
        together, among_others, alone = model(x), model(others), model(x[:1])
    for part, among, single in zip(together, among_others, alone, strict=True):
        torch.testing.assert_close(part[:1], single, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(part[:1], among[:1], rtol=1e-4, atol=1e-5)


@ALL
def test_in_evaluation_mode_the_same_window_gives_the_same_bits_and_leaves_the_model_alone(name):
    model, x = worn(name), torch.randn(2, 48, 3)
    before, copy = {key: value.clone() for key, value in model.state_dict().items()}, x.clone()
    first, second = model(x), model(x)
    assert torch.equal(first.prediction, second.prediction)
    assert torch.equal(first.features, second.features)
    assert torch.equal(x, copy)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", TRAINED)
def test_a_constant_window_has_a_finite_forecast_and_finite_gradients(name):
    model, x = build(name), torch.full((3, 48, 3), 7.0, requires_grad=True)
    forecast = model(x)
    assert forecast.prediction.isfinite().all()
    (forecast.prediction.square().mean() + forecast.features.square().mean()).backward()
    gradients = [weight.grad for weight in (x, *model.parameters()) if weight.grad is not None]
    assert len(gradients) > min(1, len(list(model.parameters())))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", TRAINED)
def test_every_weight_has_a_part_in_the_forecast(name):
    """A random sum of the forecast's values changes with every weight, by more than rounding, but for those named."""
    model = worn(name)
    prediction = model(series(4, 48, 3).requires_grad_()).prediction  # a naive forecast has no weights
    (prediction * torch.randn_like(prediction)).sum().backward()
    slopes = {key: 0.0 if w.grad is None else float(w.grad.abs().max()) for key, w in model.named_parameters()}
    assert {key for key, slope in slopes.items() if slope < 1e-4} == IDLE.get(name, set())


@ALL
def test_the_seed_of_torch_fixes_the_weights(name):
    first, second = build(name).state_dict(), build(name).state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)


# --- what some models promise


@pytest.mark.parametrize("name", ["itransformer", "timemixer", "timesnet", "micn", "fedformer", "autoformer"])
def test_without_batch_statistics_a_window_is_forecast_by_itself_in_training_too(name):
    model, x = build(name, dropout=0.0).train(), series(6, 48, 3)
    torch.testing.assert_close(model(x[2:3]).prediction[0], model(x).prediction[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["timemixer", "timesnet", "micn", "fedformer", "autoformer"])
def test_a_feature_that_is_an_output_ends_with_the_normalised_forecast(name):
    model, x = build(name, 37, 11, 3).eval(), series(4, 37, 3)
    forecast = model(x)
    deviation = (x.var(1, unbiased=False) + 1e-5).sqrt()
    expected = forecast.features[:, :, -11:] * deviation[:, :, None] + x.mean(1)[:, :, None]
    torch.testing.assert_close(forecast.prediction, expected.transpose(1, 2))
    parts = {"timemixer": 11, "timesnet": 11, "micn": 37 + 11}
    assert model.feature_width == parts.get(name, 37 // 2 + 11)


@pytest.mark.parametrize("name", [*models.names("teacher"), "rlinear", "fits", "tsmixer"])
def test_a_forecast_shifts_and_stretches_with_its_window(name):
    model, x = worn(name), series(4, 48, 3)
    torch.testing.assert_close(model(2 * x + 5).prediction, 2 * model(x).prediction + 5, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", ["mlp", "nlinear", "lightts", *models.names("baseline")])
def test_a_forecast_shifts_with_its_window(name):
    model, x, shift = worn(name), torch.randn(3, 48, 3), torch.tensor([5.0, -3.0, 0.0])
    torch.testing.assert_close(model(x + shift).prediction, model(x).prediction + shift, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*SHARED, "itransformer", "patchtst", "timemixer"])
def test_permuting_the_channels_permutes_the_forecasts(name):
    model = build(name).eval()  # fresh: BatchNorm's weights are the same for every channel
    x, order = series(3, 48, 3), torch.tensor([2, 0, 1])
    straight, permuted = model(x), model(x[:, :, order])
    torch.testing.assert_close(permuted.prediction, straight.prediction[:, :, order])
    torch.testing.assert_close(permuted.features, straight.features[:, order])


@ALL
def test_which_models_let_one_channel_see_another(name):
    model, x = worn(name), series(2, 48, 3)
    changed = x.clone()
    changed[:, :, 2] = series(2, 48, 1, seed=2)[:, :, 0]
    difference = (model(x).prediction - model(changed).prediction).abs().amax((0, 1))
    assert difference[2] > 1e-3
    alone = ("mlp", "residual_mlp", "dlinear", "nlinear", "rlinear", "fits", "patchtst", "timemixer", *FOUNDATION)
    alone += tuple(models.names("baseline"))
    assert (difference[:2] == 0).all() if name in alone else (difference[:2] > 1e-5).all()
