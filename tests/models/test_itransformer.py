import by_hand
import numpy as np
import pytest
import torch
from small import build, parameters, series, worn


@pytest.mark.parametrize(("horizon", "count"), [(96, 1_001_312), (720, 1_161_680)])
def test_it_has_the_published_number_of_parameters(horizon, count):
    assert parameters("itransformer", horizon) == count
    assert build("itransformer", width=24, heads=3).feature_width == 24


def forward_by_hand(model: torch.nn.Module, x: np.ndarray, heads: int) -> tuple[np.ndarray, np.ndarray]:
    w = by_hand.weights(model)
    z, mean, deviation = by_hand.normalised(x)
    h = by_hand.linear(w, "embed", z)  # [B, C, D]
    for i in range(len(model.layers)):
        layer = f"layers.{i}"
        mixed = h @ w[f"{layer}.self_attn.in_proj_weight"].T + w[f"{layer}.self_attn.in_proj_bias"]
        mixed = by_hand.attention(*np.split(mixed, 3, axis=2), heads)
        h = by_hand.layer_norm(w, f"{layer}.norm1", h + by_hand.linear(w, f"{layer}.self_attn.out_proj", mixed))
        inner = by_hand.gelu(by_hand.linear(w, f"{layer}.linear1", h))
        h = by_hand.layer_norm(w, f"{layer}.norm2", h + by_hand.linear(w, f"{layer}.linear2", inner))
    h = by_hand.layer_norm(w, "norm", h)
    return (by_hand.linear(w, "head", h) * deviation + mean).transpose(0, 2, 1), h


def test_its_forward_pass_by_hand():
    model = worn("itransformer", 20, 7, 3, heads=4)
    by_hand.assert_same(forward_by_hand, model, series(4, 20, 3), heads=4)


def test_in_training_the_embedding_is_dropped_out():
    model, seen = build("itransformer", dropout=0.3).train(), []
    model.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(series(50, 48, 3))
    assert (seen[0] == 0).double().mean().item() == pytest.approx(0.3, abs=0.05)
    model.eval()(series(50, 48, 3))
    assert (seen[1] != 0).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 15}, "width 15 must be a multiple of heads, 2"),
        ({"heads": 3}, "width 16 must be a multiple of heads, 3"),
    ],
)
def test_heads_that_do_not_divide_the_width_are_refused(given, words):
    for name in ("itransformer", "patchtst", "autoformer", "fedformer"):
        with pytest.raises(ValueError) as refusal:
            build(name, **given)
        assert str(refusal.value) == f"{name}: {words}"
