"""Where a teacher's outputs come from: stored once, computed live, or several teachers' as one.

    teacher --over all training windows, once--> PLACE/cache/ID/{predictions, features}.npy, sha256 --> batch(index)

Shapes: N windows, B batch, H horizon, C channels, D_t teacher width.
"""

import contextlib
import hashlib
import math
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdlib import committee, rivals
from tdlib.checks import require
from tdlib.files import room_for
from tdlib.models import Forecast
from tdlib.train import BATCH_CHANNELS, predict
from tdlib.windows import Splits, Windows

OUTPUTS = ("predictions", "features")
MEMORY_BUDGET = 1e9  # bytes of one teacher's outputs that a process reads into memory: two such fit a laptop


class StoredTeacher:
    """A teacher's forecasts [N, H, C] and features [N, C, D_t], half precision, from the files of `store_outputs`.

    In memory up to MEMORY_BUDGET bytes, else mapped from disk. OSError, ValueError or EOFError where they are not
    whole: of another type, of other `shapes` where these are given, or with another checksum. Outputs that are mapped
    have none, since it would take reading them all, nor have those of earlier versions.
    """

    def __init__(self, folder: Path, shapes: list[tuple[int, ...]] | None = None):
        mapped, kept = _mapped(folder), folder / "sha256"
        parts = [np.load(path, mmap_mode="c" if mapped else None) for path in _paths(folder)]
        for part, shape in zip(parts, shapes or [part.shape for part in parts], strict=True):
            fits = part.dtype == np.float16 and part.shape == shape
            require(fits, f"{folder}: outputs must be float16 of shape {shape}, got {part.dtype} of {part.shape}")
        whole = mapped or not kept.exists() or kept.read_text() == _listed(map(hashlib.sha256, parts))
        require(whole, f"{folder}: the checksum of the outputs differs")
        self.predictions, self.features = map(torch.from_numpy, parts)
        self.count = len(self.predictions)

    def forget_features(self) -> None:
        """Keep the forecasts alone: for a loss without feature parts, which would copy features in every step."""
        self.features = self.features.new_empty(*self.features.shape[:2], 0)

    def batch(self, index: Tensor) -> Forecast:
        """The outputs of the windows `index` [B], single precision."""
        return Forecast(*(part.index_select(0, index).float() for part in (self.predictions, self.features)))


class LiveTeacher:
    """The same outputs computed in every step: for a disk that cannot hold them.

    Computed in float32, rounded to half precision and laid out as the stored ones are; `Distillation` asks for them
    outside autocast. Equal to the stored ones bit for bit where a model's sums do not depend on the size of its
    batch (one thread of a CPU: of 15 million values none differed, iTransformer and PatchTST, look-back 720);
    where they do, a value beside a rounding border may become its neighbour.
    """

    def __init__(self, teacher: nn.Module, windows: Windows):
        self.teacher, self.windows, self.count = teacher.eval(), windows, len(windows)

    @torch.no_grad()
    def batch(self, index: Tensor) -> Forecast:
        forecast = self.teacher(self.windows.batch(index)[0])
        # contiguous, since a matrix product sums in another order over another layout
        return Forecast(*(part.contiguous().half().float() for part in forecast))


