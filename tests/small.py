"""Sizes for speed: every model of the registry, small enough for a test."""

import numpy as np

from tdlib import models

COMMON = {"width": 16, "hidden": 16, "heads": 2}  # where a model has the setting
OWN = {"moderntcn": {"dim": 4, "large_kernel": 9}, "fedformer": {"modes": 4}, "timesnet": {"periods": 2, "kernels": 2}}


def settings(name: str) -> dict:
    """Settings of the model `name` that make it small; they suit look-backs from 16 steps on."""
    return {key: value for key, value in COMMON.items() if key in models.settings(name)} | OWN.get(name, {})


def row(id: str, **changes) -> dict:
    """A whole row, as `run.train_run` describes a run."""
    figures = {
        "val_mse": 0.4,
        "test_mse": 0.376,
        "test_mae": 0.39,
        "test_scale_mse": [0.376, 0.3],
        "test_period_kl": 1.5,
    }
    config = {"dataset": "synthetic", "lookback": 48, "horizon": 16, "model": "mlp"}
    epochs = [{"epoch": 1, "supervised": 0.5, "val_mse": 0.4}]
    whole = {"id": id, "config": config, "metrics": figures, "epochs": epochs, "parameters": 7, "seconds": 0.1}
    return whole | {"provenance": {"git": None, "threads": 1}} | changes


def arrays(errors=(1.0, 2.0, 3.0), *, horizon: int = 16, channels: int = 2, samples: int = 2) -> dict[str, np.ndarray]:
    """A row's arrays, as `evaluate.evaluate` makes them."""
    draw = np.random.default_rng(0).random
    single = {"channel_mse": (channels,), "step_mse": (horizon,)}
    single |= dict.fromkeys(("periods", "periods_true"), (channels, horizon // 2))
    half = dict.fromkeys(("sample_y", "sample_prediction"), (samples, horizon, channels))
    half |= {"sample_x": (samples, 2 * horizon, channels)}
    return {
        "errors": np.array(errors),
        "sample_index": np.arange(samples),
        **{name: draw(shape).astype(np.float32) for name, shape in single.items()},
        **{name: draw(shape).astype(np.float16) for name, shape in half.items()},
    }
