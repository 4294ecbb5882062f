"""NLinear: one matrix on the distance from the last value (Zeng et al., AAAI 2023, arXiv 2205.13504).

    y = W (x - x_last) + b + x_last       x_last = last value of the window

The matrix [H, L] serves all channels. A linear model has no hidden layer: its feature is its own
output [B, C, H], before the last value is added back.
Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast


class NLinear(nn.Module):
    """It has no settings."""

    title = "NLinear"
    role = "student"
    paper = "Zeng et al., AAAI 2023, arXiv 2205.13504"

    def __init__(self, *, lookback: int, horizon: int, channels: int):
        super().__init__()
        self.feature_width = horizon
        self.linear = nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        last = x[:, -1:]  # [B, 1, C]
        y = self.linear((x - last).transpose(1, 2))  # [B, C, H]
        return Forecast(y.transpose(1, 2) + last, y)
