"""What Autoformer and FEDformer share."""

import torch
import torch.nn.functional as F
from small import build, series

from tdlib.models import decomposition
from tdlib.models.layers import decompose, sinusoids


def test_the_decoder_starts_with_the_last_half_of_the_look_back():
    net = build("autoformer", 37, 11).net
    part = torch.arange(37.0)[None, :, None]
    assert net._known_half(part).flatten().tolist() == [*range(19, 37), *[0] * 11]


def test_a_season_has_no_mean():
    h = decomposition._without_mean(torch.randn(2, 9, 3) + 5)
    torch.testing.assert_close(h.mean(1), torch.zeros(2, 3), rtol=0, atol=1e-5)


class Mix(torch.nn.Module):
    def forward(self, h, memory):
        return h.flip(1) + memory.mean(1, keepdim=True)


def around(conv, h):
    """Three neighbours, the ends meet."""
    wide = torch.cat([h[:, -1:], h, h[:, :1]], 1)
    return sum(wide[:, k : k + h.shape[1]] @ conv.weight[:, :, k].T for k in range(3))


def seasons(h, *steps):
    """What is left of h + step(h) after each step, and the trends that were taken out."""
    taken = []
    for step in steps:
        h, trend = decompose(h + step(h), 3)
        taken.append(trend)
    return h, taken


def test_its_forward_pass_by_hand():
    torch.manual_seed(0)
    size = {"width": 4, "hidden": 6, "average": 3, "dropout": 0.0}
    net, mix = decomposition.DecompositionTransformer(9, 5, 2, [Mix()], Mix(), Mix(), **size), Mix()
    z, code = series(2, 9, 2), sinusoids(14, 4)
    memory, _ = seasons(around(net.embed, z) + code[:9], lambda h: mix(h, h), net.encoder[0].feed_forward)
    memory = decomposition._without_mean(net.encoder_norm(memory))
    season, trend = (F.pad(part[:, 5:], (0, 0, 0, 5)) for part in decompose(z, 3))
    h = around(net.embed_decoder, season) + code[5:]
    h, taken = seasons(h, lambda h: mix(h, h), lambda h: mix(h, memory), net.decoder.feed_forward)
    expected = net.head(decomposition._without_mean(net.decoder_norm(h))) + trend + around(net.trend, sum(taken))
    torch.testing.assert_close(net(z), expected, rtol=1e-4, atol=1e-5)
