"""Distillation: the projector and the objective (TimeDistill, eq. 3-8; arXiv 2502.15016).

    L = MSE(y_s, y) + alpha * (S + P)(y_s, y_t) + beta * (S + P)(f_s, G(f_t))

y forecasts, f features; s the student, t the teacher. S is `losses.multi_scale`, P `losses.multi_period`. The
teacher is frozen, and its outputs over the training windows are there (`tdlib.teachers`): an epoch of
distillation never runs it. G, the projector, is trained with the student and thrown away.
Shapes: B batch, H horizon, C channels, D student width, D_t teacher width.
"""

import functools
import math
from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from tdlib import channels, rivals
from tdlib.checks import one_of, require
from tdlib.compute import exact
from tdlib.losses import multi_period, multi_scale, step_weights
from tdlib.models import Forecast
from tdlib.models.layers import moving_average
from tdlib.teachers import LiveTeacher, SeveralTeachers, StoredTeacher
from tdlib.train import Mix, Objective, unmixed
from tdlib.windows import Splits

TERMS = ("supervised", "scale_forecast", "period_forecast", "scale_feature", "period_feature")  # the method's, for good
# A new one comes here, and into `Distillation._parts`; its name ends in _forecast or _feature, by which it is weighed.
ALL_TERMS = (*TERMS, *rivals.TERMS, *channels.TERMS)


def weights(terms: tuple[str, ...], alpha: float, beta: float) -> dict[str, float]:
    """The weight of each of `terms`; those of weight zero are no part of the loss."""
    levels = {"supervised": 1.0, "forecast": alpha, "feature": beta}
    weighted = {term: levels[term.split("_")[-1]] for term in terms}
    return {term: weight for term, weight in weighted.items() if weight > 0}


def of_features(terms: Iterable[str]) -> bool:
    """Whether one of `terms` compares features."""
    return any(term.endswith("feature") for term in terms)


class Projector(nn.Sequential):
    """G: brings the teacher's features [B, C, D_t] to the student's width [B, C, D]."""

    def __init__(self, teacher_width: int, student_width: int):
        super().__init__(nn.Linear(teacher_width, student_width), nn.ReLU(), nn.Linear(student_width, student_width))


class Distillation(Objective):
    """The objective of a distilled student: named parts, each of which `terms` may leave out.

    `TERMS` are the method's five. Two more, `rivals.TERMS`, belong to other methods and are there for
    comparison; `channels.TERMS` is a third pattern, of how channels move together. `alpha` weighs the parts on
    forecasts, `beta` those on features; a part of weight zero is left out.
    With `teacher=None` the truth takes the teacher's place in the forecast parts (the paper's Table 10), as its moving
    average over `smooth` steps where that is not 1, and there are no feature parts. Two controls: a teacher with
    `foresight` p sees the future and is spared this share of its error, y_t + p (y - y_t); with a `tilt` the steps
    of `supervised` and `scale_forecast` count as `losses.step_weights` says: exactly at full length, and at coarser
    scales as the mean of the weighted steps, which are pooled before they are squared. The other arguments are those of
    `losses.multi_scale` and `losses.multi_period`. ValueError for terms, alpha and beta that make no loss.
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
        smooth: int = 1,
        foresight: float = 0.0,
        tilt: float = 0.0,
    ):
        super().__init__()
        for term in terms:
            one_of("terms", term, ALL_TERMS)
        for name, weight in (("alpha", alpha), ("beta", beta)):
            require(0 <= weight < math.inf, f"{name} must be finite and not negative, got {weight}")
        self.teacher, self.smooth, self.foresight, self.tilt = teacher, smooth, foresight, tilt
        self.weights = weights(terms, alpha, beta)
        require(bool(self.weights), "no part of the loss has a weight: see terms, alpha and beta")
        features = of_features(self.weights)
        alone = teacher is not None and not isinstance(teacher, SeveralTeachers)
        require(alone or not features, "neither the truth nor several teachers have features: beta must be 0")
        self.projector = Projector(teacher_width, student_width) if features else None
        self.discriminator = rivals.Discriminator(student_width) if "adversarial_feature" in self.weights else None
        self.scale = functools.partial(multi_scale, dim=-1, scales=scales, downsample=downsample)
        self.period = functools.partial(multi_period, dim=-1, temperature=temperature, reduction=reduction)

    def forward(self, forecast: Forecast, y: Tensor, index: Tensor, mix: Mix = unmixed) -> dict[str, Tensor]:
        """The parts of the loss, by name, for the student's forecast of the training windows `index` [B].

        Forecast and truth are of the windows as mixed by `mix`; it mixes the teacher's outputs likewise.
        """
        with exact(y):  # all but the student's and the projector's products
            if self.teacher:
                y_t, f_t = (mix(part.to(y.device)) for part in self.teacher.batch(index))
                y_t = y_t.lerp(y, self.foresight) if self.foresight else y_t
            else:
                y_t, f_t = moving_average(y, self.smooth, dim=1), None
        if self.projector is not None:
            f_t = self.projector(f_t).float()
        y_s, f_s = (part.float() for part in forecast)
        with exact(y):
            return self._parts(y_s, f_s, y_t, f_t, y)

    def _parts(self, y_s: Tensor, f_s: Tensor, y_t: Tensor, f_t: Tensor | None, y: Tensor) -> dict[str, Tensor]:
        y, y_s, y_t = y.mT, y_s.mT, y_t.mT  # [B, C, H], as features are [B, C, D]: patterns run along the last axis
        own, target, truth = y_s, y_t, y
        if self.tilt:  # w (a - b)^2
            roots = step_weights(y.shape[-1], self.tilt).sqrt().to(y.device)
            own, target, truth = roots * y_s, roots * y_t, roots * y
        parts = {
            "supervised": (F.mse_loss, own, truth),
            "scale_forecast": (self.scale, own, target),
            "period_forecast": (self.period, y_s, y_t),
            "channel_forecast": (channels.multi_channel, y_s, y_t),
            "scale_feature": (self.scale, f_s, f_t),
            "period_feature": (self.period, f_s, f_t),
            "adversarial_feature": (self.discriminator, f_s, f_t),
            "contrastive_feature": (rivals.contrastive, f_s, f_t),
        }
        return {term: loss(a, b) for term, (loss, a, b) in parts.items() if term in self.weights}

    def check(self, splits: Splits) -> None:
        """ValueError where the teacher's outputs are those of other windows."""
        count, wanted = getattr(self.teacher, "count", None), len(splits.train)
        words = f"the teacher's outputs are of {count} windows, and {wanted} are to be learned from"
        require(count in (None, wanted), words)

    def after_epoch(self, model: nn.Module, splits: Splits) -> dict[str, float]:
        """Let several teachers' weights follow the student's validation error; the log keeps the weights."""
        if not isinstance(self.teacher, SeveralTeachers):
            return {}
        if self.teacher.weighting == "adaptive":
            self.teacher.adapt(model, splits)
        names = self.teacher.teachers
        return {f"weight_{name}": weight for name, weight in zip(names, self.teacher.weights.tolist(), strict=True)}
