"""Sizes for speed: every model of the registry small enough for a test, and rows that no run wrote."""

import functools
import importlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tdlib import data, models
from tdlib.checks import require_extra
from tdlib.config import RunConfig
from tdlib.models.chronos import PACKAGES
from tdlib.run import train_run
from tdlib.store import Store

COMMON = {"width": 16, "hidden": 16, "heads": 2}  # where a model has the setting
OWN = {"moderntcn": {"dim": 4, "large_kernel": 9}, "fedformer": {"modes": 4}, "timesnet": {"periods": 2, "kernels": 2}}

FOUNDATION = {"fracast": ("fracast",), "chronos": PACKAGES}  # models without weights of their own -> their packages
TRAINED = [name for name in models.names() if name not in FOUNDATION]


def needs(name: str) -> None:
    """Skip a test of a foundation model whose package is not installed; where `make test-extras` runs it, fail."""
    try:
        require_extra(name, *FOUNDATION.get(name, ()))
    except ValueError as missing:
        (pytest.fail if "NO_SKIP" in os.environ else pytest.skip)(str(missing))


def package(name: str) -> None:
    """Skip tests where a package is not installed; where `make test-extras` runs them, fail."""
    importlib.import_module(name) if "NO_SKIP" in os.environ else pytest.importorskip(name)


def settings(name: str) -> dict:
    """Settings of the model `name` that make it small; they suit look-backs from 16 steps on."""
    needs(name)
    given = {key: value for key, value in COMMON.items() if key in models.settings(name)} | OWN.get(name, {})
    return given | ({"source": str(chronos_folder("bolt"))} if name == "chronos" else {})


@functools.cache
def chronos_folder(kind: str, context: int = 1024) -> Path:
    """A folder with a tiny model of random weights, made by Chronos' own classes: of `kind` "bolt" or "2"."""
    from chronos import ChronosBoltPipeline
    from chronos.chronos2 import Chronos2Model
    from chronos.chronos2.config import Chronos2CoreConfig
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    size = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    about = {
        "context_length": context,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": [n / 10 for n in range(1, 10)],
    }
    about |= {"use_reg_token": True}
    torch.manual_seed(0)
    if kind == "bolt":
        config = T5Config(**size, num_decoder_layers=1, decoder_start_token_id=0, pad_token_id=0)
        config.chronos_config = about | {"prediction_length": 16}
        config.chronos_pipeline_class = ChronosBoltPipeline.__name__
        model = ChronosBoltModelForForecasting(config)
    else:
        config = Chronos2CoreConfig(**size, reg_token_id=1)
        config.chronos_config = about | {"output_patch_size": 8, "max_output_patches": 8}
        config.chronos_pipeline_class = "Chronos2Pipeline"
        model = Chronos2Model(config)
    folder = Path(tempfile.mkdtemp(prefix="chronos"))
    model.save_pretrained(folder)
    return folder


def build(name: str, lookback: int = 48, horizon: int = 16, channels: int = 3, **given) -> torch.nn.Module:
    """A small model, the same weights at every call; `given` changes its settings. It `needs` its package."""
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
