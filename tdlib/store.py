"""The run store: one row a run, on disk, that is either whole or not there.

    PLACE/runs/ID.json     config, metrics, epochs, parameters, seconds, provenance
    PLACE/runs/ID.npz      error of every test window, a few whole forecasts, period distributions
    PLACE/schema           the schema number of all rows here
    PLACE/cache/ID.safetensors, PLACE/cache/ID/    weights and a teacher's outputs; git ignores them
    PLACE/cache/forecasts/  what foundation models have forecast, in pieces (`models.pretrained`)

A file is written under a temporary name and then renamed. A row carries the checksum of itself and
of its arrays: a damaged row is named and counts as missing. Several processes may share a store; its
file system must know `flock` if they are to wait for each other (see `Store.lock`).
"""

import contextlib
import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock
from torch import Tensor

from tdlib import schema
from tdlib.checks import check_id, require
from tdlib.files import write_atomically

SCHEMA = 1  # raise it by hand when the same config would give another result
DAMAGED = {
    ".json": "the row {} is damaged ({}) and counts as missing",
    ".safetensors": "the weights {} are damaged ({}) and count as missing",
}


def run_id(config: dict, data_sha256: str) -> str:
    """The name of a run: a hash of its whole config, its data and the schema."""
    return _hash(_canonical({"config": config, "data": data_sha256, "schema": SCHEMA}))[:16]


def _canonical(value: object) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise ValueError("it holds a number that is not finite") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except TypeError as fault:
        raise ValueError(f"it holds what JSON has no word for ({fault})") from None


def _hash(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


class Store:
    """Rows, arrays and weights under one folder, by run ID.

    ValueError where `place` is no folder or holds rows of another schema, and for an ID that is none. What is
    damaged is named once by each store, and by the workers that it is sent to.
    """

    def __init__(self, place: str | Path):
        self.place = Path(place)
        self._named: set[Path] = set()
        folder = os.path.isdir(self.place) or not os.path.lexists(self.place)
        require(folder, f"a store is a folder, and {self.place} is none")
        self._check_schema()

    def _check_schema(self) -> None:
        path = self.place / "schema"
        there = os.path.lexists(path)
        if not there and not self.ids():
            return
        found = _content(path).strip() if there else b"1"  # from before there was this file
        number = found.isdigit() and len(found) < 10
        require(number, f"{path} is damaged: it must hold the number of the rows' schema, here {SCHEMA}")
        require(
            int(found) == SCHEMA,
            f"{self.place} holds rows of schema {int(found)}, and this version of tdlib {SCHEMA}; "
            "name another folder, or use the version that wrote it",
        )

    def write(self, row: dict, arrays: dict[str, np.ndarray]) -> None:
        """Keep a row and its arrays, and with the first row the schema number.

        DiskFull where there is no room; ValueError for what would not be read again.
        """
        path = self._path("runs", row["id"], ".json")
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        blob = buffer.getvalue()
        row = {**row, "arrays_sha256": _hash(blob)}
        with _told(f"the row {row['id']} is not kept"):
            schema.check_arrays(arrays)
            row["row_sha256"] = _hash(_canonical(row))
            schema.check(row, schema.Row)
        text = json.dumps(row, indent=1).encode() + b"\n"
        files = [(path.with_suffix(".npz"), blob), (path, text)]
        self._check_schema()  # another version may have begun to write here meanwhile
        if not (self.place / "schema").exists():
            files.insert(0, (self.place / "schema", f"{SCHEMA}\n".encode()))
        write_atomically(*files)
        self._named.discard(path)

    def copy(self, id: str, other: "Store") -> None:
        """Keep a row of another store, with its arrays, if that has it."""
        row = other.read(id)
        if row is not None:
            self.write(_unsigned(row), other.arrays(id))

    def read(self, id: str, config: dict | None = None) -> dict | None:
        """The row, or None where there is none.

        A damaged one, or one that is not of the `config` asked for, is None too, with a warning that names it.
        """
        path = self._path("runs", id, ".json")
        if not os.path.lexists(path):
            return None
        with self.missing_if_damaged(path):
            row = schema.decode(_content(path), schema.Row)
            require(_hash(_canonical(_unsigned(row))) == row["row_sha256"], "its checksum differs")
            require(row["id"] == id, "it is the row of another run")
            arrays = _hash(_content(path.with_suffix(".npz")))
            require(arrays == row["arrays_sha256"], "the checksum of its arrays differs")
            require(schema.agree(row["config"], config or {}), "it is the row of another config")
            return row
        return None

    def arrays(self, id: str, *names: str) -> dict[str, np.ndarray]:
        """The arrays of a row: `errors` [N], `periods` [C, H // 2], `sample_x`, ... (see `evaluate.Evaluation`).

        With `names` those alone, sooner, and not set against the others. ValueError where they are not there or not
        whole.
        """
        path = self._path("runs", id, ".npz")
        with _told(f"the arrays of run {id} cannot be read"):
            return schema.load_arrays(_content(path), names)

    def ids(self) -> list[str]:
        """The rows that are there, whole or damaged, in order of their names."""
        return sorted(path.stem for path in (self.place / "runs").glob("[0-9a-f]" * 16 + ".json"))

    def _path(self, folder: str, id: str, suffix: str = "") -> Path:
        check_id(id)
        return self.place / folder / f"{id}{suffix}"

    def weights(self, id: str) -> Path:
        """The file of a trained model's weights."""
        return self._path("cache", id, ".safetensors")

    def outputs(self, id: str) -> Path:
        """The folder of a teacher's stored outputs."""
        return self._path("cache", id)

    @property
    def forecasts(self) -> Path:
        """The folder of what foundation models have forecast."""
        return self.place / "cache" / "forecasts"

    def lock(self, id: str) -> FileLock:
        """Held by the one process that trains a run, or stores its outputs; the kernel frees it if that dies."""
        path = self._path("cache", id, ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def write_weights(self, id: str, tensors: dict[str, Tensor], metadata: dict) -> None:
        """Weights with what describes them, as safetensors; one checksum covers both.

        DiskFull where there is no room; ValueError for what would not be read again.
        """
        with _told(f"the weights of run {id} are not kept"):
            blob = schema.pack_weights(tensors, metadata)
        write_atomically((self.weights(id), blob))
        self._named.discard(self.weights(id))

    def read_weights(self, id: str) -> tuple[dict[str, Tensor], dict] | None:
        """(tensors, metadata), or None where there are none; damaged ones are None too, with a warning."""
        path = self.weights(id)
        if not os.path.lexists(path):
            return None
        with self.missing_if_damaged(path):
            return schema.load_weights(path)
        return None

    @contextlib.contextmanager
    def missing_if_damaged(self, path: Path) -> Iterator[None]:
        """A ValueError in here says what is wrong with a row or with weights: it is said, once, and passed over."""
        try:
            yield
        except ValueError as fault:
            if path not in self._named:
                warnings.warn(DAMAGED[path.suffix].format(path.name, fault), stacklevel=4)
            self._named.add(path)


def _unsigned(row: dict) -> dict:
    return {name: value for name, value in row.items() if name != "row_sha256"}


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as fault:
        raise ValueError(f"{what}: {fault}") from None


def _content(path: Path) -> bytes:
    require(path.is_file(), f"there is no file {path}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
