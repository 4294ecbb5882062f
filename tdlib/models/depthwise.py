"""Depthwise convolution along time: each row with its own kernel, zeros around, as two products of matrices.

    y[r, b, t] = sum_k w[r, k] x[r, b, t + k - P],        x = 0 outside 0 .. N - 1,    P = K // 2

Cut the padded rows into blocks of T >= K - 1 steps: an output block depends on its own input block and on the
first K - 1 steps of the next one, by a banded matrix that is the same for all blocks (Toeplitz),

    Y_j = X_j A' + X_{j+1}[: K - 1] E',      [A | E][t, i] = w[i - t]  for 0 <= i - t < K      [T, T + K - 1]

Its gradients:

    dX_j = dY_j A,   dX_{j+1}[: K - 1] += dY_j E,   d[A | E] = sum_j dY_j' [X_j | X_{j+1}],   dw_k = sum_t d[A | E][t, t + k]

T + K - 1 multiplications an output for K, yet faster on a CPU: torch has no blocked depthwise convolution in
one dimension there. Shapes: R rows, B windows, N steps, K kernel, M = B * blocks, T block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """Rows x [R, B, N] with kernels `weight` [R, 1, K] -> [R, B, N], for an even K [R, B, N + 1]."""
    if x.device.type == "cpu" and x.dtype == weight.dtype and not torch.is_autocast_enabled("cpu"):
        return _Banded.apply(x, weight)
    return F.conv1d(x.transpose(0, 1), weight, padding=weight.shape[2] // 2, groups=len(weight)).transpose(0, 1)


class _Banded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        (rows, windows, steps), kernel = x.shape, weight.shape[2]
        before, length = kernel // 2, steps + 2 * (kernel // 2) - kernel + 1
        blocks = max(1, round(length / (30 if kernel > 16 else 12)))
        size = -(-length // blocks)
        padded = F.pad(x, (before, blocks * size + kernel - 1 - before - steps))
        X = padded.unfold(2, size + kernel - 1, size).flatten(1, 2)  # [R, M, T + K - 1]
        A = _band(weight, size)
        Y = X @ A.mT  # [R, M, T]
        ctx.save_for_backward(X, A)
        ctx.steps = steps
        return Y.view(rows, windows, blocks * size)[:, :, :length]

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        X, A = ctx.saved_tensors
        (rows, size, width), (_, windows, length) = A.shape, dy.shape
        blocks, kernel = X.shape[1] // windows, width - size + 1
        dY = F.pad(dy, (0, blocks * size - length)).view(rows, -1, size)
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dX = (dY @ A).view(rows, windows, blocks, width)
            dx = dy.new_zeros(rows, windows, blocks + -(-width // size) - 1, size)
            for j in range(-(-width // size)):
                part = dX[..., j * size : (j + 1) * size]
                dx[:, :, j : j + blocks, : part.shape[3]] += part
            dx = dx.flatten(2)[:, :, kernel // 2 : kernel // 2 + ctx.steps]
        if ctx.needs_input_grad[1]:
            dw = _diagonals(dY.mT @ X, kernel).sum(1, keepdim=True)
        return dx, dw


def _band(weight: Tensor, size: int) -> Tensor:
    """[A | E] [R, T, T + K - 1]: row t holds the kernel from column t on."""
    rows, _, kernel = weight.shape
    band = weight.new_zeros(rows, size, size + kernel - 1)
    _diagonals(band, kernel).copy_(weight)
    return band


def _diagonals(band: Tensor, kernel: int) -> Tensor:
    """View [R, T, K] of the elements [t, t + k] of a band [R, T, T + K - 1]."""
    rows, size, width = band.shape
    return band.as_strided((rows, size, kernel), (size * width, width + 1, 1))
