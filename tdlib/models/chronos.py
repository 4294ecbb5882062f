"""Chronos-Bolt and Chronos-2, foundation models from a folder or the hub, run by the package `chronos-forecasting`.

    y = median of the quantiles

Its own pipeline class runs them, on each channel by itself, as long a horizon as is asked for. The first Chronos draws
samples, and is refused: a teacher's outputs are the same at every reading. Nothing here trains it.
Shapes: N contexts, L look-back, H horizon.
"""

import functools
import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor

from tdlib.checks import require, require_extra
from tdlib.models.pretrained import Foundation

PACKAGES = ("chronos", "transformers", "huggingface_hub")
FILES = ("config.json", "*.safetensors")  # of a model's folder


def _named(source: str) -> bool:
    return os.path.isdir(source) or bool(re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", source))


class Chronos(Foundation):
    """Its setting.

    source    a folder with config.json and weights as safetensors, or a name on the hub, which is downloaded once
    """

    title = "Chronos"
    paper = "Ansari et al., TMLR 2024, arXiv 2403.07815; Chronos-2: Ansari et al., arXiv 2510.15821"

    @staticmethod
    def content(source: str) -> dict:
        """The checksum of a folder: with other weights in it a run is another one."""
        return {"weights": _checksum(Path(source))} if os.path.isdir(source) else {}

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        source: Annotated[str, _named, "a folder that is there, or OWNER/NAME on the hub"] = "amazon/chronos-bolt-tiny",
    ):
        super().__init__(horizon)
        require_extra("chronos", *PACKAGES)
        self.folder = Path(source) if os.path.isdir(source) else _download(source)
        about = _config(self.folder)
        require("chronos_config" in about, f"chronos: {source} holds no Chronos model")
        bolt = about.get("chronos_pipeline_class") in ("ChronosBoltPipeline", "Chronos2Pipeline")
        require(bolt, f"chronos: {source} draws samples; only Chronos-Bolt and Chronos-2 forecast the same again")
        most = about["chronos_config"]["context_length"]
        require(lookback <= most, f"chronos: the look-back must be at most {most}, its longest context, got {lookback}")
        self.fingerprint = _checksum(self.folder)

    @property
    def size(self) -> int:
        return sum(weight.numel() for weight in _pipeline(self.folder, "cpu").inner_model.parameters())

    def forecast(self, contexts: Tensor) -> Tensor:
        pipeline, steps = _pipeline(self.folder, str(contexts.device)), {"prediction_length": self.feature_width}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "We recommend keeping prediction length")  # page 16 shows what it costs
            found, _ = pipeline.predict_quantiles(list(contexts.cpu()), **steps, quantile_levels=[0.5])
        return torch.stack([forecast.flatten() for forecast in found])


@functools.cache
def _download(source: str) -> Path:
    from huggingface_hub import snapshot_download  # an extra: only who runs the model needs it

    try:
        return Path(snapshot_download(source, allow_patterns=list(FILES)))
    except Exception as error:  # the hub's, the network's and the disk's are classes of several packages
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"chronos: {source} is no folder here, and cannot be read from the hub: {reason}") from None


def _config(folder: Path) -> dict:
    try:
        return json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise ValueError(f"chronos: {folder} has no config.json that can be read") from None


def _checksum(folder: Path) -> str:
    paths = [path for kind in FILES for path in sorted(folder.glob(kind))]
    return _digest(tuple((path, path.stat().st_mtime_ns) for path in paths))


@functools.cache
def _digest(files: tuple[tuple[Path, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _pipeline(folder: Path, device: str):  # -> chronos.BaseChronosPipeline
    from chronos import BaseChronosPipeline

    pipeline = BaseChronosPipeline.from_pretrained(folder, dtype="float32")
    pipeline.inner_model.to(device).eval()
    return pipeline
