"""Linear forecasters: the baseline that a distilled MLP has to beat (Zeng et al., arXiv 2205.13504;
RLinear: Li et al., arXiv 2305.10721).

    DLinear   y = W_s (x - trend) + W_t trend     trend = moving average of x over 25 steps
    NLinear   y = W (x - x_last) + x_last         x_last = last value of the window
    RLinear   y = RevIN^-1(W RevIN(x) + b)        RevIN: mean 0, deviation 1, then a scale and shift per channel

One matrix [H, L] for all channels. A linear model has no hidden layer: its feature is its own
output [B, C, H], for NLinear before the last value is added back, for RLinear before RevIN is undone.
Parameters of RLinear with seven channels: 69,230 at 720 -> 96 and 519,134 at 720 -> 720.
Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.models.layers import Affine, Forecast, denormalize, moving_average, normalize


class DLinear(nn.Module):
    title = "DLinear"
    role = "student"

    def __init__(self, *, lookback: int, horizon: int, channels: int, average: int = 25):
        super().__init__()
        require(average >= 1, f"dlinear: average must be at least 1, got {average}")
        self.feature_width, self.average = horizon, average
        self.seasonal, self.trend = nn.Linear(lookback, horizon), nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        x = x.transpose(1, 2)  # [B, C, L]
        trend = moving_average(x, self.average)
        y = self.seasonal(x - trend) + self.trend(trend)  # [B, C, H]
        return Forecast(y.transpose(1, 2), y)


class NLinear(nn.Module):
    title = "NLinear"
    role = "student"

    def __init__(self, *, lookback: int, horizon: int, channels: int):
        super().__init__()
        self.feature_width = horizon
        self.linear = nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        last = x[:, -1:]  # [B, 1, C]
        y = self.linear((x - last).transpose(1, 2))  # [B, C, H]
        return Forecast(y.transpose(1, 2) + last, y)


class RLinear(nn.Module):
    title = "RLinear"
    role = "student"

    def __init__(self, *, lookback: int, horizon: int, channels: int):
        super().__init__()
        self.feature_width = horizon
        self.affine, self.linear = Affine(channels), nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        y = self.linear(self.affine(z).transpose(1, 2))  # [B, C, H]
        prediction = self.affine.inverse(y.transpose(1, 2))  # [B, H, C]
        return Forecast(denormalize(prediction, stats), y)
