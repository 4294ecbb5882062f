"""Depthwise convolution along time: each row with its own kernel, zeros around, as a product of matrices.

    y_t = sum_k w_k x_{t + k - P}            x = 0 outside 0 .. N - 1;  P = K // 2

T neighbouring outputs need T + K - 1 inputs, by a banded matrix that is the same for all of them (Toeplitz):

    Y = X A',       A[t, t + k] = w_k, else 0            A [T, T + K - 1]: one row an output

with all blocks of T outputs as rows of Y and their inputs, which overlap, as rows of X. The gradients:

    dx_t = sum_k w_{K - 1 - k} dy_{t + k - (K - 1 - P)}        the same with the kernel reversed
    dA = dY' X,     dw_k = sum_t dA[t, t + k]                  sums along its diagonals

These are T + K - 1 multiplications an output for K, yet on a CPU much faster than torch's `conv1d` in groups, but for
kernels of at most FEW steps.
Shapes: R rows, B windows, N steps, K kernel, T steps a block, M = B * blocks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 3


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """Rows x [R, B, N], each with its kernel of `weight` [R, 1, K] -> [R, B, N], for an even K [R, B, N + 1].

    Elsewhere than on a CPU, in an exported file, and where that is faster, it is torch's `conv1d`. On a CPU autocast
    leaves it in full precision; on a GPU it is a product like the others.
    """
    slow = weight.shape[2] > FEW or torch.is_autocast_enabled("cpu")  # torch's own
    if x.device.type == "cpu" and slow and not torch.compiler.is_compiling():
        return _Banded.apply(x, weight)
    return F.conv1d(x.transpose(0, 1), weight, padding=weight.shape[2] // 2, groups=len(weight)).transpose(0, 1)


class _Banded(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(
        device_type="cpu", cast_inputs=torch.float32
    )  # in bfloat16 torch's own takes ten times as long
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        steps, kernel = x.shape[2], weight.shape[2]
        X = _blocks(x, kernel, kernel // 2, steps + 1 - kernel % 2)
        ctx.save_for_backward(X, weight)
        ctx.steps = steps
        return _product(X, weight, steps + 1 - kernel % 2)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if torch.is_grad_enabled():  # torch would take this gradient for a constant, without a word
            raise RuntimeError("depthwise has no second derivative: its gradient cannot be differentiated again")
        (X, weight), (rows, windows, length) = ctx.saved_tensors, dy.shape
        kernel = weight.shape[2]
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = _product(_blocks(dy, kernel, kernel - 1 - kernel // 2, ctx.steps), weight.flip(2), ctx.steps)
        if ctx.needs_input_grad[1]:
            blocks, size = X.shape[2], X.shape[3] - kernel + 1
            dY = F.pad(dy, (0, blocks * size - length)).reshape(rows, windows * blocks, size)
            dw = _diagonals(dY.mT @ X.flatten(1, 2), kernel).sum(1, keepdim=True)
        return dx, dw


def _blocks(x: Tensor, kernel: int, before: int, length: int) -> Tensor:
    """The inputs [R, B, blocks, T + K - 1] of `length` outputs; the first output sees `before` zeros."""
    blocks = max(1, round(length / (10 + 0.4 * kernel)))  # short ones copy more, long ones multiply more
    size = -(-length // blocks)
    x = F.pad(x, (before, blocks * size + kernel - 1 - before - x.shape[2]))
    return x.unfold(2, size + kernel - 1, size).contiguous()


def _product(X: Tensor, weight: Tensor, length: int) -> Tensor:
    """Y = X A' [R, B, length] of the blocks [R, B, blocks, T + K - 1]."""
    rows, windows, _, width = X.shape
    kernel = weight.shape[2]
    A = weight.new_zeros(rows, width - kernel + 1, width)
    _diagonals(A, kernel).copy_(weight)
    return (X.flatten(1, 2) @ A.mT).view(rows, windows, -1)[:, :, :length]


def _diagonals(A: Tensor, kernel: int) -> Tensor:
    """A view [R, T, K] of the elements [t, t + k] of the bands [R, T, T + K - 1]."""
    rows, size, width = A.shape
    return A.as_strided((rows, size, kernel), (size * width, width + 1, 1))
