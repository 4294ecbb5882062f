"""Processes as an executor: what dies or fails is one job, and no process outlives the pool."""

import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import pytest
from outside import running, wait_until

from tdlib.compute import cores
from tdlib.sweep.processes import Processes, WorkerDied

resource = pytest.importorskip("resource", reason="limits of memory are set as on Unix")
pytestmark = pytest.mark.slow  # each process imports torch
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def processes(*environments: dict):
    pool = Processes(list(environments))
    try:
        yield pool
    finally:
        pool.stop()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory ends


def allocate(limit: int, bytes: int) -> int:
    """The bytes that could be had in a process that may take `limit` of them."""
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return np.ones(bytes, np.uint8).size


KEPT = []


class Large:
    """What a failed job holds."""


def fail_with(large: object) -> None:
    KEPT.append(weakref.ref(large))
    raise ValueError("full")


def left() -> int:
    gc.collect()
    return sum(reference() is not None for reference in KEPT)


class Odd(Exception):
    """An exception that cannot be sent to another process."""

    def __init__(self):
        super().__init__(lambda: None)


def raise_odd() -> None:
    raise Odd


def test_what_a_failed_job_held_is_free_for_the_next_one():
    with processes({}) as pool:
        with pytest.raises(ValueError, match="full"):
            pool.submit(fail_with, Large()).result()
        assert pool.submit(left).result() == 0


def test_only_the_job_of_a_killed_process_fails_and_the_next_one_gets_a_new_process():
    with processes({}) as pool:
        first, killed, then = pool.submit(os.getpid), pool.submit(die), pool.submit(os.getpid)
        with pytest.raises(WorkerDied, match=r"^its process died \(signal 9; out of memory\?\)$"):
            killed.result()
        assert first.result() != then.result()
        assert os.getpid() not in (first.result(), then.result())


def test_a_process_killed_between_two_jobs_is_replaced():
    with processes({}) as pool:
        idle = pool.submit(os.getpid).result()
        os.kill(idle, signal.SIGKILL)
        wait_until(lambda: pool._workers[0]._process.exitcode is not None, 20)  # all of its threads are gone
        assert pool.submit(os.getpid).result() != idle


def test_memory_that_cannot_be_had_is_an_error_of_that_job():
    with processes({}) as pool:
        with pytest.raises(MemoryError):
            pool.submit(allocate, 2**34, 2**36).result()
        assert pool.submit(abs, -1).result() == 1


def test_what_cannot_be_sent_is_an_error_of_that_job():
    with processes({}) as pool:
        for function in (lambda: 1, raise_odd, globals):
            with pytest.raises(Exception, match=r"pickle|cannot be sent"):
                pool.submit(function).result()
        assert pool.submit(abs, -1).result() == 1


def test_each_worker_has_an_environment_of_its_own_and_its_successor_the_same():
    with processes({"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}) as pool:
        for _ in range(2):
            found = [pool.submit(slow_getenv, "CUDA_VISIBLE_DEVICES") for _ in range(2)]
            assert {one.result() for one in found} == {"3", "5"}
            assert isinstance(pool.submit(die).exception(), WorkerDied)


def slow_getenv(name: str) -> str:
    time.sleep(0.2)
    return os.environ[name]


def test_a_pool_that_is_stopped_ends_the_job_at_work_and_cancels_those_that_wait(tmp_path):
    pool = Processes([{}])
    work, waits = pool.submit(write_slowly, tmp_path / "row"), pool.submit(abs, 1)
    wait_until((tmp_path / "row.part").exists, 60)
    pool.stop()
    assert isinstance(work.exception(), WorkerDied)
    assert waits.cancelled()
    assert not list(tmp_path.iterdir())  # what was half written is gone


def write_slowly(path: Path) -> None:
    part = path.with_suffix(".part")
    try:
        part.write_text("half")
        time.sleep(600)
    finally:
        part.unlink()


def test_a_process_that_cannot_be_started_fails_its_job_and_the_next_one_is_served(monkeypatch):
    plain, refusals = SpawnProcess.start, [BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")]

    def start(process):
        if refusals:
            raise refusals.pop()
        plain(process)

    monkeypatch.setattr(SpawnProcess, "start", start)
    with processes({}) as pool:
        error = pool.submit(abs, -1).exception(timeout=60)
        assert isinstance(error, WorkerDied)
        assert str(error) == "its process cannot be started: Resource temporarily unavailable"
        assert pool.submit(abs, -1).result(timeout=60) == 1


# --- scripts


@contextlib.contextmanager
def script(folder: Path, text: str):
    """A script in a session of its own, and its words; nothing of it is left."""
    (folder / "script.py").write_text(text)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, folder / "script.py", folder / "notes"]
    (folder / "notes").mkdir()
    parent = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.PIPE, text=True)
    try:
        yield parent
        wait_until(lambda: not running(parent.pid), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the session is this test's own
            os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


INTERRUPTED = """
import os, pathlib, sys, time
from tdlib.sweep import Job, sweep

def work(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    sweep([Job(name, work, (pathlib.Path(sys.argv[1]),)) for name in "abcdef"], "process")
"""
IMPORTING = """
if __name__ == "__mp_main__":
    work(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("group", "text"),
    [(True, INTERRUPTED), (False, INTERRUPTED), (True, INTERRUPTED + IMPORTING)],
    ids=["ctrl-c", "only the parent", "ctrl-c while workers import"],
)
def test_an_interrupt_leaves_no_process_and_no_words_of_a_worker(tmp_path, group, text):
    with script(tmp_path, text) as parent:
        wait_until(lambda: len(list((tmp_path / "notes").iterdir())) == min(cores(), 6), 90)
        (os.killpg if group else os.kill)(parent.pid, signal.SIGINT)
        _, said = parent.communicate(timeout=30)
        assert said.count("Traceback") == 1, said  # the script's own


def test_a_script_without_the_guard_is_told_so_in_one_sentence(tmp_path):
    unguarded = INTERRUPTED.replace('if __name__ == "__main__":', "if True:")
    with script(tmp_path, unguarded) as parent:
        _, said = parent.communicate(timeout=60)
        assert parent.returncode == 1
        assert said.count("Traceback") == 1, said
        assert 'put what it does under `if __name__ == "__main__":`' in said.splitlines()[-1]
        assert not list((tmp_path / "notes").iterdir())


def test_a_script_from_standard_input_is_told_so(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-", tmp_path],
        input=INTERRUPTED,
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "<stdin> is no file: save it as one" in done.stderr.splitlines()[-1]
