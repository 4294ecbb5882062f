"""TSMixer: small MLPs that mix time and channels by turns (Chen et al., TMLR 2023, arXiv 2303.06053).

    z = normalise(x) * scale + shift                      scale, shift per channel (RevIN)
    block: h = h + W2 relu(W1 h)       over the L steps of each channel, the same for all channels
           h = h + V2 relu(V1 h)       over the C channels of each step, the same for all steps
    y_c = U h_c + u,   de-normalised                      [B, H, C]

Its feature is h after the last block, [B, C, L]. Parameters with seven channels, width 64, two blocks:
257,052 at 720 -> 96 and 706,956 at 720 -> 720, as published with the public code. As that code, and
unlike the paper, it mixes time through a bottleneck of `width` where the paper has one matrix [L, L],
and does without normalisation inside a block, where the paper takes batch statistics of every step and channel.
Shapes: B batch, L look-back, H horizon, C channels.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Affine, Dropout, Forecast, denormalize, normalize
from tdlib.models.ranges import Rate, Size


class TSMixer(nn.Module):
    """Its settings.

    width      hidden units of the small networks, in time and across the channels
    layers     blocks, one after the other
    dropout    share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "TSMixer"
    role = "student"
    paper = "Chen et al., TMLR 2023, arXiv 2303.06053"

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, width: Size = 64, layers: Size = 2, dropout: Rate = 0.1
    ):
        super().__init__()
        self.feature_width = lookback
        self.affine = Affine(channels)
        self.blocks = nn.Sequential(*(_Block(lookback, channels, width, dropout) for _ in range(layers)))
        self.head = nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        z = self.affine(z).permute(2, 0, 1)  # [C, B, L]
        h = self.blocks(z).transpose(0, 1)  # [B, C, L]
        y = self.head(h).transpose(1, 2)  # [B, H, C]
        return Forecast(denormalize(self.affine.inverse(y), stats), h)


class _Block(nn.Module):
    """One block on [C, B, L]: channels first, so that mixing them is one product of two matrices."""

    def __init__(self, lookback: int, channels: int, width: int, dropout: float):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(lookback, width), nn.ReLU(), nn.Linear(width, lookback), Dropout(dropout))
        self.channel_in, self.channel_out = nn.Linear(channels, width), nn.Linear(width, channels)
        self.dropout = Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.time(h)
        mixed = _from_the_left(self.channel_in, h.flatten(1)).relu_()  # [width, B L]
        mixed = _from_the_left(self.channel_out, mixed)  # [C, B L]
        return h + self.dropout(mixed).view_as(h)


def _from_the_left(linear: nn.Linear, h: Tensor) -> Tensor:
    """`linear` over the first axis of h [size, N]: three times as fast as `linear(h.T).T`."""
    return torch.addmm(linear.bias.unsqueeze(1), linear.weight, h)
