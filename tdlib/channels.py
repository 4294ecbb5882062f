"""The multivariate pattern: how channels move together. TimeDistill shows it (Fig. 9; arXiv 2502.15016), and trains the
teacher's two other patterns (`tdlib.losses`); here it is a third one, at forecast level.

    c = x - mean(x),    s = sqrt(mean(c^2) + still^2),    R_ij(x) = mean(c_i c_j) / (s_i s_j)
    P(a, b) = mean over windows and pairs i < j of (R_ij(a) - R_ij(b))^2

Means run over the horizon of each window. `still` is far below what a channel moves, so that R is Pearson's
correlation, and above what rounding makes of a channel that does not move: such a channel has correlation 0 with all
others, and the gradient has a bound. Shapes: B windows, C channels, H horizon.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from tdlib.checks import require
from tdlib.compute import wide

TERMS = ("channel_forecast",)
STILL = 1e-3  # a thousandth of a channel's deviation over the training rows, which scaled series are in units of


def correlation(x: Float[Tensor, "*axes channels horizon"]) -> Float[Tensor, "*axes channels channels"]:
    """R, in float32 at least.

    Values are brought to at most 1 first, where no sum leaves the format, and every channel's first value is taken
    away before its mean, which of equal values is not quite their value. `still` is at least 32 units in the last
    place of the largest value; it is no part of the gradient, which is at most 2 / (still sqrt(H)) an entry of R.
    """
    x = wide(x)
    height = x.detach().abs().amax(-1, keepdim=True).clamp(min=1)
    still = (STILL / height).clamp(min=32 * torch.finfo(x.dtype).eps)
    c = x / height
    c = c - c[..., :1]
    c = c - c.mean(-1, keepdim=True)
    s = (c.square().mean(-1, keepdim=True) + still**2).sqrt()
    return (c / s) @ (c / s).mT / x.shape[-1]


def distance(a: Float[Tensor, "*axes channels channels"], b: Float[Tensor, "*axes channels channels"]) -> Tensor:
    """Mean of (R_ij(a) - R_ij(b))^2 over the pairs i < j, of each window; 0 where there is one channel.

    R is symmetric, so that all pairs i != j have the same mean; the diagonal knows nothing of other channels.
    """
    pairs = a.shape[-1] * (a.shape[-1] - 1) // 2
    return (a - b).triu(1).square().sum((-2, -1)) / max(1, pairs)


def multi_channel(
    student: Float[Tensor, "*axes channels horizon"], teacher: Float[Tensor, "*axes channels horizon"]
) -> Float[Tensor, ""]:
    """P(student, teacher). ValueError where the shapes differ, for one channel, and for one step."""
    shapes = f"student and teacher differ in shape: {tuple(student.shape)} and {tuple(teacher.shape)}"
    require(student.shape == teacher.shape, shapes)
    check(*student.shape[-2:])
    return distance(correlation(student), correlation(teacher)).mean()


def check(channels: int, horizon: int) -> None:
    """ValueError where forecasts of so many channels and steps have no correlation between channels."""
    require(channels > 1, f"channel_forecast needs at least two channels, got {channels}")
    require(horizon > 1, f"channel_forecast needs a horizon of at least 2, got {horizon}")
