"""Peak memory and time of an epoch on a series of Traffic's size: `make bench-traffic`, an hour or more.

    plain, distilled    one epoch over all 11,465 windows, its validation, and the evaluation on the test windows
    outputs             the teacher's outputs over the training windows are computed and stored

17,544 rows of 862 channels, generated; look-back 720, horizon 96, and the student that the profile
`paper` has for Traffic (MLP of width 1024 with RevIN, batch 8). The teacher is an iTransformer of one
layer and width 64, with fresh weights, as time and memory do not depend on them: its outputs take 3.2 GB
and are mapped. At the profile's width of 512 they would take 12 GB, mapped in the same way.

Each kind is a process of its own, on one thread; minutes are those of its core. Its peak is counted twice.
"needed" is anonymous memory alone, sampled 100 times a second from /proc (so this runs on Linux).
"resident" holds the pages of mapped files too, which the kernel gives up as soon as memory is short.
"""

import multiprocessing
import re
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import torch

from tdlib import data
from tdlib.distill import Distillation
from tdlib.evaluate import evaluate
from tdlib.models import build
from tdlib.profiles import Profile
from tdlib.report import tables
from tdlib.teachers import StoredTeacher, store_outputs
from tdlib.train import Supervised, fit
from tdlib.windows import split

ROWS, CHANNELS, HORIZON = 17_544, 862, 96
TEACHER = {"layers": 1, "width": 64, "hidden": 64, "heads": 1}
AIM = 4.0  # GiB


def status(entry: str) -> float:
    """An entry of this process's status, such as VmHWM, in GiB."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"{entry}:\s+(\d+) kB", text)[1]) / 2**20


class Peak(threading.Thread):
    """Samples the anonymous memory of this process until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.needed, self.stopped = 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stopped.wait(0.01):
            self.needed = max(self.needed, status("RssAnon"))

    def stop(self) -> float:
        self.stopped.set()
        self.join()
        return self.needed


def measure(kind: str, outputs: Path) -> dict[str, float | str]:
    """One line of the table: `kind` is "outputs", "plain" or "distilled"."""
    torch.set_num_threads(1)  # as in every run of the study
    torch.manual_seed(0)
    peak, config = Peak(), Profile("paper").config("Traffic", HORIZON, "mlp")
    splits = split(data.synthetic(ROWS, CHANNELS), config.lookback, HORIZON)
    shape = {"lookback": config.lookback, "horizon": HORIZON, "channels": CHANNELS}
    teacher = build("itransformer", **shape, **TEACHER)
    if kind == "outputs":
        store_outputs(teacher, splits.train, outputs)
    else:
        model, objective = build("mlp", **shape, **config.settings), Supervised()
        if kind == "distilled":
            widths = TEACHER["width"], config.settings["width"]
            objective = Distillation(StoredTeacher(outputs), *widths, alpha=0.5, beta=0.5)
        fit(model, objective, splits, learning_rate=1e-3, batch_size=config.batch_size, epochs=1, patience=1)
        evaluate(model, splits.test)
    line = {"kind": kind, "minutes": time.process_time() / 60}
    line |= {"needed, GiB": peak.stop(), "resident, GiB": status("VmHWM"), "aim, at most, GiB": AIM}
    print(line, flush=True)
    return line


def main() -> None:
    context = multiprocessing.get_context("spawn")
    lines = []
    with tempfile.TemporaryDirectory(dir=".") as folder:  # /tmp may be memory
        for kind in ("plain", "outputs", "distilled"):
            with context.Pool(1) as pool:
                lines.append(pool.apply(measure, (kind, Path(folder, "outputs"))))
            table = tables.save(pd.DataFrame(lines), "traffic_epoch", "results/benchmarks", digits=2)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
