"""The registry: a model by name. Every model maps x [B, L, C] to a `Forecast`.

A new model is one file, `tdlib/models/NAME.py`, and one line in `_CLASSES`. Its class, a `torch.nn.Module`, has

    title, role, paper    what tables call it; "student", "teacher" or "baseline"; its source
    __init__              keyword arguments: lookback, horizon, channels, then settings, each with the published value
                          as its default and, for what it may be, a type of `ranges`
    feature_width         set in __init__: the last axis of the features
    forward               x [B, L, C] -> Forecast(prediction [B, H, C], features [B, C, feature_width])
    limits                optional: the largest value of settings that depend on the window's shape, and why
    solve                 optional: `Splits` -> what the training log keeps; fits the model in closed form, and no
                          optimiser ever does. Of a setting `period` a run takes its data set's (`data.period`)
    content               optional: settings -> what they name beside themselves, such as a folder's checksum: a part
                          of a run's identity

The tests hold every class to a few things more: the title is the file's name but for case and underscores, `paper`
names its authors, and the docstring has a line for each setting. A model in closed form, and one that treats channels
alone, is named as such in `tests/models/test_registry.py` and `tests/models/test_forecasts.py`. Where a study's tables
are to have it, its name goes into the profile.

A foundation model (`fracast`, `chronos`) is a `pretrained.Foundation`; the package that runs it is an extra.
"""

import functools
import inspect
import typing
from importlib import import_module

from torch import nn

from tdlib.checks import as_float, one_of, require
from tdlib.models.layers import Forecast

__all__ = ["Forecast", "build", "closed_form", "content", "names", "paper", "role", "settings", "title"]

_CLASSES = {  # file and name: class
    "mlp": "MLP",
    "dlinear": "DLinear",
    "nlinear": "NLinear",
    "rlinear": "RLinear",
    "fits": "FITS",
    "tsmixer": "TSMixer",
    "lightts": "LightTS",
    "residual_mlp": "ResidualMLP",
    "itransformer": "ITransformer",
    "moderntcn": "ModernTCN",
    "patchtst": "PatchTST",
    "timemixer": "TimeMixer",
    "timesnet": "TimesNet",
    "micn": "MICN",
    "fedformer": "FEDformer",
    "autoformer": "Autoformer",
    "naive": "Naive",
    "seasonal_naive": "SeasonalNaive",
    "ridge": "Ridge",
    "phase_ridge": "PhaseRidge",
    "sparsetsf": "SparseTSF",
    "cyclenet": "CycleNet",
    "fracast": "Fracast",
    "chronos": "Chronos",
}
_MODELS: dict[str, type[nn.Module]] = {
    name: getattr(import_module(f"tdlib.models.{name}"), model) for name, model in _CLASSES.items()
}
_SHAPE = ("lookback", "horizon", "channels")


def names(role: str | None = None) -> list[str]:
    """The models that `build` knows; only the students, the teachers or the baselines with `role`."""
    return [name for name, model in _MODELS.items() if role in (None, model.role)]


def role(name: str) -> str:
    """`"student"`, `"teacher"` or `"baseline"`: which training protocol a model follows."""
    model = _known(name)
    one_of(f"{model.__name__}.role", model.role, ("student", "teacher", "baseline"))
    return model.role


def closed_form(name: str) -> bool:
    """Whether a model is fitted by its own `solve`: no gradient, no seed."""
    return hasattr(_known(name), "solve")


def title(name: str) -> str:
    """What tables and figures call a model."""
    return _known(name).title


def paper(name: str) -> str:
    """Where a model comes from: authors, place and year, arXiv number."""
    return _known(name).paper


def settings(name: str, given: dict | None = None) -> dict:
    """All settings of a model with their values: its defaults, changed by `given`.

    ValueError for an unknown model, a setting it does not have, with the valid ones, or one of the wrong type.
    """
    values = dict(_defaults(_known(name)))
    for key, value in (given or {}).items():
        require(key in values, f"{name} has no setting {key!r}; it has: {', '.join(values) or 'none'}")
        kind = type(values[key])
        fits = type(value) is kind or (kind is float and type(value) is int)
        require(fits, f"{name}: {key} must be {kind.__name__}, got {value!r}")
        values[key] = as_float(f"{name}: {key}", value) if kind is float else value
    return values


@functools.cache
def _defaults(model: type[nn.Module]) -> dict:
    parameters = inspect.signature(model).parameters
    found = {key: entry.default for key, entry in parameters.items() if key not in _SHAPE}
    open_ = [key for key, value in found.items() if value is inspect.Parameter.empty]
    require(not open_, f"{model.__name__}: a setting needs a default, the published value; {', '.join(open_)} has none")
    return found


def content(name: str, given: dict) -> dict:
    """What settings name beside themselves, of the models that have such: see above."""
    return _known(name).content(**given) if hasattr(_known(name), "content") else {}


def build(name: str, *, lookback: int, horizon: int, channels: int, **given) -> nn.Module:
    """A new model with fresh weights from torch's generator; `feature_width` is its features' width.

    Without `given` it works for any shape: a default that is too large for the window, such as a patch longer than
    the look-back, shrinks to the largest value that fits. A given value equal to the default counts as the default;
    any other that does not fit is refused. ValueError names the model and the setting.
    """
    shape = {"lookback": lookback, "horizon": horizon, "channels": channels}
    for key, value in shape.items():
        require(value >= 1, f"{key} must be at least 1, got {value}")
    return _known(name)(**shape, **_fitted(name, settings(name, given), shape))


def _known(name: str) -> type[nn.Module]:
    require(name in _MODELS, f"unknown model {name!r}; known: {', '.join(_MODELS)}")
    return _MODELS[name]


def _fitted(name: str, values: dict, shape: dict) -> dict:
    """`values` within the ranges of the model's signature and within its `limits` at this shape."""
    model, usual = _MODELS[name], settings(name)
    for key, hint in typing.get_type_hints(model.__init__, include_extras=True).items():
        if hasattr(hint, "__metadata__"):
            valid, words = hint.__metadata__
            require(valid(values[key]), f"{name}: {key} must be {words}, got {values[key]!r}")
    limits = model.limits(**shape, **values) if hasattr(model, "limits") else {}
    for key, (most, why) in limits.items():
        if values[key] == usual[key]:
            values[key] = min(values[key], most)
        require(values[key] <= most, f"{name}: {key} must be at most {most}, {why}; got {values[key]}")
    return values
