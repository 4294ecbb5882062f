"""Encoder and decoder that take the trend out again and again: what Autoformer and FEDformer share.

The formulas stand in `autoformer`; the two models differ in the modules that mix the steps. The mean over
time is taken away after each LayerNorm, as in the public code, and the norm's bias with it: these two vectors
have no part in a forecast.
Shapes: B batch, L look-back, H horizon, C channels, D width, S = L // 2 + H, T steps (L or S).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from tdlib.models.layers import Dropout, decompose, sinusoids


class DecompositionTransformer(nn.Module):
    """[B, L, C] -> [B, S, C]. `encoder` (one a layer), `decoder` and `cross` map (h, memory) to h's shape."""

    def __init__(
        self,
        lookback: int,
        horizon: int,
        channels: int,
        encoder: list,
        decoder: nn.Module,
        cross: nn.Module,
        *,
        width: int,
        hidden: int,
        average: int,
        dropout: float,
    ):
        super().__init__()
        self.horizon, self.average = horizon, average
        self.embed, self.embed_decoder = _neighbours(channels, width), _neighbours(channels, width)
        self.register_buffer("position", sinusoids(lookback + horizon, width), persistent=False)
        self.dropout = Dropout(dropout)
        self.encoder = nn.Sequential(*(_EncoderLayer(mix, width, hidden, average, dropout) for mix in encoder))
        self.decoder = _DecoderLayer(decoder, cross, width, hidden, average, dropout)
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.trend = _neighbours(width, channels)
        self.head = nn.Linear(width, channels)

    def forward(self, z: Tensor) -> Tensor:
        memory = self.encoder(self._embedded(self.embed, z, 0))  # [B, L, D]
        memory = _without_mean(self.encoder_norm(memory))
        season, trend = (self._known_half(part) for part in decompose(z, self.average))  # [B, S, C]
        h, taken = self.decoder(self._embedded(self.embed_decoder, season, (z.shape[1] + 1) // 2), memory)  # [B, S, D]
        trend = trend + self.trend(taken.transpose(1, 2)).transpose(1, 2)
        return self.head(_without_mean(self.decoder_norm(h))) + trend

    def _embedded(self, embed: nn.Module, z: Tensor, start: int) -> Tensor:
        h = embed(z.transpose(1, 2)).transpose(1, 2)
        return self.dropout(h + self.position[start : start + z.shape[1]])

    def _known_half(self, part: Tensor) -> Tensor:
        """The last half of the look-back, then the window's mean, which is 0, for the horizon."""
        return F.pad(part[:, (part.shape[1] + 1) // 2 :], (0, 0, 0, self.horizon))


class _EncoderLayer(nn.Module):
    def __init__(self, mix: nn.Module, width: int, hidden: int, average: int, dropout: float):
        super().__init__()
        self.mix, self.average, self.dropout = mix, average, Dropout(dropout)
        self.feed_forward = _feed_forward(width, hidden, dropout)

    def forward(self, h: Tensor) -> Tensor:
        h, _ = decompose(h + self.dropout(self.mix(h, h)), self.average)
        h, _ = decompose(h + self.feed_forward(h), self.average)
        return h


class _DecoderLayer(nn.Module):
    """Returns the season and the sum of the trends taken out of it."""

    def __init__(self, mix: nn.Module, cross: nn.Module, width: int, hidden: int, average: int, dropout: float):
        super().__init__()
        self.mix, self.cross, self.average, self.dropout = mix, cross, average, Dropout(dropout)
        self.feed_forward = _feed_forward(width, hidden, dropout)

    def forward(self, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        h, first = decompose(h + self.dropout(self.mix(h, h)), self.average)
        h, second = decompose(h + self.dropout(self.cross(h, memory)), self.average)
        h, third = decompose(h + self.feed_forward(h), self.average)
        return h, first + second + third


def _neighbours(size: int, to: int) -> nn.Conv1d:
    return nn.Conv1d(size, to, 3, padding=1, padding_mode="circular", bias=False)


def _feed_forward(width: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, hidden, bias=False),
        nn.GELU(),
        Dropout(dropout),
        nn.Linear(hidden, width, bias=False),
        Dropout(dropout),
    )


def _without_mean(h: Tensor) -> Tensor:
    """A season [B, T, D] has mean 0 over time."""
    return h - h.mean(1, keepdim=True)
