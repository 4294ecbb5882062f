"""The inequalities of Theorems 4.1 and 4.2 by number; page 11 draws them and says where the paper's form differs.

y truth, t teacher, s student [n, H], eta the weight of the distillation. Each function returns [n] numbers; the
inequality holds where a ratio is at least 1, a difference at least 0, but for `SLACK`; a tighter one of scales where
the ratio is at least 1 + eta.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tdlib import losses

SLACK = 1e-9  # of the rounding


def triples(
    teacher: Mapping[str, np.ndarray], student: Mapping[str, np.ndarray], count: int = 500
) -> dict[str, list[Tensor]]:
    """Truth, teacher and student [n, H] of three kinds, from the arrays of two rows.

    `real`: the windows and channels that the rows keep; `random`: independent noise; `near`: series that agree up to
    noise of 0.1 and 0.3 around the student.
    """
    parts = [student["sample_y"], teacher["sample_prediction"], student["sample_prediction"]]
    real = [torch.from_numpy(part.astype(np.float64)).transpose(1, 2).flatten(0, 1) for part in parts]
    generator = torch.Generator().manual_seed(0)
    base, *others = (torch.randn(count, real[0].shape[1], generator=generator, dtype=torch.float64) for _ in range(6))
    near = [base + 0.1 * others[3], base + 0.3 * others[4], base]
    return {"real": real, "random": others[:3], "near": near}


def scales(y: Tensor, t: Tensor, s: Tensor, *, eta: float = 1.0, coarser: int = 3, pooled: bool = False) -> Tensor:
    """(L_sup + eta L_scale) / L_aug, to be at least 1.

    The teacher's `coarser` scales are brought back to full length and compared with the student, or with its own
    scales (`pooled`, as trained); the mixtures are (y + eta t_m) / (1 + eta).
    """
    share = 1 / (1 + eta)
    teacher = _scales(t, coarser)
    student = _scales(s, coarser) if pooled else [s] * (coarser + 1)
    trained = sum(_mse(a, b) for a, b in zip(teacher, student, strict=True)) / (coarser + 1)
    augmented = sum(_mse(share * y + (1 - share) * a, s) for a in teacher) / (coarser + 1)
    return (_mse(y, s) + eta * trained) / augmented


def periods(y: Tensor, t: Tensor, s: Tensor, *, eta: float = 1.0, temperature: float = 0.5) -> Tensor:
    """KL(Q_y || Q_s) + eta KL(Q_t || Q_s) - (1 + eta) KL(mix || Q_s), mix = (Q_y + eta Q_t) / (1 + eta)."""
    log_y, log_t, log_s = (losses.log_period_distribution(x, dim=1, temperature=temperature) for x in (y, t, s))
    log_mix = torch.logaddexp(log_y, log_t + math.log(eta)) - math.log(1 + eta)
    return _kl(log_y, log_s) + eta * _kl(log_t, log_s) - (1 + eta) * _kl(log_mix, log_s)


def error_over_divergence(y: Tensor, s: Tensor, *, temperature: float = 0.5) -> Tensor:
    """MSE(y, s) - KL(Q_y || Q_s): the step of the published proof from the supervised loss to periods."""
    log_y, log_s = (losses.log_period_distribution(x, dim=1, temperature=temperature) for x in (y, s))
    return _mse(y, s) - _kl(log_y, log_s)


def _scales(x: Tensor, coarser: int) -> list[Tensor]:
    """x and its means over 2, 4, ... steps, each repeated to full length."""
    out, coarse = [x], x
    for m in range(1, coarser + 1):
        coarse = losses.halve(coarse)
        out.append(coarse.repeat_interleave(2**m, dim=1))
    return out


def _mse(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean(1)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(1)
