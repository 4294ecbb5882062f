"""Jobs in their order, over processes; what fails is named, the rest is done, and no worker outlives its parent."""

import contextlib
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from outside import Inline, running, wait_until

from tdlib.files import DiskFull
from tdlib.sweep import Job, SweepFailed, sweep
from tdlib.sweep.processes import WorkerDied

ROOT = Path(__file__).parents[2]


def fail(words: str) -> None:
    raise ValueError(words)


@pytest.fixture
def done():
    return []


def noting(done: list, *names: str, after: dict | None = None) -> list[Job]:
    """Jobs that note their names in `done`."""
    return [Job(name, done.append, (name,), (after or {}).get(name, ())) for name in names]


# --- order


def test_every_job_comes_after_the_one_it_names(done):
    sweep(noting(done, "a", "b", "c", "d", after={"a": ("c",), "b": ("a", "c")}), Inline())
    assert sorted(done) == ["a", "b", "c", "d"]
    assert done.index("c") < done.index("a") < done.index("b")


def test_jobs_that_wait_for_each_other_are_refused_and_the_others_done(done):
    with pytest.raises(ValueError, match=r"^these jobs wait for each other: b, c$"):
        sweep(noting(done, "a", "b", "c", after={"b": ("c",), "c": ("b",)}), Inline())
    assert done == ["a"]


def test_a_job_waits_until_the_one_it_names_is_done_and_not_only_started(done):
    started, release = threading.Event(), threading.Event()

    def slow():
        started.set()
        assert release.wait(30)
        done.append("teacher")

    def free():
        assert started.wait(30)
        done.append("free")
        release.set()

    jobs = [Job("teacher", slow, ()), *noting(done, "student", after={"student": ("teacher",)}), Job("free", free, ())]
    with ThreadPoolExecutor(3) as executor:
        sweep(jobs, executor)
    assert done == ["free", "teacher", "student"]


def test_a_name_that_is_no_job_of_the_sweep_is_not_waited_for(done):
    sweep(noting(done, "student", after={"student": ("a teacher that is there",)}), Inline())
    assert done == ["student"]


def test_no_jobs_are_no_work():
    sweep([])


# --- failures


def test_a_failure_is_named_and_all_others_are_done(done):
    jobs = [*noting(done, "a"), Job("b", fail, ("out of luck",)), *noting(done, "c")]
    with pytest.raises(SweepFailed) as caught:
        sweep(jobs, Inline())
    assert str(caught.value) == "1 of 3 runs failed: b (out of luck)"
    assert done == ["a", "c"]


def test_what_needs_a_failed_job_is_not_run_and_named_with_it(done):
    rest = noting(done, "last", "student", "other", after={"last": ("student",), "student": ("teacher",)})
    with pytest.raises(SweepFailed) as caught:
        sweep([*rest, Job("teacher", fail, ("no",))], Inline(), label="trainings")
    words = str(caught.value)
    assert words.startswith("3 of 4 trainings failed: ")
    for reason in ("teacher (no)", "student (teacher failed)", "last (student failed)"):
        assert reason in words
    assert done == ["other"]


def test_an_interrupt_ends_the_sweep(done):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep([Job("a", interrupt, ())])
    with pytest.raises(KeyboardInterrupt):
        sweep([Job("a", interrupt, ()), *noting(done, "b")], Inline())
    assert done == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("it is too short"), "it is too short"),
        (WorkerDied("its process died"), "its process died"),
        (DiskFull("the disk is full"), "the disk is full"),
        (PermissionError(13, "Permission denied", "/a/row.json"), "/a/row.json: Permission denied"),
        (KeyError("mlp"), "KeyError: 'mlp'"),  # a fault of the code: its kind is half of what it says
    ],
)
def test_a_reason_is_a_sentence_where_the_words_are_ours(error, words):
    def work():
        raise error

    with pytest.raises(SweepFailed) as caught:
        sweep([Job("a", work, ())])
    assert str(caught.value) == f"1 of 1 runs failed: a ({words})"


# --- where jobs run


def test_a_single_job_runs_in_this_process(done):
    sweep(noting(done, "a"))  # a list of this process cannot be changed from another
    assert done == ["a"]
    with pytest.raises(SweepFailed, match=r"^1 of 1 runs failed: b \(no\)$"):
        sweep([Job("b", fail, ("no",))])


def test_a_given_executor_is_used_for_a_single_job_too_and_left_open(done):
    names = []
    with ThreadPoolExecutor(1, thread_name_prefix="given") as executor:
        sweep([Job("a", lambda: names.append(threading.current_thread().name), ())], executor)
        assert names[0].startswith("given")
        sweep(noting(done, "b", "c"), executor)
        assert executor.submit(operator.add, 1, 2).result() == 3
    assert done == ["b", "c"]


@pytest.mark.slow
def test_several_jobs_run_in_other_processes_that_end_with_the_sweep(tmp_path):
    first = [Job(name, note_process, (tmp_path / name,)) for name in "ab"]
    then = [Job(f"{name} again", note_process, (tmp_path / f"{name} again",), after=(name,)) for name in "ab"]
    with pytest.raises(SweepFailed) as caught:
        sweep([*first, *then, Job("bad", fail, ("far away",)), Job("worse", fail, ("no",), after=("bad",))])
    assert str(caught.value).startswith("2 of 6 runs failed: ")
    assert "bad (far away)" in str(caught.value)
    assert "worse (bad failed)" in str(caught.value)
    processes = {int(path.read_text()) for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 4
    assert os.getpid() not in processes
    assert not processes & running().keys()


def test_of_many_that_failed_the_first_are_named():
    with pytest.raises(SweepFailed) as caught:
        sweep([Job("bad", fail, ("no",)), *(Job(f"after {i}", abs, (1,), after=("bad",)) for i in range(9))], Inline())
    after = "; ".join(f"after {i} (bad failed)" for i in range(5))
    assert str(caught.value) == f"10 of 10 runs failed: bad (no); {after}; 4 more"


@pytest.mark.slow
def test_a_worker_that_dies_fails_the_sweep_and_does_not_hang_it():
    jobs = [Job("dies", os._exit, (3,)), Job("student", abs, (1,), after=("dies",)), Job("sleeps", time.sleep, (1,))]
    with pytest.raises(SweepFailed) as caught:
        sweep(jobs)
    reasons = "dies (its process died (exit code 3)); student (dies failed)"
    assert str(caught.value) == f"2 of 3 runs failed: {reasons}"


def note_process(path: Path) -> None:
    path.write_text(str(os.getpid()))


SLEEPERS = """
import os, sys, time
from tdlib.sweep import Job, sweep

def sleep(path):
    with open(path + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".part", path)
    time.sleep(600)

if __name__ == "__main__":
    sweep([Job(name, sleep, (os.path.join(sys.argv[1], name),)) for name in ("a", "b")])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two workers")
def test_the_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    command, env = [sys.executable, script, tmp_path], {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists(), 60)
        workers = {int((tmp_path / name).read_text()) for name in "ab"}
        assert workers <= running(parent.pid).keys()
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        wait_until(lambda: not workers & running(parent.pid).keys(), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the session is this test's own
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait(10)
