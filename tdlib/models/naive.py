"""The naive forecast: the last value, again and again (Hyndman and Athanasopoulos, section 5.2).

It has no weights. Its feature is its own output [B, C, H]. Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast
from tdlib.windows import Splits


class Naive(nn.Module):
    """It has no settings."""

    title = "Naive"
    role = "baseline"
    paper = "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 2021"

    def __init__(self, *, lookback: int, horizon: int, channels: int):
        super().__init__()
        self.feature_width = horizon

    def solve(self, splits: Splits) -> dict[str, float]:
        """There is nothing to fit."""
        return {}

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        y = x[:, -1:].repeat(1, self.feature_width, 1)  # [B, H, C]
        return Forecast(y, y.transpose(1, 2))
