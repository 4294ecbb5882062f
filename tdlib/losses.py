"""The two patterns that a teacher hands to a student (TimeDistill, section 4; arXiv 2502.15016).

    multi-scale    x^0 = x,  x^m = halve(x^(m-1)),         S(a, b) = 1/(M+1) * sum_m MSE(a^m, b^m)
    multi-period   Q(x) = softmax(|rfft(x)|_1..n / tau),   P(a, b) = 1/n sum_i Q_i(b) (log Q_i(b) - log(Q_i(a) + FLOOR))

Both work along one dimension `dim`: time for forecasts [B, H, C], the feature axis for features
[B, C, D]; n is half its length. The first argument is the student's, the second the teacher's.

`halve` and `period_divergence` are the formulas as they stand. What training calls is faster and says which
of their lines it replaces.
"""

import functools
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tdlib.checks import one_of
from tdlib.compute import exact, wide

DOWNSAMPLINGS = ("avg", "max", "min", "conv")
REDUCTIONS = ("code", "kl", "mean")
FLOOR = 1e-8  # under the student's logarithm, where the public code has it: no distribution is further than 18.4 nats
COLDEST = 1e-6  # temperature: below 1e-38 nothing in single precision is left of a gradient
WIDEST = 8  # scales of the quadratic form, which is 2^M wide: beyond, halving is faster and takes no memory


