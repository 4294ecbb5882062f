import pytest
import torch
from small import build, parameters, series, silence


@pytest.mark.parametrize(("horizon", "count"), [(96, 74_210), (720, 130_682)])
def test_it_has_the_number_of_parameters_that_it_states(horizon, count):
    assert parameters("fits", horizon) == count


@pytest.mark.parametrize(
    ("lookback", "given", "words"),
    [
        (48, {"harmonics": 13}, "harmonics must be at most 12, half the period: faster waves than of two steps do not"),
        (48, {"period": 1}, "period must be at least 2, got 1"),
        (
            3,
            {"period": 20},
            "period must be at most 18, harmonics times the look-back: else no frequency is kept",
        ),
    ],
)
def test_what_is_refused_and_in_which_words(lookback, given, words):
    with pytest.raises(ValueError) as refusal:
        build("fits", lookback, **given)
    assert str(refusal.value).startswith(f"fits: {words}")


@pytest.mark.parametrize(
    ("lookback", "given", "kept"),
    [
        (720, {}, 180),
        (5, {}, 1),
        (4, {}, 1),
        (3, {}, 1),  # 6 * 3 / 24 is none: the default period shrinks to 18
        (2, {}, 1),
        (1, {}, 1),
        (14, {"period": 7}, 6),  # of which three harmonics exist
        (6, {"period": 2}, 3),
        (5, {"harmonics": 1}, 1),
    ],
)
def test_how_many_frequencies_are_kept(lookback, given, kept):
    model = build("fits", lookback, 5, 2, **given)
    assert model.kept == kept
    assert model(series(2, lookback, 2)).prediction.isfinite().all()


def test_fits_continues_a_band_limited_signal_when_each_frequency_is_handed_on():
    model = build("fits", 48, 48, 1)
    assert model.kept == 12  # harmonics 6, period 24: two bins a harmonic
    silence(model)
    with torch.no_grad():
        for k in range(1, 13):
            model.real.weight[2 * k, k - 1] = 1  # bin k of 48 steps and bin 2k of 96 are one frequency
    time = torch.arange(96.0)
    series = 3 + sum(torch.sin(2 * torch.pi * k * time / 48 + k) / k for k in (1, 2, 5, 12))
    prediction = model(series[None, :48, None]).prediction
    torch.testing.assert_close(prediction[0, :, 0], series[48:], rtol=1e-4, atol=1e-4)


def test_fits_turns_the_phase_with_its_imaginary_weights():
    model = build("fits", 48, 48, 1)
    silence(model)
    with torch.no_grad():
        model.imag.weight[2, 0] = 1  # times i: a quarter of a period ahead
    time = torch.arange(96.0)
    wave = torch.cos(2 * torch.pi * time[:48] / 48)[None, :, None]
    ahead = torch.cos(2 * torch.pi * time[48:] / 48 + torch.pi / 2)
    torch.testing.assert_close(model(wave).prediction[0, :, 0], ahead, rtol=1e-4, atol=1e-4)


def test_fits_does_not_see_what_lies_above_its_cut_off():
    model, time = build("fits", 48, 24, 1), torch.arange(48.0)
    high = torch.cos(2 * torch.pi * 13 * time / 48)[None, :, None]
    low = torch.cos(2 * torch.pi * 12 * time / 48)[None, :, None]
    silence = model(torch.zeros(1, 48, 1)).features
    torch.testing.assert_close(model(high).features, silence, rtol=0, atol=1e-4)
    assert (model(low).features - silence).abs().max() > 1e-2
