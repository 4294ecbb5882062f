"""Ridge regression from the look-back to the horizon, in closed form (Hoerl and Kennard, Technometrics 1970).

    y = W (x - mean) + mean         mean of the window
    W minimises  |W (x - mean) - (y - mean)|^2 + lambda |W|^2  over all training windows;  lambda by validation error

Nothing is drawn and nothing depends on a seed. One matrix [H, L] serves all channels. A linear model has no hidden
layer: its feature is its own output [B, C, H] before the mean is added back. That such a fit stands beside trained
linear models: Toner and Darlow, arXiv 2403.14587. Parameters: 69,120 at 720 -> 96, times C with one map a channel.
Shapes: B batch, L look-back, H horizon, C channels, G maps (1 or C).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, denormalize, normalize
from tdlib.models.least_squares import Equations, candidates, centred_moments, solve
from tdlib.windows import Splits, Windows


class Ridge(nn.Module):
    """Its settings.

    per_channel    a matrix, and a lambda, for each channel in place of one for all
    relative       whether lambda is sought in proportion to the windows, for a series of any length
    """

    title = "Ridge"
    role = "baseline"
    paper = "Hoerl and Kennard, Technometrics 1970; Toner and Darlow, arXiv 2403.14587"

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, per_channel: bool = False, relative: bool = False
    ):
        super().__init__()
        self.feature_width, self.relative = horizon, relative
        self.weight = nn.Parameter(torch.empty(channels if per_channel else 1, horizon, lookback))  # [G, H, L]
        nn.init.uniform_(self.weight, -(lookback**-0.5), lookback**-0.5)

    @torch.no_grad()
    def solve(self, splits: Splits, penalties: tuple[float, ...] = ()) -> dict[str, float]:
        """Fit the maps; returns lambda, the geometric mean over channels where each has its own.

        It is one of `penalties`, or else of `least_squares.candidates`.
        """
        groups, horizon, lookback = self.weight.shape
        logs = []
        for weight, *values in zip(self.weight, *(w.values.chunk(groups) for w in splits[:2]), strict=True):
            tried = penalties or candidates(Windows(values[0], lookback, horizon), self.relative)
            moments = (centred_moments(part, lookback, horizon)[None, :lookback] for part in values)
            parts = (Equations(m[..., :lookback], m[..., lookback:]) for m in moments)
            found, penalty = solve(*parts, tried)
            weight.copy_(found[0])
            logs.append(torch.tensor(penalty, dtype=torch.float64).log10())
        return {"lambda": float(10 ** torch.stack(logs).mean())}

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x, scale=False)
        y = torch.einsum("blc,chl->bch", z, self.weight.expand(x.shape[2], -1, -1))  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)
