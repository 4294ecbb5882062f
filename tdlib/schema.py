"""What the files of a store hold: the fields of a row, the shapes of its arrays, weights and what describes them.

Everything that is read is checked here against one description; what does not fit is a ValueError that says why.

Axes: N test windows, C channels, H horizon, F = H // 2 frequencies, S windows that are kept whole, X their past.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from tdlib.checks import require
from tdlib.windows import LONGEST

Steps = Annotated[int, Meta(ge=1, le=LONGEST)]  # more would take all memory before anything else shows it is wrong
NotNegative = Annotated[float, Meta(ge=0)]
AXES = {
    "errors": "N",
    "channel_mse": "C",
    "step_mse": "H",
    "periods": "CF",
    "periods_true": "CF",
    "sample_index": "S",
    "sample_x": "SXC",
    "sample_y": "SHC",
    "sample_prediction": "SHC",
}
# rows from before 2026-11-26 lack the first three; the last is that of students of a committee
LATER = {"correlation": "CC", "correlation_true": "CC", "correlation_errors": "N", "committee_errors": "N"}


class Config(Struct):
    """What a reader of any `RunConfig` relies on; `RunConfig` itself checks the rest."""

    dataset: str
    lookback: Steps
    horizon: Steps
    model: str


class Metrics(Struct, forbid_unknown_fields=True):
    val_mse: NotNegative
    test_mse: NotNegative
    test_mae: NotNegative
    test_scale_mse: Annotated[list[NotNegative], Meta(min_length=1)]
    test_period_kl: float


class Weighting(Struct, forbid_unknown_fields=True):
    """One way to weigh a committee's K members: `weights` [K], and the committee's own errors (`tdlib.committee`)."""

    weights: Annotated[list[NotNegative], Meta(min_length=2)]
    val_mse: NotNegative
    held_out_mse: NotNegative
    test_mse: NotNegative


class Committee(Struct, forbid_unknown_fields=True):
    """A student's teachers: their rows by name, their errors [K], and what each weighting makes of them.

    `halves_mse` are errors on the half of the training rows that a member was not trained on; see `RunConfig`.
    """

    members: Annotated[dict[str, str], Meta(min_length=2)]
    val_mse: list[NotNegative]
    weightings: dict[str, Weighting]
    halves_mse: list[NotNegative] | None = None

    def __post_init__(self):
        lengths = [("val_mse", self.val_mse), *((name, w.weights) for name, w in self.weightings.items())]
        lengths += [] if self.halves_mse is None else [("halves_mse", self.halves_mse)]
        for what, length in lengths:
            require(len(length) == len(self.members), f"it has {len(self.members)} members, and its {what} differs")


class Row(Struct, forbid_unknown_fields=True):
    """One run, as `run.train_run` describes it and `Store.write` signs it."""

    id: str
    config: Config
    metrics: Metrics
    epochs: Annotated[list[dict[str, float]], Meta(min_length=1)]
    parameters: Annotated[int, Meta(ge=0)]  # a naive forecast has none
    seconds: NotNegative
    provenance: dict[str, str | int | float | None]
    arrays_sha256: str
    row_sha256: str
    committee: Committee | None = None  # of students of several teachers, since 2026-11-25


class Weights(Struct, forbid_unknown_fields=True):
    """What describes a trained model: its config, and the series that it knows, with `mean` and `deviation` [C]."""

    config: Config
    channels: Annotated[list[str], Meta(min_length=1)]
    mean: list[float]
    deviation: list[Annotated[float, Meta(gt=0)]]
    constant: list[bool] | None = None  # earlier runs did not say
    step: str = ""  # of the time stamps, in words; "" where it is not known

    def __post_init__(self):
        count = len(self.channels)
        for name in ("mean", "deviation", "constant"):
            length = count if getattr(self, name) is None else len(getattr(self, name))
            require(length == count, f"it has {count} channels, and its {name} is of {length}")


def check(value: object, kind: type[Struct]) -> None:
    """ValueError, which names the field, unless `value` has the fields of `kind`, each of its type."""
    msgspec.convert(value, kind)


def decode(text: bytes | str, kind: type[Struct]) -> dict[str, Any]:
    """The JSON object in `text`, as it stands there; ValueError unless it is a whole `kind` of finite numbers."""
    try:
        value = msgspec.json.decode(text)  # NaN and what float64 cannot hold are no JSON here, unlike in Python's json
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check(value, kind)
    return value


def agree(config: object, other: object) -> bool:
    """Whether two configs differ in nothing that both state: a later field has its default in earlier rows."""
    if isinstance(config, dict) and isinstance(other, dict):
        return all(agree(config[key], other[key]) for key in config.keys() & other.keys())
    return config == other


def load_arrays(blob: bytes, names: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays in the bytes of an .npz file, never unpickled; ValueError unless `check_arrays` passes them.

    With `names` those alone, whatever they are.
    """
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as file:
            arrays = {name: file[name] for name in names or file.files}
    except Exception:  # zipfile, zlib and NumPy each have errors of their own
        raise ValueError("it is no archive of arrays" + (f" with {' and '.join(names)}" if names else "")) from None
    if not names:
        check_arrays(arrays)
    return arrays


