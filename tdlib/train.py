"""The one training loop: teachers, plain students and distilled students differ in their objective only.

The loss is the weighted sum of the parts that an objective names.
Shapes: B batch, H horizon, C channels, N windows.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from tdlib.checks import require
from tdlib.compute import Compute
from tdlib.models import Forecast
from tdlib.windows import Splits, Windows

LOG = logging.getLogger(__name__)
BATCH = 256  # windows that are predicted at once; fewer where there are more than 64 channels:
BATCH_CHANNELS = 64 * BATCH  # memory grows with windows times channels, and Traffic has 862


Mix = Callable[[Tensor], Tensor]


def unmixed(part: Tensor) -> Tensor:
    return part


class Diverged(RuntimeError):
    """A part of the loss is no longer finite."""


class Mixture(NamedTuple):
    """Each of B windows mixed with another of the same batch: `share` [B, 1, 1] of itself, the rest of `partner` [B].

    mixup (Zhang et al., ICLR 2018): the same mixture of inputs, of targets, and of a teacher's stored outputs, which
    for a linear teacher are its outputs for the mixed window.
    """

    share: Tensor
    partner: Tensor

    @classmethod
    def draw(cls, count: int, concentration: float, device: torch.device) -> "Mixture":
        """Shares of Beta(a, a), partners a permutation; both from torch's generator."""
        share = torch.distributions.Beta(concentration, concentration).sample((count, 1, 1))
        return cls(share.to(device), torch.randperm(count).to(device))

    def __call__(self, part: Tensor) -> Tensor:
        return part[self.partner].lerp(part, self.share)


class Objective(nn.Module):
    """Maps (forecast, truth, window index, mix) to named parts of the loss; `weights` holds the weight of each.

    `mix` does to a batch what was done to its windows; forecast and truth are of the mixed windows.
    """

    weights: Mapping[str, float]

    def check(self, splits: Splits) -> None:
        """ValueError where it is no objective for these windows."""

    def after_epoch(self, model: nn.Module, splits: Splits) -> dict[str, float]:
        """What an objective does between epochs, and what of it the training log keeps."""
        return {}


class Supervised(Objective):
    """The plain objective: the MSE between forecast and truth."""

    weights: Mapping[str, float] = {"supervised": 1.0}

    def forward(self, forecast: Forecast, y: Tensor, index: Tensor, mix: Mix = unmixed) -> dict[str, Tensor]:
        return {"supervised": F.mse_loss(forecast.prediction, y)}


def fit(
    model: nn.Module,
    objective: Objective,
    splits: Splits,
    *,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    patience: int,
    weight_decay: float = 0.0,
    weight_average: float = 0.0,
    mixup: float = 0.0,
    rate_hold: int = 2,
    rate_decay: float = 0.5,
    restore: bool = True,
    compute: Compute = Compute(),
) -> list[dict[str, float]]:
    """Train `model` (and the objective's own weights) in place; returns the named parts of each epoch.

    AdamW, which without `weight_decay` is Adam, bit for bit; a step shrinks every weight by rate times decay
    (Loshchilov and Hutter, ICLR 2019). The rate holds for `rate_hold` epochs and falls to `rate_decay` of itself with
    each further one. Stops after `patience` epochs without a better validation MSE and restores the best weights, or
    leaves, without `restore`, those of the last epoch.
    With `weight_average` d what is validated and kept is the mean of the weights after every step, where the step
    before the last has d times its share, the one before d^2, and so on (after Polyak and Juditsky, SIAM J. Control 30,
    1992). With `mixup` a the windows of a batch are mixed in pairs, with shares of Beta(a, a) (see `Mixture`). Draws
    from torch's generator, so `torch.manual_seed` fixes the result. Model, objective and windows must be at
    `compute.place`.
    Raises Diverged, naming the part, on a loss that is not finite.
    """
    least = min(batch_size, epochs, patience)
    require(least >= 1, f"batch_size, epochs and patience must be at least 1, got {least}")
    patient = 0 <= weight_average < 1 and 0 <= mixup < math.inf and rate_hold >= 0 and 0 < rate_decay <= 1
    require(patient, "weight_average is below 1, mixup finite, rate_decay above 0 and at most 1, and none is negative")
    objective.check(splits)
    weights = [*model.parameters(), *objective.parameters()]
    require(len(weights) > 0, f"{type(model).__name__} has no weight to train, and no `solve`")
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay, fused=True)
    averaged = AveragedModel(model, multi_avg_fn=_moving(weight_average)) if weight_average else None
    kept = model if averaged is None else averaged.module
    history, best, best_state = [], float("inf"), None
    for epoch in range(1, epochs + 1):
        optimizer.param_groups[0]["lr"] = learning_rate * rate_decay ** max(0, epoch - rate_hold)
        parts = train_epoch(model, objective, splits.train, optimizer, batch_size, compute, averaged, mixup)
        val_mse = float(window_errors(kept, splits.val).mean(dtype=torch.float64))
        _require_finite("the validation MSE", val_mse)
        history.append({"epoch": epoch, **parts, **objective.after_epoch(kept, splits), "val_mse": val_mse})
        LOG.info("epoch %d of at most %d: validation MSE %.4g", epoch, epochs, val_mse)
        if val_mse < best:
            best, best_epoch = val_mse, epoch
            best_state = {name: value.clone() for name, value in kept.state_dict().items()}
        elif epoch - best_epoch >= patience:
            break
    model.load_state_dict(best_state if restore else kept.state_dict())
    return history


