"""The bricks of a forward pass in NumPy, for the tests that compute one from a model's own weights."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import erf


def weights(model: torch.nn.Module) -> dict[str, NDArray]:
    """All weights and buffers in double precision, by their names."""
    return {name: value.double().numpy() for name, value in model.state_dict().items()}


def normalised(x: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """x [B, L, C] as z [B, C, L], with mean and deviation [B, C, 1]."""
    x = x.transpose(0, 2, 1)
    mean, deviation = x.mean(2, keepdims=True), np.sqrt(x.var(2, keepdims=True) + 1e-5)
    return (x - mean) / deviation, mean, deviation


def gelu(h: NDArray) -> NDArray:
    return h * (1 + erf(h / np.sqrt(2))) / 2


def linear(w: dict, name: str, h: NDArray) -> NDArray:
    """Along the last axis."""
    return h @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: dict, name: str, h: NDArray) -> NDArray:
    """Along the last axis."""
    h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)
    return h * w[f"{name}.weight"] + w[f"{name}.bias"]


def batch_norm(w: dict, name: str, h: NDArray) -> NDArray:
    """Along the last axis, with the statistics that training left behind."""
    h = (h - w[f"{name}.running_mean"]) / np.sqrt(w[f"{name}.running_var"] + 1e-5)
    return h * w[f"{name}.weight"] + w[f"{name}.bias"]


def attention(query: NDArray, key: NDArray, value: NDArray, heads: int) -> NDArray:
    """softmax(q k^T / sqrt(E)) v of tokens [B, N, D], a head at a time, E = D / heads."""
    out = []
    for q, k, v in zip(*(np.split(part, heads, axis=2) for part in (query, key, value)), strict=True):
        scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2]))
        out.append(scores / scores.sum(2, keepdims=True) @ v)
    return np.concatenate(out, axis=2)


def assert_same(forward: Callable, model: torch.nn.Module, x: torch.Tensor, **given) -> None:
    """`model(x)` is what `forward(model, x, **given)` computes, in double precision and with all weights drawn."""
    for weight in model.double().parameters():  # else the norms' scales are 1 and their shifts 0
        torch.nn.init.normal_(weight, std=0.5)
    prediction, features = forward(model, x.double().numpy(), **given)
    forecast = model(x.double())
    np.testing.assert_allclose(forecast.prediction.detach(), prediction, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(forecast.features.detach(), features, rtol=1e-9, atol=1e-9)


def ridge(x: NDArray, y: NDArray, penalty: float) -> NDArray:
    """The least-squares map [H, L] with sqrt(lambda) times the identity as further rows."""
    more = np.sqrt(penalty) * np.eye(x.shape[1])
    return np.linalg.lstsq(np.vstack([x, more]), np.vstack([y, np.zeros((len(more), y.shape[1]))]), rcond=None)[0].T
