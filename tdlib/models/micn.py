"""MICN: convolutions that see a few steps, then all of them (Wang et al., ICLR 2023, "MICN: Multi-scale
Local and Global Context Modeling for Long-term Series Forecasting").

    z = normalise(x);   trend = mean of the moving averages over k + 1 steps, k in {12, 16}
    h = Conv_3(z - trend, then H zeros) + position                                        [B, T, D]
    layer, for each k:   s = h - moving average of h over k + 1 steps
           l = tanh(Conv_k(s), stride k)                       local       [B, N, D], N = ceil(T / k)
           g = tanh(causal Conv_N(l))                          global: "isometric", as long as its input
           o_k = LayerNorm(s + tanh(ConvTranspose_k(LayerNorm(l + g))))                   [B, T, D]
           h = LayerNorm(W_m [o_12, o_16]);   h = LayerNorm(h + W_2 gelu(W_1 h))
    y = V h + v + R trend,   de-normalised                     R: one linear layer        [B, H, C]

With `trend="mean"` R is the mean over the look-back (the paper's MICN-mean; MICN-regre is the default,
and starts as the mean). The public code adds the last product to W_m [...] as it is, before its norm.
Convolutions whose stride is their kernel are linear layers on pieces of k steps, zeros completing the
last piece; the isometric one runs through a Fourier transform: the same sums, several times faster.
The hidden state mixes the channels. Its feature is the hidden sequence mapped to the channels by its own
output projection, with the trend: y before de-normalisation with the look-back in front, [B, C, T].
Parameters at 720 -> 96 / 720, seven channels: 48,605,799 / 72,910,807. The public code counts 49,115,751 /
73,420,759: its isometric kernels are one step longer, it has 2,048 weights for time-of-day features, which
are not part of the contract (the position is a fixed sinusoid), and an up-sampled piece has one bias for
its k steps where we have k. The paper does not normalise its windows.
Shapes: B batch, L look-back, H horizon, C channels, D width, T = L + H, N pieces.
"""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.compute import exact, wide
from tdlib.models.layers import Dropout, Forecast, decompose, denormalize, normalize, sinusoids
from tdlib.models.ranges import Rate, Size


