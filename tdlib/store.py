"""The run store: one row a run, on disk, that is either whole or not there.

    PLACE/runs/ID.json     config, metrics, epochs, parameters, seconds, provenance
    PLACE/runs/ID.npz      error of every test window, a few whole forecasts, period distributions
    PLACE/schema           the schema number of all rows here
    PLACE/cache/ID.safetensors, PLACE/cache/ID/    weights and a teacher's outputs; git ignores them

A file is written under a temporary name and then renamed. A row carries the checksum of itself and
of its arrays: a damaged row is named and counts as missing. Several processes may share a store; its
file system must know `flock` if they are to wait for each other (see `Store.lock`).
"""

import hashlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor

from tdlib.files import write_atomically

SCHEMA = 1  # raise it by hand when the same config would give another result


def run_id(config: dict, data_sha256: str) -> str:
    """The name of a run: a hash of its whole config, its data and the schema."""
    return _hash(_canonical({"config": config, "data": data_sha256, "schema": SCHEMA}))[:16]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _hash(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


class Store:
    """Rows, arrays and weights under one folder, by run ID; ValueError where it holds rows of another schema."""

    def __init__(self, place: str | Path):
        self.place = Path(place)
        self._check_schema()

    def _check_schema(self) -> None:
        path = self.place / "schema"
        if not path.exists() and not self.ids():
            return
        found = path.read_text(errors="replace").strip() if path.exists() else "1"  # from before there was this file
        if found != str(SCHEMA):
            raise ValueError(f"{self.place} holds rows of schema {found}, and this version of tdlib {SCHEMA}; "
                             "name another folder, or use the version that wrote it")  # fmt: skip

    def write(self, row: dict, arrays: dict[str, np.ndarray]) -> None:
        """Keep a row and its arrays, and with the first row the schema number; DiskFull where there is no room."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        blob = buffer.getvalue()
        row = {**row, "arrays_sha256": _hash(blob)}
        row["row_sha256"] = _hash(_canonical(row))
        text = json.dumps(row, indent=1).encode() + b"\n"
        files = [(self._path(row["id"], "npz"), blob), (self._path(row["id"], "json"), text)]
        self._check_schema()  # another version may have begun to write here meanwhile
        if not (self.place / "schema").exists():
            files.insert(0, (self.place / "schema", f"{SCHEMA}\n".encode()))
        write_atomically(*files)

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

    def lock(self, id: str) -> FileLock:
        """Held by the one process that makes a teacher's weights and outputs; the kernel frees it if that dies."""
        path = self.place / "cache" / f"{id}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def write_weights(self, id: str, tensors: dict[str, Tensor], metadata: dict) -> None:
        """Weights with what describes them, as safetensors; one checksum covers both."""
        tensors = {name: value.detach().contiguous() for name, value in sorted(tensors.items())}
        about = json.dumps(metadata)
        blob = save_safetensors(tensors, {"about": about, "sha256": _weights_hash(tensors, about)})
        write_atomically((self._weights(id), blob))

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
