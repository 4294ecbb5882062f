"""The registry: a model by name. Every model maps x [B, L, C] to a `Forecast`."""

import inspect

from torch import nn

from tdlib.models.autoformer import Autoformer
from tdlib.models.fedformer import FEDformer
from tdlib.models.fits import FITS
from tdlib.models.itransformer import ITransformer
from tdlib.models.layers import Forecast
from tdlib.models.lightts import LightTS
from tdlib.models.linear import DLinear, NLinear, RLinear
from tdlib.models.micn import MICN
from tdlib.models.mlp import MLP
from tdlib.models.moderntcn import ModernTCN
from tdlib.models.patchtst import PatchTST
from tdlib.models.timemixer import TimeMixer
from tdlib.models.timesnet import TimesNet
from tdlib.models.tsmixer import TSMixer

__all__ = ["Forecast", "build", "names", "role", "settings", "title"]

_MODELS: dict[str, type[nn.Module]] = {
    "mlp": MLP,
    "dlinear": DLinear,
    "nlinear": NLinear,
    "rlinear": RLinear,
    "fits": FITS,
    "tsmixer": TSMixer,
    "lightts": LightTS,
    "itransformer": ITransformer,
    "moderntcn": ModernTCN,
    "patchtst": PatchTST,
    "timemixer": TimeMixer,
    "timesnet": TimesNet,
    "micn": MICN,
    "fedformer": FEDformer,
    "autoformer": Autoformer,
}
_SHAPE = ("lookback", "horizon", "channels")


def names(role: str | None = None) -> list[str]:
    """The models that `build` knows; only the students or the teachers with `role`."""
    return [name for name, model in _MODELS.items() if role in (None, model.role)]


def role(name: str) -> str:
    """`"student"` or `"teacher"`: which of the two training protocols a model follows."""
    settings(name)
    return _MODELS[name].role


def title(name: str) -> str:
    """What tables and figures call a model."""
    settings(name)
    return _MODELS[name].title


def settings(name: str, given: dict | None = None) -> dict:
    """All settings of a model with their values: its defaults, changed by `given`.

    ValueError for an unknown model, a setting it does not have, with the valid ones, or one of the wrong type.
    """
    if name not in _MODELS:
        raise ValueError(f"unknown model {name!r}; known: {', '.join(_MODELS)}")
    parameters = inspect.signature(_MODELS[name]).parameters
    values = {key: entry.default for key, entry in parameters.items() if key not in _SHAPE}
    for key, value in (given or {}).items():
        if key not in values:
            raise ValueError(f"{name} has no setting {key!r}; it has: {', '.join(values) or 'none'}")
        kind = type(values[key])
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ValueError(f"{name}: {key} must be {kind.__name__}, got {value!r}")
        values[key] = kind(value)
    return values


def build(name: str, *, lookback: int, horizon: int, channels: int, **given) -> nn.Module:
    """A new model with fresh weights from torch's generator; `feature_width` is its features' width."""
    full = settings(name, given)
    for key, value in zip(_SHAPE, (lookback, horizon, channels), strict=True):
        if value < 1:
            raise ValueError(f"{key} must be at least 1, got {value}")
    return _MODELS[name](lookback=lookback, horizon=horizon, channels=channels, **full)
