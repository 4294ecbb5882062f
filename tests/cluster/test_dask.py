"""A sweep over a real Dask scheduler and two worker processes on loopback; one is killed in the middle."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from outside import assert_whole, wait_until
from sweeps import RUNS, environment, interrupt_cli, run_cli, serial, started, writes

from tdlib.profiles import Profile
from tdlib.store import Store
from tdlib.study import ensure
from tdlib.sweep import Job, SweepFailed, executors, sweep

distributed = pytest.importorskip("distributed", reason="make test-cluster installs distributed")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a scheduler with two workers of one thread, each watched over by a nanny."""
    folder = tmp_path_factory.mktemp("dask")
    options, env = ["--host", "127.0.0.1", "--no-dashboard"], environment()
    with contextlib.ExitStack() as daemons:
        file = folder / "scheduler.json"
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", file]
        daemons.enter_context(started(*command, *options, log=folder / "scheduler.log", env=env))
        address = wait_until(lambda: file.exists() and file.read_text(), 60) and json.loads(file.read_text())["address"]
        for name in "ab":
            command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--name", name, "--nthreads", "1"]
            limits = ["--memory-limit", "0", "--local-directory", folder]
            daemons.enter_context(started(*command, *limits, *options, log=folder / f"{name}.log", env=env))
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address


def test_a_killed_worker_loses_nothing_and_doubles_nothing(address, tmp_path):
    reference = serial(tmp_path / "serial")
    place, name = tmp_path / "dask", f"dask:{address}"
    with (
        writes(place) as written,
        ThreadPoolExecutor(1) as aside,
        distributed.Client(address, set_as_default=False) as client,
    ):
        ended = aside.submit(ensure, RUNS, store=place, executor=name)
        processes = client.run(os.getpid)
        os.kill(processes[wait_until(lambda: training(client), 60)], signal.SIGKILL)
        frame = ended.result(timeout=200)
        client.wait_for_workers(2, timeout=60)
        assert processes.items() - client.run(os.getpid).items()  # somebody is gone
    assert {id: len(versions) for id, versions in written.items()} == dict.fromkeys(reference.ids(), 1)
    assert_whole(place, reference)
    assert list(frame["id"]) == [config.id for config in RUNS]
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    again = ensure(RUNS, store=place, executor=name)
    assert again.equals(frame)
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def training(client) -> str | None:
    """A worker that is in the middle of a run's training steps."""
    stacks = client.call_stack() or {}
    return next((worker for worker, tasks in stacks.items() if "train_epoch" in str(tasks)), None)


def test_a_job_that_kills_every_worker_is_named_and_the_rest_are_done(address, tmp_path):
    jobs = [Job("hungry", die, ()), Job("student", abs, (1,), after=("hungry",))]
    jobs += [Job(name, (tmp_path / name).write_text, ("done",)) for name in "abc"]
    with pytest.raises(SweepFailed) as caught:
        sweep(jobs, f"dask:{address}")
    assert "2 of 5 runs failed: hungry (KilledWorker: " in str(caught.value)
    assert "student (hungry failed)" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory ends


def test_the_command_line_trains_on_the_cluster(address, tmp_path):
    command = [
        "runs",
        "--profile",
        "smoke",
        "--part",
        "main",
        "--store",
        str(tmp_path),
        "--executor",
        f"dask:{address}",
    ]
    done = run_cli(*command)
    count = len(Profile("smoke").runs("main"))
    assert (done.returncode, done.stdout) == (0, f"{count} runs are in {tmp_path}\n"), done.stderr
    assert done.stderr == ""
    assert len(Store(tmp_path).ids()) == count


def test_an_interrupt_takes_back_what_waits_and_leaves_the_cluster(address, tmp_path):
    command = ["runs", "--profile", "smoke", "--store", str(tmp_path), "--executor", f"dask:{address}"]
    with distributed.Client(address, set_as_default=False) as client:
        interrupt_cli(lambda: training(client), *command)
        wait_until(lambda: not any(client.processing().values()), 60)
        assert client.submit(abs, -1).result(timeout=60) == 1


def test_an_address_nobody_answers_at_is_one_sentence_after_a_bounded_wait(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        done = run_cli(
            "runs", "--profile", "smoke", "--store", str(tmp_path / "store"), "--executor", f"dask:{address}"
        )
    assert done.returncode == 2
    assert f"no Dask scheduler answers at '{address}': Timed out" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("address", ["", "nowhere", "tcp://127.0.0.1", "tcp://127.0.0.1:port", "ftp://127.0.0.1:1"])
def test_an_address_that_is_none_is_refused_at_once(address):
    with pytest.raises(ValueError, match="Dask scheduler"), executors.opened(f"dask:{address}", 1):
        pass
    # the client is closed, and its loop with it: left to the garbage collector, it may block the next one's start
    assert "IO loop" not in [thread.name for thread in threading.enumerate()]
