"""LightTS: MLPs on two samplings of the look-back (Zhang et al., arXiv 2207.01186).

    z = x - mean(x), cut into N = L / S pieces of S steps in two ways:
        continuous    piece j = z[j S], z[j S + 1], z[j S + 2], ...      near in time
        interval      piece j = z[j], z[j + N], z[j + 2 N], ...          far apart
    h = [merge(IE(continuous)), merge(IE(interval))]      merge: N pieces to one     [B, C, D]
    y = IE(h) + A z + a + mean(x)                         A: one linear layer        [B, H, C]
    IE(p) = V q + v,  q = e + E e,  e = W2 leaky_relu(W1 p)      W on each piece, E across the pieces

Each IE block (information exchange) narrows to a quarter before E. The last one exchanges between the
channels, the two before between the pieces of one channel. Its feature is h, where the two samplings
of a channel meet. A look-back that is not a multiple of `chunk`, S, is lengthened at its front by its
first value. Parameters at width 64 with seven channels: 80,730 at 720 -> 96 and 541,242 at 720 -> 720.
The public code counts 82,122 and 542,634, exactly ours at chunk 72.
The paper has no normalisation; we take away each window's mean, as the student MLP does, and add it back.
Shapes: B batch, L look-back, H horizon, C channels, D width.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.layers import Forecast, denormalize, normalize
from tdlib.models.ranges import Size

Eights = Annotated[int, lambda n: n >= 8 and n % 8 == 0, "a multiple of 8"]


class LightTS(nn.Module):
    """Its settings.

    width    numbers that stand for one channel, D; each of the two samplings makes half of them, an exchange
             takes place at a quarter of that, so it must be a multiple of 8
    chunk    steps in one piece of a sampling, S
    """

    title = "LightTS"
    role = "student"
    paper = "Zhang et al., 2022, arXiv 2207.01186"

    @staticmethod
    def limits(lookback: int, **_) -> dict:
        return {"chunk": (lookback, "the look-back")}

    def __init__(self, *, lookback: int, horizon: int, channels: int, width: Eights = 64, chunk: Size = 24):
        super().__init__()
        self.feature_width, self.chunk = width, chunk
        self.padding = -lookback % chunk
        pieces = (lookback + self.padding) // chunk
        self.continuous, self.interval = _Pieces(chunk, pieces, width // 2), _Pieces(chunk, pieces, width // 2)
        self.exchange = _IEBlock(width, width, horizon, nodes=channels)
        self.highway = nn.Linear(lookback, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x, scale=False)
        z = z.transpose(1, 2)  # [B, C, L]
        continuous, interval = samples(F.pad(z, (self.padding, 0), mode="replicate"), self.chunk)  # [B, C, N, S]
        h = torch.cat([self.continuous(continuous), self.interval(interval)], dim=2)  # [B, C, D]
        y = self.exchange(h) + self.highway(z)  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), h)


def samples(
    z: Float[Tensor, "batch channel lookback"], chunk: int
) -> tuple[Float[Tensor, "batch channel piece {chunk}"], Float[Tensor, "batch channel piece {chunk}"]]:
    """The continuous and the interval sampling in pieces of `chunk` steps."""
    return z.unflatten(2, (-1, chunk)), z.unflatten(2, (chunk, -1)).transpose(2, 3)


class _Pieces(nn.Module):
    """One sampling [B, C, N, S] to one hidden state a channel, [B, C, width]."""

    def __init__(self, chunk: int, pieces: int, width: int):
        super().__init__()
        self.exchange, self.merge = _IEBlock(chunk, width, width, nodes=pieces), nn.Linear(pieces, 1)

    def forward(self, pieces: Tensor) -> Tensor:
        h = self.exchange(pieces)  # [B, C, N, width]
        return self.merge(h.transpose(2, 3)).squeeze(3)


class _IEBlock(nn.Module):
    """[..., nodes, size] to [..., nodes, out]: each node by itself, then an exchange between the nodes."""

    def __init__(self, size: int, width: int, out: int, *, nodes: int):
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(size, width), nn.LeakyReLU(), nn.Linear(width, width // 4))
        self.exchange = nn.Linear(nodes, nodes)
        self.out = nn.Linear(width // 4, out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.narrow(x)  # [..., nodes, width / 4]
        h = h + self.exchange(h.transpose(-1, -2)).transpose(-1, -2)
        return self.out(h)
