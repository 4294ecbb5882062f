"""What a run keeps of the test windows: errors of every window, patterns, a few whole forecasts."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tdlib.channels import correlation, distance
from tdlib.losses import halve, log_period_distribution
from tdlib.train import predict
from tdlib.windows import Windows


@dataclass(frozen=True)
class Evaluation:
    """Means over the test windows, in scaled units, and what a row keeps beside them.

    `scale_mse` [4], or fewer of a horizon below 8: the MSE at scales 0 to 3, whatever the run's `scales`.
    `period_kl`: the textbook KL(truth || forecast) of the period distributions, mean over channels. `arrays`: `errors`
    [N], the MSE of each window; `channel_mse` [C]; `step_mse` [H]; `periods` and `periods_true` [C, H // 2], mean
    period distributions; `correlation` and `correlation_true` [C, C], mean correlations between channels, half
    precision, and `correlation_errors` [N], how far apart the two of each window are (`channels.distance`);
    `sample_index`, `sample_x`, `sample_y`, `sample_prediction`, a few whole windows spread evenly, half precision.
    """

    mse: float
    mae: float
    scale_mse: list[float]
    period_kl: float
    arrays: dict[str, np.ndarray]


def evaluate(model: nn.Module, windows: Windows, *, samples: int = 4) -> Evaluation:
    """Read every test window once. No figure depends on the batch size."""
    chosen = torch.linspace(0, len(windows) - 1, min(samples, len(windows))).long()
    each, kept, sums = {"mse": [], "correlation_errors": []}, [], {}
    for index, x, y, forecast in predict(model, windows):
        for name, value in _readings(forecast.prediction, y).items():
            sums[name] = sums.get(name, 0) + value.sum(0, dtype=torch.float64)
            if name in each:
                each[name].append(value)
        here = chosen[(chosen >= index[0]) & (chosen <= index[-1])] - index[0]
        kept.append([part[here].cpu() for part in (x[:, -2 * windows.horizon :], y, forecast.prediction)])
    means = {name: value.cpu() / len(windows) for name, value in sums.items()}
    arrays = {name: means[name].float().numpy() for name in ("channel_mse", "step_mse", "periods", "periods_true")}
    arrays |= {name: means[name].half().numpy() for name in ("correlation", "correlation_true")}
    errors, apart = (torch.cat(values).cpu().numpy() for values in each.values())
    arrays |= {"errors": errors, "correlation_errors": apart, "sample_index": chosen.numpy()}
    for name, parts in zip(("sample_x", "sample_y", "sample_prediction"), zip(*kept, strict=True), strict=True):
        arrays[name] = torch.cat(parts).half().numpy()
    return Evaluation(
        mse=means["mse"].item(),
        mae=means["mae"].item(),
        scale_mse=means["scale_mse"].tolist(),
        period_kl=means["period_kl"].item(),
        arrays=arrays,
    )


def _readings(prediction: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Of each window [B, ...], from forecast and truth [B, H, C]."""
    squares = (prediction - y).square()
    a, b = prediction.transpose(1, 2), y.transpose(1, 2)  # [B, C, H]
    scales = [(a - b).square().mean((1, 2))]
    while len(scales) <= 3 and a.shape[-1] > 1:
        a, b = halve(a), halve(b)
        scales.append((a - b).square().mean((1, 2)))
    own, true = correlation(prediction.mT), correlation(y.mT)
    readings = {
        "mse": squares.mean((1, 2)),
        "mae": (prediction - y).abs().mean((1, 2)),
        "scale_mse": torch.stack(scales, dim=1),
        "channel_mse": squares.mean(1),
        "step_mse": squares.mean(2),
        "correlation": own,
        "correlation_true": true,
        "correlation_errors": distance(own, true),
    }
    if y.shape[1] > 1:
        log_p = log_period_distribution(prediction, dim=1).transpose(1, 2)  # [B, C, H // 2]
        log_q = log_period_distribution(y, dim=1).transpose(1, 2)
    else:  # one step has no period
        log_p = log_q = y.new_zeros(len(y), y.shape[2], 0)
    kl = (log_q.exp() * (log_q - log_p)).sum(2).mean(1)
    return readings | {"period_kl": kl, "periods": log_p.exp(), "periods_true": log_q.exp()}
