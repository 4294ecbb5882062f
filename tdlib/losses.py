"""The two patterns that a teacher hands to a student (TimeDistill, section 4; arXiv 2502.15016).

    multi-scale    x^0 = x,  x^m = down(x^(m-1)),          S(a, b) = 1/(M+1) * sum_m MSE(a^m, b^m)
    multi-period   Q(x) = softmax(|rfft(x)| / tau),        P(a, b) = KL(Q(b) || Q(a))

Both work along one dimension `dim`: time for forecasts [B, H, C], the feature axis for features
[B, C, D]. The first argument is the student's, the second the teacher's.
"""

import functools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DOWNSAMPLINGS = ("avg", "max", "min", "conv")
REDUCTIONS = ("code", "kl")


def downsample(x: Float[Tensor, "*axes length"], how: str = "avg") -> Float[Tensor, "*axes half"]:
    """Halve the last dimension; an odd length drops its last element, as pooling does."""
    _one_of(how, DOWNSAMPLINGS, "downsampling")
    even, odd = x[..., : x.shape[-1] // 2 * 2].unflatten(-1, (x.shape[-1] // 2, 2)).unbind(-1)
    if how == "avg":
        return (even + odd) / 2
    if how == "max":
        return torch.maximum(even, odd)
    if how == "min":
        return torch.minimum(even, odd)
    before = torch.cat([even[..., :1], odd[..., :-1]], dim=-1)
    return before / 4 + even / 2 + odd / 4  # stride 2, fixed kernel (1/4, 1/2, 1/4) around every even element


def multi_scale(
    student: Float[Tensor, "*shape"],
    teacher: Float[Tensor, "*shape"],
    *,
    dim: int,
    scales: int = 3,
    downsample: str = "avg",
) -> Float[Tensor, ""]:
    """Mean over the scales 0..M of the MSE between student and teacher (eq. 4 and 6).

    `scales` is M, the number of coarser scales. ValueError where `dim` is shorter than 2^M, or the shapes differ.
    """
    _one_of(downsample, DOWNSAMPLINGS, "downsampling")
    _check_shapes(student, teacher)
    check_scales(student.shape[dim], scales)
    a, b = student.movedim(dim, -1), teacher.movedim(dim, -1)
    if downsample == "avg" and a.shape[-1] % 2**scales == 0:
        return _scales_as_form(a - b, scales)
    total = F.mse_loss(a, b)
    for _ in range(scales):
        a, b = _downsample(a, downsample), _downsample(b, downsample)
        total = total + F.mse_loss(a, b)
    return total / (scales + 1)


def _scales_as_form(difference: Tensor, scales: int) -> Tensor:
    """The same for averages, two to three times as fast: averages are linear, so the difference d is averaged,
    and the sum over scales is a quadratic form in every block of 2^M steps:

        S = 1/n * sum over blocks of d' K d,      K = 1/(M+1) * sum_m 2^-m * (blocks of ones, 2^m wide)
    """
    blocks = difference.reshape(-1, 2**scales)
    form = _form(scales, difference.dtype, difference.device)
    return torch.dot((blocks @ form).flatten(), blocks.flatten()) / blocks.numel()


@functools.cache
def _form(scales: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """K [2^M, 2^M]."""
    ones = [torch.full((2**m, 2**m), 2.0**-m, dtype=dtype, device=device) for m in range(scales + 1)]
    blocks = [torch.block_diag(*[block] * 2 ** (scales - m)) for m, block in enumerate(ones)]
    return sum(blocks) / (scales + 1)


_downsample = downsample  # `multi_scale` has an argument of that name


def _one_of(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known: {', '.join(known)}")


def _check_shapes(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(f"student and teacher differ in shape: {tuple(student.shape)} and {tuple(teacher.shape)}")


def check_scales(length: int, scales: int, what: str = "length") -> None:
    """ValueError where `length` cannot be halved `scales` times; `what` it is the length of."""
    if length < 2**scales:
        raise ValueError(f"a {what} of {length} cannot be halved {scales} times: it must be at least {2**scales}")


def check_period(length: int, what: str = "length") -> None:
    """ValueError where a series of `length` has no period; `what` it is the length of."""
    if length < 2:
        raise ValueError(f"a {what} of {length} has no period: it must be at least 2")


def log_period_distribution(x: Tensor, *, dim: int, temperature: float = 0.5) -> Tensor:
    """log Q: log-softmax over frequency of the amplitudes; bin 0, the mean, is left out (eq. 5).

    Entry i - 1 of `dim` stands for the period length / i. In log space nothing underflows, where
    log(softmax) of large amplitudes gives -inf and, for the teacher's side, NaN gradients.
    """
    check_period(x.shape[dim])
    amplitude = torch.fft.rfft(x, dim=dim).abs().narrow(dim, 1, x.shape[dim] // 2)
    return F.log_softmax(amplitude / temperature, dim=dim)


def multi_period(
    student: Float[Tensor, "*shape"],
    teacher: Float[Tensor, "*shape"],
    *,
    dim: int,
    temperature: float = 0.5,
    reduction: str = "code",
) -> Float[Tensor, ""]:
    """KL(Q_teacher || Q_student) of the period distributions (eq. 5 and 7), mean over the other axes.

    `reduction="kl"` sums over frequency, the textbook KL; `"code"`, as the public code, also
    divides by the number of frequencies: 1/48 of it at a horizon of 96.
    """
    _one_of(reduction, REDUCTIONS, "reduction")
    _check_shapes(student, teacher)
    check_period(student.shape[dim])
    both = torch.stack([student.movedim(dim, -1), teacher.movedim(dim, -1)])
    divergence = _Divergence.apply(both, temperature).mean()
    return divergence / (student.shape[dim] // 2) if reduction == "code" else divergence


class _Divergence(torch.autograd.Function):
    """KL(Q_t || Q_s) over the last axis of the two series x = (s, t), with its gradient by hand.

        A = |X|,  X = rfft(x)        dKL/dA_s = (Q_s - Q_t) / tau
                                     dKL/dA_t = Q_t (log Q_t - log Q_s - KL) / tau
        dKL/dx = n/2 * irfft(dKL/dA * X / A)      each bin i < n/2 stands for itself and for bin n - i

    Autograd takes twice as long: it knows neither that x is real nor that Q is at hand.
    """

    @staticmethod
    def forward(context, x: Tensor, temperature: float) -> Tensor:
        n = x.shape[-1]
        spectrum = torch.fft.rfft(x)
        bins = spectrum[..., 1:]  # bin 0, the mean, is left out
        amplitude = torch.addcmul(bins.real.square(), bins.imag, bins.imag).sqrt_()  # abs() takes three times as long
        scaled = amplitude / temperature
        log_q, q = scaled.log_softmax(-1), scaled.softmax(-1)
        ratio = log_q[1] - log_q[0]
        divergence = (q[1] * ratio).sum(-1)
        slope = torch.stack([q[0] - q[1], q[1] * (ratio - divergence.unsqueeze(-1))])  # dKL/dA * tau
        slope /= amplitude.clamp_(min=torch.finfo(x.dtype).tiny)  # where A is 0, so is X
        if n % 2 == 0:
            slope[..., -1] *= 2  # bin n/2 has no twin
        spectrum[..., 0] = 0
        spectrum[..., 1:] *= slope
        context.save_for_backward(spectrum)
        context.length, context.factor = n, n / 2 / temperature
        return divergence

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        (spectrum,) = context.saved_tensors
        return torch.fft.irfft(spectrum, context.length) * (gradient * context.factor).unsqueeze(-1), None
