"""Sizes for speed: every model of the registry, small enough for a test."""

from tdlib import models

COMMON = {"width": 16, "hidden": 16, "heads": 2}  # where a model has the setting
OWN = {"moderntcn": {"dim": 4, "large_kernel": 9}, "fedformer": {"modes": 4}, "timesnet": {"periods": 2, "kernels": 2}}


def settings(name: str) -> dict:
    """Settings of the model `name` that make it small; they suit look-backs from 16 steps on."""
    return {key: value for key, value in COMMON.items() if key in models.settings(name)} | OWN.get(name, {})
