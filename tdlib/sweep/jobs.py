"""Jobs in an order, over an executor, with one progress bar. No scheduler: `submit` is all it asks for."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass

from tqdm import tqdm

from tdlib.checks import require
from tdlib.sweep.executors import opened
from tdlib.sweep.processes import Unguarded

NAMED = 6  # of the jobs that failed


class SweepFailed(RuntimeError):
    """Some jobs failed; the message names the first of them. All others are done."""


@dataclass(frozen=True)
class Job:
    """`function(*arguments)`, once the jobs named in `after` are done; `words` say what it is, where it fails."""

    name: str
    function: Callable
    arguments: tuple
    after: tuple[str, ...] = ()
    words: str = ""


def sweep(jobs: list[Job], executor: Executor | str | None = None, *, label: str = "runs", **options) -> None:
    """Run all jobs, each after those it names. Raises SweepFailed once the others are done, if one failed;
    ValueError where jobs wait for each other.

    Anything with `submit(fn, *args) -> Future` will do as executor; a name and its `options` are those of
    `executors.opened`.
    """
    waiting, words = {job.name: job for job in jobs}, {job.name: job.words or job.name for job in jobs}
    running: dict[Future, Job] = {}
    failed: dict[str, str] = {}
    with opened(executor, len(jobs), **options) as pool, tqdm(total=len(jobs), desc=label) as bar:
        while waiting or running:
            unfinished = {*waiting, *(job.name for job in running.values())}
            for job in list(waiting.values()):
                if broken := [name for name in job.after if name in failed]:
                    failed[job.name] = f"{words[broken[0]]} failed"
                    bar.update()
                elif unfinished.intersection(job.after):
                    continue
                else:
                    running[pool.submit(job.function, *job.arguments)] = job
                del waiting[job.name]
            moved = running or unfinished != {*waiting}
            require(bool(moved), f"these jobs wait for each other: {', '.join(waiting)}")
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                error = future.exception()
                if isinstance(error, Unguarded):
                    raise error  # of every job the same
                if error is not None:
                    failed[job.name] = _reason(error)
                bar.update()
    if failed:
        reasons = [f"{words[name]} ({reason})" for name, reason in failed.items()]
        more = [f"{len(failed) - NAMED} more"] if len(failed) > NAMED else []
        raise SweepFailed(f"{len(failed)} of {len(jobs)} {label} failed: {'; '.join(reasons[:NAMED] + more)}")


def _reason(error: BaseException) -> str:
    """What an error says; with its kind, unless it is one of this package or a refusal, which are whole sentences."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    own = isinstance(error, ValueError) or type(error).__module__.startswith("tdlib.")
    return str(error) if own else f"{type(error).__name__}: {error}"
