"""Slurm as an executor: submitit hands each job to `sbatch`, one thread looks for the answers of all.

A job that leaves the queue without an answer (cancelled, killed, its node lost) is submitted once more. One that sbatch
refuses while others are under way, as where a site limits a user's jobs, waits for these and is submitted again.
"""

import contextlib
import io
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from tdlib.checks import require_extra
from tdlib.sweep.processes import WorkerDied

PERIOD = 5  # seconds between two looks into the queue
LOOKS = 3  # without job and without answer, or refused with no other under way, before a job counts as lost: shared
# storage and the queue may lag behind
ATTEMPTS = 2
_QUIET = threading.Lock()  # the standard error that is put back must be the one that was there
DEFAULTS = {
    "job_name": "tdlib",
    "time": 24 * 60,  # minutes; submitit's own limit is 5
    "use_srun": False,  # a run is one task, and srun would not pass the number of its cores on
}


class Slurm:
    """`options` go to submitit's SlurmExecutor (partition, time in minutes, gres, ...), its files to `folder`.

    Raises ValueError where there is no Slurm, for an option that submitit does not know, and for one that
    sbatch refuses with the first job. `close` cancels what has no answer yet.
    """

    def __init__(self, folder: Path, options: dict):
        require_extra("slurm", "submitit")
        import submitit

        if not all(map(shutil.which, ("sbatch", "srun"))):
            raise ValueError("sbatch is not on the PATH: the executor slurm needs a machine that submits to Slurm")
        options = DEFAULTS | options
        if type(options["time"]) is not int:
            raise ValueError(f"Slurm's time must be a number of minutes, got {options['time']!r}")
        self._executor = submitit.SlurmExecutor(folder.absolute())
        try:
            self._executor.update_parameters(**options)
        except ValueError as error:
            raise ValueError(f"submitit refuses an option of Slurm: {str(error).splitlines()[0]}") from None
        self._runs: dict[Future, _Run] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(self, function: Callable, /, *arguments) -> Future:
        future: Future = Future()
        future.set_running_or_notify_cancel()  # only `close` cancels
        run = _Run(self._executor, function, arguments)
        try:
            run.submit()
        except RuntimeError as error:
            if not self._runs:
                words = " ".join(str(error).split())
                raise ValueError(f"Slurm refuses the job: {words}") from None
        self._runs[future] = run
        return future

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        if left := [run.jobs[-1].job_id for future, run in self._runs.items() if run.jobs and not future.done()]:
            subprocess.run(["scancel", *left], capture_output=True)

    def _watch(self) -> None:
        while not self._closed.wait(PERIOD):
            waiting = [(future, run) for future, run in list(self._runs.items()) if not future.done()]
            queue = _queue()  # asked for after `waiting` was listed: whoever is not in it has left it
            under_way = any(run.jobs for _, run in waiting)
            for future, run in waiting:
                try:
                    if not run.jobs:
                        run.submit()
                    if (answer := run.look(queue)) is None:
                        continue
                    error, value = answer
                except Exception as fault:  # of submitit
                    if not run.jobs:
                        run.refused += not under_way
                        if run.refused < LOOKS:
                            break  # the others would be refused as well
                    error, value = fault, None
                future.set_result(value) if error is None else future.set_exception(error)


class _Run:
    """A function with its arguments, and the Slurm jobs that have worked on it: the last does now."""

    def __init__(self, executor, function: Callable, arguments: tuple):
        self._executor, self._work = executor, (function, arguments)
        self.jobs, self.refused, self._missed = [], 0, 0

    def submit(self) -> None:
        with _QUIET, contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it then raises
            self.jobs.append(self._executor.submit(_answer, *self._work))
        self._missed = 0

    def look(self, queue: set[str] | None) -> tuple[Exception | None, object] | None:
        """(error, value) once there is one; None before, given the IDs in the queue (None if it did not answer)."""
        job = self.jobs[-1]
        if job.paths.result_pickle.exists():
            return job.result()
        if queue is not None:
            self._missed = 0 if job.job_id in queue else self._missed + 1
        if self._missed < LOOKS:
            return None
        if len(self.jobs) < ATTEMPTS:
            self.submit()
            return None
        ids = " and ".join(job.job_id for job in self.jobs)
        return WorkerDied(f"its Slurm jobs {ids} ended without an answer; see {job.paths.stderr}"), None


def _answer(function: Callable, arguments: tuple) -> tuple[Exception | None, object]:
    try:
        return None, function(*arguments)
    except Exception as error:
        return error, None


def _queue() -> set[str] | None:
    """The IDs of this user's jobs that wait or run; None where the queue does not answer."""
    try:
        found = subprocess.run(["squeue", "--me", "--noheader", "--format=%A"], capture_output=True, text=True)
    except OSError:  # not there, or no memory left to start it
        return None
    return set(found.stdout.split()) if found.returncode == 0 else None
