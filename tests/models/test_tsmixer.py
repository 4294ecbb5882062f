import numpy as np
import pytest
import torch
import torch.nn.functional as F
from by_hand import assert_same, linear, normalised, weights
from small import build, parameters, series, silence, worn


@pytest.mark.parametrize(("horizon", "count"), [(96, 257_052), (720, 706_956)])
def test_it_has_the_published_number_of_parameters(horizon, count):
    assert parameters("tsmixer", horizon) == count


def test_tsmixer_mixes_the_steps_of_a_channel_then_the_channels_of_a_step():
    block = build("tsmixer", 10, 4, 3).eval().blocks[0]
    h = torch.randn(3, 2, 10)  # [C, B, L]
    changed = h.clone()
    changed[1, 0, 4] += 1

    time_only, channel_only = build("tsmixer", 10, 4, 3).eval().blocks[0], block
    silence(time_only.channel_out)
    difference = (time_only(changed) - time_only(h)).abs()
    assert (difference[1, 0] > 0).sum() > 5  # spreads over the steps
    assert difference[[0, 2]].sum() == difference[:, 1].sum() == 0  # not to other channels or windows

    silence(channel_only.time)
    difference = (channel_only(changed) - channel_only(h)).abs()
    assert (difference[:, 0, 4] > 0).all()  # spreads over the channels
    assert difference.sum() == difference[:, 0, 4].sum()  # not to other steps or windows


def test_a_tsmixer_block_is_two_mlps_with_residuals():
    block, h = build("tsmixer", 10, 4, 3).eval().blocks[0], torch.randn(3, 2, 10)
    time = h + block.time[2](F.relu(block.time[0](h)))
    channel = block.channel_out(F.relu(block.channel_in(time.permute(1, 2, 0)))).permute(2, 0, 1)
    torch.testing.assert_close(block(h), time + channel)


def forward(model: torch.nn.Module, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w = weights(model)
    h, mean, deviation = normalised(x)  # [B, C, L]
    scale, shift = (w[f"affine.{name}"][:, None] for name in ("scale", "shift"))
    h = h * scale + shift
    for i in range(len(model.blocks)):
        block = f"blocks.{i}"
        h = h + linear(w, f"{block}.time.2", np.maximum(linear(w, f"{block}.time.0", h), 0))
        across = np.maximum(linear(w, f"{block}.channel_in", h.swapaxes(1, 2)), 0)
        h = h + linear(w, f"{block}.channel_out", across).swapaxes(1, 2)
    y = (linear(w, "head", h) - shift) / scale
    return (y * deviation + mean).transpose(0, 2, 1), h


def test_its_forward_pass_by_hand():
    assert_same(forward, worn("tsmixer", 10, 4, 3), series(4, 10, 3))
