"""TimeMixer: one series at several scales, mixed by parts (Wang et al., ICLR 2024, arXiv 2405.14616).

    z = normalise(x);   z_0 = z,   z_m = mean of pairs of z_(m-1)        m = 1..M      [B C, 1, L_m]
    h_m = Conv_3(z_m)                  the same for every scale and channel            [B C, D, L_m]
    layer: t_m = moving average of h_m over 25 steps,   s_m = h_m - t_m
           s_m = s_m + MLP(s_(m-1))    seasons bottom-up, m = 1..M       MLP: two matrices on the time
           t_m = t_m + MLP(t_(m+1))    trends top-down,   m = M-1..0     axis with GELU between
           h_m = h_m + W_2 gelu(W_1 (s_m + t_m))                         along D
    y = sum over m of V_m (p h_m) + v_m,   de-normalised                 p maps D to 1  [B, H, C]

All channels share all weights. The paper maps L_m to H before D to 1; both maps are linear, and this
order is the same function at 1/D of the cost. The window is normalised once, before
pooling, where the public code normalises each scale.
The hidden state has D values a step and scale, so its feature is its output before de-normalisation,
[B, C, H]. Parameters at 720 -> 96 / 720: 3,201,553 / 4,046,449. The public code counts 3,201,737 / 4,046,633:
time-of-day features (64), which are not part of the contract, a scale and a shift per normalised channel
and scale (56), and LayerNorms that it never uses (64).
Shapes: B batch, L look-back, H horizon, C channels, D width, M poolings.
"""

import itertools
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Dropout, Forecast, denormalize, moving_average, normalize
from tdlib.models.ranges import Rate, Size


class TimeMixer(nn.Module):
    """Its settings.

    width       numbers that stand for one step of one scale, D
    hidden      width of the two-matrix network that ends a layer
    layers      rounds of mixing, one after the other
    poolings    how often the series is halved: coarser scales beside the series itself, M
    average     steps in the moving average that is called the trend
    dropout     share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "TimeMixer"
    role = "teacher"
    paper = "Wang et al., ICLR 2024, arXiv 2405.14616"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return {"poolings": (lookback.bit_length() - 1, f"how often look-back {lookback} can be halved")}

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 16,
        hidden: Size = 32,
        layers: Size = 2,
        poolings: Annotated[int, lambda n: n >= 0, "at least 0"] = 3,
        average: Size = 25,
        dropout: Rate = 0.1,
    ):
        super().__init__()
        self.feature_width, self.poolings = horizon, poolings
        lengths = [lookback >> m for m in range(poolings + 1)]
        self.embed = nn.Conv1d(1, width, 3, padding=1, padding_mode="circular", bias=False)
        self.dropout = Dropout(dropout)
        self.layers = nn.Sequential(*(_Layer(lengths, width, hidden, average) for _ in range(layers)))
        self.project = nn.Linear(width, 1)
        self.predictors = nn.ModuleList(nn.Linear(length, horizon) for length in lengths)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        z = z.transpose(1, 2).flatten(0, 1).unsqueeze(1)  # [B C, 1, L]
        h = [self.dropout(self.embed(scale)) for scale in scales(z, self.poolings)]  # [B C, D, L_m]
        h = self.layers(h)
        series = [_along_width(self.project, h_m).squeeze(1) for h_m in h]  # [B C, L_m]
        y = sum(predict(series_m) for predict, series_m in zip(self.predictors, series, strict=True))  # [B C, H]
        y = y.unflatten(0, (x.shape[0], x.shape[2]))  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)


def scales(series: Tensor, poolings: int) -> list[Tensor]:
    """[series, pairs averaged, fours averaged, ...] along the last axis; an odd length drops its last element."""
    out = [series]
    for _ in range(poolings):
        out.append(F.avg_pool1d(out[-1], 2))
    return out


class _Layer(nn.Module):
    """Past-decomposable mixing on the scales [S, D, L_m]."""

    def __init__(self, lengths: list[int], width: int, hidden: int, average: int):
        super().__init__()
        self.average = average
        pairs = list(itertools.pairwise(lengths))  # (finer, coarser)
        self.season = nn.ModuleList(_time_mlp(fine, coarse) for fine, coarse in pairs)
        self.trend = nn.ModuleList(_time_mlp(coarse, fine) for fine, coarse in pairs)
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, h: list[Tensor]) -> list[Tensor]:
        trends = [moving_average(h_m, self.average) for h_m in h]
        seasons = [h_m - t_m for h_m, t_m in zip(h, trends, strict=True)]
        for m, mlp in enumerate(self.season):  # from the finest scale to the coarsest
            seasons[m + 1] = seasons[m + 1] + mlp(seasons[m])
        for m, mlp in reversed(list(enumerate(self.trend))):  # from the coarsest to the finest
            trends[m] = trends[m] + mlp(trends[m + 1])
        return [h_m + self._feed_forward(s_m + t_m) for h_m, s_m, t_m in zip(h, seasons, trends, strict=True)]

    def _feed_forward(self, h: Tensor) -> Tensor:
        return _along_width(self.narrow, F.gelu(_along_width(self.widen, h)))


def _along_width(linear: nn.Linear, h: Tensor) -> Tensor:
    """The linear map along D of [S, D, L], where the axis lies; three times as fast as a convolution."""
    return torch.baddbmm(linear.bias[:, None], linear.weight.expand(h.shape[0], -1, -1), h)


def _time_mlp(length: int, to: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(length, to), nn.GELU(), nn.Linear(to, to))
