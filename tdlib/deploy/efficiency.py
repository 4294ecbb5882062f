"""How small and how fast a model is on this machine: latency, memory of a forecast, size as a file.

Values of weights and inputs change none of it: models are built fresh and read random windows.
Shapes: B batch, L look-back, C channels.
"""

import ctypes
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from tdlib import models, run
from tdlib.config import RunConfig
from tdlib.deploy.fused import fuse
from tdlib.deploy.onnx import require_onnx, session, to_onnx

FORMS = ("MLP, fused", "MLP, ONNX", "MLP, ONNX int8")  # other forms of one and the same student


@dataclass(frozen=True)
class Served:
    """A model that forecasts: `forward` takes x [B, L, C], `parameters` counts weights, `size` is bytes as a file."""

    forward: Callable[[Tensor], object]
    parameters: int
    size: int


def build(config: RunConfig, channels: int) -> nn.Module:
    """The model of a run with fresh weights, in evaluation mode."""
    return run.build(config, channels).eval()


def weights(config: RunConfig, channels: int) -> int:
    """How many weights the model of a run has; counted on shapes alone."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in run.build(config, channels).parameters())


def in_torch(model: nn.Module) -> Served:
    """A model as it is; its file is its weights as safetensors."""

    def forward(x: Tensor) -> object:
        with torch.inference_mode():
            return model(x)

    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    weights = [*model.parameters()] or [*model.buffers()]  # a fused student has tables, no parameters
    return Served(forward, sum(weight.numel() for weight in weights), len(save_safetensors(tensors)))


def in_onnx(model: nn.Module, config: RunConfig, channels: int, *, int8: bool = False) -> Served:
    """A model as an ONNX file, run by onnxruntime on one thread."""
    about = {"config": config.to_dict(), "channels": [str(c) for c in range(channels)]}
    about |= {"mean": [0.0] * channels, "deviation": [1.0] * channels}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        to_onnx(model, about, path, int8=int8)
        file, size = session(path), path.stat().st_size
    return Served(lambda x: file.run(None, {"x": x.double().numpy()}), in_torch(fuse(model)).parameters, size)


def forms(config: RunConfig, channels: int) -> dict[str, Served]:
    """The student of a run in each of FORMS; where the extra `onnx` is not installed this is said, and fused is all."""
    student = build(config, channels)
    found = {FORMS[0]: in_torch(fuse(student))}
    try:
        require_onnx()
    except ValueError as error:
        print(error)
        return found
    return found | {name: in_onnx(student, config, channels, int8="int8" in name) for name in FORMS[1:]}


def latency(forward: Callable[[Tensor], object], x: Tensor, *, seconds: float) -> np.ndarray:
    """Milliseconds of each warm call within about `seconds`, and of one where a call takes longer.

    The first tenth of the calls, the first one at least, is the warm-up and not among them.
    """
    started, times = time.perf_counter(), []
    while len(times) < 2 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        forward(x)
        times.append(1000 * (time.perf_counter() - before))
    return np.array(times[math.ceil(len(times) / 10) :])


def measure(served: Served, lookback: int, channels: int, batches: list[int], *, seconds: float = 0.15) -> pd.DataFrame:
    """One line a batch size: median and 95th percentile [ms], windows a second, and how many calls that rests on."""
    lines = []
    for batch in batches:
        times = latency(served.forward, torch.randn(batch, lookback, channels), seconds=seconds)
        median, slow = np.percentile(times, [50, 95])
        rate = 1000 * batch / median
        lines.append({"batch": batch, "median ms": median, "95th ms": slow, "windows/s": rate, "calls": len(times)})
    return pd.DataFrame(lines).set_index("batch")


def peak_memory(forward: Callable[[Tensor], object], x: Tensor) -> float | None:
    """MiB by which a call raises this process's resident memory at its peak; None where Linux is not there to tell.

    Freed memory goes back to the system first, so that it counts when it is taken again. The weights are
    there before, and so is what a first call, with one window, loads and keeps.
    """
    forward(x[:1])
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        before = _status("VmRSS")
        forward(x)
        return (_status("VmHWM") - before) / 1024
    except (OSError, AttributeError):
        return None


def _status(name: str) -> int:
    """A line of /proc/self/status in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def against_error(runs: pd.DataFrame, milliseconds: pd.Series) -> pd.DataFrame:
    """Latency beside error: a line a run (see `rows.with_systems`) and, with the distilled student's error, a form.

    `milliseconds` by model and form. The fused and the ONNX student forecast what the student does, to 1e-5;
    int8 does not and is left out.
    """
    table = runs.set_index("system")[["model", "part", "test_mse", "parameters"]]
    table["ms"] = [milliseconds[models.title(model)] for model in table["model"]]
    for distilled in table.index[table["part"] == "distilled"]:
        for form in FORMS[:2]:
            if form in milliseconds:
                name = form.replace("MLP", distilled)
                table.loc[name] = table.loc[distilled]
                table.loc[name, "ms"] = milliseconds[form]
    return table.astype({"parameters": int, "test_mse": float, "ms": float})


def against_mlp(milliseconds: pd.Series, parameters: pd.Series) -> pd.DataFrame:
    """How many times the MLP's latency and parameters each system takes."""
    return pd.DataFrame(
        {
            "times the latency": milliseconds / milliseconds["MLP"],
            "times the parameters": parameters / parameters["MLP"],
        }
    )
