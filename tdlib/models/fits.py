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

from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tdlib.compute import wide
from tdlib.models.layers import Forecast, denormalize, normalize
from tdlib.models.ranges import Size


class FITS(nn.Module):
    """Its settings.

    period       steps of the slowest rhythm that is expected, such as the 24 hours of a day
    harmonics    how many times faster than that rhythm a frequency may be and still be kept
    """

    title = "FITS"
    role = "student"
    paper = "Xu et al., ICLR 2024, arXiv 2307.03756"

    @staticmethod
    def limits(lookback: int, period: int, harmonics: int, **_) -> dict:
        fastest = period // 2  # two steps make the shortest wave
        slowest = min(harmonics, fastest) * lookback  # at this period the look-back holds one frequency of the kept
        return {
            "harmonics": (fastest, "half the period: faster waves than of two steps do not exist"),
            "period": (slowest, "harmonics times the look-back: else no frequency is kept"),
        }

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        period: Annotated[int, lambda n: n >= 2, "at least 2"] = 24,
        harmonics: Size = 6,
    ):
        super().__init__()
        self.kept = harmonics * lookback // period
        self.feature_width, self.length = horizon, lookback + horizon
        widened = min(self.kept * self.length // lookback, self.length // 2)
        self.real, self.imag = nn.Linear(self.kept, widened + 1), nn.Linear(self.kept, widened + 1)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        steps = max(x.shape[1], 2)  # one step alone has no frequency: a zero follows it
        spectrum = torch.fft.rfft(z.transpose(1, 2), n=steps)[..., 1 : self.kept + 1]  # [B, C, K]
        real = self.real(spectrum.real) - F.linear(spectrum.imag, self.imag.weight)
        imag = self.imag(spectrum.real) + F.linear(spectrum.imag, self.real.weight)
        y = torch.fft.irfft(torch.complex(wide(real), wide(imag)), n=self.length)  # [B, C, L + H]
        y = y[..., x.shape[1] :] * (self.length / x.shape[1])  # [B, C, H]
        return Forecast(denormalize(y.transpose(1, 2), stats), y)
