import pytest
import torch
from small import build, parameters, silence

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
