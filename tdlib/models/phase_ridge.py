"""Ridge regression from period to period, the same for every phase, in closed form (after SparseTSF, arXiv 2405.00946).

    z = x - mean,   z = (z + average of z over about one period) / 2
    z [n p] -> [n, p]           the last n = L // p whole periods, a column for each phase
    y [m, p] = W z              m = ceil(H / p) periods to come, cut to H steps, + mean

SparseTSF's sparse linear layer with the learned convolution before it replaced by a fixed average, and fitted as
`ridge` is, over all windows, channels and phases: the last outputs over those phases alone that lie in the horizon.
A linear model has no hidden layer: its feature is its own output [B, C, H] before the mean is added back.
Parameters: n m, which is 120 at 720 -> 96 with a period of 24, for any number of channels.
Shapes: B batch, L look-back, H horizon, C channels, p steps of a period, n periods of input, m of output.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, by_phase, denormalize, moving_average, normalize
from tdlib.models.least_squares import Equations, candidates, centred_moments, solve
from tdlib.models.ranges import Size
from tdlib.windows import Splits, Windows


class PhaseRidge(nn.Module):
    """Its settings.

    period      steps until the series is expected to repeat itself; a run takes its data set's (`data.period`)
    relative    whether lambda is sought in proportion to the windows, for a series of any length
    """

    title = "Phase ridge"
    role = "baseline"
    paper = "ridge after SparseTSF: Lin et al., ICML 2024, arXiv 2405.00946"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return {"period": (lookback, "the look-back")}

    def __init__(self, *, lookback: int, horizon: int, channels: int, period: Size = 24, relative: bool = False):
        super().__init__()
        self.feature_width, self.period, self.relative = horizon, period, relative
        self.linear = nn.Linear(lookback // period, -(-horizon // period), bias=False)

    @torch.no_grad()
    def solve(self, splits: Splits, penalties: tuple[float, ...] = ()) -> dict[str, float]:
        """Fit the map; returns lambda, one of `penalties`, or else of `least_squares.candidates`."""
        tried = penalties or candidates(splits.train, self.relative)
        weights, penalty = solve(self._equations(splits.train), self._equations(splits.val), tried)
        self.linear.weight.copy_(weights[:, 0])
        return {"lambda": penalty}

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x, scale=False)
        y = self.linear(self._inputs(z.transpose(1, 2)))  # [B, C, p, m]
        y = y.mT.flatten(2)[..., : self.feature_width]  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)

    def _inputs(self, z: Tensor) -> Tensor:
        """[..., L] -> [..., p, n]"""
        return by_phase((z + moving_average(z, 2 * (self.period // 2) + 1)) / 2, self.period)

    def _equations(self, windows: Windows) -> Equations:
        """A group for each of the m outputs, with n inputs."""
        moments = centred_moments(windows.values, windows.lookback, windows.horizon)[: windows.lookback]
        basis = self._inputs(torch.eye(windows.lookback, dtype=torch.float64))  # [L, p, n]: what each step adds
        inner = torch.einsum("lpn,lk,kpq->pnq", basis, moments[:, : windows.lookback], basis)
        outputs, over = self.linear.out_features, self.linear.out_features * self.period - windows.horizon
        targets = F.pad(moments[:, windows.lookback :], (0, over)).unflatten(1, (outputs, self.period))  # [L, m, p]
        present = torch.ones(windows.horizon, dtype=torch.float64)
        present = F.pad(present, (0, over)).view(outputs, self.period)  # 0 for steps after the horizon
        gram = torch.einsum("mp,pnq->mnq", present, inner)
        return Equations(gram, torch.einsum("lpn,lmp->mn", basis, targets)[..., None])
