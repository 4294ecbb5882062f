"""What Autoformer and FEDformer share."""

import torch
from small import build

from tdlib.models import decomposition


def test_the_decoder_starts_with_the_last_half_of_the_look_back():
    net = build("autoformer", 37, 11).net
    part = torch.arange(37.0)[None, :, None]
    assert net._known_half(part).flatten().tolist() == [*range(19, 37), *[0] * 11]


def test_a_season_has_no_mean():
    h = decomposition._without_mean(torch.randn(2, 9, 3) + 5)
    torch.testing.assert_close(h.mean(1), torch.zeros(2, 3), rtol=0, atol=1e-5)
