"""A sweep over a real Slurm of one node, from Debian's packages; one job is cancelled in the middle."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from outside import assert_whole, wait_until
from sweeps import RUNS, environment, interrupt_cli, run_cli, serial, started, writes

from tdlib.profiles import Profile
from tdlib.store import Store
from tdlib.study import ensure
from tdlib.sweep import Job, SweepFailed, executors, sweep

pytest.importorskip("submitit", reason="make test-cluster installs submitit")

CONFIG = """
ClusterName=tdlib
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={slurmctld}
SlurmdPort={slurmd}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2
PartitionName=local Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory):
    """munged, slurmctld and slurmd on loopback, with key, configuration and sockets of their own."""
    _install()
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        ports = {"slurmctld": one.getsockname()[1], "slurmd": two.getsockname()[1]}
    (folder / "slurm.conf").write_text(CONFIG.format(folder=folder, **ports))
    munge = {name: f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")}
    daemons = {
        "munged": ["--foreground", "--force", f"--socket={folder}/munge.socket", *munge.values()],
        "slurmctld": ["-D", "-i"],
        "slurmd": ["-D", "-N", "localhost"],
    }
    env = environment() | {"SLURM_CONF": str(folder / "slurm.conf")}
    with contextlib.ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        for name in ("SLURM_CONF", "PYTHONPATH"):
            patch.setenv(name, env[name])
        for name, options in daemons.items():
            running.enter_context(started(name, *options, log=folder / f"{name}.log", env=env))
            if name == "munged":
                wait_until((folder / "munge.socket").exists, 20)
        wait_until(lambda: "idle" in output("sinfo", "--noheader", "--format=%T"), 60)
        yield
        subprocess.run(["scancel", "--user=root"], check=True)
        wait_until(lambda: not jobs(), 60)


def _install() -> None:
    """Debian's packages, where this process may install them; else the tests are skipped."""
    if all(map(shutil.which, PROGRAMS)):
        return
    if not Path("/etc/debian_version").exists() or os.geteuid() != 0:
        pytest.skip("needs slurm-wlm and munge, which it can install on Debian as root only")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "slurm-wlm", "munge"]):
        done = subprocess.run(["apt-get", "-q", *command], env=env, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"apt-get {command[0]} failed: {done.stderr.strip()[-200:]}")
    for service in ("munge", "slurmctld", "slurmd"):  # which the packages start where they can
        subprocess.run(["service", service, "stop"], capture_output=True, timeout=60)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def jobs(*states: str) -> list[str]:
    """The IDs in the queue, those in some states only where any are named."""
    return output("squeue", "--noheader", "--format=%A", *(f"--states={state}" for state in states)).split()


def test_a_cancelled_job_loses_nothing_and_doubles_nothing(tmp_path):
    reference = serial(tmp_path / "serial")
    place = tmp_path / "slurm"
    logs = place / "cache" / "slurm"
    with writes(place) as written, ThreadPoolExecutor(1) as aside:
        ended = aside.submit(ensure, RUNS, store=place, executor="slurm", slurm={"partition": "local"})
        victim = wait_until(lambda: next((id for id in jobs("RUNNING") if at_work(logs, id)), None), 90)
        subprocess.run(["scancel", victim], check=True)
        frame = ended.result(timeout=240)
    assert {id: len(versions) for id, versions in written.items()} == dict.fromkeys(reference.ids(), 1)
    assert_whole(place, reference)
    assert list(frame["id"]) == [config.id for config in RUNS]
    submitted = list(logs.glob("*_submitted.pkl"))
    assert len(submitted) == len(RUNS) + 1  # the cancelled one twice
    assert not (logs / f"{victim}_0_result.pkl").exists()
    again = ensure(RUNS, store=place, executor="slurm")
    assert again.equals(frame)
    assert list(logs.glob("*_submitted.pkl")) == submitted


def at_work(logs: Path, id: str) -> bool:
    """Whether a job's process has begun with its run."""
    log = logs / f"{id}_0_log.out"
    return log.exists() and "Loading pickle" in log.read_text()


def test_a_job_that_dies_twice_is_named_and_the_rest_are_done(tmp_path):
    work = [Job("hungry", die, ()), Job("fails", fail, ()), Job("student", abs, (1,), after=("hungry",))]
    work.append(Job("a", (tmp_path / "a").write_text, ("done",)))
    with pytest.raises(SweepFailed) as caught:
        sweep(work, "slurm", place=tmp_path)
    words = str(caught.value)
    assert words.startswith("3 of 4 runs failed: ")
    assert "hungry (its Slurm jobs " in words
    assert "fails (far away)" in words
    assert "student (hungry failed)" in words
    assert (tmp_path / "a").read_text() == "done"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory ends


def fail() -> None:
    raise ValueError("far away")


def test_what_a_site_limits_waits_and_is_submitted_again(tmp_path, monkeypatch):
    """A site that lets a user have two jobs in the queue, as an sbatch before the real one."""
    limited = tmp_path / "bin" / "sbatch"
    limited.parent.mkdir()
    limited.write_text(f"""#!/bin/sh
if [ $(squeue --me --noheader | wc -l) -ge 2 ]; then
    echo refused >> {tmp_path}/refused
    echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2
    exit 1
fi
exec {shutil.which("sbatch")} "$@"
""")
    limited.chmod(0o755)
    monkeypatch.setenv("PATH", f"{limited.parent}:{os.environ['PATH']}")
    files = [tmp_path / name for name in "abcde"]
    sweep([Job(file.name, file.write_text, ("done",)) for file in files], "slurm", place=tmp_path)
    assert [file.read_text() for file in files] == ["done"] * 5
    assert len((tmp_path / "refused").read_text().splitlines()) >= 3


def test_the_command_line_trains_on_the_cluster(tmp_path):
    command = ["runs", "--profile", "smoke", "--part", "main", "--store", str(tmp_path), "--executor", "slurm"]
    done = run_cli(*command, "--slurm", "partition=local", "--slurm", "time=60")
    count = len(Profile("smoke").runs("main"))
    assert (done.returncode, done.stdout) == (0, f"{count} runs are in {tmp_path}\n"), done.stderr
    assert done.stderr == ""
    assert len(Store(tmp_path).ids()) == count


def test_an_option_that_sbatch_refuses_is_one_sentence(tmp_path):
    command = ["runs", "--profile", "smoke", "--store", str(tmp_path), "--executor", "slurm"]
    done = run_cli(*command, "--slurm", "partition=nowhere")
    assert done.returncode == 2
    assert "Slurm refuses the job: sbatch: error: invalid partition specified: nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not Store(tmp_path).ids()
    assert not jobs()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tme": 60}, r"^submitit refuses an option of Slurm: Unavailable parameter\(s\): \['tme'\]$"),
        ({"time": "1:00:00"}, "^Slurm's time must be a number of minutes, got '1:00:00'$"),
    ],
)
def test_an_option_that_submitit_refuses_is_one_sentence(options, words, tmp_path):
    with pytest.raises(ValueError, match=words), executors.opened("slurm", 1, place=tmp_path, slurm=options):
        pass
    assert not list(tmp_path.iterdir())


def test_an_interrupt_cancels_what_is_in_the_queue(tmp_path):
    command = ["runs", "--profile", "smoke", "--store", str(tmp_path), "--executor", "slurm"]
    interrupt_cli(lambda: jobs("RUNNING") and jobs("PENDING"), *command)
    wait_until(lambda: not jobs(), 60)
