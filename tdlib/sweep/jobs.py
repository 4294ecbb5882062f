"""Jobs in an order, over an executor, with one progress bar. No scheduler: `submit` is all it asks for."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass

from tqdm import tqdm

from tdlib.sweep import executors


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
    """Run all jobs, each after those it names. Raises SweepFailed once the others are done, if one failed.

    Any executor with `submit(fn, *args) -> Future` will do; by default this machine's processes.
    """
    waiting = {job.name: job for job in jobs}
    running: dict[Future, Job] = {}
    failed: dict[str, str] = {}
    with executors.opened(executor, len(jobs)) as pool, tqdm(total=len(jobs), desc=label) as bar:
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
