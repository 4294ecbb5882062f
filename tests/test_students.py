"""Students: one contract, published sizes, a piece of each by hand, and that each learns."""

import pytest
import torch
import torch.nn.functional as F

from tdlib import models
from tdlib.models.layers import moving_average
from tdlib.models.lightts import samples

STUDENTS = models.names("student")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """A run has one thread; more only wait for each other where other work shares the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(name: str, lookback: int, horizon: int, channels: int, **settings) -> torch.nn.Module:
    torch.manual_seed(0)
    return models.build(name, lookback=lookback, horizon=horizon, channels=channels, **settings)


def small(name: str, lookback: int, horizon: int, channels: int) -> torch.nn.Module:
    return build(name, lookback, horizon, channels, **({"width": 64} if "width" in models.settings(name) else {}))


def zero(*layers: torch.nn.Module) -> None:
    for layer in layers:
        for weight in layer.parameters():
            torch.nn.init.zeros_(weight)


# --- the contract


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize(
    ("lookback", "horizon", "channels"), [(48, 24, 3), (47, 13, 2), (25, 1, 1), (101, 131, 5), (24, 7, 1)]
)
def test_any_usual_shape_is_forecast(name, lookback, horizon, channels):
    model = small(name, lookback, horizon, channels)
    x = torch.randn(4, lookback, channels)
    forecast = model(x)
    assert forecast.prediction.shape == (4, horizon, channels)
    assert forecast.features.shape == (4, channels, model.feature_width)
    assert all(part.isfinite().all() for part in forecast)
    assert model.eval()(x[:1]).prediction.shape == (1, horizon, channels)
    assert not any(weight.is_complex() for weight in model.state_dict().values())


@pytest.mark.parametrize("name", STUDENTS)
def test_in_evaluation_mode_a_window_is_forecast_by_itself(name):
    model = small(name, 48, 24, 3)
    with torch.no_grad():
        for _ in range(3):  # moves running statistics
            model(1 + 2 * torch.randn(8, 48, 3))
        model.eval()
        x = torch.randn(5, 48, 3)
        among = torch.cat([x[:1], 100 + 1000 * torch.randn(6, 48, 3)])
        for alone, together, crowd in zip(model(x[:1]), model(x), model(among), strict=True):
            torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(crowd[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_model_can_be_built_without_numbers(name):
    with torch.device("meta"):
        model = small(name, 48, 24, 3)
    assert all(weight.is_meta for weight in model.parameters())
    assert model.feature_width >= 1


@pytest.mark.parametrize("name", [name for name in STUDENTS if name != "dlinear"])  # it normalises nothing
def test_a_shifted_window_has_a_shifted_forecast(name):
    model, x = small(name, 48, 24, 3).eval(), torch.randn(4, 48, 3)
    torch.testing.assert_close(model(x + 5).prediction, model(x).prediction + 5, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "shape", "settings", "sentence"),
    [
        ("mlp", (48, 24, 3), {"layers": 0}, "mlp: layers must lie in 1..4, got 0"),
        ("mlp", (48, 24, 3), {"layers": 5}, "mlp: layers must lie in 1..4, got 5"),
        ("tsmixer", (48, 24, 3), {"width": 0}, "tsmixer: width must be at least 1, got 0"),
        ("tsmixer", (48, 24, 3), {"layers": 0}, "tsmixer: layers must be at least 1, got 0"),
        ("tsmixer", (48, 24, 3), {"dropout": 1.0}, r"tsmixer: dropout must lie in \[0, 1\), got 1.0"),
        ("lightts", (48, 24, 3), {"width": 12}, "lightts: width must be a multiple of 8, got 12"),
        ("lightts", (48, 24, 3), {"width": 0}, "lightts: width must be a multiple of 8, got 0"),
        ("lightts", (23, 24, 3), {}, r"lightts: chunk must lie in 1..23, the look-back, got 24"),
        ("lightts", (48, 24, 3), {"chunk": 0}, r"lightts: chunk must lie in 1..48, the look-back, got 0"),
        ("fits", (48, 24, 3), {"harmonics": 0}, "fits: harmonics must be at least 1, got 0"),
        ("fits", (48, 24, 3), {"harmonics": 13}, "fits: .* above the spectrum; harmonics must be at most 12"),
        ("fits", (3, 24, 3), {}, "fits: a look-back of 3 steps holds no frequency .* must be at least 4"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(name, shape, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(name, *shape, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "at_96", "at_720"),
    [
        ("mlp", {}, 836_842, 1_477_066),  # as published
        ("mlp", {"layers": 2}, 836_842 + 525_340, 1_477_066 + 525_340),
        ("mlp", {"layers": 4}, 836_842 + 3 * 525_340, 1_477_066 + 3 * 525_340),
        ("tsmixer", {}, 257_052, 706_956),  # as published
        ("lightts", {}, 80_730, 541_242),
        ("lightts", {"chunk": 72}, 82_122, 542_634),  # as published
        ("fits", {}, 74_210, 130_682),
        ("rlinear", {}, 69_230, 519_134),
    ],
)
def test_the_number_of_parameters_is_the_stated_one(name, settings, at_96, at_720):
    with torch.device("meta"):
        counts = [
            sum(weight.numel() for weight in build(name, 720, horizon, 7, **settings).parameters())
            for horizon in (96, 720)
        ]
    assert counts == [at_96, at_720]


# --- the MLP


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


# --- TSMixer


def test_tsmixer_mixes_the_steps_of_a_channel_then_the_channels_of_a_step():
    block = build("tsmixer", 10, 4, 3).eval().blocks[0]
    h = torch.randn(3, 2, 10)  # [C, B, L]
    changed = h.clone()
    changed[1, 0, 4] += 1

    time_only, channel_only = build("tsmixer", 10, 4, 3).eval().blocks[0], block
    zero(time_only.channel_out)
    difference = (time_only(changed) - time_only(h)).abs()
    assert (difference[1, 0] > 0).sum() > 5  # spreads over the steps
    assert difference[[0, 2]].sum() == difference[:, 1].sum() == 0  # not to other channels or windows

    zero(channel_only.time)
    difference = (channel_only(changed) - channel_only(h)).abs()
    assert (difference[:, 0, 4] > 0).all()  # spreads over the channels
    assert difference.sum() == difference[:, 0, 4].sum()  # not to other steps or windows


def test_a_tsmixer_block_is_two_mlps_with_residuals():
    block, h = build("tsmixer", 10, 4, 3).eval().blocks[0], torch.randn(3, 2, 10)
    time = h + block.time[2](F.relu(block.time[0](h)))
    channel = block.channel_out(F.relu(block.channel_in(time.permute(1, 2, 0)))).permute(2, 0, 1)
    torch.testing.assert_close(block(h), time + channel)


# --- LightTS


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
    zero(model.exchange)
    mean = x.mean(1, keepdim=True)
    torch.testing.assert_close(model(x).prediction, model.highway((x - mean).transpose(1, 2)).transpose(1, 2) + mean)


# --- FITS


def test_fits_continues_a_band_limited_signal_when_each_frequency_is_handed_on():
    model = build("fits", 48, 48, 1)
    assert model.kept == 12  # harmonics 6, period 24: two bins a harmonic
    zero(model)
    with torch.no_grad():
        for k in range(1, 13):
            model.real.weight[2 * k, k - 1] = 1  # bin k of 48 steps and bin 2k of 96 are one frequency
    time = torch.arange(96.0)
    series = 3 + sum(torch.sin(2 * torch.pi * k * time / 48 + k) / k for k in (1, 2, 5, 12))
    prediction = model(series[None, :48, None]).prediction
    torch.testing.assert_close(prediction[0, :, 0], series[48:], rtol=1e-4, atol=1e-4)


def test_fits_turns_the_phase_with_its_imaginary_weights():
    model = build("fits", 48, 48, 1)
    zero(model)
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


# --- RLinear


def test_rlinear_is_exact_where_its_matrix_copies_the_last_period():
    model = build("rlinear", 12, 9, 2)
    zero(model.linear)
    with torch.no_grad():
        for step in range(9):
            model.linear.weight[step, 6 + step % 6] = 1
        model.affine.scale.copy_(torch.tensor([2.0, 0.5]))
        model.affine.shift.copy_(torch.tensor([1.0, -3.0]))
    period = torch.randn(6, 2)
    series = torch.cat([period, period, period, period[:3]]) * torch.tensor([10.0, 0.3]) + torch.tensor([100.0, -1.0])
    torch.testing.assert_close(model(series[None, :12]).prediction[0], series[12:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["rlinear", "fits", "tsmixer"])
def test_a_scaled_window_has_a_scaled_forecast(name):
    model, x = build(name, 48, 24, 3).eval(), torch.randn(4, 48, 3)
    torch.testing.assert_close(model(7 * x - 2).prediction, 7 * model(x).prediction - 2, rtol=1e-3, atol=1e-3)


def test_an_idle_last_pair_of_the_mlp_counts_and_does_not_learn():
    """As in the public code: 2 C weights that stay at 1 and 0."""
    shape = {"lookback": 48, "horizon": 12, "channels": 3, "width": 8}
    idle, working = models.build("mlp", affine=False, **shape), models.build("mlp", **shape)
    assert sum(w.numel() for w in idle.parameters()) == sum(w.numel() for w in working.parameters())
    for model, moved in ((idle, False), (working, True)):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
        model(torch.randn(4, 48, 3)).prediction.square().mean().backward()
        optimizer.step()
        learned = not (torch.equal(model.scale, torch.ones(3)) and torch.equal(model.shift, torch.zeros(3)))
        assert learned is moved
