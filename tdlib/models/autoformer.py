"""Autoformer: a series attends to its own delayed copies (Wu et al., NeurIPS 2021, arXiv 2106.13008).

    z = normalise(x);   trend(h) = moving average of h over 25 steps,   season(h) = h - trend(h)
    encoder  h = Conv_3(z) + position                                                     [B, L, D]
             h = season(h + AC(h, h));   h = season(h + W_2 gelu(W_1 h))                  each layer
    decoder  h = Conv_3(last half of season(z), then H zeros) + position                  [B, S, D]
             h = season(h + AC(h, h));   h = season(h + AC(h, encoder));   h = season(h + W_2 gelu(W_1 h))
             t = last half of trend(z), then H zeros, + Conv_3(sum of the three trends taken out of h)
    y = V norm(h) + v + t over the last H steps,   de-normalised                          [B, H, C]
    AC(h, m):   q = W_q h,  k = W_k m,  v = W_v m,  in heads
                R(delay) = mean over time and the head's channels of q(t) k(t - delay)
                W_o sum of softmax(R) v(t + delay)  over the K = factor log S delays of largest R

R and the sum over delays are circular, products of spectra. The Fourier transform is linear, so it is
taken once, before W_q, W_k and W_v. Their biases would change nothing (R by a constant; a softmax sums
to 1) and are left out. Every window and head picks its own delays, in training and in evaluation. The
public code takes the same for all heads and, in training, those of the batch's mean, so that a window
is not treated by itself. m is cut to its last S steps (there to its first) or lengthened by zeros; norm
is LayerNorm less its mean over time. The paper has no position but feeds time-of-day features, which
are not part of the contract: a fixed sinusoid stands in, and the model sees no clock. Nor does it
normalise its windows.
The hidden state mixes the channels. Its feature is the decoder's hidden sequence mapped to the channels by
its own output projections, y before de-normalisation with the known half in front, [B, C, S].
Parameters at 720 -> 96 or 720, seven channels: 10,525,703. The public code counts 10,535,943: 4,096 for
time-of-day features and 6,144 in biases.
Shapes: B batch, L look-back, H horizon, C channels, D width, S = L // 2 + H, F frequencies.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.compute import wide
from tdlib.models.decomposition import DecompositionTransformer
from tdlib.models.layers import Forecast, denormalize, normalize
from tdlib.models.ranges import Rate, Size


class Autoformer(nn.Module):
    """Its settings.

    width      numbers that stand for one step, D
    hidden     width of the two-matrix network that ends a layer
    layers     layers of the encoder, one after the other; the decoder has one
    heads      auto-correlations beside each other, each on width / heads numbers: a divisor of the width
    factor     how many delays each of them keeps: `factor` times the logarithm of the number of steps
    average    steps in the moving average that is called the trend
    dropout    share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "Autoformer"
    role = "teacher"
    paper = "Wu et al., NeurIPS 2021, arXiv 2106.13008"

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 512,
        hidden: Size = 2048,
        layers: Size = 2,
        heads: Size = 8,
        factor: Size = 3,
        average: Size = 25,
        dropout: Rate = 0.1,
    ):
        super().__init__()
        require(width % heads == 0, f"autoformer: width {width} must be a multiple of heads, {heads}")
        self.horizon, self.feature_width = horizon, lookback // 2 + horizon
        encoder = [AutoCorrelation(width, heads, factor) for _ in range(layers)]
        decoder, cross = (AutoCorrelation(width, heads, factor) for _ in range(2))
        size = {"width": width, "hidden": hidden, "average": average, "dropout": dropout}
        self.net = DecompositionTransformer(lookback, horizon, channels, encoder, decoder, cross, **size)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        y = self.net(z)  # [B, S, C]
        return Forecast(denormalize(y[:, -self.horizon :], stats), y.transpose(1, 2))


class AutoCorrelation(nn.Module):
    """AC(h, m) on [B, S, D]."""

    def __init__(self, width: int, heads: int, factor: int):
        super().__init__()
        self.heads, self.factor = heads, factor
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, h: Tensor, memory: Tensor) -> Tensor:
        steps = h.shape[1]
        spectrum = _spectrum(h)  # [B, 2, F, D]
        other = spectrum if memory is h else _spectrum(_last(memory, steps))
        query = self._heads(self.query(spectrum))  # [B, F, heads, D / heads], complex
        key = self._heads(self.key(other))
        value = self._heads(self.value(other))
        similarity = correlation(query, key, steps)  # [B, S, heads]
        weights = strongest(similarity, int(self.factor * math.log(steps)))  # [B, S, heads]
        return self.out(delayed(value, weights).flatten(2))

    def _heads(self, parts: Tensor) -> Tensor:
        return torch.complex(*wide(parts).unbind(1)).unflatten(2, (self.heads, -1))


def correlation(query: Tensor, key: Tensor, steps: int) -> Tensor:
    """R of each delay 0..S-1 [B, S, heads] from two spectra [B, F, heads, channels]."""
    return torch.fft.irfft((query * key.conj()).mean(3), n=steps, dim=1) / steps


def strongest(similarity: Tensor, count: int) -> Tensor:
    """The softmax over the `count` largest delays of [B, S, heads], 0 at the others; at least one is kept."""
    kept, delays = similarity.topk(min(max(count, 1), similarity.shape[1]), dim=1)
    return torch.zeros_like(similarity).scatter(1, delays, kept.softmax(1))


def delayed(value: Tensor, weights: Tensor) -> Tensor:
    """The sum over delays of weight * v(t + delay), [B, S, heads, channels], from v's spectrum."""
    filters = torch.fft.rfft(weights, dim=1).unsqueeze(3)  # [B, F, heads, 1]
    return torch.fft.irfft(value * filters.conj(), n=weights.shape[1], dim=1)


def _spectrum(h: Tensor) -> Tensor:
    """Real and imaginary part of the Fourier transform over time, [B, 2, F, D]."""
    return torch.view_as_real(torch.fft.rfft(wide(h), dim=1)).movedim(3, 1).contiguous()


def _last(memory: Tensor, steps: int) -> Tensor:
    """The last `steps` steps of [B, any, D], with zeros behind where there are fewer."""
    memory = memory[:, -steps:]
    return F.pad(memory, (0, 0, 0, steps - memory.shape[1]))
