"""Fracast-0, a foundation model small enough to ship its weights: the package `fracast` (PyPI, Apache-2.0, 2026).

    y = median of the nine quantiles, 48 steps at a time; the first 48 are context for the next

Its own code runs it, on each channel by itself: one causal convolution at ten dilations over 2,048 steps, of which
what the look-back does not fill is masked. So a context of 100 steps takes as long as one of 2,048: about 40 ms of a
core for 96 steps. Nothing here trains it. Its corpora hold public data sets, the ETT series among them: page 16 says
what that means for its errors. Parameters: 85,001, none of them in a run's weights.
Shapes: N contexts, L look-back, H horizon, Q quantiles.
"""

import functools
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from tdlib.checks import require, require_extra
from tdlib.models.pretrained import Foundation

RELEASES = {  # of the package -> the checksum of its weights
    "0.1.0": "0d678f123f3d1f91c5065cca2b5d40eccc469360afc2381b27290486011ded2c"
}
LEAST, MOST = 8, 2048  # steps of a context
AT_ONCE = 1  # contexts: the layers of one stay in a core's cache, which takes two thirds of the time of 16


class Fracast(Foundation):
    """Its setting.

    release    the package's, whose weights these are: another one is another model
    """

    title = "Fracast"
    paper = "Fracast-0 by its contributors, github.com/ztxtech/fracast-0 and PyPI, 2026"
    size = 85_001

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        release: Annotated[str, RELEASES.__contains__, f"one of {', '.join(RELEASES)}"] = "0.1.0",
    ):
        super().__init__(horizon)
        require_extra("fracast", "fracast")
        require(lookback <= MOST, f"fracast: the look-back must be at most {MOST}, its longest context, got {lookback}")
        self.fingerprint = RELEASES[release]
        known = _checksum() == self.fingerprint
        require(known, f"the weights of the fracast installed here are not {release}'s: pip install fracast=={release}")

    def forecast(self, contexts: Tensor) -> Tensor:
        contexts = F.pad(contexts, (max(0, LEAST - contexts.shape[1]), 0), mode="replicate")
        network = _network(str(contexts.device))
        parts = contexts.cpu().split(AT_ONCE if contexts.device.type == "cpu" else len(contexts))
        quantiles = [network.forecast_batch(part.numpy(), horizon=self.feature_width) for part in parts]  # [N, H, Q]
        median = network.quantiles.index(0.5)
        return torch.cat([torch.from_numpy(part[..., median]).float() for part in quantiles])


@functools.cache
def _checksum() -> str:
    folder = Path(find_spec("fracast").origin).parent
    return hashlib.sha256((folder / "weights/model.safetensors").read_bytes()).hexdigest()


@functools.cache
def _network(device: str):  # -> fracast.FracastModel
    from fracast import FracastModel  # an extra: only who runs it needs it

    return FracastModel.from_pretrained(weights="fp32", device=device)
