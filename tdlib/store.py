"""The run store: one row a run, on disk, that is either whole or not there.

    PLACE/runs/ID.json     config, metrics, epochs, parameters, seconds, provenance
    PLACE/runs/ID.npz      error of every test window, a few whole forecasts, period distributions
    PLACE/cache/ID.safetensors, PLACE/cache/ID/    weights and a teacher's outputs; git ignores them

A file is written under a temporary name and then renamed. A row carries the checksum of itself and
of its arrays: a damaged row is named and counts as missing. Several processes may share a store.
"""

import hashlib
import io
import json
import os
import warnings
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor

SCHEMA = 1  # raise it by hand when the same config would give another result


def run_id(config: dict, data_sha256: str) -> str:
    """The name of a run: a hash of its whole config, its data and the schema."""
    return _hash(_canonical({"config": config, "data": data_sha256, "schema": SCHEMA}))[:16]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _hash(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def write_atomically(path: Path, blob: bytes) -> None:
    """All of `blob` under `path`, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class Store:
    """Rows, arrays and weights under one folder, by run ID."""

    def __init__(self, place: str | Path):
        self.place = Path(place)

    def write(self, row: dict, arrays: dict[str, np.ndarray]) -> None:
        """Keep a row; its arrays go first, so a row that is there has them."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        blob = buffer.getvalue()
        write_atomically(self._path(row["id"], "npz"), blob)
        row = {**row, "arrays_sha256": _hash(blob)}
        row["row_sha256"] = _hash(_canonical(row))
        write_atomically(self._path(row["id"], "json"), json.dumps(row, indent=1).encode() + b"\n")

    def read(self, id: str) -> dict | None:
        """The row, or None where there is none; a damaged one is None too, with a warning that names it."""
        path = self._path(id, "json")
        if not path.exists():
            return None
        fault = self._fault(id)
        if fault:
            warnings.warn(f"the row {path.name} is damaged ({fault}) and counts as missing", stacklevel=2)
            return None
        return json.loads(path.read_bytes())

    def _fault(self, id: str) -> str | None:
        try:
            row = json.loads(self._path(id, "json").read_bytes())
            row_sha256 = row.pop("row_sha256")
            arrays = self._path(id, "npz").read_bytes()
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            return f"{type(error).__name__}"
        if row.get("id") != id or _hash(_canonical(row)) != row_sha256:
            return "its checksum differs"
        if _hash(arrays) != row["arrays_sha256"]:
            return "the checksum of its arrays differs"
        return None

    def arrays(self, id: str) -> dict[str, np.ndarray]:
        """The arrays of a row: `errors` [N], `periods` [C, H // 2], `sample_x`, ... (see `train.Evaluation`)."""
        with np.load(self._path(id, "npz"), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def ids(self) -> list[str]:
        """The rows that are there, whole or damaged, in order of their names."""
        return sorted(path.stem for path in (self.place / "runs").glob("*.json"))

    def _path(self, id: str, suffix: str) -> Path:
        return self.place / "runs" / f"{id}.{suffix}"

    def outputs(self, id: str) -> Path:
        """The folder of a teacher's stored outputs."""
        return self.place / "cache" / id

    def write_weights(self, id: str, tensors: dict[str, Tensor], metadata: dict) -> None:
        """Weights with what describes them, as safetensors; one checksum covers both."""
        tensors = {name: value.detach().contiguous() for name, value in sorted(tensors.items())}
        about = json.dumps(metadata)
        blob = save_safetensors(tensors, {"about": about, "sha256": _weights_hash(tensors, about)})
        write_atomically(self._weights(id), blob)

    def read_weights(self, id: str) -> tuple[dict[str, Tensor], dict] | None:
        """(tensors, metadata), or None where there are none; damaged ones are None too, with a warning."""
        path = self._weights(id)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            whole = metadata["sha256"] == _weights_hash(tensors, metadata["about"])
            about = json.loads(metadata["about"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            warnings.warn(f"the weights {path.name} are damaged and count as missing", stacklevel=2)
            return None
        return tensors, about

    def _weights(self, id: str) -> Path:
        return self.place / "cache" / f"{id}.safetensors"


def _weights_hash(tensors: dict[str, Tensor], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name, value in tensors.items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
