"""The student of TimeDistill: two small MLPs, one for the trend and one for the rest.

    z = x - mean(x)                                          window mean, added back at the end
    trend = moving average of z over 25 steps,   seasonal = z - trend
    h_k = W_k k + b_k            k in {seasonal, trend}      [B, C, D]
    y = scale * sum_k V_k relu(BatchNorm_k(h_k)) + shift + mean(x)      [B, H, C]

Its feature is h_seasonal + h_trend: the first layer before BatchNorm and ReLU. All channels share
the weights; BatchNorm keeps a scale and a shift per channel. `norm="revin"` also divides each window
by its deviation (Kim et al. 2022), as the paper does for Traffic; `"none"` keeps the mean in. A last
scale and shift per channel acts on the output: the public code counts these 2 C weights too, as
RevIN's pair, and leaves them idle unless RevIN is on; `affine=False` does the same: the pair is there and
stays at 1 and 0. (An input-side pair would change little, since BatchNorm follows.)

With `layers` from 2 to 4 each branch has as many hidden layers: W' h + b', BatchNorm, ReLU once more
before V. The feature stays the first layer's. Parameters at width 512 with seven channels, one layer:
836,842 at 720 -> 96 and 1,477,066 at 720 -> 720, as published; each further layer adds 525,340.

Source: Ni et al., arXiv 2502.15016, appendix on implementation.
Shapes: B batch, L look-back, H horizon, C channels, D width.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, denormalize, moving_average, normalize
from tdlib.models.ranges import Size, Width


class MLP(nn.Module):
    """Its settings.

    width      hidden units of each of the two networks, D
    average    steps in the moving average that is called the trend
    norm       taken from a window and given back to its forecast: "mean", with "revin" the deviation too, or "none"
    layers     hidden layers of each network, 1 to 4
    affine     whether the last scale and shift learn; they are counted all the same
    """

    title = "MLP"
    role = "student"
    paper = "Ni et al., KDD 2026, arXiv 2502.15016"

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Width = 512,
        average: Size = 25,
        norm: Annotated[str, ("none", "mean", "revin").__contains__, "'none', 'mean' or 'revin'"] = "mean",
        layers: Annotated[int, lambda n: 1 <= n <= 4, "1 to 4"] = 1,
        affine: bool = True,
    ):
        super().__init__()
        self.feature_width, self.average, self.norm = width, average, norm
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.scale.requires_grad_(affine), self.shift.requires_grad_(affine)
        self.seasonal_in, self.trend_in = nn.Linear(lookback, width), nn.Linear(lookback, width)
        self.seasonal_norm, self.trend_norm = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)
        self.seasonal_out, self.trend_out = nn.Linear(width, horizon), nn.Linear(width, horizon)
        self.seasonal_deep, self.trend_deep = _deep(channels, width, layers), _deep(channels, width, layers)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = (x, None) if self.norm == "none" else normalize(x, scale=self.norm == "revin")
        z = z.transpose(1, 2)  # [B, C, L]
        trend = moving_average(z, self.average)
        h_seasonal, h_trend = self.seasonal_in(z - trend), self.trend_in(trend)  # [B, C, D]
        y = self.seasonal_out(self.seasonal_deep(self.seasonal_norm(h_seasonal).relu()))
        y = y + self.trend_out(self.trend_deep(self.trend_norm(h_trend).relu()))  # [B, C, H]
        y = y.transpose(1, 2) * self.scale + self.shift
        return Forecast(y if stats is None else denormalize(y, stats), h_seasonal + h_trend)


def _deep(channels: int, width: int, layers: int) -> nn.Sequential:
    """The hidden layers after the first, on [B, C, D]; none at `layers` 1."""
    further = [(nn.Linear(width, width), nn.BatchNorm1d(channels), nn.ReLU()) for _ in range(layers - 1)]
    return nn.Sequential(*(step for layer in further for step in layer))
