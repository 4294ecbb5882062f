"""What a run keeps of the test windows: errors of every window, patterns, a few whole forecasts."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from tdlib.losses import downsample, log_period_distribution
from tdlib.train import predict
from tdlib.windows import Windows


@dataclass(frozen=True)
class Evaluation:
    """What a run keeps of the test windows, in scaled units.

    `errors` [N]; `scale_mse`, the MSE at scales 0, 1, ... (each half as long); `period_kl`, the textbook
    KL(truth || forecast) of the period distributions; `periods` and `periods_true` [C, H // 2], their
    means over the windows; `channel_mse` [C] and `step_mse` [H]; `sample_*`, a few whole windows spread evenly over the test segment.
    """

    mse: float
    mae: float
    scale_mse: list[float]
    period_kl: float
    errors: Tensor
    channel_mse: Tensor
    step_mse: Tensor
    periods: Tensor
    periods_true: Tensor
    sample_index: Tensor
    sample_x: Tensor
    sample_y: Tensor
    sample_prediction: Tensor

    def arrays(self) -> dict[str, np.ndarray]:
        """The tensors, as a store keeps them: samples in half precision, since they are only drawn."""
        tensors = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        arrays = {name: value.numpy() for name, value in tensors.items() if isinstance(value, Tensor)}
        half = ("sample_x", "sample_y", "sample_prediction")
        return {name: value.astype(np.float16) if name in half else value for name, value in arrays.items()}


def evaluate(model: nn.Module, windows: Windows, *, samples: int = 4) -> Evaluation:
    """Read every test window once. No figure depends on the batch size."""
    count, horizon = len(windows), windows.horizon
    chosen = torch.linspace(0, count - 1, min(samples, count)).long()
    scales = min(3, horizon.bit_length() - 1)
    errors, absolute, scale_sums, kl_sum = [], 0.0, torch.zeros(scales + 1, dtype=torch.float64), 0.0
    channels = steps = periods = periods_true = torch.zeros(())
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for index, x, y, forecast in predict(model, windows):
        prediction = forecast.prediction
        squares = (prediction - y).square()
        errors.append(squares.mean((1, 2)))
        channels, steps = channels + squares.mean(1).sum(0), steps + squares.mean(2).sum(0)
        absolute += float((prediction - y).abs().mean((1, 2)).sum(dtype=torch.float64))
        a, b = prediction.transpose(1, 2), y.transpose(1, 2)  # [B, C, H]
        for m in range(scales + 1):
            scale_sums[m] += (a - b).square().mean((1, 2)).sum(dtype=torch.float64)
            a, b = (downsample(a), downsample(b)) if m < scales else (a, b)
        if horizon > 1:
            log_p = log_period_distribution(prediction, dim=1)  # [B, H // 2, C]
            log_q = log_period_distribution(y, dim=1)
            kl_sum += float((log_q.exp() * (log_q - log_p)).sum(1).mean(1).sum(dtype=torch.float64))
            periods, periods_true = periods + log_p.exp().sum(0).T, periods_true + log_q.exp().sum(0).T
        here = chosen[(chosen >= index[0]) & (chosen <= index[-1])] - index[0]
        kept.append((x[here, -2 * horizon :], y[here], prediction[here]))
    errors = torch.cat(errors)
    sample_x, sample_y, sample_prediction = (torch.cat(part) for part in zip(*kept, strict=True))
    return Evaluation(
        mse=float(errors.mean(dtype=torch.float64)),
        mae=absolute / count,
        scale_mse=(scale_sums / count).tolist(),
        period_kl=kl_sum / count,
        errors=errors,
        channel_mse=channels / count,
        step_mse=steps / count,
        periods=periods / count,
        periods_true=periods_true / count,
        sample_index=chosen,
        sample_x=sample_x,
        sample_y=sample_y,
        sample_prediction=sample_prediction,
    )
