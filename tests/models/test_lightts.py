import numpy as np
import pytest
import torch
from by_hand import assert_same, linear, weights
from small import build, parameters, series, silence

from tdlib.models.lightts import samples


@pytest.mark.parametrize(
    ("given", "at_96", "at_720"),
    [({}, 80_730, 541_242), ({"chunk": 72}, 82_122, 542_634)],  # the second as published
)
def test_it_has_the_number_of_parameters_that_it_states(given, at_96, at_720):
    assert [parameters("lightts", horizon, **given) for horizon in (96, 720)] == [at_96, at_720]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 12}, "width must be a multiple of 8, got 12"),
        ({"chunk": 49}, "chunk must be at most 48, the look-back; got 49"),
    ],
)
def test_what_is_refused_and_in_which_words(given, words):
    with pytest.raises(ValueError) as refusal:
        build("lightts", **given)
    assert str(refusal.value) == f"lightts: {words}"


def test_lightts_puts_neighbours_into_one_sampling_and_distant_steps_into_the_other():
    continuous, interval = samples(torch.arange(6.0).view(1, 1, 6), 2)
    assert continuous[0, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert interval[0, 0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_lightts_lengthens_a_lookback_at_its_front():
    model, seen = build("lightts", 7, 2, 1, chunk=3), []
    model.continuous.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.arange(7.0).view(1, 7, 1))
    assert (seen[0][0, 0] + 3).tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]  # 3: the window's mean


def test_lightts_without_its_samplings_is_one_linear_layer():
    model, x = build("lightts", 24, 5, 2), torch.randn(3, 24, 2)
    silence(model.exchange)
    mean = x.mean(1, keepdim=True)
    torch.testing.assert_close(model(x).prediction, model.highway((x - mean).transpose(1, 2)).transpose(1, 2) + mean)


def exchanged(w: dict, name: str, p: np.ndarray) -> np.ndarray:
    """V q + v over nodes [..., N, size], q = e + E e, e = W2 leaky_relu(W1 p)."""
    e = linear(w, f"{name}.narrow.0", p)
    e = linear(w, f"{name}.narrow.2", np.where(e > 0, e, 0.01 * e))
    return linear(w, f"{name}.out", e + linear(w, f"{name}.exchange", e.swapaxes(-1, -2)).swapaxes(-1, -2))


def forward(model: torch.nn.Module, x: np.ndarray, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    w, mean = weights(model), x.mean(1)[..., None]
    z = x.transpose(0, 2, 1) - mean  # [B, C, L]
    long = np.concatenate([np.repeat(z[..., :1], -z.shape[2] % chunk, axis=2), z], axis=2)
    count = long.shape[2] // chunk
    pieces = {
        "continuous": [long[..., j * chunk : (j + 1) * chunk] for j in range(count)],
        "interval": [long[..., j::count] for j in range(count)],
    }
    parts = [exchanged(w, f"{name}.exchange", np.stack(found, 2)).swapaxes(2, 3) for name, found in pieces.items()]
    h = np.concatenate([linear(w, f"{name}.merge", p)[..., 0] for name, p in zip(pieces, parts, strict=True)], 2)
    y = exchanged(w, "exchange", h) + linear(w, "highway", z)
    return (y + mean).transpose(0, 2, 1), h


def test_its_forward_pass_by_hand():
    assert_same(forward, build("lightts", 7, 4, 3, chunk=3), series(4, 7, 3), chunk=3)
