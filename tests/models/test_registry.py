"""The registry: what models say of themselves, which shapes and settings they take; new ones are covered by name."""

import copy
import inspect
import math

import pytest
import torch
from small import FOUNDATION, TRAINED, build, needs, series, settings, worn

from tdlib import models

ALL = pytest.mark.parametrize("name", models.names())
ROLES = ("student", "teacher", "baseline")


# --- what a model says of itself


@ALL
def test_a_model_names_its_title_its_role_and_its_paper(name):
    assert models.title(name).lower().replace(" ", "_") == name
    assert models.role(name) in ROLES
    assert " et al., " in models.paper(name) or " and " in models.paper(name)


def test_students_teachers_and_baselines_are_all_models():
    assert sorted(name for role in ROLES for name in models.names(role)) == sorted(models.names())
    assert {"mlp", "dlinear", "nlinear"} <= set(models.names("student"))
    assert {"itransformer", "moderntcn"} <= set(models.names("teacher"))
    assert {"sparsetsf", "cyclenet", "ridge"} <= set(models.names("baseline"))
    closed = {name for name in models.names() if models.closed_form(name)}
    assert closed == {"naive", "seasonal_naive", "ridge", "phase_ridge", *FOUNDATION}


@ALL
def test_a_models_docstring_explains_each_of_its_settings_once(name):
    lines = inspect.getdoc(models._MODELS[name]).splitlines()
    explained = [word.strip() for line in lines if "    " in line.strip() for word in line.split("    ")[0].split(",")]
    assert [key for key in explained if key] == list(models.settings(name))


def test_an_unknown_model_is_refused_with_the_valid_ones():
    words = f"unknown model 'giant'; known: {', '.join(models.names())}"
    for call in (models.settings, models.role, models.title, models.paper, build):
        with pytest.raises(ValueError) as caught:
            call("giant")
        assert str(caught.value) == words


# --- shapes


@ALL
@pytest.mark.parametrize(
    ("lookback", "horizon", "channels"), [(48, 16, 3), (47, 13, 2), (97, 101, 1), (50, 1, 4), (61, 8, 1)]
)
def test_every_model_returns_its_shapes_for_any_usual_window(name, lookback, horizon, channels):
    model = build(name, lookback, horizon, channels)
    forecast = model(series(5, lookback, channels))
    assert isinstance(forecast, models.Forecast)
    assert forecast.prediction.shape == (5, horizon, channels)
    assert forecast.features.shape == (5, channels, model.feature_width)
    assert forecast.prediction.dtype == forecast.features.dtype == torch.float32
    assert all(part.isfinite().all() for part in forecast)
    assert not any(weight.is_complex() for weight in model.state_dict().values())


@ALL
def test_without_settings_a_model_can_be_built_for_any_shape(name):
    needs(name)
    if name == "chronos":
        pytest.skip("its default is on the hub, and tests work without a network")
    with torch.device("meta"):
        for lookback in (1, 2, 3, 5, 7, 24, 96, 97, 720):
            for horizon, channels in ((1, 7), (24, 1)):
                model = models.build(name, lookback=lookback, horizon=horizon, channels=channels)
                assert all(weight.is_meta for weight in model.parameters())


@ALL
def test_the_shortest_windows_have_a_forecast(name):
    size = {key: value for key, value in settings(name).items() if key in ("width", "hidden", "heads", "source")}
    for lookback in (1, 2, 3, 5, 7):  # at these every default that depends on the look-back has to shrink
        for horizon, channels in ((1, 1), (2, 2), (5, 1)):
            model = models.build(name, lookback=lookback, horizon=horizon, channels=channels, **size)
            for mode in (model.train(), model.eval()):
                forecast = mode(series(3, lookback, channels))
                assert forecast.prediction.shape == (3, horizon, channels)
                assert forecast.features.shape == (3, channels, model.feature_width)
                assert all(part.isfinite().all() for part in forecast)


@pytest.mark.parametrize("name", TRAINED)
def test_every_model_can_be_had_in_double_precision(name):
    model, x = worn(name), series(3, 48, 3)
    single, double = model(x), copy.deepcopy(model).double()(x.double())
    for part, expected in zip(double, single, strict=True):
        assert part.dtype == torch.float64
        torch.testing.assert_close(part.float(), expected, rtol=1e-3, atol=1e-3)


@ALL
@pytest.mark.parametrize("wrong", ["lookback", "horizon", "channels"])
def test_a_shape_below_one_is_refused_by_name(name, wrong):
    for value in (0, -3):
        with pytest.raises(ValueError, match=f"{wrong} must be at least 1, got {value}"):
            build(name, **{wrong: value})


# --- settings


def test_settings_are_the_defaults_changed_by_what_is_given():
    assert models.settings("mlp", {"width": 64}) == {
        "width": 64,
        "average": 25,
        "norm": "mean",
        "layers": 1,
        "affine": True,
    }
    assert models.settings("nlinear") == {}
    changed = models.settings("itransformer", {"dropout": 0})  # a whole number where a float belongs
    assert changed["dropout"] == 0.0
    assert type(changed["dropout"]) is float
    with pytest.raises(ValueError, match="mlp: width must be int, got True"):
        models.settings("mlp", {"width": True})
    with pytest.raises(ValueError, match=r"mlp: width must be int, got 64\.0"):
        models.settings("mlp", {"width": 64.0})


@ALL
def test_an_unknown_setting_is_refused_with_the_valid_ones(name):
    valid = ", ".join(models.settings(name)) or "none"
    with pytest.raises(ValueError) as caught:
        build(name, depth=3)
    assert str(caught.value) == f"{name} has no setting 'depth'; it has: {valid}"


@ALL
def test_every_setting_of_the_wrong_type_is_refused_by_name(name):
    for key, value in models.settings(name).items():
        for wrong in (None, [value], 2 if isinstance(value, str) else "2"):
            with pytest.raises(ValueError, match=f"{name}: {key} must be {type(value).__name__}, got "):
                models.settings(name, {key: wrong})


@ALL
def test_every_setting_outside_its_range_is_refused_by_name(name):
    below = {int: (-1, -(10**18)), float: (1.0, -0.1, math.nan, math.inf), str: ("", "Mean")}
    for key, value in models.settings(name).items():
        if type(value) is bool:  # both are in range
            continue
        for wrong in (*below[type(value)], *([0] if type(value) is int and key != "poolings" else [])):
            with pytest.raises(ValueError, match=rf"^{name}: {key} must be [^;]*, got {wrong!r}$"):
                build(name, **{key: wrong})


def limited() -> list[tuple[str, str]]:
    shape = {"lookback": 5, "horizon": 3, "channels": 1}
    found = {name: models._MODELS[name] for name in models.names() if hasattr(models._MODELS[name], "limits")}
    return [(name, key) for name, model in found.items() for key in model.limits(**shape, **models.settings(name))]


@pytest.mark.parametrize(("name", "key"), limited())
def test_a_default_shrinks_to_the_window_and_a_given_value_is_refused(name, key):
    shape = {"lookback": 5, "horizon": 3, "channels": 1}
    published = models.settings(name)[key]
    with torch.device("meta"):
        models.build(name, **shape, **{key: published})  # as a run does, which names every setting
        with pytest.raises(ValueError, match=rf"^{name}: {key} must be at most \d+, .*; got {published + 17}$"):
            models.build(name, **shape, **{key: published + 17})
