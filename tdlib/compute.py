"""Where and how precisely a run is computed: what changes its time, and no more of its result than rounding.

On a GPU the matrix products are computed in bfloat16 (mixed precision; the weights, the losses and
the optimiser stay in float32), on a CPU everything in float32. A row's provenance names both.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from tdlib.checks import one_of, require

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")


def wide(x: torch.Tensor) -> torch.Tensor:
    """At least single precision: half the bits are too few for a sum of squares, a spectrum or an exponential."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exact(x: torch.Tensor) -> contextlib.AbstractContextManager:
    """A block whose products keep the precision of x, also under autocast."""
    return contextlib.nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Compute:
    """`threads` of one run on a CPU; its `device`; the `precision` of its matrix products.

    Device `"auto"` is the first GPU that torch sees, else the CPU; `"cuda"` insists on a GPU. Precision
    `"auto"` is bfloat16 on a GPU and float32 on a CPU. ValueError for other values, and for a GPU that is not there.
    """

    threads: int = 1
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self):
        whole = type(self.threads) is int and self.threads >= 1
        require(whole, f"threads must be a whole number of at least 1, got {self.threads!r}")
        for name, value, known in (("device", self.device, DEVICES), ("precision", self.precision, PRECISIONS)):
            one_of(name, value, known)

    @property
    def gpus(self) -> int:
        """How many GPUs the machine that asks has for runs; none for the device "cpu"."""
        count = 0 if self.device == "cpu" else torch.cuda.device_count()
        if self.device == "cuda" and not count:
            raise ValueError("device is cuda, but torch sees no GPU here")
        return count

    @property
    def place(self) -> torch.device:
        """The device, found on the machine that asks."""
        return torch.device("cuda" if self.gpus else "cpu")

    @property
    def generators(self) -> list[torch.device]:
        """The devices whose random numbers are a run's own, beside the CPU's."""
        return [self.place] if self.gpus else []

    @property
    def mixed(self) -> bool:
        """Whether matrix products are computed in bfloat16."""
        return self.precision == "bfloat16" or (self.precision == "auto" and self.place.type == "cuda")

    def autocast(self) -> torch.autocast:
        """The context in which a model and a projector run."""
        return torch.autocast(self.place.type, torch.bfloat16, enabled=self.mixed)

    def describe(self) -> dict:
        """What a row's provenance keeps."""
        place = self.place
        name = torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu"
        return {"threads": self.threads, "device": name, "precision": "bfloat16" if self.mixed else "float32"}

    @contextlib.contextmanager
    def limit_threads(self) -> Iterator[None]:
        """Sums depend on the number of threads in their last bits, and parallel runs must not fight for cores.

        Nor does a GPU round the convolutions of float32 to TF32 meanwhile, as it would by default.
        ValueError for more threads than this machine has cores: thousands end the process.
        """
        here = os.cpu_count() or 1
        require(self.threads <= here, f"threads must be at most {here}, this machine's cores; got {self.threads}")
        before, rounded = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
        torch.set_num_threads(self.threads)
        torch.backends.cudnn.allow_tf32 = False
        try:
            yield
        finally:
            torch.set_num_threads(before)
            torch.backends.cudnn.allow_tf32 = rounded