def check_arrays(arrays: dict[str, np.ndarray]) -> None:
    """ValueError unless these are the arrays of a row (`evaluate.Evaluation`): finite numbers, of shapes that agree."""
    lengths: dict[str, int] = {}
    for name, axes in (AXES | {name: axes for name, axes in LATER.items() if name in arrays}).items():
        require(name in arrays, f"{name} is missing")
        array = arrays[name]
        require(array.dtype.kind in "fi", f"{name} holds something else than numbers")
        fits = len(axes) == array.ndim and all(
            lengths.setdefault(axis, length) == length for axis, length in zip(axes, array.shape, strict=True)
        )
        require(fits, f"{name} of shape {list(array.shape)} is not [{', '.join(axes)}] beside the other arrays")
        exact = array.dtype != np.float16  # half precision may overflow
        require(not exact or bool(np.isfinite(array).all()), f"{name} holds a value that is not finite")
    require(lengths["N"] > 0, "errors holds no window")
    require(lengths["F"] == lengths["H"] // 2, f"periods holds {lengths['F']} frequencies of {lengths['H']} steps")


def pack_weights(tensors: dict[str, Tensor], metadata: dict) -> bytes:
    """The bytes of a safetensors file; ValueError for what `load_weights` would not read again."""
    tensors = {name: value.detach().contiguous() for name, value in sorted(tensors.items())}
    about = json.dumps(metadata)
    decode(about, Weights)
    _check_finite(tensors)
    return save_safetensors(tensors, {"about": about, "sha256": _weights_hash(tensors, about)})


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, metadata); ValueError unless the file is whole and describes a model and its series."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        whole = metadata["sha256"] == _weights_hash(tensors, metadata["about"])
    except (SafetensorError, OSError, KeyError, TypeError):
        raise ValueError("it is no whole file of weights") from None
    require(whole, "the checksum differs")
    about = decode(metadata["about"], Weights)
    _check_finite(tensors)
    return tensors, about


def check_fit(tensors: dict[str, Tensor], model: nn.Module) -> None:
    """ValueError, which names the first that differs, unless `model` has tensors of these names, shapes and types."""
    wanted = model.state_dict()
    for name in sorted(tensors.keys() | wanted.keys()):
        require(name in wanted, f"the model that they name has no {name}")
        require(name in tensors, f"{name} is missing")
        here, there = (f"{list(value.shape)}, {value.dtype}" for value in (tensors[name], wanted[name]))
        require(here == there, f"{name} is {here}, and in the model that they name {there}")


def _check_finite(tensors: dict[str, Tensor]) -> None:
    for name, value in tensors.items():
        require(bool(value.isfinite().all()), f"{name} holds a value that is not finite")


def _weights_hash(tensors: dict[str, Tensor], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name, value in tensors.items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
