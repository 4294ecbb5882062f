"""Rows and weights with checksums that are right, whatever they say: what only a schema can tell from whole ones."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

DEEP = "a place for something nested 10,000 deep"


def _text(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text.replace(json.dumps(DEEP), "[" * 10_000 + "]" * 10_000)


def row(path: Path, content: dict) -> None:
    """Write a row and the checksum of it."""
    signed = {name: value for name, value in content.items() if name != "row_sha256"}
    path.write_text(_text(signed | {"row_sha256": hashlib.sha256(_text(signed).encode()).hexdigest()}))


def arrays(path: Path, blob: bytes) -> None:
    """Write a row's arrays, and their checksum into the row."""
    path.with_suffix(".npz").write_bytes(blob)
    row(path, json.loads(path.read_text()) | {"arrays_sha256": hashlib.sha256(blob).hexdigest()})


def weights(path: Path, tensors: dict[str, Tensor], about: object) -> None:
    """Write weights, what describes them, and the checksum of both."""
    about = _text(about)
    digest = hashlib.sha256(about.encode())
    for name, value in sorted(tensors.items()):
        digest.update(name.encode() + value.reshape(-1).view(torch.uint8).numpy().tobytes())
    save_file(tensors, path, {"about": about, "sha256": digest.hexdigest()})
