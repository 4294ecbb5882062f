"""A trained model as one ONNX file that forecasts by itself, in the series' own units.

    x [batch, L, C] -> scaled -> the model, a plain student fused first -> own units -> prediction [batch, H, C]

onnx, onnxruntime and onnxscript are the extra `onnx`, imported where they are used.
Shapes: L look-back, H horizon, C channels.
"""

import contextlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tdlib import data
from tdlib.checks import require, require_extra
from tdlib.deploy.fused import fuse, smallest
from tdlib.files import check_place, write_atomically
from tdlib.models.pretrained import Pretrained
from tdlib.run import trained
from tdlib.store import Store
from tdlib.train import window_errors
from tdlib.windows import Windows, split

__all__ = ["export", "fuse", "mse", "require_onnx", "session", "to_onnx"]

TOLERANCE = 1e-5  # of an exported forecast against torch's, in scaled units
BATCHES = (1, 3, 16)  # at which an export is checked


class Export(NamedTuple):
    """Of an exported file: its largest difference from torch, in scaled units, and what int8 costs, if it is int8."""

    difference: float
    mse: float | None = None
    mse_int8: float | None = None


class InOwnUnits(nn.Module):
    """x -> prediction in the series' own units, both float64, around a model that works in scaled ones, in float32.

    A channel that was constant in training and is so in a window stays where it is.
    """

    def __init__(self, model: nn.Module, mean: list[float], deviation: list[float], constant: list[bool] | None = None):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float64))
        self.register_buffer("constant", torch.tensor(constant) if constant and any(constant) else None)

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(((x - self.mean) / self.deviation).float())
        y = y if isinstance(y, Tensor) else y.prediction
        y = y.double() * self.deviation + self.mean
        if self.constant is None:
            return y
        last = x[:, -1:]  # [B, 1, C]
        return torch.where(self.constant & (x == last).all(1, keepdim=True), last, y)


def to_onnx(
    model: nn.Module,
    about: dict,
    path: str | Path,
    *,
    run: str = "",
    int8: bool = False,
    metadata: dict[str, str] | None = None,
) -> float:
    """Write a model as one ONNX file: `x` [batch, L, C] -> `prediction` [batch, H, C], in the series' own units.

    Both are float64, so that a series far from 0 keeps its digits: the file scales it before it turns to float32.
    `about` is what `run.load_model` returns with the model; channels, look-back, horizon and `run` become
    metadata of the file, and so does what `metadata` holds.
    An MLP of one layer is fused first. With `int8` the weights are 8-bit integers, with
    one scale for each column, and activations are quantised as they come, with one scale for the whole batch:
    a window's forecast then depends a little on the others. Before the file appears its forecasts are compared
    with `model`'s (which is put into evaluation mode) at several batch sizes, before any quantisation.
    Returns the largest difference of what is written, in scaled units.
    Raises ValueError for a model that ONNX cannot hold, a difference above TOLERANCE, a path that cannot be
    written, or where the packages of the extra `onnx` are not installed.
    """
    require_onnx()
    alone = not isinstance(model, Pretrained)
    require(alone, f"{about['config']['model']} cannot be exported: its own package runs it, but a student of it can")
    check_place(Path(path))
    scaling = about["mean"], about["deviation"], about.get("constant")
    blob = _export(InOwnUnits(smallest(model), *scaling).eval(), about, {"run": run} | (metadata or {}))
    reference = InOwnUnits(model, *scaling).eval()
    difference = _largest_difference(blob, reference, about, TOLERANCE)
    if int8:
        blob = _quantised(blob)
        difference = _largest_difference(blob, reference, about, np.inf)
    write_atomically((Path(path), blob))
    return difference


def export(id: str, store: Store, path: str | Path, *, int8: bool = False) -> Export:
    """`to_onnx` for a run of a store; with `int8` also the test MSE before and after.

    ValueError too for what is no id or has no weights and, with `int8`, where the run's series has changed.
    """
    model, about = trained(id, store)
    windows = _test_windows(about) if int8 else None  # its faults are told before anything is written
    difference = to_onnx(model, about, path, run=id, int8=int8)
    if windows is None:
        return Export(difference)
    full = window_errors(model, windows).mean(dtype=torch.float64).item()
    return Export(difference, full, mse(path, about, windows))


