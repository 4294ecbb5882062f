"""FEDformer: attention between a few random frequencies (Zhou et al., ICML 2022, arXiv 2201.12740).

    Autoformer's encoder and decoder (`decomposition`) with two other blocks in place of auto-correlation.
    Q(h) = W_q DFT(h) at M frequencies, in heads of E = D / heads;   K, V likewise
    FEB(h)    = DFT^-1(W_o R Q(h))            R: a complex matrix of each frequency and head
    FEA(h, m) = DFT^-1(W_o tanh(Q(h) K(m)^T / sqrt(E)) V(m) / sqrt(M))

Each block keeps M frequencies, drawn once from torch's generator and saved with the weights (a buffer);
all others become 0. The DFT at these is one real matrix, and all projections act on M frequencies
instead of T steps: the same sums, cheaper. tanh acts on the real and the imaginary part. The DFT is
orthonormal, and sqrt(E) and sqrt(M) keep the scale, on which the paper is silent. Of the paper's two
variants this is the Fourier one, of its two activations tanh. Trends are plain moving averages over
25 steps, as in the public code, where the paper mixes several by experts.
The hidden state mixes the channels. Its feature is the decoder's hidden sequence mapped to the channels by
its own output projections, y before de-normalisation with the known half in front, [B, C, S].
Parameters at 720 -> 96 or 720, seven channels: 21,533,703. The public code counts 16,827,399. R at the
paper's 64 frequencies, of each layer, makes 12.6 M here and 6.3 M there: its default is 32, both encoder
layers share one R, and one more stands inside FEA, where the paper has none. The key and value matrices
that FEB never reads (1.6 M) and time-of-day features, not part of the contract (4,096), are left out.
Shapes: B batch, L look-back, H horizon, C channels, D width, T steps (L or S = L // 2 + H), M modes.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.compute import wide
from tdlib.models.decomposition import DecompositionTransformer
from tdlib.models.layers import Forecast, denormalize, normalize
from tdlib.models.ranges import Rate, Size


class FEDformer(nn.Module):
    """Its settings.

    width      numbers that stand for one step, D
    hidden     width of the two-matrix network that ends a layer
    layers     layers of the encoder, one after the other; the decoder has one
    heads      blocks beside each other, each on width / heads numbers: a divisor of the width
    modes      frequencies that each block keeps, drawn at random, M
    average    steps in the moving average that is called the trend
    dropout    share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "FEDformer"
    role = "teacher"
    paper = "Zhou et al., ICML 2022, arXiv 2201.12740"

    @staticmethod
    def limits(lookback: int, horizon: int, **_) -> dict:
        steps = min(lookback, lookback // 2 + horizon)  # of encoder and decoder
        return {"modes": (steps // 2 + 1, "the frequencies of the shorter of encoder and decoder")}

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
        modes: Size = 64,
        average: Size = 25,
        dropout: Rate = 0.1,
    ):
        super().__init__()
        self.horizon, self.feature_width = horizon, lookback // 2 + horizon
        require(width % heads == 0, f"fedformer: width {width} must be a multiple of heads, {heads}")
        encoder = [FourierBlock(lookback, width, heads, modes) for _ in range(layers)]
        decoder = FourierBlock(self.feature_width, width, heads, modes)
        cross = FourierAttention(self.feature_width, lookback, width, heads, modes)
        size = {"width": width, "hidden": hidden, "average": average, "dropout": dropout}
        self.net = DecompositionTransformer(lookback, horizon, channels, encoder, decoder, cross, **size)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        y = self.net(z)  # [B, S, C]
        return Forecast(denormalize(y[:, -self.horizon :], stats), y.transpose(1, 2))


class Modes(nn.Module):
    """The DFT over time at `modes` frequencies of `steps` steps, drawn at random, and its inverse."""

    def __init__(self, steps: int, modes: int):
        super().__init__()
        self.steps = steps
        self.register_buffer("frequency", torch.randperm(steps // 2 + 1)[:modes].sort().values)

    def basis(self) -> Tensor:
        """Cosines, then minus sines, [2 M, T], orthonormal."""
        turns = self.frequency[:, None] * torch.arange(self.steps, device=self.frequency.device) % self.steps
        angle = turns * (2 * math.pi / self.steps)
        return torch.cat([angle.cos(), -angle.sin()]) / math.sqrt(self.steps)

    def forward(self, h: Tensor) -> Tensor:
        """[B, T, D] -> [B, 2 M, D], the real parts, then the imaginary ones."""
        return self.basis().to(h.dtype) @ h

    def inverse(self, parts: Tensor) -> Tensor:
        """[B, 2 M, D] -> [B, T, D]: every frequency but the mean and the highest of an even T counts twice."""
        single = (self.frequency == 0) | (2 * self.frequency == self.steps)
        twice = torch.where(single, 1.0, 2.0).repeat(2)
        return (self.basis() * twice[:, None]).T.to(parts.dtype) @ parts


class FourierBlock(nn.Module):
    """FEB on [B, T, D]; `memory` is for FEA alone."""

    def __init__(self, steps: int, width: int, heads: int, modes: int):
        super().__init__()
        self.modes, self.heads, size = Modes(steps, modes), heads, width // heads
        self.query, self.out = _linear(width), _linear(width)
        self.kernel = nn.Parameter(torch.randn(2, modes, heads, size, size) / math.sqrt(2 * size))

    def forward(self, h: Tensor, memory: Tensor) -> Tensor:
        q = _split(self.query(self.modes(h)), self.heads)  # [B, M, heads, E], complex
        mixed = q.permute(1, 2, 0, 3) @ torch.complex(*self.kernel)  # [M, heads, B, E]
        mixed = self.out(_merge(mixed.permute(2, 0, 1, 3)))  # [B, 2 M, D]
        return self.modes.inverse(mixed)


class FourierAttention(nn.Module):
    """FEA from h [B, T, D] to memory [B, any, D]."""

    def __init__(self, steps: int, memory_steps: int, width: int, heads: int, modes: int):
        super().__init__()
        self.modes, self.memory_modes, self.heads = Modes(steps, modes), Modes(memory_steps, modes), heads
        self.query, self.key, self.value, self.out = (_linear(width) for _ in range(4))

    def forward(self, h: Tensor, memory: Tensor) -> Tensor:
        memory = self.memory_modes(memory)  # [B, 2 M, D]
        q = _split(self.query(self.modes(h)), self.heads).transpose(1, 2)  # [B, heads, M, E], complex
        k = _split(self.key(memory), self.heads).transpose(1, 2)
        v = _split(self.value(memory), self.heads).transpose(1, 2)
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # [B, heads, M, M]
        weights = torch.complex(scores.real.tanh(), scores.imag.tanh()) / math.sqrt(scores.shape[3])
        mixed = self.out(_merge((weights @ v).transpose(1, 2)))  # [B, 2 M, D]
        return self.modes.inverse(mixed)


def _linear(width: int) -> nn.Linear:
    """Acts on spectra, real and imaginary parts alike; a bias would be another thing there."""
    return nn.Linear(width, width, bias=False)


def _split(parts: Tensor, heads: int) -> Tensor:
    """[B, 2 M, D] -> [B, M, heads, E], complex."""
    return torch.complex(*wide(parts).chunk(2, dim=1)).unflatten(2, (heads, -1))


def _merge(spectrum: Tensor) -> Tensor:
    """The inverse of `_split`."""
    return torch.cat([spectrum.real, spectrum.imag], dim=1).flatten(2)
