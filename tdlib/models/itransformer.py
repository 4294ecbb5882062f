"""iTransformer: every channel's whole look-back is one token (Liu et al., ICLR 2024, arXiv 2310.06625).

    z = normalise(x);   token_c = W z_c + b                            [B, C, width]
    h = LayerNorm(layers(tokens))       attention between the channels
    y_c = V h_c + v,   de-normalised                                   [B, H, C]

Its feature is h, the tokens after the last LayerNorm. Time-of-day tokens are left out: the study's
contract is the series alone. Parameters at 720 -> 96, width 256, two layers: 1,001,312, as published.
Shapes: B batch, L look-back, H horizon, C channels.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.models.layers import Forecast, denormalize, normalize


class ITransformer(nn.Module):
    title = "iTransformer"
    role = "teacher"

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: int = 256,
        hidden: int = 256,
        layers: int = 2,
        heads: int = 8,
        dropout: float = 0.1,
    ):
        super().__init__()
        require(heads >= 1 and width >= 1 and width % heads == 0,
                f"itransformer: width {width} must be a multiple of heads, {heads}")  # fmt: skip
        require(layers >= 1, f"itransformer: layers must be at least 1, got {layers}")
        require(hidden >= 1, f"itransformer: hidden must be at least 1, got {hidden}")
        require(0 <= dropout < 1, f"itransformer: dropout must lie in [0, 1), got {dropout}")
        self.feature_width = width
        self.embed = nn.Linear(lookback, width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(width, heads, hidden, dropout, activation="gelu", batch_first=True)
                for _ in range(layers)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        tokens = self.dropout(self.embed(z.transpose(1, 2)))  # [B, C, width]
        h = self.norm(self.layers(tokens))  # [B, C, width]
        y = self.head(h).transpose(1, 2)  # [B, H, C]
        return Forecast(denormalize(y, stats), h)