def _moving(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """d average + (1 - d) weights, divided by 1 - d^n as Adam's averages are: a short training is no less averaged."""

    def update(averages: list[Tensor], weights: list[Tensor], count: Tensor) -> None:
        share = (1 - decay) / (1 - decay ** (count + 1))
        torch._foreach_lerp_(averages, weights, share.item())  # in place: a tenth of a step less than one by one

    return update


def train_epoch(
    model: nn.Module,
    objective: Objective,
    windows: Windows,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    compute: Compute = Compute(),
    averaged: AveragedModel | None = None,
    mixup: float = 0.0,
) -> dict[str, float]:
    """One pass over all windows in random order; returns the mean of each named part of the loss.

    `averaged` takes part in every step; for `mixup` see `fit`.
    """
    model.train()
    place, autocast = compute.place, compute.autocast()  # asked once: torch looks for a GPU every time
    weights = torch.tensor(list(objective.weights.values()), dtype=torch.float32, device=place)
    sums = dict.fromkeys(objective.weights, 0.0)
    for index in torch.randperm(len(windows)).split(batch_size):
        mix = Mixture.draw(len(index), mixup, place) if mixup else unmixed
        x, y = (mix(part) for part in windows.batch(index))
        with autocast:
            forecast = model(x)
            _check(model, forecast, y)
            parts = objective(forecast, y, index, mix)
        values = torch.stack([parts[name] for name in objective.weights]).float()  # of a model in double precision
        if not values.requires_grad:  # asked in every step: no words unless they are needed
            raise ValueError(f"no part of the loss depends on the weights of {type(model).__name__}")
        optimizer.zero_grad()
        torch.dot(weights, values).backward()
        for name, value in zip(sums, values.tolist(), strict=True):  # one wait for the device, and a late one
            _require_finite(name, value)
            sums[name] += value * len(index) / len(windows)
        optimizer.step()
        if averaged is not None:
            averaged.update_parameters(model)
    return sums


def _check(model: nn.Module, forecast: Forecast, y: Tensor) -> None:
    """ValueError for a prediction of another shape than the truth: one that broadcasts would train, on other values."""
    made, wanted = getattr(forecast, "prediction", None), list(y.shape)
    if not isinstance(made, Tensor) or list(made.shape) != wanted:  # asked in every step, as above
        kind = type(forecast if made is None else made).__name__
        got = list(made.shape) if isinstance(made, Tensor) else f"{kind}, no Forecast of a tensor"
        raise ValueError(f"{type(model).__name__} must return a prediction [B, H, C] = {wanted}, got {got}")


def _require_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise Diverged(f"training stopped: {name} is {value}")


@torch.no_grad()
def predict(
    model: nn.Module, windows: Windows, batch_size: int | None = None
) -> Iterator[tuple[Tensor, Tensor, Tensor, Forecast]]:
    """Yield (index, x, y, Forecast) over all windows in order, in evaluation mode.

    By default a batch holds at most BATCH windows and BATCH_CHANNELS windows times channels.
    """
    model.eval()
    size = batch_size or min(BATCH, max(1, BATCH_CHANNELS // windows.channels))
    for index in torch.arange(len(windows)).split(size):
        x, y = windows.batch(index)
        yield index, x, y, model(x)


def window_errors(model: nn.Module, windows: Windows) -> Tensor:
    """The mean squared error of each window [N], over all steps and channels, in scaled units."""
    errors = []
    for _, _, y, forecast in predict(model, windows):
        _check(model, forecast, y)
        errors.append((forecast.prediction - y).square().mean((1, 2)))
    return torch.cat(errors)
