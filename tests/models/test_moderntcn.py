import runpy
from pathlib import Path

import by_hand
import numpy as np
import pytest
import torch
from small import build, parameters, series, worn

plain_forward = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/moderntcn.py"))["plain_forward"]


def test_it_has_the_number_of_parameters_that_it_states():
    assert parameters("moderntcn", 96) == 1_199_136
    assert build("moderntcn", 720, 16, 1, dim=3).feature_width == 3 * 180


def depthwise(kernels: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Each row of h [B, R, N] with its own odd kernel [R, 1, K], zeros around."""
    size, steps = kernels.shape[2], h.shape[2]
    padded = np.pad(h, ((0, 0), (0, 0), (size // 2, size // 2)))
    return sum(kernels[:, :, k] * padded[:, :, k : k + steps] for k in range(size))


def two_matrices(w: dict, name: str, h: np.ndarray) -> np.ndarray:
    """W_2 gelu(W_1 h) over the third axis of h [B, groups, size, N], each group with its own matrices."""
    for layer in (f"{name}.0", f"{name}.3"):
        weight, bias = w[f"{layer}.weight"], w[f"{layer}.bias"]
        weight = weight.reshape(h.shape[1], -1, h.shape[2])
        h = np.einsum("gos,bgsn->bgon", weight, h) + bias.reshape(1, h.shape[1], -1, 1)
        h = by_hand.gelu(h) if layer.endswith("0") else h
    return h


def norm(w: dict, name: str, h: np.ndarray) -> np.ndarray:
    """BatchNorm with one scale a row of h [..., R, N]."""
    return np.moveaxis(by_hand.batch_norm(w, name, np.moveaxis(h, -2, -1)), -1, -2)


def forward_by_hand(model: torch.nn.Module, x: np.ndarray, patch: int, stride: int, dim: int):
    w = by_hand.weights(model)
    z, mean, deviation = by_hand.normalised(x)  # [B, C, L]
    z = np.concatenate([z, np.repeat(z[:, :, -1:], patch - stride, axis=2)], axis=2)
    pieces = np.stack(
        [z[:, :, n : n + patch] for n in range(0, z.shape[2] - patch + 1, stride)], axis=3
    )  # [B, C, P, N]
    h = np.einsum("dp,bcpn->bcdn", w["stem.0.weight"][:, 0], pieces) + w["stem.0.bias"][:, None]
    h = norm(w, "stem.1", h)  # [B, C, D, N]
    for i in range(len(model.blocks)):
        block, (batch, channels, _, steps) = f"blocks.{i}", h.shape
        rows = h.reshape(batch, channels * dim, steps)
        wide, narrow = (
            norm(w, f"{block}.{size}.1", depthwise(w[f"{block}.{size}.0.weight"], rows)) for size in ("large", "small")
        )
        inner = norm(w, f"{block}.norm", (wide + narrow).reshape(h.shape))
        inner = two_matrices(w, f"{block}.features", inner)  # a group is a channel
        inner = two_matrices(w, f"{block}.channels", inner.transpose(0, 2, 1, 3))  # a group is a feature
        h = h + inner.transpose(0, 2, 1, 3)
    features = h.reshape(*h.shape[:2], -1)
    y = by_hand.linear(w, "head.0", features)
    return (y * deviation + mean).transpose(0, 2, 1), features


@pytest.mark.parametrize("blocks", [1, 2])
def test_its_forward_pass_by_hand(blocks):
    given = {"patch": 5, "stride": 3, "dim": 4}
    model = worn("moderntcn", 20, 7, 3, ratio=2, blocks=blocks, large_kernel=9, small_kernel=3, **given)
    by_hand.assert_same(forward_by_hand, model, series(4, 20, 3), **given)


@pytest.mark.parametrize(("rate", "of"), [("dropout", "blocks"), ("head_dropout", "head")])
def test_in_training_its_parts_are_dropped_out(rate, of):
    model, x = build("moderntcn", **({"dropout": 0.0} | {rate: 0.5})).train(), series(4, 48, 3)
    part, seen = getattr(model, of), []
    part.register_forward_hook(lambda _, __, out: seen.append(out))
    model(x), model(x)
    assert not torch.equal(*seen)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"patch": 49}, "patch must be at most 48, the look-back; got 49"),
        ({"stride": 9}, "stride must be at most 8, the patch; got 9"),
        ({"patch": 3, "stride": 5}, "stride must be at most 3, the patch; got 5"),
        ({"patch": 30, "stride": 25}, "stride must be at most 24, half the look-back; got 25"),
        ({"large_kernel": 50}, "large_kernel must be odd and positive, got 50"),
        ({"small_kernel": 4}, "small_kernel must be odd and positive, got 4"),
    ],
)
def test_what_is_refused_and_in_which_words(given, words):
    with pytest.raises(ValueError) as refusal:
        build("moderntcn", **given)
    assert str(refusal.value) == f"moderntcn: {words}"


def test_a_default_stride_follows_a_short_patch():
    assert build("moderntcn", patch=2).stem[0].stride == (2,)


@pytest.mark.parametrize("lookback", [2, 3, 4, 5, 7])
def test_a_short_look_back_has_two_patches_so_that_a_batch_may_be_a_single_window(lookback):
    model = build("moderntcn", lookback=lookback).train()
    assert model(series(1, lookback, 3)).prediction.isfinite().all()


def test_a_training_step_is_that_of_torchs_own_convolutions():
    model, x = build("moderntcn", dropout=0.0).double().train(), series(4, 48, 3).double()
    ways = []
    for forward in (model, lambda x: plain_forward(model, x)):
        forecast = forward(x)
        loss = forecast.prediction.square().sum() + forecast.features.square().sum()
        ways.append([*forecast, *torch.autograd.grad(loss, [*model.parameters()])])
    for ours, theirs in zip(*ways, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8)
