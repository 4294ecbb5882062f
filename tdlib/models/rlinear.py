"""RLinear: one matrix between a normalisation and its inverse (Li et al., arXiv 2305.10721).

    z = normalise(x) * scale + shift            scale, shift per channel (RevIN)
    y = (W z + b - shift) / scale,   de-normalised

The matrix [H, L] serves all channels. A linear model has no hidden layer: its feature is W z + b,
[B, C, H]. Parameters with seven channels: 69,230 at 720 -> 96 and 519,134 at 720 -> 720.
Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Affine, Forecast, denormalize, normalize


class RLinear(nn.Module):
    """It has no settings."""

    title = "RLinear"
    role = "student"
    paper = "Li et al., 2023, arXiv 2305.10721"

    def __init__(self, *, lookback: int, horizon: int, channels: int):
        super().__init__()
        self.feature_width = horizon
        self.affine, self.linear = Affine(channels), nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        y = self.linear(self.affine(z).transpose(1, 2))  # [B, C, H]
        prediction = self.affine.inverse(y.transpose(1, 2))  # [B, H, C]
        return Forecast(denormalize(prediction, stats), y)
