"""CycleNet: a learned cycle is taken out and put back, a linear layer forecasts the rest (Lin et al., NeurIPS 2024).

    z = normalise(x)
    s = angle of z's wave of p steps, in steps              the position in the cycle at which the window begins
    y = W (z - Q[s ... s + L]) + b + Q[s + L ... s + L + H],   de-normalised        Q [C, p] goes round and round

Where this differs from the paper (arXiv 2409.18479): there the position s comes from the number of the row in the
series. A model here sees the window and nothing else, so s is read off the window, for each channel: the cycle begins
at the crest of the channel's own wave, and Q between two steps is interpolated. It follows that s means little where
a channel has no such wave, and that what differs from day to day by the calendar alone is not in Q. The cycle is the
data's period, a day, where the paper takes a week on ECL and Traffic. It follows the student's protocol (rate 0.01,
batch 32, up to 100 epochs); the public scripts have 0.005, 256 and 30 on ETTh1. Q begins at 0, as there.
A linear model has no hidden layer: its feature is its own output [B, C, H] before de-normalisation.
Parameters: 69,216 + 24 C at 720 -> 96 with a period of 24.
Shapes: B batch, L look-back, H horizon, C channels, p steps of a period.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, by_phase, denormalize, normalize
from tdlib.models.ranges import Size


class CycleNet(nn.Module):
    """Its setting.

    period    steps of the cycle; a run takes its data set's (`data.period`)
    """

    title = "CycleNet"
    role = "baseline"
    paper = "Lin et al., NeurIPS 2024, arXiv 2409.18479"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return {"period": (lookback, "the look-back")}

    def __init__(self, *, lookback: int, horizon: int, channels: int, period: Size = 24):
        super().__init__()
        self.feature_width, self.period = horizon, period
        self.cycle = nn.Parameter(torch.zeros(channels, period))
        self.linear = nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        z = z.transpose(1, 2)  # [B, C, L]
        cycle = self._cycle_from(self._position(z.detach()), z.shape[2] + self.feature_width)  # [B, C, L + H]
        y = self.linear(z - cycle[..., : z.shape[2]]) + cycle[..., z.shape[2] :]  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)

    def _position(self, z: Tensor) -> Tensor:
        """Of each window's first step in the cycle, [B, C, 1] in 0..p: the crest of the wave is at 0."""
        turn = self.period / (2 * math.pi)
        angle = torch.arange(self.period, dtype=z.dtype, device=z.device) / turn
        day = by_phase(z, self.period).sum(3)  # of whole periods alone, else slower waves leak in
        sine, cosine = -(day * angle.sin()).sum(2, keepdim=True), (day * angle.cos()).sum(2, keepdim=True)
        return (torch.atan2(sine, cosine) * turn - z.shape[2] % self.period) % self.period

    def _cycle_from(self, position: Tensor, steps: int) -> Tensor:
        """The cycle from `position` [B, C, 1] on, over `steps`: [B, C, steps]."""
        before = position.floor()
        index = (before.long() + torch.arange(self.period, device=position.device)) % self.period  # [B, C, p]
        cycle = self.cycle.expand(position.shape[0], -1, -1)
        now, after = cycle.gather(2, index), cycle.gather(2, (index + 1) % self.period)
        once = now + (position - before) * (after - now)
        return once.repeat(1, 1, -(-steps // self.period))[..., :steps]
