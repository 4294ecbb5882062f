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
from tdlib.models.ranges import Rate, Size


class ITransformer(nn.Module):
    """Its settings.

    width      numbers that stand for one channel between the layers
    hidden     width of the two-matrix network that ends a layer
    layers     rounds of attention, one after the other
    heads      attentions beside each other in a layer, each on width / heads numbers: a divisor of the width
    dropout    share of the numbers that is set to 0 at random while training, against overfitting
    """

    title = "iTransformer"
    role = "teacher"
    paper = "Liu et al., ICLR 2024, arXiv 2310.06625"

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 256,
        hidden: Size = 256,
        layers: Size = 2,
        heads: Size = 8,
        dropout: Rate = 0.1,
    ):
        super().__init__()
        require(width % heads == 0, f"itransformer: width {width} must be a multiple of heads, {heads}")
        self.feature_width = width
        self.embed = nn.Linear(lookback, width)
        self.dropout = nn.Dropout(dropout)
        kind = {"activation": "gelu", "batch_first": True}  # each sum is normalised after it is taken
        layer = (nn.TransformerEncoderLayer(width, heads, hidden, dropout, **kind) for _ in range(layers))
        self.layers = nn.Sequential(*layer)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, horizon)

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        z, stats = normalize(x)
        tokens = self.dropout(self.embed(z.transpose(1, 2)))  # [B, C, width]
        h = self.norm(self.layers(tokens))  # [B, C, width]
        y = self.head(h).transpose(1, 2)  # [B, H, C]
        return Forecast(denormalize(y, stats), h)
