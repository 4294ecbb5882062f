"""The student as two matrix products.

The MLP of one hidden layer (`tdlib.models.mlp`) is, in evaluation mode, linear before its ReLU and after it:

    u = W x                                            [K, L] times each channel's window: [B, C, K]
    h = sign_c relu(gain_ck u_ck + offset_ck)          the one elementwise step
    y = V h                                            [H, K] times [B, C, K]

with the window mean 1'x / L, the centring M = I - 11' / L and the moving average A (its ends repeated):

    W = [ W_s (I - A) M ;   W_t A M ;   1'/L ;   -1'/L ;   0         ]
    V = [ V_s           ,   V_t     ,   1    ,   -1    ,   v_s + v_t ]

The gains and offsets hold BatchNorm with its running statistics. The output's scale moves into the hidden
units, as scale relu(z) = sign(scale) relu(|scale| z). Mean and shift pass the ReLU as a pair,
relu(m) - relu(-m) = m, and the last unit is the constant |scale|, which carries the output's biases. K is
rounded up to a multiple of 16 with rows of zeros: at 1,027 the products took a third longer on large batches.

Shapes: B batch, L look-back, H horizon, C channels, K hidden units.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.models.layers import denormalize, moving_average, normalize
from tdlib.models.mlp import MLP


class FusedMLP(nn.Module):
    """x [B, L, C] -> prediction [B, H, C]; `fuse` makes it."""

    def __init__(self, *, inner: Tensor, gain: Tensor, offset: Tensor, sign: Tensor, outer: Tensor, revin: bool):
        super().__init__()
        tables = {"inner": inner, "gain": gain, "offset": offset, "sign": sign, "outer": outer}
        for name, table in tables.items():
            self.register_buffer(name, table.float().contiguous())
        self.revin = revin

    def forward(self, x: Tensor) -> Tensor:
        z, stats = normalize(x) if self.revin else (x, None)
        rows = z.transpose(1, 2).contiguous()  # [B, C, L]; one product of B C rows, where a view makes B small ones
        u = F.linear(rows, self.inner)  # [B, C, K]
        h = self.sign * torch.addcmul(self.offset, u, self.gain).relu_()
        y = F.linear(h, self.outer).transpose(1, 2)  # [B, H, C]
        return y if stats is None else denormalize(y, stats)


@torch.no_grad()
def fuse(model: nn.Module) -> FusedMLP:
    """The same forecasts as an MLP of one hidden layer makes in evaluation mode, in two matrix products.

    Worked out in double precision, kept in single. ValueError for any other model, or for more layers.
    """
    require(isinstance(model, MLP), f"only an mlp can be fused, got {type(model).__name__}")
    require(len(model.seasonal_deep) == 0, "an mlp of several layers is more than two products: it cannot be fused")
    model = copy.deepcopy(model).double()
    lookback, scale, shift = model.seasonal_in.in_features, model.scale[:, None], model.shift[:, None]
    average = moving_average(torch.eye(lookback, dtype=torch.float64), model.average).T  # trend = A z
    seasonal = model.seasonal_in.weight - model.seasonal_in.weight @ average
    inner = torch.cat([seasonal, model.trend_in.weight @ average])
    mean = inner.new_full((1, lookback), 1 / lookback if model.norm == "mean" else 0)
    if model.norm == "mean":
        inner = inner - inner.mean(1, keepdim=True)  # times M
    sign = torch.where(scale < 0, -1.0, 1.0).double()
    gains, offsets = [], []
    for branch, norm in ((model.seasonal_in, model.seasonal_norm), (model.trend_in, model.trend_norm)):
        slope = (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None]  # [C, 1]
        gains.append(scale.abs() * slope.expand(-1, branch.out_features))
        offsets.append(scale.abs() * (slope * (branch.bias - norm.running_mean[:, None]) + norm.bias[:, None]))
    outer = [model.seasonal_out, model.trend_out]
    one, bias = inner.new_ones(len(outer[0].bias), 1), (outer[0].bias + outer[1].bias)[:, None]
    padding = (0, -(len(inner) + 3) % 16)
    return FusedMLP(
        inner=F.pad(torch.cat([inner, mean, -mean, 0 * mean]), (0, 0, *padding)),
        gain=F.pad(torch.cat([*gains, sign, sign, 0 * sign], 1), padding),
        offset=F.pad(torch.cat([*offsets, sign * shift, -sign * shift, scale.abs()], 1), padding),
        sign=sign,
        outer=F.pad(torch.cat([outer[0].weight, outer[1].weight, one, -one, bias], 1), padding),
        revin=model.norm == "revin",
    )


def smallest(model: nn.Module) -> nn.Module:
    """The form of a model that forecasts with the least work: an MLP of one layer fused, any other as it is."""
    return fuse(model) if isinstance(model, MLP) and not len(model.seasonal_deep) else model
