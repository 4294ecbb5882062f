"""Workers x threads: how many runs at a time this machine's cores take, and how many threads each.

One thread a worker, unless another split of the cores is at least a tenth faster: a run's last bits may
change with its threads, so that a close race must not decide them. The race is run once for a store,
on the student's training step, and kept beside it in PLACE/cache/threads.json.
"""

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from tdlib import models
from tdlib.sweep.processes import Processes, WorkerDied

MARGIN = 1.1  # how much faster than one thread a worker another split must be
JOBS_A_CORE = 2  # fewer jobs than this a core are done before a race would pay
SECONDS = 1.0  # of training, for each split


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(jobs: int, place: Path) -> int:
    """The threads of each worker of a sweep over `jobs` jobs, and a line that says so.

    What was measured for the store at `place` holds; else it is measured where there are at least two
    jobs a core; else it is one.
    """
    path = place / "cache" / "threads.json"
    rates = _read(path)
    if rates is None:
        if jobs < JOBS_A_CORE * cores() or cores() == 1:
            return 1
        try:
            rates = measure()
        except WorkerDied:  # the sweep will name what is wrong with its processes
            return 1
        with contextlib.suppress(OSError):  # half a file is measured again; of a full disk the runs will tell
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**_machine(), "steps_per_second": rates}))
    threads = pick(rates)
    measured = ", ".join(f"{cores() // each} x {each} {rate:.1f}" for each, rate in sorted(rates.items()))
    words = [_count(cores() // threads, "worker"), _count(threads, "thread")]
    print(f"{' x '.join(words)} (measured: {measured} steps/s)", file=sys.stderr)
    return threads


def pick(rates: dict[int, float]) -> int:
    """The threads a worker, from the steps per second of all workers by threads a worker; `rates` holds 1."""
    best = max(rates, key=rates.get)
    return best if rates[best] >= MARGIN * rates[1] else 1


def measure() -> dict[int, float]:
    """Training steps per second of all workers together, by threads a worker, for each split of the cores."""
    splits = [threads for threads in range(1, cores() + 1) if cores() % threads == 0]
    pool = Processes([{}] * cores())
    try:
        for started in [pool.submit(steps_per_second, 1, 0.0) for _ in range(cores())]:
            started.result()  # all import torch before the first race
        return {
            threads: sum(
                race.result()
                for race in [pool.submit(steps_per_second, threads, SECONDS) for _ in range(cores() // threads)]
            )
            for threads in splits
        }
    finally:
        pool.stop()


def steps_per_second(threads: int, seconds: float) -> float:
    """The rate of the plain student's training step, ETTh1's 7 channels, 720 -> 96, batch 32, in this process."""
    torch.set_num_threads(threads)
    model = models.build("mlp", lookback=720, horizon=96, channels=7)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = torch.randn(32, 720, 7), torch.randn(32, 96, 7)
    for limit in (0.0, seconds):  # the first step is not timed: it allocates
        steps, started = 0, time.perf_counter()
        while not steps or time.perf_counter() - started < limit:
            loss = F.mse_loss(model(x).prediction, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    return steps / (time.perf_counter() - started)


def _read(path: Path) -> dict[int, float] | None:
    """The rates that were measured on a machine like this one; None where there are none, or the file is damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        kept = json.loads(path.read_bytes())
        rates = {int(threads): float(rate) for threads, rate in kept.pop("steps_per_second").items()}
        if kept == _machine() and 1 in rates and all(0 < rate < math.inf for rate in rates.values()):
            return rates
    return None


def _machine() -> dict:
    return {"cores": cores(), "torch": torch.__version__}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
