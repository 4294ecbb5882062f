"""Sizes for speed: every model of the registry small enough for a test, and rows that no run wrote."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tdlib import data, models
from tdlib.config import RunConfig
from tdlib.run import train_run
from tdlib.store import Store

COMMON = {"width": 16, "hidden": 16, "heads": 2}  # where a model has the setting
OWN = {"moderntcn": {"dim": 4, "large_kernel": 9}, "fedformer": {"modes": 4}, "timesnet": {"periods": 2, "kernels": 2}}


def settings(name: str) -> dict:
    """Settings of the model `name` that make it small; they suit look-backs from 16 steps on."""
    return {key: value for key, value in COMMON.items() if key in models.settings(name)} | OWN.get(name, {})


def build(name: str, lookback: int = 48, horizon: int = 16, channels: int = 3, **given) -> torch.nn.Module:
    """A small model, the same weights at every call; `given` changes its settings."""
    torch.manual_seed(0)
    return models.build(name, lookback=lookback, horizon=horizon, channels=channels, **(settings(name) | given))


def worn(name: str, lookback: int = 48, horizon: int = 16, channels: int = 3, **given) -> torch.nn.Module:
    """The same in evaluation mode, after batches that moved its running statistics."""
    model = build(name, lookback, horizon, channels, **given).train()
    with torch.no_grad():
        for _ in range(3):
            model(1 + 2 * torch.randn(8, lookback, channels))
    return model.eval()


def silence(*modules: torch.nn.Module) -> None:
    """All weights to 0."""
    for module in modules:
        for weight in module.parameters():
            torch.nn.init.zeros_(weight)


def series(batch: int, lookback: int, channels: int, seed: int = 1) -> torch.Tensor:
    """Random walks [batch, lookback, channels]."""
    return torch.randn(batch, lookback, channels, generator=torch.Generator().manual_seed(seed)).cumsum(1)


def parameters(name: str, horizon: int, **given) -> int:
    """How many weights a model has at look-back 720 and seven channels; on "meta", where they take no memory."""
    with torch.device("meta"):
        model = models.build(name, lookback=720, horizon=horizon, channels=7, **given)
    return sum(weight.numel() for weight in model.parameters())


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


def linear_run(folder: Path, rows: int, lookback: int, horizon: int) -> RunConfig:
    """A trained linear run, in `folder`/store, of the two channels in `folder`/own.csv."""
    frame = pd.DataFrame(data.synthetic(rows=rows, channels=2).values, columns=["load", "wind"])
    frame.to_csv(folder / "own.csv", index=False)
    config = RunConfig(str(folder / "own.csv"), lookback, horizon, "nlinear", epochs=1)
    train_run(config, Store(folder / "store"))
    return config
