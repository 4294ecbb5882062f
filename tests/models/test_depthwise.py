import pytest
import torch
import torch.nn.functional as F

from tdlib.models.depthwise import depthwise


def inputs(rows: int, windows: int, steps: int, kernel: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(rows * steps + kernel)
    x, weight = (
        torch.randn(shape, generator=made, dtype=torch.float64).requires_grad_()
        for shape in [(rows, windows, steps), (rows, 1, kernel)]
    )
    return x, weight


def plain(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv1d(x.transpose(0, 1), weight, padding=weight.shape[2] // 2, groups=len(weight)).transpose(0, 1)


@pytest.mark.parametrize("kernel", [1, 2, 5, 8, 51])
@pytest.mark.parametrize("steps", [1, 4, 31, 60, 97, 180])
@pytest.mark.parametrize(("rows", "windows"), [(1, 1), (6, 3)])
def test_values_and_gradients_are_those_of_conv1d(rows, windows, steps, kernel):
    given = inputs(rows, windows, steps, kernel)
    ours, theirs = depthwise(*given), plain(*given)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    slope = torch.sin(torch.arange(ours.numel(), dtype=torch.float64)).view_as(ours)
    for mine, true in zip(*(torch.autograd.grad(y, given, slope) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, true, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("steps", "kernel"), [(7, 3), (30, 4), (3, 9)])
def test_the_gradients_by_hand_are_the_quotients_of_small_differences(steps, kernel):
    assert torch.autograd.gradcheck(depthwise, inputs(2, 2, steps, kernel))


def test_only_the_gradient_that_is_asked_for_is_there():
    x, weight = inputs(2, 3, 20, 5)
    for given in [(x.detach(), weight), (x, weight.detach())]:
        depthwise(*given).square().sum().backward()
    assert x.grad is not None
    assert weight.grad is not None


def test_it_takes_rows_that_are_a_view():
    x, weight = inputs(4, 3, 20, 5)
    seen = x.transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(depthwise(seen, weight), plain(x, weight), rtol=0, atol=1e-12)


def test_autocast_leaves_it_and_its_gradients_in_full_precision():
    x, weight = (part.detach().float().requires_grad_() for part in inputs(3, 2, 40, 9))
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, weight)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, plain(x, weight))
    found = torch.autograd.grad(y.square().sum(), (x, weight))
    for ours, theirs in zip(found, torch.autograd.grad(plain(x, weight).square().sum(), (x, weight)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_second_derivative_is_refused_and_not_taken_for_zero():
    x, weight = inputs(2, 3, 20, 5)
    with pytest.raises(RuntimeError, match=r"^depthwise has no second derivative: its gradient cannot be differentiat"):
        torch.autograd.grad(depthwise(x, weight).square().sum(), (x, weight), create_graph=True)
