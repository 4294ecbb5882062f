"""TimesNet: the series folded by its own periods into pictures (Wu et al., ICLR 2023, arXiv 2210.02186).

    z = normalise(x);   h = W (Conv_3(z) + position)          W on the time axis, L -> T = L + H     [B, T, D]
    block: A_f = mean over D of |rfft(h)|, f = 1..T/2;   the K largest A_f,   period p = ceil(T / f)
           g_p = unfold(Conv(gelu(Conv(fold_p(h)))))          fold_p: rows of p steps, zeros at the end
           h = LayerNorm(h + sum over the K periods of softmax(A)_p g_p)
    Conv: the mean of six 2-D convolutions with kernels 1, 3, 5, 7, 9, 11   ("inception")
    y = V h + v over the last H steps,   de-normalised        V maps D to C                         [B, H, C]

Every window has its own periods. The public code takes those of the batch's mean spectrum, so that a
forecast depends on the other windows of its batch; here the windows that share a period go through the
convolutions together, each period of a window once. The mean of the six convolutions is one with the
mean kernel (121 products in place of 286), and the part of it that only ever meets the zeros around the
picture is left out: the same sums, sooner.
The hidden state mixes the channels. Its feature is the hidden sequence over the horizon mapped to the
channels by its own output projection, y before de-normalisation, [B, C, H]. Parameters at 720 -> 96 / 720,
width 16: 1,175,159 / 1,625,063. The public code counts 1,175,191 / 1,625,095: 64 weights for time-of-day
features, which are not part of the contract, and one LayerNorm (32) for all blocks instead of one each.
Shapes: B batch, L look-back, H horizon, C channels, D width, T steps, K periods.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.compute import wide
from tdlib.models.layers import Dropout, Forecast, denormalize, normalize, sinusoids
from tdlib.models.ranges import Rate, Size


class TimesNet(nn.Module):
    """Its settings.

    width      numbers that stand for one step, D
    hidden     the same between the two convolutions of a block
    layers     blocks, one after the other
    periods    how many of a window's strongest periods it is folded by, K
    kernels    convolutions of different size that are averaged: 1, 3, 5, ... steps and periods wide
    dropout    share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "TimesNet"
    role = "teacher"
    paper = "Wu et al., ICLR 2023, arXiv 2210.02186"

    @staticmethod
    def limits(lookback: int, horizon: int, **_) -> dict:
        return {"periods": ((lookback + horizon) // 2, "the frequencies of look-back + horizon")}

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 16,
        hidden: Size = 32,
        layers: Size = 2,
        periods: Size = 5,
        kernels: Size = 6,
        dropout: Rate = 0.1,
    ):
        super().__init__()
        self.feature_width = horizon
        self.embed = nn.Conv1d(channels, width, 3, padding=1, padding_mode="circular", bias=False)
        self.register_buffer("position", sinusoids(lookback, width), persistent=False)
        self.dropout = Dropout(dropout)
        self.extend = nn.Linear(lookback, lookback + horizon)
        self.blocks = nn.Sequential(*(_Block(width, hidden, periods, kernels) for _ in range(layers)))
        self.head = nn.Linear(width, channels)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        h = self.dropout(self.embed(z.transpose(1, 2)) + self.position.T)  # [B, D, L]
        h = self.extend(h).transpose(1, 2).contiguous()  # [B, T, D]
        h = self.blocks(h)
        y = self.head(h[:, -self.feature_width :])  # [B, H, C]
        return Forecast(denormalize(y, stats), y.transpose(1, 2))


def strongest_periods(h: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` strongest periods of each window of h [B, T, D], and their amplitudes, both [B, count]."""
    amplitude = torch.fft.rfft(wide(h), dim=1).abs().mean(2)[:, 1:]  # [B, T/2]; the mean is not a period
    amplitude, index = amplitude.topk(count)
    frequency = index + 1
    return (h.shape[1] + frequency - 1) // frequency, amplitude


def fold(h: Tensor, period: int) -> Tensor:
    """[B, T, D] -> [B, D, rows, period], a row for each period; the last row ends with zeros."""
    padded = F.pad(h, (0, 0, 0, -h.shape[1] % period))
    return padded.unflatten(1, (-1, period)).permute(0, 3, 1, 2)


def unfold(picture: Tensor, steps: int) -> Tensor:
    """The inverse of `fold`: [B, D, rows, period] -> [B, T, D]."""
    return picture.permute(0, 2, 3, 1).flatten(1, 2)[:, :steps]


class _Block(nn.Module):
    """One TimesBlock with its residual on [B, T, D]."""

    def __init__(self, width: int, hidden: int, periods: int, kernels: int):
        super().__init__()
        self.periods = periods
        self.widen, self.narrow = Inception(width, hidden, kernels), Inception(hidden, width, kernels)
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor) -> Tensor:
        periods, amplitude = strongest_periods(h, self.periods)  # [B, K]
        distinct, place = periods.unique(return_inverse=True)
        share = amplitude.new_zeros(len(h), len(distinct)).scatter_add(1, place, amplitude.softmax(1))  # [B, distinct]
        present = torch.zeros_like(share, dtype=torch.bool).scatter_(1, place, True)
        widen, narrow = self.widen.kernel(), self.narrow.kernel()
        out = wide(h)  # a sum over periods, in full precision under autocast too
        for j, period in enumerate(distinct.tolist()):
            windows = present[:, j].nonzero().squeeze(1)
            picture = fold(h.index_select(0, windows), period)
            picture = F.gelu(self.widen(picture, widen))
            picture = self.narrow(picture, narrow)
            out = out.index_add(0, windows, unfold(picture, h.shape[1]) * share[windows, j, None, None])
        return self.norm(out)


class Inception(nn.Module):
    """The mean of 2-D convolutions with kernels 1, 3, 5, ..., computed as one with the mean kernel."""

    def __init__(self, width: int, to: int, kernels: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, to, 2 * i + 1, padding=i) for i in range(kernels))

    def kernel(self) -> tuple[Tensor, Tensor]:
        """The mean weight, smaller kernels with zeros around, and the mean bias."""
        reach = len(self.convs) - 1
        weights = [F.pad(conv.weight, [reach - i] * 4) for i, conv in enumerate(self.convs)]
        return torch.stack(weights).mean(0), torch.stack([conv.bias for conv in self.convs]).mean(0)

    def forward(self, picture: Tensor, kernel: tuple[Tensor, Tensor] | None = None) -> Tensor:
        weight, bias = kernel or self.kernel()
        reach = len(self.convs) - 1
        rows, columns = (min(reach, side - 1) for side in picture.shape[2:])  # further away there are only zeros
        weight = weight[:, :, reach - rows : reach + rows + 1, reach - columns : reach + columns + 1]
        return F.conv2d(picture, weight, bias, padding=(rows, columns))