def halve(x: Float[Tensor, "*axes length"], how: str = "avg") -> Float[Tensor, "*axes half"]:
    """x^m from x^(m-1): half of the last dimension; an odd length drops its last element, as pooling does."""
    one_of("downsample", how, DOWNSAMPLINGS)
    even, odd = x[..., : x.shape[-1] // 2 * 2].unflatten(-1, (x.shape[-1] // 2, 2)).unbind(-1)
    if how == "avg":
        return (even + odd) / 2
    if how == "max":
        return torch.maximum(even, odd)
    if how == "min":
        return torch.minimum(even, odd)
    before = torch.cat([even[..., :1], odd[..., :-1]], dim=-1)
    return before / 4 + even / 2 + odd / 4  # stride 2, fixed kernel (1/4, 1/2, 1/4) around every even element


def log_period_distribution(x: Tensor, *, dim: int, temperature: float = 0.5) -> Tensor:
    """log Q along `dim`; bin 0, the mean, is left out (eq. 5). Entry i - 1 stands for the period length / i.

    In log space nothing underflows, where softmax gives 0 and 0 log 0 has no gradient.
    """
    check_period(x.shape[dim])
    amplitude = torch.fft.rfft(x, dim=dim).abs().narrow(dim, 1, x.shape[dim] // 2)
    return F.log_softmax(amplitude / temperature, dim=dim)


def period_divergence(
    student: Float[Tensor, "*axes length"],
    teacher: Float[Tensor, "*axes length"],
    temperature: float = 0.5,
    floor: float = FLOOR,
) -> Float[Tensor, "*axes"]:
    """Sum over frequency of Q_t (log Q_t - log(Q_s + floor)), along the last dimension (eq. 7)."""
    log_s, log_t = (log_period_distribution(x, dim=-1, temperature=temperature) for x in (student, teacher))
    if floor:
        log_s = (log_s.exp() + floor).log()
    return (log_t.exp() * (log_t - log_s)).sum(-1)


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
    one_of("downsample", downsample, DOWNSAMPLINGS)
    _check_shapes(student, teacher)
    check_scales(student.shape[dim], scales)
    a, b = student.movedim(dim, -1), teacher.movedim(dim, -1)
    if downsample == "avg" and scales <= WIDEST and a.shape[-1] % 2**scales == 0:
        return _scales_as_form(a - b, scales)
    total = F.mse_loss(a, b)
    for _ in range(scales):
        a, b = halve(a, downsample), halve(b, downsample)
        total = total + F.mse_loss(a, b)
    return total / (scales + 1)


def _scales_as_form(difference: Tensor, scales: int) -> Tensor:
    """Replaces the loop of `multi_scale` for averages, two to three times as fast: averages are linear, so the
    difference d is averaged, and the sum over scales is a quadratic form in every block of 2^M steps:

        S = 1/n * sum over blocks of d' K d,      K = 1/(M+1) * sum_m 2^-m * (blocks of ones, 2^m wide)
    """
    blocks = wide(difference.reshape(-1, 2**scales))
    form = _form(scales, blocks.dtype, blocks.device)
    with exact(blocks):
        return torch.dot((blocks @ form).flatten(), blocks.flatten()) / blocks.numel()


@functools.cache
def _form(scales: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """K [2^M, 2^M]."""
    with torch.inference_mode(False):  # it is kept, and a training may come after the forecast that made it
        ones = [torch.full((2**m, 2**m), 2.0**-m, dtype=dtype, device=device) for m in range(scales + 1)]
        blocks = [torch.block_diag(*[block] * 2 ** (scales - m)) for m, block in enumerate(ones)]
        return sum(blocks) / (scales + 1)


def multi_period(
    student: Float[Tensor, "*shape"],
    teacher: Float[Tensor, "*shape"],
    *,
    dim: int,
    temperature: float = 0.5,
    reduction: str = "code",
) -> Float[Tensor, ""]:
    """`period_divergence` along `dim`, mean over the other axes (eq. 5 and 7).

    `reduction="code"`, the public code's, has the floor and divides by the number of frequencies: 1/48 at a
    horizon of 96. `"kl"` is the textbook KL: no floor, summed over frequency; `"mean"` is that, divided as the code's.
    Works in float32 at least; loss and gradients of `"code"` are bounded for every finite input. ValueError where the
    shapes differ, `dim` is 1, or the temperature is below COLDEST or not finite; RuntimeError for a second derivative.
    """
    one_of("reduction", reduction, REDUCTIONS)
    if not COLDEST <= temperature < math.inf:
        raise ValueError(f"temperature must be finite and at least {COLDEST:g}, got {temperature}")
    _check_shapes(student, teacher)
    check_period(student.shape[dim])
    both = torch.stack([student.movedim(dim, -1), teacher.movedim(dim, -1)])
    divergence = _Divergence.apply(wide(both), temperature, FLOOR if reduction == "code" else 0.0).mean()
    return divergence if reduction == "kl" else divergence / (student.shape[dim] // 2)


class _Divergence(torch.autograd.Function):
    """Replaces the lines of `period_divergence` for the two series x = (s, t), with its gradient by hand.

        A = |X|,  X = rfft(x),  R = log Q_t - log(Q_s + floor),  W = Q_t Q_s / (Q_s + floor)

        dP/dA_s = (Q_s sum(W) - W) / tau            dP/dA_t = Q_t (R - P) / tau
        dP/dx = N/2 * irfft(dP/dA * X / A)          each bin i < N/2 stands for itself and for bin N - i, N the length

    Autograd takes twice as long: it knows neither that x is real nor that Q is at hand. Waves are brought to
    height 1 first, where no sum leaves the format and no square is lost; X / A does not depend on the height.
    """

    @staticmethod
    def forward(context, x: Tensor, temperature: float, floor: float) -> Tensor:
        n, limits = x.shape[-1], torch.finfo(x.dtype)
        height = torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True)).clamp_(min=limits.tiny)
        spectrum = torch.fft.rfft(x / height)
        bins = spectrum[..., 1:]  # bin 0, the mean, is left out
        amplitude = bins.real.square().addcmul_(bins.imag, bins.imag).sqrt_()  # abs(), hypot() take twice as long
        scaled = amplitude * (height / temperature).clamp_(max=limits.max / (4 * n))
        q_s, q_t = scaled.softmax(-1)
        log_q_t = scaled[1].log_softmax(-1)
        if floor:
            floored = q_s + floor
            w = (q_s / floored).mul_(q_t)
            ratio = log_q_t.sub_(floored.log_())  # in place where it can be: new memory costs more than the sums
        else:
            w, ratio = q_t, log_q_t.sub_(scaled[0].log_softmax(-1))
        divergence = (q_t * ratio).sum(-1)
        slope_s = torch.addcmul(-w, q_s, w.sum(-1, keepdim=True))
        slope_t = ratio.sub_(divergence.unsqueeze(-1)).mul_(q_t)
        slope = torch.stack([slope_s, slope_t]).div_(amplitude.clamp_(min=limits.tiny**0.5))  # so X / A is at most 1
        if n % 2 == 0:
            slope[..., -1] *= 2  # bin n/2 has no twin
        spectrum[..., 0] = 0
        bins *= slope
        context.save_for_backward(spectrum)
        context.length, context.factor = n, n / 2 / temperature
        return divergence

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None, None]:
        if torch.is_grad_enabled():  # torch would take this gradient for a constant, without a word
            raise RuntimeError("multi_period has no second derivative: its gradient cannot be differentiated again")
        (spectrum,) = context.saved_tensors
        slope = torch.fft.irfft(spectrum, context.length)
        return slope.mul_((gradient * context.factor).unsqueeze(-1)), None, None


def step_weights(horizon: int, tilt: float) -> Float[Tensor, " horizon"]:
    """w_h = exp(tilt h / (H - 1)) over the steps h = 0..H-1 of a forecast, brought to mean 1.

    A positive tilt asks for more where forecasting is hardest, at the end, as DistilTS does (arXiv 2601.12785).
    """
    return torch.linspace(0, tilt, horizon).softmax(0) * horizon


def check_scales(length: int, scales: int, what: str = "length") -> None:
    """ValueError unless `length`, of a `what`, can be halved `scales` times, and where that is no number of times."""
    if type(scales) is not int or scales < 0:
        raise ValueError(f"scales must be a whole number of at least 0, got {scales!r}")
    if length.bit_length() <= scales:  # 2^scales itself may be a number of a billion digits
        at_least = f": it must be at least {2**scales}" if scales < 64 else ""
        raise ValueError(f"a {what} of {length} cannot be halved {scales} times{at_least}")


def check_period(length: int, what: str = "length") -> None:
    """ValueError where a series of `length` has no period; `what` it is the length of."""
    if length < 2:
        raise ValueError(f"a {what} of {length} has no period: it must be at least 2")


def _check_shapes(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(f"student and teacher differ in shape: {tuple(student.shape)} and {tuple(teacher.shape)}")
