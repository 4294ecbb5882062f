"""Distillation: the projector and the objective (TimeDistill, eq. 3-8).

    L = MSE(y, truth) + alpha * (S + P)(y_student, y_teacher) + beta * (S + P)(f_student, G(f_teacher))

The teacher is frozen, and its outputs over the training windows are there (`tdlib.teachers`): an epoch of
distillation never runs it. G, the projector, is trained with the student and thrown away.
Shapes: B batch, H horizon, C channels, D student width, D_t teacher width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdlib import rivals
from tdlib.losses import multi_period, multi_scale
from tdlib.models import Forecast
from tdlib.teachers import LiveTeacher, SeveralTeachers, StoredTeacher
from tdlib.train import Objective
from tdlib.windows import Splits

TERMS = ("supervised", "scale_forecast", "period_forecast", "scale_feature", "period_feature")


def weights(terms: tuple[str, ...], alpha: float, beta: float) -> dict[str, float]:
    """The weight of each of `terms`; those of weight zero are no part of the loss."""
    levels = {"supervised": 1.0, "forecast": alpha, "feature": beta}
    weighted = {term: levels[term.split("_")[-1]] for term in terms}
    return {term: weight for term, weight in weighted.items() if weight > 0}


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
