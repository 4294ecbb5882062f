"""The seasonal naive forecast: the last whole period, again and again (Hyndman and Athanasopoulos, section 5.2).

It has no weights. Its feature is its own output [B, C, H]. Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast
from tdlib.models.ranges import Size
from tdlib.windows import Splits


class SeasonalNaive(nn.Module):
    """Its setting.

    period    steps until the series is expected to repeat itself; a run takes its data set's (`data.period`)
    """

    title = "Seasonal naive"
    role = "baseline"
    paper = "Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 2021"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return {"period": (lookback, "the look-back")}

    def __init__(self, *, lookback: int, horizon: int, channels: int, period: Size = 24):
        super().__init__()
        self.feature_width, self.period = horizon, period

    def solve(self, splits: Splits) -> dict[str, float]:
        """There is nothing to fit."""
        return {}

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        times = -(-self.feature_width // self.period)
        y = x[:, -self.period :].repeat(1, times, 1)[:, : self.feature_width]  # [B, H, C]
        return Forecast(y, y.transpose(1, 2))
