"""What several models share. Shapes: B batch, L look-back, H horizon, C channels."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Forecast(NamedTuple):
    """What every model returns: `prediction` [B, H, C] and `features` [B, C, feature_width]."""

    prediction: Tensor
    features: Tensor


class Statistics(NamedTuple):
    """Of each window and channel, [B, 1, C]."""

    mean: Tensor
    deviation: Tensor


def normalize(x: Tensor, *, scale: bool = True) -> tuple[Tensor, Statistics]:
    """Each window [B, L, C] to mean 0 and, with `scale`, deviation 1; nothing is kept between two calls."""
    mean = x.mean(1, keepdim=True)
    if not scale:
        return x - mean, Statistics(mean, torch.ones_like(mean))
    deviation = (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()  # a constant window stays finite
    return (x - mean) / deviation, Statistics(mean, deviation)


def denormalize(z: Tensor, stats: Statistics) -> Tensor:
    """The inverse of `normalize`, for any number of steps [B, H, C]."""
    return z * stats.deviation + stats.mean


class Affine(nn.Module):
    """RevIN's own scale and shift of each channel (Kim et al., ICLR 2022), on [B, any, C], and their inverse."""

    def __init__(self, channels: int):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, z: Tensor) -> Tensor:
        return z * self.scale + self.shift

    def inverse(self, y: Tensor) -> Tensor:
        return (y - self.shift) / self.scale


def moving_average(x: Tensor, width: int, *, dim: int = -1) -> Tensor:
    """Average over `width` steps along `dim`; the ends are repeated, so the length stays.

    Sums of 1, 2, 4, ... neighbours, each from the one before, add up to the sum of `width`: as exact as
    adding one by one, in log2(width) additions (pooling took an eighth of the student's training time). Its
    gradient is made of such sums, too, where autograd would fill a tensor for each addition.
    """
    if torch.compiler.is_compiling():  # an exported file has no gradient
        return _average(x, width, dim)
    return _MovingAverage.apply(x, width, dim)


class _MovingAverage(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, width: int, dim: int) -> Tensor:
        ctx.width, ctx.dim = width, dim
        return _average(x, width, dim)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor, None, None]:
        width, dim, length = ctx.width, ctx.dim, dy.shape[ctx.dim]
        before = (width - 1) // 2
        beyond = torch.zeros_like(dy.narrow(dim, 0, 1)).repeat_interleave(width - 1, dim)
        wide = _sums(torch.cat([beyond, dy, beyond], dim), width, dim) / width  # of the series with its repeated ends
        head, dx, tail = wide.split([before, length, width - 1 - before], dim)
        dx = dx.clone()
        dx.narrow(dim, 0, 1).add_(head.sum(dim, keepdim=True))
        dx.narrow(dim, length - 1, 1).add_(tail.sum(dim, keepdim=True))
        return dx, None, None


def _average(x: Tensor, width: int, dim: int) -> Tensor:
    length, before = x.shape[dim], (width - 1) // 2
    first, last = x.narrow(dim, 0, 1), x.narrow(dim, length - 1, 1)
    return _sums(torch.cat([*[first] * before, x, *[last] * (width - 1 - before)], dim), width, dim) / width


def _sums(sums: Tensor, width: int, dim: int) -> Tensor:
    """Of `width` neighbours along `dim`, which becomes width - 1 shorter."""
    length, start, size = sums.shape[dim] - width + 1, 0, 1
    total = torch.zeros_like(sums.narrow(dim, 0, length))
    while True:
        if width & size:  # this power of two is part of `width`
            total += sums.narrow(dim, start, length)
            start += size
        if 2 * size > width:
            return total
        rest = sums.shape[dim] - size
        sums = sums.narrow(dim, 0, rest) + sums.narrow(dim, size, rest)
        size *= 2


def by_phase(z: Tensor, period: int) -> Tensor:
    """The last whole periods of [..., L], by the phase of their steps: [..., period, L // period]."""
    periods = z.shape[-1] // period
    return z[..., -periods * period :].unflatten(-1, (periods, period)).mT


def decompose(h: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Season and trend of [B, T, D]: the trend is the moving average over time."""
    trend = moving_average(h, width, dim=1)
    return h - trend, trend


def sinusoids(steps: int, width: int) -> Tensor:
    """The fixed position code [steps, width]: sine and cosine by turns, ever slower."""
    pair = torch.arange(width) // 2 * 2
    angle = torch.arange(steps)[:, None] * torch.exp(-math.log(10000.0) * pair / width)
    return torch.where(torch.arange(width) % 2 == 0, angle.sin(), angle.cos())


class Dropout(nn.Module):
    """`nn.Dropout` with cheaper draws: four 16-bit ones from each random 64-bit integer.

    On a CPU torch draws a Bernoulli number for every element, which took a third of a training step
    of ModernTCN. The rate is rounded to a multiple of 2^-16.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        draws = torch.empty(x.numel() // 4 + 1, dtype=torch.int64, device=x.device)
        draws.random_(-(2**63), None).bitwise_xor_(-(2**63))  # `randint`'s numbers, without its remainders
        kept = draws.view(torch.int16)[: x.numel()].view(x.shape) >= min(round(self.rate * 2**16), 2**16 - 1) - 2**15
        return x * kept.to(x.dtype).mul_(1 / (1 - self.rate))
