"""DLinear: one matrix for the trend, one for the rest (Zeng et al., AAAI 2023, arXiv 2205.13504).

    y = W_s (x - trend) + b_s + W_t trend + b_t       trend = moving average of x over 25 steps

The matrices [H, L] serve all channels. A linear model has no hidden layer: its feature is its own
output [B, C, H]. Nothing is normalised. Parameters: 138,432 at 720 -> 96, for any number of channels.
Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, moving_average
from tdlib.models.ranges import Size


class DLinear(nn.Module):
    """Its setting.

    average    steps in the moving average that is called the trend
    """

    title = "DLinear"
    role = "student"
    paper = "Zeng et al., AAAI 2023, arXiv 2205.13504"

    def __init__(self, *, lookback: int, horizon: int, channels: int, average: Size = 25):
        super().__init__()
        self.feature_width, self.average = horizon, average
        self.seasonal, self.trend = nn.Linear(lookback, horizon), nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        x = x.transpose(1, 2)  # [B, C, L]
        trend = moving_average(x, self.average)
        y = self.seasonal(x - trend) + self.trend(trend)  # [B, C, H]
        return Forecast(y.transpose(1, 2), y)
