"""What is saved in a training step of ModernTCN by products in place of torch's `conv1d` in groups, and by cheaper
draws of its dropout: both ways by turns.

    python benchmarks/moderntcn.py        -> results/benchmarks/moderntcn.{csv,md,tex}, part of `make bench`

On ETTh1's size, 720 -> 96, one thread, the least of ROUNDS steps each; both models start from the same weights and
are the same function. A busy machine slows both: the ratio holds, the milliseconds do not.
"""

import time

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tdlib import models
from tdlib.models import Forecast
from tdlib.models.layers import Dropout, denormalize, normalize
from tdlib.report import tables

ROUNDS, BATCH, SHAPE = 10, 32, {"lookback": 720, "horizon": 96, "channels": 7}


def plain_forward(model: nn.Module, x: Tensor) -> Forecast:
    """The forward pass of a `models.ModernTCN` on [B, L, C] with torch's own convolutions in groups."""
    z, stats = normalize(x)
    z = F.pad(z.transpose(1, 2).flatten(0, 1).unsqueeze(1), (0, model.overhang), mode="replicate")
    conv, norm = model.stem
    h = norm(F.conv1d(z, conv.weight, conv.bias, conv.stride)).unflatten(0, (x.shape[0], x.shape[2]))  # [B, C, D, N]
    for block in model.blocks:
        h = h + _plain_block(block, h)
    h = h.flatten(2)
    return Forecast(denormalize(model.head(h).transpose(1, 2), stats), h)


def _plain_block(block: nn.Module, h: Tensor) -> Tensor:
    batch, channels, dim, steps = h.shape
    h = h.flatten(1, 2)
    wide, narrow = (
        norm(F.conv1d(h, conv.weight, padding=conv.padding, groups=conv.groups))
        for conv, norm in (block.large, block.small)
    )
    h = block.norm((wide + narrow).reshape(batch * channels, dim, steps))
    h = _plain_network(block.features, h.reshape(batch, channels * dim, steps))
    h = h.unflatten(1, (channels, dim)).transpose(1, 2).flatten(1, 2)
    return _plain_network(block.channels, h).unflatten(1, (dim, channels)).transpose(1, 2)


def _plain_network(layers: nn.Sequential, h: Tensor) -> Tensor:
    for layer in layers:
        if isinstance(layer, nn.Conv1d):
            h = F.conv1d(h, layer.weight, layer.bias, groups=layer.groups)
        else:
            h = _plain_dropout(h, layer.rate) if isinstance(layer, Dropout) else layer(h)
    return h


def _plain_dropout(h: Tensor, rate: float) -> Tensor:
    draws = torch.randint(-(2**63), 2**63 - 1, (h.numel() // 4 + 1,)).view(torch.int16)
    kept = draws[: h.numel()].view(h.shape) >= round(rate * 2**16) - 2**15
    return h * (kept / (1 - rate))


def seconds(model: nn.Module, forward, x: Tensor) -> float:
    """Of this process in one training step."""
    start = time.process_time()
    forward(x).prediction.square().mean().backward()
    taken = time.process_time() - start
    model.zero_grad()
    return taken


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = models.build("moderntcn", **SHAPE).train()
    x = torch.randn(BATCH, SHAPE["lookback"], SHAPE["channels"])
    forwards = {"conv1d, randint": lambda x: plain_forward(model, x), "products": model}
    rounds = [{name: seconds(model, forward, x) for name, forward in forwards.items()} for _ in range(ROUNDS)]
    least = pd.Series({name: 1e3 * min(times[name] for times in rounds) for name in forwards})
    table = pd.DataFrame({"a step with": least.index, "ms a step": least, "times as fast": least.iloc[0] / least})
    print(tables.save(table.reset_index(drop=True), "moderntcn", "results/benchmarks", digits=2))


if __name__ == "__main__":
    main()
