"""PatchTST: patches of one channel are the tokens (Nie et al., ICLR 2023, arXiv 2211.14730).

    z = normalise(x), its last value repeated `stride` times;   patches of 16 every 8 steps   [B C, N, 16]
    h_n = W patch_n + b + position_n                                  position is learned     [B C, N, D]
    layer: h = BatchNorm(h + attention(h));   h = BatchNorm(h + W_2 gelu(W_1 h))
    y_c = V flatten(h_c) + v,   de-normalised                                                 [B, H, C]

Attention runs between the patches of one channel; all channels share all weights. BatchNorm over the
tokens stands where other Transformers have LayerNorm, and nothing is dropped inside the attention,
both as in the paper's own experiments; attention scores do not go on from layer to layer, as they do there.
Its feature is h flattened, [B, C, N D]: 90 x 512 = 46,080 at L = 720.
Parameters at 720 -> 96 / 720: 7,630,944 / 36,385,488. The public code counts 7,585,376 / 36,339,920: its
position is a fixed sinusoid, its patch embedding has no bias, and it has one more BatchNorm.
Shapes: B batch, L look-back, H horizon, C channels, N patches, D width.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.models.layers import Dropout, Forecast, denormalize, normalize
from tdlib.models.ranges import Rate, Size


class PatchTST(nn.Module):
    """Its settings.

    patch, stride    a token is made of `patch` neighbouring steps, a new token every `stride` steps
    width            numbers that stand for one token between the layers, D
    hidden           width of the two-matrix network that ends a layer
    layers           rounds of attention, one after the other
    heads            attentions beside each other in a layer, each on width / heads numbers: a divisor of the width
    dropout          share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "PatchTST"
    role = "teacher"
    paper = "Nie et al., ICLR 2023, arXiv 2211.14730"

    @staticmethod
    def limits(lookback: int, patch: int, **_) -> dict:
        return {"patch": (lookback, "the look-back"), "stride": (min(patch, lookback), "the patch")}

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        patch: Size = 16,
        stride: Size = 8,
        width: Size = 512,
        hidden: Size = 2048,
        layers: Size = 1,
        heads: Size = 16,
        dropout: Rate = 0.1,
    ):
        super().__init__()
        require(width % heads == 0, f"patchtst: width {width} must be a multiple of heads, {heads}")
        self.patch, self.stride = patch, stride
        patches = (lookback + stride - patch) // stride + 1
        self.feature_width = patches * width
        self.embed = nn.Linear(patch, width)
        self.position = nn.Parameter(torch.empty(patches, width).uniform_(-0.02, 0.02))
        self.dropout = Dropout(dropout)
        self.layers = nn.Sequential(*(_Layer(width, hidden, heads, dropout) for _ in range(layers)))
        self.head = nn.Linear(self.feature_width, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        patches = cut(z.transpose(1, 2).flatten(0, 1), self.patch, self.stride)  # [B C, N, patch]
        tokens = self.dropout(self.embed(patches) + self.position)  # [B C, N, D]
        h = self.layers(tokens).flatten(1).unflatten(0, (x.shape[0], x.shape[2]))  # [B, C, N D]
        y = self.head(h).transpose(1, 2)  # [B, H, C]
        return Forecast(denormalize(y, stats), h)


def cut(series: Tensor, patch: int, stride: int) -> Tensor:
    """Overlapping patches [S, N, patch] of series [S, L]; every one of the L values lies in some patch."""
    padded = F.pad(series.unsqueeze(1), (0, stride), mode="replicate").squeeze(1)
    return padded.unfold(1, patch, stride)


class _Layer(nn.Module):
    """One encoder layer on [S, N, D]: attention over N, then two matrices on each token."""

    def __init__(self, width: int, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, width), Dropout(dropout)
        )
        self.dropout = Dropout(dropout)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query_key_value(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [S, heads, N, -1]
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # [S, N, D]
        x = x + self.dropout(self.out(mixed))
        x = self.norms[0](x.flatten(0, 1))  # [S N, D]
        x = self.norms[1](x + self.feed_forward(x))
        return x.unflatten(0, mixed.shape[:2])
