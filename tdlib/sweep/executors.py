"""Where a sweep's jobs run: this machine's processes, a Dask cluster, or Slurm. Adapters; no scheduler of our own.

Whatever the engine, a job that is given to a second worker finds the row of the first and does nothing.
Workers elsewhere need this package, and the store and any CSV under the same absolute paths.
"""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

from tdlib.checks import require, require_extra
from tdlib.compute import Compute, cores
from tdlib.sweep.processes import Processes, leave_if_starting

SECONDS = 10  # to wait for a Dask scheduler's answer


def check(executor: Executor | str | None, slurm: dict | None = None) -> None:
    """ValueError for a name that no executor has, and for Slurm's options with another executor."""
    known = not isinstance(executor, str) or executor in ("process", "slurm") or executor.startswith("dask:")
    require(known, f"executor knows process, dask:ADDRESS and slurm; got {executor!r}")
    require(not slurm or executor == "slurm", f"options of Slurm ({', '.join(slurm or ())}) need the executor slurm")


def elsewhere(executor: Executor | str | None) -> bool:
    """Whether a name stands for workers that share no more than storage with this process."""
    return isinstance(executor, str) and executor != "process"


@contextlib.contextmanager
def opened(
    executor: Executor | str | None,
    jobs: int,
    *,
    compute: Compute = Compute(),
    place: Path = Path(),
    slurm: dict | None = None,
) -> Iterator[Executor]:
    """The executor of a name, closed at the end; one that is given stays open.

    None stands for this process where there is a single job, and else for "process": a worker a core (a run
    with more threads takes as many), or a worker a GPU; no more workers are started than there are `jobs`.
    Slurm's files go to PLACE/cache/slurm. Closing cancels what is still running.
    Raises ValueError where no scheduler answers, or a package or a program is not installed.
    """
    leave_if_starting()
    if executor is None and jobs < 2:
        yield InProcess()
    elif executor in (None, "process"):
        gpus = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in _gpu_names(compute.gpus)]
        free = gpus or [{}] * max(1, cores() // compute.threads)
        pool = Processes(free[: max(1, jobs)])
        try:
            yield pool
        finally:
            pool.stop()
    elif executor == "slurm":
        from tdlib.sweep.slurm import Slurm

        options = {"cpus_per_task": compute.threads, **(slurm or {})}
        with contextlib.closing(Slurm(place / "cache" / "slurm", options)) as pool:
            yield pool
    elif isinstance(executor, str):
        with _dask(executor.removeprefix("dask:")) as pool:
            yield pool
    else:
        yield executor


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Executor]:
    require_extra("dask", "distributed")
    import distributed

    # without one Dask would start a cluster of its own
    require(bool(address), "the address of a Dask scheduler is missing: dask:tcp://HOST:PORT")
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(address, timeout=SECONDS, set_as_default=False)
    except Exception as error:  # of many kinds: each means that nobody is there
        with contextlib.suppress(Exception):
            client.close()  # left to the garbage collector, it may stop the next client's start for ever
        raise ValueError(f"no Dask scheduler answers at {address!r}: {error}") from None
    with client:
        pool = client.get_executor()
        try:
            yield pool
        finally:
            pool.shutdown(wait=False)


def _gpu_names(count: int) -> list[str]:
    """The names by which CUDA_VISIBLE_DEVICES knows the first `count` GPUs that torch sees."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(index) for index in range(count)]


class InProcess(Executor):
    """Runs each job at once, in this process."""

    def submit(self, function, /, *arguments):
        future: Future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future
