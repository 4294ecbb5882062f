"""SparseTSF: from period to period, the same for every phase (Lin et al., ICML 2024, arXiv 2405.00946).

    z = x - mean,   z = z + convolution of z over about one period
    z [n p] -> [n, p]           the last n = L // p whole periods, a column for each phase
    y [m, p] = W z              m = ceil(H / p) periods to come, cut to H steps, + mean

All channels share the weights, and nothing has a bias. A linear model has no hidden layer: its feature is its own
output [B, C, H] before the mean is added back. It follows the student's protocol (rate 0.01, batch 32, up to 100
epochs), where the public code has 0.02, 256 and 30; and the period is that of the data, where the public scripts take
4 steps on ETTm and Weather (`settings={"period": 4}`). The public code asks for whole periods; here a look-back gives
its last whole ones. Parameters: 145 at 720 -> 96 with a period of 24, for any number of channels.
Shapes: B batch, L look-back, H horizon, C channels, p steps of a period, n periods of input, m of output.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.depthwise import depthwise
from tdlib.models.layers import Forecast, by_phase, denormalize, normalize
from tdlib.models.ranges import Size


class SparseTSF(nn.Module):
    """Its setting.

    period    steps until the series is expected to repeat itself; a run takes its data set's (`data.period`)
    """

    title = "SparseTSF"
    role = "baseline"
    paper = "Lin et al., ICML 2024, arXiv 2405.00946"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return {"period": (lookback, "the look-back")}

    def __init__(self, *, lookback: int, horizon: int, channels: int, period: Size = 24):
        super().__init__()
        self.feature_width, self.period = horizon, period
        half = period // 2
        self.smooth = nn.Conv1d(1, 1, 2 * half + 1, padding=half, bias=False)
        self.linear = nn.Linear(lookback // period, -(-horizon // period), bias=False)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x, scale=False)
        z = z.transpose(1, 2)  # [B, C, L]
        z = z + depthwise(z.flatten(0, 1).unsqueeze(0), self.smooth.weight).view_as(z)  # `smooth`, ten times as fast
        y = self.linear(by_phase(z, self.period))  # [B, C, p, m]
        y = y.mT.flatten(2)[..., : self.feature_width]  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)
