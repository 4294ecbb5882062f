"""The student beside a linear map: what the map can say, the MLP need not learn.

    y = MLP(x) + U (x - mean(x))            U [H, L], one for all channels, no bias

Its feature is the MLP's. A control for what hidden layers are for: without them the sum is `rlinear` but for the
deviation, without the map it is `mlp`. Parameters at width 512 with seven channels: 905,962 at 720 -> 96.

Source: ours; a shortcut as in He et al., arXiv 1512.03385.
Shapes: B batch, L look-back, H horizon, C channels, D width.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, normalize
from tdlib.models.mlp import MLP
from tdlib.models.ranges import Width


class ResidualMLP(nn.Module):
    """Its setting.

    width      hidden units of each of the MLP's two networks, D
    """

    title = "Residual MLP"
    role = "student"
    paper = "this study; He et al., CVPR 2016, arXiv 1512.03385"

    def __init__(self, *, lookback: int, horizon: int, channels: int, width: Width = 512):
        super().__init__()
        self.mlp = MLP(lookback=lookback, horizon=horizon, channels=channels, width=width)
        self.map = nn.Linear(lookback, horizon, bias=False)
        self.feature_width = width

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, _ = normalize(x, scale=False)
        y, features = self.mlp(x)
        return Forecast(y + self.map(z.mT).mT, features)  # [B, H, C]
