"""Names of executors: what is not there is one sentence before anything is written."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from outside import running, wait_until

from tdlib import __main__ as cli
from tdlib import profiles, run
from tdlib.compute import Compute, cores
from tdlib.run import prepare_teacher, train_once
from tdlib.store import Store
from tdlib.study import RunConfig, ensure
from tdlib.sweep import executors

ROOT = Path(__file__).parents[2]
LINEAR = RunConfig("synthetic", 48, 16, "nlinear", epochs=1)
TEACHER = RunConfig("synthetic", 48, 16, "itransformer", epochs=1, settings={"width": 16, "hidden": 16, "heads": 2})


def refused(capsys, tmp_path, *options: str) -> str:
    """The one sentence that `runs` with these options prints; nothing is written."""
    assert cli.main(["runs", "--profile", "smoke", "--store", str(tmp_path / "store"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not (tmp_path / "store").exists()
    return line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--executor", "dusk:tcp://x:1"], "executor knows process, dask:ADDRESS and slurm; got 'dusk:tcp://x:1'"),
        (["--executor", "Slurm"], "got 'Slurm'"),
        (["--slurm", "time=3"], "options of Slurm (time) need the executor slurm"),
        (["--executor", "slurm", "--slurm", "time"], "--slurm takes NAME=VALUE, got 'time'"),
        (["--threads", "0"], "threads must be a whole number of at least 1, got 0"),
        (["--threads", "two"], "invalid int value: 'two'"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
    ],
)
def test_bad_options_are_one_sentence(options, words, capsys, tmp_path):
    assert words in refused(capsys, tmp_path, *options)


def test_a_package_that_is_missing_is_named_with_its_extra(capsys, tmp_path, monkeypatch):
    for name, extra in (("distributed", "dask"), ("submitit", "slurm")):
        monkeypatch.setitem(sys.modules, name, None)
        executor = "dask:tcp://127.0.0.1:1" if extra == "dask" else "slurm"
        words = f"this needs {name}, which is not installed: pip install '.[{extra}]' in the repository"
        assert words in refused(capsys, tmp_path, "--executor", executor)


def test_a_machine_without_slurm_is_told_so(capsys, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sbatch is not on the PATH" in refused(capsys, tmp_path, "--executor", "slurm")


@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_so(capsys, tmp_path):
    assert "torch sees no GPU" in refused(capsys, tmp_path, "--device", "cuda")


@pytest.mark.parametrize(
    "fields", [{"threads": 0}, {"threads": -1}, {"threads": 1.5}, {"threads": True}, {"device": "gpu"}]
)
def test_what_no_run_can_compute_with_is_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        Compute(**fields)


@pytest.mark.parametrize("executor", ["dask:tcp://127.0.0.1:1", "slurm"])
@pytest.mark.parametrize("name", ["own.csv", "own.TSV"])
def test_a_relative_path_is_refused_where_workers_may_have_another_folder(name, executor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("a,b\n" + "\n".join(f"{row % 5},{row % 7}" for row in range(400)))
    with pytest.raises(ValueError, match=f"^{name} is a relative path"):
        ensure([RunConfig(name, 48, 16, "nlinear", epochs=1)], store="store", executor=executor)
    assert not Path("store").exists()


# --- workers


@pytest.mark.slow
@pytest.mark.parametrize(("named", "expected"), [(None, {"0", "1"}), ("3,5,7", {"3", "5"})])
def test_each_worker_of_a_machine_with_gpus_sees_one_of_them(named, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)  # this machine need not have them
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with executors.opened("process", 9) as pool:
        assert {future.result() for future in [pool.submit(visible_gpu) for _ in range(4)]} == expected
    with executors.opened("process", 9, compute=Compute(threads=2, device="cpu")) as pool:
        assert len(pool._workers) == max(1, cores() // 2)


def visible_gpu() -> str:
    time.sleep(0.3)
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_the_threads_of_a_run_are_those_asked_for_and_the_row_says_so(tmp_path, monkeypatch):
    seen, plain = [], run.fit
    monkeypatch.setattr(run, "fit", lambda *args, **kw: seen.append(torch.get_num_threads()) or plain(*args, **kw))
    ensure([LINEAR], store=tmp_path, compute=Compute(threads=2), executor=executors.InProcess())
    assert seen == [2]
    assert Store(tmp_path).read(LINEAR.id)["provenance"]["threads"] == 2


def test_a_job_that_is_run_again_trains_and_writes_nothing(tmp_path):
    for job, config in ((train_once, LINEAR), (prepare_teacher, TEACHER)):
        job(config, Store(tmp_path))
        before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")}
        job(config, Store(tmp_path))
        assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")} == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_worker_killed_in_a_sweep_costs_its_run_and_exit_code_1(tmp_path):
    command = [sys.executable, "-m", "tdlib", "runs", "--profile", "smoke", "--part", "lookback", "--threads", "1"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
    run = {"cwd": ROOT, "env": env, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, "--store", tmp_path], **run) as process:
        killer = threading.Thread(target=kill_a_worker, args=(process.pid,))
        killer.start()
        out, said = process.communicate(timeout=240)
        killer.join()
    assert (process.returncode, out) == (1, ""), said
    assert "(its process died (signal 9; out of memory?)" in said
    assert "Traceback" not in said
    asked = len(profiles.Profile("smoke").runs("lookback"))
    named = int(said.split("tdlib: ")[1].split(f" of {asked} runs failed")[0])
    assert len(Store(tmp_path).ids()) == asked - named
    done = subprocess.run([*command, "--store", tmp_path], **run, timeout=240)
    assert (done.returncode, done.stdout) == (0, f"{asked} runs are in {tmp_path}\n")


def kill_a_worker(parent: int) -> None:
    """Kill the first worker of `parent` that comes up, as the kernel does where memory ends."""
    os.kill(wait_until(lambda: [id for id, said in running(parent=parent).items() if b"spawn_main" in said], 120)[0], 9)