class MICN(nn.Module):
    """Its settings.

    width           numbers that stand for one step, D
    hidden          width of the two-matrix network that ends a layer
    layers          how many layers follow one another
    small_kernel    steps in a piece of the finer scale, k; its moving average is as wide
    large_kernel    the same at the coarser scale
    trend           how the trend goes on: "regression", a linear layer, or "mean", the look-back's mean
    dropout         share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "MICN"
    role = "teacher"
    paper = "Wang et al., ICLR 2023"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return dict.fromkeys(("small_kernel", "large_kernel"), (lookback, "the look-back"))

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 512,
        hidden: Size = 2048,
        layers: Size = 1,
        small_kernel: Size = 12,
        large_kernel: Size = 16,
        trend: Annotated[str, ("regression", "mean").__contains__, "'regression' or 'mean'"] = "regression",
        dropout: Rate = 0.1,
    ):
        super().__init__()
        steps, kernels = lookback + horizon, (small_kernel, large_kernel)
        self.horizon, self.feature_width, self.kernels = horizon, steps, kernels
        self.embed = nn.Conv1d(channels, width, 3, padding=1, padding_mode="circular", bias=False)
        self.register_buffer("position", sinusoids(steps, width), persistent=False)
        self.dropout = Dropout(dropout)
        self.layers = nn.Sequential(*(_Layer(steps, width, hidden, kernels, dropout) for _ in range(layers)))
        self.head = nn.Linear(width, channels)
        self.future = _mean_line(lookback, horizon) if trend == "regression" else Mean(horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        trend = sum(decompose(z, _average(kernel))[1] for kernel in self.kernels) / len(self.kernels)
        season = F.pad(z - trend, (0, 0, 0, self.horizon))  # [B, T, C]
        h = self.embed(season.transpose(1, 2)).transpose(1, 2)  # [B, T, D]
        h = self.layers(self.dropout(h + self.position))
        future = self.future(trend.transpose(1, 2)).transpose(1, 2)  # [B, H, C]
        y = self.head(h) + torch.cat([trend, future], dim=1)  # [B, T, C]
        return Forecast(denormalize(y[:, -self.horizon :], stats), y.transpose(1, 2))


class _Layer(nn.Module):
    """One MIC layer on [B, T, D]."""

    def __init__(self, steps: int, width: int, hidden: int, kernels: tuple[int, ...], dropout: float):
        super().__init__()
        self.branches = nn.ModuleList(Branch(steps, width, kernel, dropout) for kernel in kernels)
        self.merge = nn.Linear(len(kernels) * width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.merge_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, h: Tensor) -> Tensor:
        h = torch.cat([branch(h) for branch in self.branches], dim=2)
        h = self.merge_norm(self.merge(h))
        return self.norm(h + self.feed_forward(h))


class Branch(nn.Module):
    """Local and global context at one scale, [B, T, D]."""

    def __init__(self, steps: int, width: int, kernel: int, dropout: float):
        super().__init__()
        self.steps, self.kernel, self.pieces = steps, kernel, -(-steps // kernel)
        self.down, self.up = nn.Linear(kernel * width, width), nn.Linear(width, kernel * width)
        self.isometric = Isometric(self.pieces, width)
        self.global_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        season, _ = decompose(h, _average(self.kernel))
        pieces = F.pad(season, (0, 0, 0, self.pieces * self.kernel - self.steps))
        pieces = pieces.unflatten(1, (self.pieces, self.kernel)).flatten(2)  # [B, N, k D]
        near = self.dropout(self.down(pieces).tanh())  # [B, N, D]
        far = self.dropout(self.isometric(near).tanh())
        far = self.global_norm(near + far)
        far = self.dropout(self.up(far).tanh())  # [B, N, k D]
        far = far.unflatten(2, (self.kernel, -1)).flatten(1, 2)[:, : self.steps]
        return self.norm(season + far)


class Isometric(nn.Module):
    """A causal convolution as long as its input [B, N, D]: out(n) = b + sum over j <= n of W_j x(n - j).

    One product a frequency, of F = N + 1 over 2 N steps, so that zeros keep the ends apart. The transforms are products
    with cosines and sines: along the first axis of that many weights an FFT, which copies them, takes longer.
    """

    def __init__(self, steps: int, width: int):
        super().__init__()
        bound = 1 / math.sqrt(steps * width)
        self.weight = nn.Parameter(torch.empty(steps, width, width).uniform_(-bound, bound))  # [N, in, out]
        self.bias = nn.Parameter(torch.zeros(width))
        angle = torch.arange(steps + 1)[:, None] * torch.arange(steps) % (2 * steps) * (math.pi / steps)
        share = torch.full((steps + 1, 1), 1 / steps).index_fill_(0, torch.tensor([0, steps]), 0.5 / steps)
        for name, wave in (("cos", angle.cos()), ("sin", angle.sin())):
            self.register_buffer(name, wave, persistent=False)  # [F, N]
            self.register_buffer(f"{name}_back", (wave * share).T, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with exact(x):  # N sums that cancel
            x = wide(x).transpose(0, 1)
            x_cos, x_sin = torch.tensordot(self.cos, x, 1), torch.tensordot(self.sin, x, 1)  # [F, B, D]
            w_cos, w_sin = torch.tensordot(self.cos, self.weight, 1), torch.tensordot(self.sin, self.weight, 1)
            cos, sin = x_cos @ w_cos - x_sin @ w_sin, x_cos @ w_sin + x_sin @ w_cos
            out = torch.tensordot(self.cos_back, cos, 1) + torch.tensordot(self.sin_back, sin, 1)  # [N, B, D]
        return out.transpose(0, 1) + self.bias


class Mean(nn.Module):
    """The mean of [..., L], H times."""

    def __init__(self, horizon: int):
        super().__init__()
        self.horizon = horizon

    def forward(self, trend: Tensor) -> Tensor:
        return trend.mean(-1, keepdim=True).expand(*trend.shape[:-1], self.horizon)


def _mean_line(lookback: int, horizon: int) -> nn.Linear:
    """A linear layer that starts as the mean."""
    line = nn.Linear(lookback, horizon)
    nn.init.constant_(line.weight, 1 / lookback)
    nn.init.zeros_(line.bias)
    return line


def _average(kernel: int) -> int:
    """The odd width of a scale's moving average."""
    return kernel // 2 * 2 + 1
