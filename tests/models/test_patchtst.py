import by_hand
import numpy as np
import pytest
import torch
from small import build, parameters, series, worn

from tdlib.models.patchtst import cut


@pytest.mark.parametrize(("horizon", "ours", "published"), [(96, 7_630_944, 7_585_376), (720, 36_385_488, 36_339_920)])
def test_parameters_at_the_published_size(horizon, ours, published):
    assert parameters("patchtst", horizon) == ours
    assert abs(ours / published - 1) < 0.01


def test_patches_overlap_and_the_last_value_is_repeated():
    patches = cut(torch.arange(7.0)[None], 4, 2)
    assert patches.tolist() == [[[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 6]]]
    assert cut(torch.zeros(1, 720), 16, 8).shape == (1, 90, 16)  # as published
    for lookback in range(16, 40):
        assert float(cut(torch.arange(float(lookback))[None], 16, 8).max()) == lookback - 1  # no value is left out


def forward_by_hand(model: torch.nn.Module, x: np.ndarray, patch: int, stride: int, heads: int):
    w = by_hand.weights(model)
    z, mean, deviation = by_hand.normalised(x)  # [B, C, L]
    batch, channels, _ = z.shape
    z = np.concatenate([z, np.repeat(z[:, :, -1:], stride, axis=2)], axis=2).reshape(batch * channels, -1)
    patches = np.stack([z[:, n : n + patch] for n in range(0, z.shape[1] - patch + 1, stride)], axis=1)
    h = by_hand.linear(w, "embed", patches) + w["position"]  # [B C, N, D]
    for i in range(len(model.layers)):
        layer = f"layers.{i}"
        parts = np.split(by_hand.linear(w, f"{layer}.query_key_value", h), 3, axis=2)
        mixed = by_hand.linear(w, f"{layer}.out", by_hand.attention(*parts, heads))
        h = by_hand.batch_norm(w, f"{layer}.norms.0", h + mixed)
        inner = by_hand.gelu(by_hand.linear(w, f"{layer}.feed_forward.0", h))
        h = by_hand.batch_norm(w, f"{layer}.norms.1", h + by_hand.linear(w, f"{layer}.feed_forward.3", inner))
    features = h.reshape(batch, channels, -1)
    return (by_hand.linear(w, "head", features) * deviation + mean).transpose(0, 2, 1), features


def test_its_forward_pass_by_hand():
    given = {"patch": 5, "stride": 3, "heads": 3}
    model = worn("patchtst", 20, 7, 3, width=12, hidden=10, layers=2, **given)
    by_hand.assert_same(forward_by_hand, model, series(4, 20, 3), **given)


def test_in_training_the_tokens_are_dropped_out():
    model, seen = build("patchtst", dropout=0.3).train(), []
    model.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(series(50, 48, 3))
    assert (seen[0] == 0).double().mean().item() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"patch": 38}, "patch must be at most 37, the look-back; got 38"),
        ({"patch": 5, "stride": 6}, "stride must be at most 5, the patch; got 6"),
    ],
)
def test_what_is_refused_and_in_which_words(given, words):
    with pytest.raises(ValueError) as refusal:
        build("patchtst", lookback=37, **given)
    assert str(refusal.value) == f"patchtst: {words}"


def test_the_outermost_valid_settings_work():
    assert build("patchtst", 37, 11, 3, patch=37, stride=37)(series(2, 37, 3)).prediction.isfinite().all()


def test_a_default_stride_follows_a_short_patch():
    assert build("patchtst", patch=5).stride == 5
    assert build("patchtst", lookback=3).patch == 3
