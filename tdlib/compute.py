"""What a run computes with: torch's threads and the device. Neither is part of a run's name."""

from dataclasses import dataclass

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Compute:
    """`threads` of torch for each run, and the `device`: "cpu", "cuda", or "auto", the first GPU that torch sees.

    With 0 threads a sweep over this machine's processes takes what it measures (see `threads`); any other run takes 1.
    Raises ValueError for a negative or fractional number of threads, and for an unknown device.
    """

    threads: int = 1
    device: str = "auto"

    def __post_init__(self):
        if type(self.threads) is not int or self.threads < 0:
            raise ValueError(f"threads must be a whole number, 0 for what is measured; got {self.threads!r}")
        if self.device not in DEVICES:
            raise ValueError(f"device knows {', '.join(DEVICES)}; got {self.device!r}")
