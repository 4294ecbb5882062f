"""What the Dask and the Slurm tests share: a sweep, its rows from a serial run, and who wrote what how often."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from outside import wait_until

from tdlib.store import Store
from tdlib.study import RunConfig, ensure
from tdlib.sweep.executors import InProcess

ROOT = Path(__file__).parents[2]
SHAPE = {"dataset": "synthetic", "lookback": 48, "horizon": 16}
OPTIONS = {"epochs": 2, "learning_rate": 1e-3, "settings": {"width": 16, "hidden": 16, "heads": 2}}
LONG = {"epochs": 30, "patience": 30, "settings": {"width": 64}}  # seconds, so that there is a middle to be killed in
STUDENTS = [
    RunConfig(**SHAPE, model="mlp", seed=seed, **teacher, **LONG)
    for teacher in ({}, {"teacher": "itransformer", "teacher_options": OPTIONS})
    for seed in (1, 2)
]
TEACHER = STUDENTS[-1].teacher_config
RUNS = [*STUDENTS, TEACHER, RunConfig(**SHAPE, model="nlinear", epochs=2)]


def serial(place: Path) -> Store:
    """The rows of the sweep, trained one after the other in this process."""
    ensure(RUNS, store=place, executor=InProcess())
    return Store(place)


@contextlib.contextmanager
def writes(place: Path) -> Iterator[dict[str, set]]:
    """By run, the versions of its row that were seen at `place` while the block ran; each write is a new version."""
    seen, stop = defaultdict(set), threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            for path in (place / "runs").glob("*.json"):
                found = path.stat()
                seen[path.stem].add((found.st_ino, found.st_mtime_ns))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
        time.sleep(0.1)  # what was written last
    finally:
        stop.set()
        thread.join()


def run_cli(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess:
    """`python -m tdlib ARGUMENTS`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tdlib", *arguments],
        cwd=ROOT,
        env=environment(),
        timeout=timeout,
        capture_output=True,
        text=True,
    )


def interrupt_cli(when: Callable, *arguments: str) -> None:
    """Ctrl-C for `python -m tdlib ARGUMENTS` once `when()`: it says one sentence and exits with 130."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tdlib", *arguments], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(when, 90)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said
    assert said == "tdlib: stopped; what was finished is kept, the same command goes on from there\n"


def environment() -> dict[str, str]:
    """For processes that must find tdlib and these tests wherever they start."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}:{Path(__file__).parent}", "TQDM_DISABLE": "1"}


@contextlib.contextmanager
def started(*command: str, log: Path, env: dict | None = None) -> Iterator[subprocess.Popen]:
    """A daemon for the length of the block, ended by its process ID."""
    with open(log, "a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env, cwd=log.parent)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
