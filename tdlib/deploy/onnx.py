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
from tdlib.deploy.fused import smallest
from tdlib.files import check_place, write_atomically
from tdlib.forecast import InOwnUnits
from tdlib.models.layers import denormalize, normalize
from tdlib.models.pretrained import Pretrained
from tdlib.models.ridge import Ridge
from tdlib.run import trained
from tdlib.store import Store
from tdlib.train import window_errors
from tdlib.windows import Windows, split

TOLERANCE = 1e-5  # of an exported forecast against torch's, in scaled units
BATCHES = (1, 3, 16)  # at which an export is checked


class Export(NamedTuple):
    """Of an exported file: its largest difference from torch, in scaled units; what int8 costs, where that is known."""

    difference: float
    mse: float | None = None
    mse_int8: float | None = None

    @property
    def cost(self) -> str:
        """What int8 costs, in words."""
        if self.mse is None:
            return "not measured, as the rows are not there"
        change = f"a change of {100 * (self.mse_int8 / self.mse - 1):+.2f} percent"
        return f"{self.mse:.5f} in float32, {self.mse_int8:.5f} in int8, {change}"


class Products(nn.Module):
    """A ridge regression of one map as a matrix product, which int8 makes small: an einsum stays in float32."""

    def __init__(self, ridge: Ridge):
        super().__init__()
        self.map = nn.Parameter(ridge.weight[0].detach().T.contiguous())  # [L, H]

    def forward(self, x: Tensor) -> Tensor:
        z, stats = normalize(x, scale=False)
        return denormalize((z.transpose(1, 2) @ self.map).transpose(1, 2), stats)


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
    An MLP of one layer is fused first, a ridge regression of one map made a matrix product. With `int8` the weights
    are 8-bit integers, with one scale for each column, and activations are quantised as they come, with one scale for
    the whole batch: a window's forecast then depends a little on the others. Before the file appears its forecasts are
    compared with `model`'s (which is put into evaluation mode) at several batch sizes, before any quantisation.
    Returns the largest difference of what is written, in scaled units.
    Raises ValueError for a model that ONNX cannot hold, a difference above TOLERANCE, a path that cannot be
    written, with `int8` for a model of whose weights none becomes smaller, or where the packages of the extra `onnx`
    are not installed.
    """
    require_onnx()
    alone = not isinstance(model, Pretrained)
    require(alone, f"{about['config']['model']} cannot be exported: its own package runs it, but a student of it can")
    check_place(Path(path))
    scaling = about["mean"], about["deviation"], about.get("constant")
    form = Products(model) if isinstance(model, Ridge) and len(model.weight) == 1 else smallest(model)
    blob = _export(InOwnUnits(form, *scaling).eval(), about, {"run": run} | (metadata or {}))
    reference = InOwnUnits(model, *scaling).eval()
    difference = _largest_difference(blob, reference, about, TOLERANCE)
    if int8:
        blob = _quantised(blob, about["config"]["model"])
        difference = _largest_difference(blob, reference, about, np.inf)
    write_atomically((Path(path), blob))
    return difference


def export(id: str, store: Store, path: str | Path, *, int8: bool = False, dataset: str = "") -> Export:
    """`to_onnx` for a run of a store; with `int8` also the test MSE before and after, on `dataset` if it has moved.

    ValueError too for what is no id or has no weights and, with `int8`, where the run's series has changed.
    """
    model, about = trained(id, store)
    windows = _test_windows(about, dataset) if int8 else None  # its faults are told before anything is written
    difference = to_onnx(model, about, path, run=id, int8=int8)
    if windows is None:
        return Export(difference)
    full = window_errors(model, windows).mean(dtype=torch.float64).item()
    return Export(difference, full, mse(path, about, windows))


def _test_windows(about: dict, dataset: str) -> Windows:
    config = about["config"] | ({"dataset": dataset} if dataset else {})
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


def _quantised(blob: bytes, name: str) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    file = onnx.load_from_string(blob)
    stacks = {weight.name for weight in file.graph.initializer if len(weight.dims) > 2}
    # a product with a stack of matrices cannot have a scale for each column of each
    left = [node.name for node in file.graph.node if node.op_type == "MatMul" and stacks & set(node.input)]
    with tempfile.TemporaryDirectory() as folder, _silence():
        target = Path(folder, "int8.onnx")
        # unsigned weights: with signed ones the sums saturate on every x86 processor without VNNI (errors of 40%)
        how = {"per_channel": True, "weight_type": QuantType.QUInt8, "nodes_to_exclude": left}
        quantize_dynamic(file, target, **how)
        small = target.read_bytes()
    kinds = {weight.data_type for weight in onnx.load_from_string(small).graph.initializer}
    words = f"{name} has no weights that would become 8-bit integers: export it without --int8"
    require(onnx.TensorProto.UINT8 in kinds, words)
    return small


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
    """Of an ONNX file's forecasts from torch's, on random windows, in scaled units.

    ValueError above `tolerance` times the largest of a batch's forecasts, where that is above 1.
    """
    file, generator, largest = session(blob), torch.Generator().manual_seed(0), 0.0
    mean, deviation = reference.mean, reference.deviation.numpy()
    for batch in BATCHES:
        z = torch.randn(batch, about["config"]["lookback"], len(mean), generator=generator).double()
        x = z * reference.deviation + mean
        expected, found = reference(x).numpy(), file.run(None, {"x": x.numpy()})[0]
        difference = np.abs(found - expected) / deviation
        largest_forecast = max(1.0, float((np.abs(expected - mean.numpy()) / deviation).max()))
        words = f"the ONNX file's forecasts differ from torch's by {difference.max():.1e} scaled units"
        require(bool((difference <= tolerance * largest_forecast).all()), f"{words}; nothing was written")
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
