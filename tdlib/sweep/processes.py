"""Processes of this machine as an executor: one that dies fails its own job only, and none outlives its parent.

The standard pool counts as broken when one of its processes is killed, and every job of it fails. So does
pebble's (5.2, tried) where the killed one was idle or one cannot be started. There, too, a worker that is
started anew does not learn which GPU was its predecessor's, one at work trains on after its parent was
killed, one that is stopped leaves what it has half-written, and one whose exception cannot be pickled dies.
"""

import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_exit
from multiprocessing.process import BaseProcess
from pathlib import Path

from tdlib.checks import require

UNGUARDED = 78  # exit code of a process whose script would start processes of its own


class WorkerDied(RuntimeError):
    """The process of a job ended in the middle of it, or could not be started."""


class Unguarded(ValueError):
    """The script that starts processes does so whenever it is imported, and they import it."""


class Processes(ThreadPoolExecutor):
    """Threads, each of which hands a job to a process of its own and waits for the answer.

    `environments` holds, for each worker, the variables that its process sets before its first job; CUDA reads them
    no earlier. ValueError where the script, which each process imports, is no file.
    """

    def __init__(self, environments: list[dict[str, str]]):
        script = getattr(sys.modules["__main__"], "__file__", None)
        read = script is None or Path(script).exists()
        require(read, f"the processes of a sweep import the script, and {script} is no file: save it as one")
        super().__init__(len(environments))
        self._workers = [_Worker(environment) for environment in environments]
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def submit(self, function: Callable, /, *arguments) -> Future:
        """The function and its arguments are pickled; what the function raises is the future's exception."""
        return super().submit(self._call, function, arguments)

    def _call(self, function: Callable, arguments: tuple) -> object:
        worker = self._free.get()
        try:
            return worker.call(function, arguments)
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """End the processes; a job in the middle loses its work, and the jobs that wait are cancelled."""
        self.shutdown(wait=False, cancel_futures=True)
        processes = [process for worker in self._workers if (process := worker.close())]
        for process in processes:
            process.terminate()
        end = time.monotonic() + 10
        for process in processes:
            if not wait_for_exit([process.sentinel], max(0, end - time.monotonic())):
                process.kill()
        self.shutdown()
        for process in processes:
            process.join()


class _Worker:
    """A process that is started with its first job, and again after it has died."""

    def __init__(self, environment: dict[str, str]):
        self._environment = environment
        self._process, self._connection = None, None
        self._closed = False
        self._lock = threading.Lock()  # between `close` and a start

    def call(self, function: Callable, arguments: tuple) -> object:
        self._start()
        try:
            self._connection.send((function, arguments))
            error, value = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            if code == UNGUARDED:
                raise Unguarded(
                    "the processes of a sweep import the script, which would start the sweep again: "
                    'put what it does under `if __name__ == "__main__":`'
                ) from None
            reason = f"signal {-code}" if code < 0 else f"exit code {code}"
            memory = "; out of memory?" if code == -signal.SIGKILL else ""
            raise WorkerDied(f"its process died ({reason}{memory})") from None
        if error is not None:
            raise error
        return value

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                raise WorkerDied("the sweep was stopped")
            if self._process is None or self._process.exitcode is not None:
                try:
                    self._process, self._connection = _started(self._environment)
                except OSError as error:
                    raise WorkerDied(f"its process cannot be started: {error.strerror or error}") from None

    def close(self) -> BaseProcess | None:
        """No process is started from here on; the one that is there, if any."""
        with self._lock:
            self._closed = True
            return self._process


def _started(environment: dict[str, str]) -> tuple[BaseProcess, Connection]:
    """A new process that serves, and the connection to it; OSError where the machine has no room for one."""
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads half-way
    connection, theirs = context.Pipe()
    with theirs:  # closed here, so that the end of the process is the end of the pipe
        process = context.Process(target=_serve, args=(theirs, environment), daemon=True)
        resource_tracker.ensure_running()  # else `start` does it, and lets the signal through again
        # Ctrl-C reaches the whole group, and the parent ends its processes: they inherit that this thread is deaf to it
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        process.start()
    return process, connection


def leave_if_starting() -> None:
    """End a process that begins a sweep while it imports the script of its parent, which then says why."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(UNGUARDED)


def _serve(connection: Connection, environment: dict[str, str]) -> None:
    """Answer jobs until the parent hangs up."""
    os.environ |= environment
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is written half is removed on the way out
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            message = connection.recv_bytes()
        except EOFError:
            return
        try:
            function, arguments = pickle.loads(message)
            answer = None, function(*arguments)
        except Exception as error:
            answer = error, None
        try:
            connection.send(answer)
        except Exception as error:  # it cannot be pickled, and nothing of it was sent
            connection.send((RuntimeError(f"its answer cannot be sent ({error}): {answer}"), None))
        function = arguments = answer = None  # an error holds the memory of the job that it ended


def _end_with_parent() -> None:
    """A worker whose parent was killed would train to the end."""
    wait_for_exit([multiprocessing.parent_process().sentinel])
    os._exit(1)
