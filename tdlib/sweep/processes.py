"""Processes of this machine as an executor: one that dies fails its own job only, and none outlives its parent.

The standard pool counts as broken when one of its processes is killed, and every job of it fails.
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
from multiprocessing.connection import wait as wait_for_exit


class WorkerDied(RuntimeError):
    """The process of a job ended in the middle of it."""


class Processes(ThreadPoolExecutor):
    """Threads, each of which hands a job to a process of its own and waits for the answer.

    `environments` holds, for each worker, the variables that its process sets before anything else.
    """

    def __init__(self, environments: list[dict[str, str]]):
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
                context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads half-way
                self._connection, theirs = context.Pipe()
                self._process = context.Process(target=_serve, args=(theirs, self._environment), daemon=True)
                self._process.start()
                theirs.close()  # so that the end of the process is the end of the pipe

    def close(self) -> multiprocessing.process.BaseProcess | None:
        """No process is started from here on; the one that is there, if any."""
        with self._lock:
            self._closed = True
            return self._process


def _serve(connection, environment: dict[str, str]) -> None:
    """Answer jobs until the parent hangs up."""
    os.environ |= environment
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its processes
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


def _end_with_parent() -> None:
    """A worker whose parent was killed would train to the end."""
    wait_for_exit([multiprocessing.parent_process().sentinel])
    os._exit(1)
