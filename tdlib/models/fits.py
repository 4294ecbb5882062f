"""FITS: a forecast is an interpolation of the look-back's spectrum (Xu et al., ICLR 2024, arXiv 2307.03756).

    Z = rfft(normalise(x)), bins 1..K          bin 0 is 0 after normalising;  K cuts off high frequencies
    Y = (R + i I) Z + (r + i s)                complex linear, K bins to bins 0..K' of L + H steps
    y = (L + H) / L * irfft(Y)                 the look-back and its continuation, [B, L + H, C]
    forecast = the last H steps, de-normalised                                     [B, H, C]

K = harmonics * L / period, rounded down: the `harmonics`-th multiple of the base period (24 steps: a
day of hours). K' = K (L + H) / L is the same frequency in the longer window. The first L steps of y,
the backcast, are neither returned nor trained on: the loss sees the last H alone, where the paper
supervises both. All channels share the weights; real and imaginary parts are real tensors. A linear
model has no hidden layer: its feature is its own output [B, C, H] before de-normalisation.
Parameters: 74,210 at 720 -> 96 and 130,682 at 720 -> 720, for any number of channels.
Shapes: B batch, L look-back, H horizon, C channels, K and K' frequencies.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.models.layers import Forecast, denormalize, normalize


class FITS(nn.Module):
    title = "FITS"
    role = "student"

    def __init__(self, *, lookback: int, horizon: int, channels: int, period: int = 24, harmonics: int = 6):
        super().__init__()
        require(harmonics >= 1, f"fits: harmonics must be at least 1, got {harmonics}")
        require(2 * harmonics <= period, f"fits: the cut-off, {harmonics} harmonics of a period of {period} steps, "
                f"lies above the spectrum; harmonics must be at most {period // 2}")  # fmt: skip
        self.kept = harmonics * lookback // period
        require(self.kept >= 1, f"fits: a look-back of {lookback} steps holds no frequency up to the cut-off; "
                f"it must be at least {-(-period // harmonics)}")  # fmt: skip
        self.feature_width, self.length = horizon, lookback + horizon
        widened = self.kept * self.length // lookback
        self.real, self.imag = nn.Linear(self.kept, widened + 1), nn.Linear(self.kept, widened + 1)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        spectrum = torch.fft.rfft(z.transpose(1, 2))[..., 1 : self.kept + 1]  # [B, C, K]
        real = self.real(spectrum.real) - F.linear(spectrum.imag, self.imag.weight)
        imag = self.imag(spectrum.real) + F.linear(spectrum.imag, self.real.weight)
        y = torch.fft.irfft(torch.complex(real.float(), imag.float()), n=self.length)  # [B, C, L + H]
        y = y[..., x.shape[1] :] * (self.length / x.shape[1])  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)
