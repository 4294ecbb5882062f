"""ModernTCN: a convolution with a very large kernel along time, then two small networks
(Luo and Wang, ICLR 2024, "ModernTCN: a modern pure convolution structure").

    z = normalise(x);   patches = BatchNorm(Conv(z))       patch 8, stride 4:   [B, C, D, N]
    block: h = BN(BN(DWConv_51(h)) + BN(DWConv_5(h)))      each channel and feature by itself; BN: BatchNorm
           h = FFN over the D features of each channel     (grouped by channel)
           h = FFN over the C channels of each feature     (grouped by feature)
           h = h + input
    y_c = V flatten(h_c) + v,   de-normalised              [B, H, C]

Its feature is h flattened, [B, C, D N]: 64 x 180 = 11,520 at L = 720. Parameters at 720 -> 96 with
seven channels: 1,199,136. The public code counts 1,249,668; the 4% are layers for further stages, for
fusing their scales and for time-of-day features, which a single stage never uses.
Shapes: B batch, L look-back, H horizon, C channels, D dim, N patches.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.models.depthwise import depthwise
from tdlib.models.layers import Dropout, Forecast, denormalize, normalize
from tdlib.models.ranges import Rate, Size

Odd = Annotated[int, lambda n: n >= 1 and n % 2 == 1, "odd and positive"]


class ModernTCN(nn.Module):
    """Its settings.

    patch, stride    a piece of `patch` neighbouring steps is read together, a new piece every `stride` steps
    dim              features: numbers that stand for a piece of one channel, D
    ratio            the two small networks widen by this factor between their two layers
    blocks           how many blocks follow one another
    large_kernel     pieces that the wide convolution sees at once (odd, so that it has a middle)
    small_kernel     pieces that the narrow one beside it sees (odd)
    dropout          share of the numbers that is set to 0 at random while training, in the blocks
    head_dropout     the same for the forecast itself
    """

    title = "ModernTCN"
    role = "teacher"
    paper = "Luo and Wang, ICLR 2024"

    @staticmethod
    def limits(lookback: int, patch: int, **_) -> dict:
        half = max(1, lookback // 2)  # one patch alone has no deviation where a batch ends in a single window
        stride = (half, "half the look-back") if half < patch else (patch, "the patch")
        return {"patch": (lookback, "the look-back"), "stride": stride}

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        patch: Size = 8,
        stride: Size = 4,
        dim: Size = 64,
        ratio: Size = 1,
        blocks: Size = 1,
        large_kernel: Odd = 51,
        small_kernel: Odd = 5,
        dropout: Rate = 0.3,
        head_dropout: Rate = 0.0,
    ):
        super().__init__()
        self.overhang = patch - stride  # the last value is repeated so that the last patch is whole
        patches = (lookback + self.overhang - patch) // stride + 1
        self.feature_width = dim * patches
        self.stem = nn.Sequential(_Patches(1, dim, patch, stride), nn.BatchNorm1d(dim))
        self.blocks = nn.Sequential(
            *(_Block(channels, dim, ratio, large_kernel, small_kernel, dropout) for _ in range(blocks))
        )
        self.head = nn.Sequential(nn.Linear(self.feature_width, horizon), Dropout(head_dropout))

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        z = F.pad(z.permute(2, 0, 1), (0, self.overhang), mode="replicate")  # [C, B, L + overhang]
        h = self.stem(z).unflatten(2, (x.shape[0], -1))  # [C, D, B, N]
        h = self.blocks(h)
        h = h.permute(2, 0, 1, 3).flatten(2)  # [B, C, D N]
        y = self.head(h).transpose(1, 2)  # [B, H, C]
        return Forecast(denormalize(y, stats), h)


class _Block(nn.Module):
    """One block on [C, D, B, N]: with the windows beside the steps each network is one product a group."""

    def __init__(self, channels: int, dim: int, ratio: int, large: int, small: int, dropout: float):
        super().__init__()
        self.large, self.small = _depthwise(channels * dim, large), _depthwise(channels * dim, small)
        self.norm = nn.BatchNorm1d(dim)
        self.features = _feed_forward(channels * dim, ratio, groups=channels, dropout=dropout)
        self.channels = _feed_forward(channels * dim, ratio, groups=dim, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(0, 1)  # [C D, B, N]
        h = self.large(h) + self.small(h)  # [1, C D, B N]
        h = self.norm(h.view(*x.shape[:2], -1))  # [C, D, B N]
        h = self.features(h)
        h = self.channels(h.transpose(0, 1)).transpose(0, 1)
        return x + h.reshape(x.shape)


class _Patches(nn.Conv1d):
    """`nn.Conv1d` of one channel's pieces as a product, z [C, B, L] -> W P_c + b [C, D, B N]."""

    def forward(self, z: Tensor) -> Tensor:
        pieces = z.unfold(2, *self.kernel_size, *self.stride)  # [C, B, N, patch]
        return torch.baddbmm(self.bias[:, None], self.weight.squeeze(1).expand(len(z), -1, -1), pieces.flatten(1, 2).mT)


class _Depthwise(nn.Conv1d):
    """`nn.Conv1d` of each row by itself, [R, B, N] -> [1, R, B N]."""

    def __init__(self, width: int, kernel: int):
        super().__init__(width, width, kernel, padding=kernel // 2, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return depthwise(x, self.weight).flatten(1).unsqueeze(0)


class _Pointwise(nn.Conv1d):
    """`nn.Conv1d` of width 1 in groups, [G, I, any] -> [G, O, any]: a product W_g h_g + b_g of each group."""

    def __init__(self, width: int, out: int, groups: int):
        super().__init__(width, out, 1, groups=groups)

    def forward(self, h: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.view(len(h), -1, 1), self.weight.view(len(h), -1, h.shape[1]), h)


def _depthwise(width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(_Depthwise(width, kernel), nn.BatchNorm1d(width))


def _feed_forward(width: int, ratio: int, *, groups: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        _Pointwise(width, width * ratio, groups),
        Dropout(dropout),
        nn.GELU(),
        _Pointwise(width * ratio, width, groups),
        Dropout(dropout),
    )
