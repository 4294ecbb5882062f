import pytest
import torch
from small import build, parameters, series, worn

from tdlib.models.layers import moving_average


@pytest.mark.parametrize(("horizon", "count"), [(96, 836_842), (192, 935_338), (336, 1_083_082), (720, 1_477_066)])
def test_it_has_the_published_number_of_parameters(horizon, count):
    assert parameters("mlp", horizon) == count


@pytest.mark.parametrize("layers", [2, 4])
def test_each_further_layer_has_the_stated_number_of_parameters(layers):
    assert parameters("mlp", 96, layers=layers) == 836_842 + (layers - 1) * 525_340


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layers": 5}, "layers must be 1 to 4, got 5"),
        ({"norm": "max"}, "norm must be 'none', 'mean' or 'revin', got 'max'"),
    ],
)
def test_what_is_refused_and_in_which_words(given, words):
    with pytest.raises(ValueError) as refusal:
        build("mlp", **given)
    assert str(refusal.value) == f"mlp: {words}"


def test_one_hidden_layer_is_the_students_of_the_paper_weight_by_weight():
    model = build("mlp", 30, 5, 3, width=8)
    shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    assert list(shapes.items()) == [
        ("scale", (3,)),
        ("shift", (3,)),
        ("seasonal_in.weight", (8, 30)),
        ("seasonal_in.bias", (8,)),
        ("trend_in.weight", (8, 30)),
        ("trend_in.bias", (8,)),
        ("seasonal_norm.weight", (3,)),
        ("seasonal_norm.bias", (3,)),
        ("trend_norm.weight", (3,)),
        ("trend_norm.bias", (3,)),
        ("seasonal_out.weight", (5, 8)),
        ("seasonal_out.bias", (5,)),
        ("trend_out.weight", (5, 8)),
        ("trend_out.bias", (5,)),
    ]
    torch.manual_seed(0)
    drawn = [torch.nn.Linear(*size) for size in ((30, 8), (30, 8), (8, 5), (8, 5))]
    for name, layer in zip(("seasonal_in", "trend_in", "seasonal_out", "trend_out"), drawn, strict=True):
        assert torch.equal(model.get_submodule(name).weight, layer.weight)
        assert torch.equal(model.get_submodule(name).bias, layer.bias)


def test_one_hidden_layer_computes_the_formula_to_the_bit():
    model, x = build("mlp", 30, 5, 3, width=8).eval(), torch.randn(4, 30, 3)
    z = (x - x.mean(1, keepdim=True)).transpose(1, 2)
    trend = moving_average(z, 25)
    h_seasonal, h_trend = model.seasonal_in(z - trend), model.trend_in(trend)
    y = model.seasonal_out(model.seasonal_norm(h_seasonal).relu()) + model.trend_out(model.trend_norm(h_trend).relu())
    y = y.transpose(1, 2) * model.scale + model.shift + x.mean(1, keepdim=True)
    assert torch.equal(model(x).prediction, y)
    assert torch.equal(model(x).features, h_seasonal + h_trend)


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_a_deeper_mlp_keeps_the_feature_of_its_first_layer(layers):
    x = torch.randn(4, 30, 3)
    shallow, deep = build("mlp", 30, 5, 3, width=8), build("mlp", 30, 5, 3, width=8, layers=layers)
    assert torch.equal(shallow(x).features, deep(x).features)
    assert not torch.allclose(shallow(x).prediction, deep(x).prediction)
    assert sum(isinstance(part, torch.nn.Linear) for part in deep.trend_deep) == layers - 1


def test_a_further_layer_is_a_matrix_then_batchnorm_then_relu():
    model, x = worn("mlp", 30, 5, 3, width=8, layers=3), series(4, 30, 3)
    mean = x.mean(1, keepdim=True)
    trend, y = moving_average((x - mean).mT, 25), 0
    for name, part in (("seasonal", (x - mean).mT - trend), ("trend", trend)):
        first, norm, deep, last = (model.get_submodule(f"{name}_{step}") for step in ("in", "norm", "deep", "out"))
        h = norm(first(part)).relu()
        for matrix, again in (deep[:2], deep[3:5]):
            h = again(matrix(h)).relu()
        y = y + last(h)
    torch.testing.assert_close(model(x).prediction, y.mT + mean)


def test_revin_makes_the_mlp_follow_the_scale_of_the_window():
    x = torch.randn(3, 48, 2)
    model = worn("mlp", 48, 16, 2, norm="revin")
    torch.testing.assert_close(model(10 * x).prediction, 10 * model(x).prediction, rtol=1e-3, atol=1e-3)
    plain = worn("mlp", 48, 16, 2)
    assert not torch.allclose(plain(10 * x).prediction, 10 * plain(x).prediction, rtol=1e-2, atol=1e-2)


def test_the_feature_of_the_mlp_is_the_sum_of_both_branches_before_batchnorm():
    model = worn("mlp", 8, 4, 2, average=3)
    x = torch.randn(3, 8, 2)
    z = (x - x.mean(1, keepdim=True)).transpose(1, 2)
    padded = torch.cat([z[..., :1], z, z[..., -1:]], dim=-1)
    trend = padded.unfold(-1, 3, 1).mean(-1)
    h_seasonal, h_trend = model.seasonal_in(z - trend), model.trend_in(trend)
    torch.testing.assert_close(model(x).features, h_seasonal + h_trend)
    y = model.seasonal_out(model.seasonal_norm(h_seasonal).relu()) + model.trend_out(model.trend_norm(h_trend).relu())
    torch.testing.assert_close(model(x).prediction, y.transpose(1, 2) + x.mean(1, keepdim=True))


def test_an_idle_last_pair_counts_and_does_not_learn():
    """As in the public code: 2 C weights that stay at 1 and 0."""
    assert parameters("mlp", 96, affine=False) == 836_842
    for affine in (False, True):
        model = build("mlp", 48, 12, 3, affine=affine)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
        model(torch.randn(4, 48, 3)).prediction.square().mean().backward()
        optimizer.step()
        idle = torch.equal(model.scale, torch.ones(3)) and torch.equal(model.shift, torch.zeros(3))
        assert idle is not affine


@pytest.mark.parametrize("name", ["mlp", "residual_mlp"])
def test_a_single_unit_which_has_no_deviation_in_a_batch_of_one_is_refused(name):
    with pytest.raises(ValueError, match=f"^{name}: width must be at least 2, got 1$"):
        build(name, width=1)
    assert build(name, width=2).train()(series(1, 48, 3)).prediction.isfinite().all()
