"""Jobs in an order, over processes, with one progress bar. No scheduler: `submit` is all it asks for.

Any executor with `submit(fn, *args) -> Future` will do; the default is a pool of one process a core,
whose workers end with the process that started them, however that ends.
"""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_exit

from tqdm import tqdm


class SweepFailed(RuntimeError):
    """Some jobs failed; the message names each. All others are done."""


@dataclass(frozen=True)
class Job:
    """`function(*arguments)`, once the jobs named in `after` are done."""

    name: str
    function: Callable
    arguments: tuple
    after: tuple[str, ...] = ()


def sweep(jobs: list[Job], executor: Executor | None = None, *, label: str = "runs") -> None:
    """Run all jobs, each after those it names. Raises SweepFailed once the others are done, if one failed."""
    waiting = {job.name: job for job in jobs}
    running: dict[Future, Job] = {}
    failed: dict[str, str] = {}
    with _executor(executor, len(jobs)) as pool, tqdm(total=len(jobs), desc=label) as bar:
        while waiting or running:
            for job in list(waiting.values()):
                unfinished = {*waiting, *(other.name for other in running.values())}
                if broken := [name for name in job.after if name in failed]:
                    failed[job.name] = f"{broken[0]} failed"
                elif unfinished.intersection(job.after):
                    continue
                else:
                    running[pool.submit(job.function, *job.arguments)] = job
                del waiting[job.name]
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                if (error := future.exception()) is not None:
                    failed[job.name] = f"{type(error).__name__}: {error}"
                bar.update()
    if failed:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
        raise SweepFailed(f"{len(failed)} of {len(jobs)} {label} failed: {reasons}")


@contextlib.contextmanager
def _executor(given: Executor | None, jobs: int) -> Iterator[Executor]:
    """The given executor, left open; else a pool; else, for a single job, this process."""
    if given is not None:
        yield given
    elif jobs == 1:
        yield _InProcess()
    else:
        workers = max(1, min(jobs, os.cpu_count() or 1))
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads half-way
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


class _InProcess(Executor):
    def submit(self, function, /, *arguments):
        future: Future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work forever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        wait_for_exit([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