class SeveralTeachers:
    """Teachers as one: the weighted mean of their forecasts, and no features (they share no width).

    The weights are those that `committee.weigh` fits to `moments`, the members' errors on validation; without them
    they are equal. They stay, or follow the student's validation error with the weighting "adaptive" (see
    `rivals.alignment`). ValueError for fewer than two teachers, for moments of others, and for forecasts of other
    windows.
    """

    def __init__(
        self,
        teachers: dict[str, StoredTeacher | LiveTeacher],
        weighting: str,
        moments: np.ndarray | None = None,
        step: float = 0.5,
    ):
        require(len(teachers) > 1, f"a committee has at least two members, got {len(teachers)}")
        self.teachers, self.weighting, self.moments, self.step = teachers, weighting, moments, step
        self.weights = torch.full((len(teachers),), 1 / len(teachers))
        if moments is not None:
            self.weights = torch.from_numpy(committee.weigh(weighting, moments)).float()
        named = f"{len(teachers)} members cannot have the weights of {len(self.weights)}"
        require(len(self.weights) == len(teachers), named)
        counts = {name: teacher.count for name, teacher in teachers.items() if hasattr(teacher, "count")}
        listed = ", ".join(f"{count} of {name}" for name, count in counts.items())
        require(len(set(counts.values())) < 2, f"members of a committee forecast the same windows, got {listed}")
        self.count = next(iter(counts.values()), None)

    def batch(self, index: Tensor) -> Forecast:
        forecasts = {name: teacher.batch(index).prediction.cpu() for name, teacher in self.teachers.items()}
        shapes = {name: list(forecast.shape[1:]) for name, forecast in forecasts.items()}
        if len({tuple(shape) for shape in shapes.values()}) > 1:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(f"members of a committee forecast the same windows, and these differ: {listed}")
        predictions = torch.stack(list(forecasts.values()))
        mean = torch.einsum("k,kbhc->bhc", self.weights, predictions)
        return Forecast(mean, predictions.new_empty(len(index), 0))

    def adapt(self, model: nn.Module, splits: Splits, count: int = 512) -> None:
        """One step of the weights; gradients from windows spread evenly over validation and training."""
        model.eval()  # the batch's own statistics are not part of the question
        count = min(count, max(32, BATCH_CHANNELS // splits.val.channels))
        x, y = splits.val.batch(_spread(len(splits.val), count))
        goal = F.mse_loss(model(x).prediction, y)
        index = _spread(len(splits.train), count)
        prediction = model(splits.train.batch(index)[0]).prediction
        taught = [teacher.batch(index).prediction.to(y.device) for teacher in self.teachers.values()]
        losses = [F.mse_loss(prediction, forecast) for forecast in taught]
        logits = self.weights.log() + self.step * rivals.alignment(model, goal, losses).cpu()
        self.weights = logits.softmax(0)


def _spread(length: int, count: int) -> Tensor:
    return torch.linspace(0, length - 1, min(length, count)).long()


def output_shapes(teacher: nn.Module, windows: Windows) -> list[tuple[int, ...]]:
    """Of the stored predictions and features."""
    count, channels = len(windows), windows.channels
    return [(count, windows.horizon, channels), (count, channels, teacher.feature_width)]


def outputs_size(teacher: nn.Module, windows: Windows) -> int:
    """Bytes that the stored outputs take."""
    return 2 * sum(map(math.prod, output_shapes(teacher, windows)))


def store_outputs(teacher: nn.Module, windows: Windows, folder: Path) -> None:
    """Run the teacher over all windows and write `folder` anew: first under a temporary name, then renamed.

    Their room on disk is taken before anything is computed: DiskFull where there is none. One process at a
    time may do this (see `Store.lock`); what one that was killed has left is taken away.
    """
    shapes, digests = output_shapes(teacher, windows), [hashlib.sha256() for _ in OUTPUTS]
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with room_for(folder, outputs_size(teacher, windows)):
        try:
            unfinished.mkdir(parents=True)
            with contextlib.ExitStack() as opened:
                files = [opened.enter_context(open(path, "wb")) for path in _paths(unfinished)]
                for file, shape in zip(files, shapes, strict=True):
                    _begin_array(file, shape)
                for index, _, _, forecast in predict(teacher, windows):  # in the order of the windows
                    kept = [part.half().cpu() for part in forecast]
                    _check(kept, index, shapes)
                    for file, digest, part in zip(files, digests, kept, strict=True):
                        blob = part.numpy().tobytes()
                        file.write(blob)
                        digest.update(blob)
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
            if not _mapped(unfinished):
                (unfinished / "sha256").write_text(_listed(digests))
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _paths(folder: Path) -> list[Path]:
    return [folder / f"{name}.npy" for name in OUTPUTS]


def _mapped(folder: Path) -> bool:
    """Whether the outputs are too large for memory."""
    return sum(path.stat().st_size for path in _paths(folder)) > MEMORY_BUDGET


def _listed(digests: Iterable) -> str:
    return " ".join(digest.hexdigest() for digest in digests)


def _check(outputs: list[Tensor], index: Tensor, shapes: list[tuple[int, ...]]) -> None:
    """ValueError unless the outputs of the windows `index` [B] have the last axes of `shapes` and are finite."""
    for name, part, (_, *axes) in zip(OUTPUTS, outputs, shapes, strict=True):
        wanted, got = [len(index), *axes], list(part.shape)
        windows = f"{index[0]} to {index[-1]}"  # what is wrong with a shape is wrong with all of them
        require(
            got == wanted, f"the teacher's {name} for training windows {windows} must be of shape {wanted}, got {got}"
        )
        finite = part.isfinite().flatten(1).all(1)
        if not finite.all():
            window = int(index[~finite][0])
            raise ValueError(f"the teacher's {name} for training window {window} are not finite in half precision")


def _begin_array(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """Write a .npy header for half precision and take the room on disk of the values that are to follow."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
    if hasattr(os, "posix_fallocate"):  # macOS has none, and meets a full disk while it writes
        os.posix_fallocate(file.fileno(), 0, file.tell() + 2 * math.prod(shape))
