"""Distillation: the teacher's stored outputs, the projector, and the objective (TimeDistill, eq. 3-8).

    L = MSE(y, truth) + alpha * (S + P)(y_student, y_teacher) + beta * (S + P)(f_student, G(f_teacher))

The teacher is frozen, so its outputs over the training windows are computed once and kept in half
precision: an epoch of distillation never runs it. G, the projector, is trained with the student and
thrown away. Shapes: N windows, B batch, H horizon, C channels, D student width, D_t teacher width.
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdlib import rivals
from tdlib.losses import multi_period, multi_scale
from tdlib.models import Forecast
from tdlib.train import Objective, predict
from tdlib.windows import Splits, Windows

TERMS = ("supervised", "scale_forecast", "period_forecast", "scale_feature", "period_feature")
WEIGHTINGS = ("mean", "adaptive")


def weights(terms: tuple[str, ...], alpha: float, beta: float) -> dict[str, float]:
    """The weight of each of `terms`; those of weight zero are no part of the loss."""
    levels = {"supervised": 1.0, "forecast": alpha, "feature": beta}
    weighted = {term: levels[term.split("_")[-1]] for term in terms}
    return {term: weight for term, weight in weighted.items() if weight > 0}


class StoredTeacher:
    """A teacher's forecasts [N, H, C] and features [N, C, D_t], half precision, mapped from disk."""

    def __init__(self, folder: Path):
        self.predictions = torch.from_numpy(np.load(folder / "predictions.npy", mmap_mode="c"))
        self.features = torch.from_numpy(np.load(folder / "features.npy", mmap_mode="c"))

    def batch(self, index: Tensor) -> Forecast:
        return Forecast(*(part.index_select(0, index).float() for part in (self.predictions, self.features)))


class LiveTeacher:
    """The same outputs computed in every step: for a disk that cannot hold them."""

    def __init__(self, teacher: nn.Module, windows: Windows):
        self.teacher, self.windows = teacher.eval(), windows

    @torch.no_grad()
    def batch(self, index: Tensor) -> Forecast:
        forecast = self.teacher(self.windows.batch(index)[0])
        return Forecast(*(part.half().float() for part in forecast))  # rounded as the stored ones are


class SeveralTeachers:
    """Teachers as one: the weighted mean of their forecasts, and no features (they share no width).

    The weights, equal at first, stay (`"mean"`) or follow the student's validation error (`"adaptive"`,
    see `rivals.alignment`).
    """

    def __init__(self, teachers: dict[str, StoredTeacher | LiveTeacher], weighting: str, step: float = 0.5):
        self.teachers, self.weighting, self.step = teachers, weighting, step
        self.weights = torch.full((len(teachers),), 1 / len(teachers))

    def batch(self, index: Tensor) -> Forecast:
        predictions = torch.stack([teacher.batch(index).prediction.cpu() for teacher in self.teachers.values()])
        return Forecast(torch.einsum("k,kbhc->bhc", self.weights, predictions), predictions.new_empty(0))

    def adapt(self, model: nn.Module, splits: Splits, count: int = 512) -> None:
        """One step of the weights; gradients from windows spread evenly over validation and training."""
        model.eval()  # the batch's own statistics are not part of the question
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


def outputs_size(teacher: nn.Module, windows: Windows, channels: int) -> int:
    """Bytes that the stored outputs take."""
    return 2 * len(windows) * channels * (windows.horizon + teacher.feature_width)


def store_outputs(teacher: nn.Module, windows: Windows, folder: Path) -> None:
    """Run the teacher over all windows and write `folder` (a temporary name first, then renamed)."""
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    unfinished.mkdir(parents=True, exist_ok=True)
    files: list[np.ndarray] = []
    for index, _, _, forecast in predict(teacher, windows):
        if not files:
            for name, part in zip(("predictions", "features"), forecast, strict=True):
                shape = (len(windows), *part.shape[1:])
                path = unfinished / f"{name}.npy"
                files.append(np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape))
        for file, part in zip(files, forecast, strict=True):
            file[index[0] : index[-1] + 1] = part.half().numpy()
    for file in files:
        file.flush()
    try:
        unfinished.rename(folder)
    except OSError:  # another process was faster: its outputs are the same
        for path in unfinished.iterdir():
            path.unlink()
        unfinished.rmdir()


class Projector(nn.Sequential):
    """G: brings the teacher's features [B, C, D_t] to the student's width [B, C, D]."""

    def __init__(self, teacher_width: int, student_width: int):
        super().__init__(nn.Linear(teacher_width, student_width), nn.ReLU(), nn.Linear(student_width, student_width))


class Distillation(Objective):
    """The objective of a distilled student: five named parts, each of which can be left out.

    Two more parts (`rivals.TERMS`) belong to other methods and are there for comparison.

    With `teacher=None` the truth takes the teacher's place in the forecast parts (the paper's
    Table 10), and there are no feature parts.
    """

    def __init__(
        self,
        teacher: StoredTeacher | LiveTeacher | SeveralTeachers | None,
        teacher_width: int,
        student_width: int,
        *,
        alpha: float,
        beta: float,
        terms: tuple[str, ...] = TERMS,
        scales: int = 3,
        downsample: str = "avg",
        temperature: float = 0.5,
        reduction: str = "code",
    ):
        super().__init__()
        self.weights = weights(terms, alpha, beta)
        self.teacher = teacher
        self.scale = {"scales": scales, "downsample": downsample}
        self.period = {"temperature": temperature, "reduction": reduction}
        if any(term.endswith("feature") for term in self.weights):
            self.projector = Projector(teacher_width, student_width)
        if "adversarial_feature" in self.weights:
            self.discriminator = rivals.Discriminator(student_width)

    def forward(self, forecast: Forecast, y: Tensor, index: Tensor) -> dict[str, Tensor]:
        teacher_y, teacher_f = (part.to(y.device) for part in self.teacher.batch(index)) if self.teacher else (y, None)
        if hasattr(self, "projector"):
            teacher_f = self.projector(teacher_f).float()
        student_y, student_f = (part.float() for part in forecast)
        with torch.autocast(y.device.type, enabled=False):  # the losses are exact, whatever the products are
            return self._parts(student_y, student_f, teacher_y, teacher_f, y)

    def _parts(self, student_y, student_f, teacher_y, teacher_f, y: Tensor) -> dict[str, Tensor]:
        parts = {
            "supervised": lambda: F.mse_loss(student_y, y),
            "scale_forecast": lambda: multi_scale(student_y, teacher_y, dim=1, **self.scale),
            "period_forecast": lambda: multi_period(student_y, teacher_y, dim=1, **self.period),
            "scale_feature": lambda: multi_scale(student_f, teacher_f, dim=2, **self.scale),
            "period_feature": lambda: multi_period(student_f, teacher_f, dim=2, **self.period),
            "adversarial_feature": lambda: self.discriminator(student_f, teacher_f),
            "contrastive_feature": lambda: rivals.contrastive(student_f, teacher_f),
        }
        return {term: parts[term]() for term in self.weights}

    def after_epoch(self, model: nn.Module, splits: Splits) -> dict[str, float]:
        if not isinstance(self.teacher, SeveralTeachers):
            return {}
        if self.teacher.weighting == "adaptive":
            self.teacher.adapt(model, splits)
        names = self.teacher.teachers
        return {f"weight_{name}": weight for name, weight in zip(names, self.teacher.weights.tolist(), strict=True)}