def _test_windows(about: dict) -> Windows:
    config = about["config"]
    splits = split(data.load(config["dataset"]), config["lookback"], config["horizon"])
    found, kept = [splits.mean, splits.deviation], [about["mean"], about["deviation"]]
    same = np.array_equal(np.float32(found), np.float32(kept))  # as earlier runs have kept them
    changed = f"{config['dataset']} is no longer the series that the run learned from"
    require(same, f"{changed}: there are no test windows to measure int8 on")
    return splits.test


def require_onnx() -> None:
    """ValueError, with the command that helps, where the packages of the extra `onnx` are not installed."""
    require_extra("onnx", "onnx", "onnxruntime", "onnxscript")


def _export(model: InOwnUnits, about: dict, metadata: dict[str, str]) -> bytes:
    import onnx

    config, channels = about["config"], about["channels"]
    x = torch.zeros(2, config["lookback"], len(channels), dtype=torch.float64)
    try:
        with _silence():
            names = {"input_names": ["x"], "output_names": ["prediction"], "dynamic_shapes": {"x": {0: "batch"}}}
            program = torch.onnx.export(model, (x,), dynamo=True, verbose=False, **names)
    except torch.onnx.errors.OnnxExporterError:
        such = "such as complex numbers or shapes that depend on the data"
        words = f"{config['model']} cannot be exported: it uses operations that ONNX does not have, {such}"
        raise ValueError(words) from None
    file = program.model_proto
    numbers = {key: str(config[key]) for key in ("lookback", "horizon")}
    onnx.helper.set_model_props(file, numbers | {"channels": json.dumps(channels)} | metadata)
    return file.SerializeToString()


def _quantised(blob: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _silence():
        target = Path(folder, "int8.onnx")
        # unsigned weights: with signed ones the sums saturate on every x86 processor without VNNI (errors of 40%)
        quantize_dynamic(onnx.load_from_string(blob), target, per_channel=True, weight_type=QuantType.QUInt8)
        return target.read_bytes()


def session(file: str | Path | bytes):
    """An onnxruntime session of an exported file on one thread: `session.run(None, {"x": x})[0]`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # what a call has taken goes back to the system, as in torch
    source = file if isinstance(file, bytes) else str(file)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def _largest_difference(blob: bytes, reference: InOwnUnits, about: dict, tolerance: float) -> float:
    """Of an ONNX file's forecasts from torch's, on random windows, in scaled units; ValueError above `tolerance`."""
    file, generator, largest = session(blob), torch.Generator().manual_seed(0), 0.0
    mean, deviation = reference.mean, reference.deviation.numpy()
    for batch in BATCHES:
        z = torch.randn(batch, about["config"]["lookback"], len(mean), generator=generator).double()
        x = z * reference.deviation + mean
        expected, found = reference(x).numpy(), file.run(None, {"x": x.numpy()})[0]
        difference = np.abs(found - expected) / deviation
        words = f"the ONNX file's forecasts differ from torch's by {difference.max():.1e} scaled units"
        require(bool((difference <= tolerance).all()), f"{words}; nothing was written")
        largest = max(largest, float(difference.max()))
    return largest


def mse(file: str | Path, about: dict, windows: Windows, batch_size: int = 256) -> float:
    """The mean squared error of an exported file over scaled windows, in scaled units."""
    forecaster, total = session(file), 0.0
    mean, deviation = np.array(about["mean"]), np.array(about["deviation"])
    for index in torch.arange(len(windows)).split(batch_size):
        x, y = (part.numpy() for part in windows.batch(index))
        prediction = forecaster.run(None, {"x": x * deviation + mean})[0]
        total += np.square((prediction - mean) / deviation - y).mean((1, 2), dtype=np.float64).sum()
    return total / len(windows)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No remarks of exporter and quantiser on other packages and their own steps; where one fails, we say so."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
