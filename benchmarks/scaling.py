"""What an epoch of distillation costs as channels and windows grow: part of `make bench`, about two minutes.

    seconds ~ channels^a    at 512 windows        seconds ~ windows^b    at 7 channels

a and b are slopes in double logarithmic axes; linear cost is a slope of one. The student and the teacher
have ETTh1's published sizes (look-back 720, horizon 96, batch 32) and random values. Seconds are those of
one core, least of three rounds.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from tdlib.distill import Distillation
from tdlib.models import build
from tdlib.report import plots, tables
from tdlib.teachers import StoredTeacher, store_outputs
from tdlib.train import train_epoch
from tdlib.windows import Windows

ROUNDS = 3
SIZES = {"channels": (7, 14, 28, 56, 112, 224), "windows": (512, 1024, 2048, 4096, 8192, 16384)}
BASE = {axis: sizes[0] for axis, sizes in SIZES.items()}


def epochs(channels: int, windows: int, folder: Path) -> Iterator[float]:
    """Seconds of one epoch after the other, each of a new student."""
    shape = {"lookback": 720, "horizon": 96, "channels": channels}
    train = Windows(torch.randn(channels, windows + 720 + 96 - 1), 720, 96)
    store_outputs(build("itransformer", **shape), train, folder)
    teacher = StoredTeacher(folder)
    while True:
        model, distillation = build("mlp", **shape), Distillation(teacher, 256, 512, alpha=2.0, beta=2.0)
        optimizer = torch.optim.Adam([*model.parameters(), *distillation.parameters()], lr=1e-3, fused=True)
        start = time.process_time()
        train_epoch(model, distillation, train, optimizer, 32)
        yield time.process_time() - start


def slope(line: pd.DataFrame) -> tuple[float, float]:
    """(a, c) of log seconds = a log size + c, by least squares."""
    return tuple(np.polyfit(np.log(line["size"]), np.log(line["seconds"]), 1))


def draw(table: pd.DataFrame) -> Figure:
    figure, panels = plt.subplots(1, 2, sharey=True)
    fixed = {"channels": f"{BASE['windows']} windows", "windows": f"{BASE['channels']} channels"}
    for panel, (axis, line) in zip(panels, table.groupby("axis", sort=False), strict=True):
        a, c = slope(line)
        panel.loglog(line["size"], line["seconds"], "o", color=plots.COLOURS["distilled"], label="measured")
        fit = np.exp(c) * line["size"] ** a
        panel.loglog(line["size"], fit, color=plots.COLOURS["truth"], linewidth=0.8, label=f"fit, slope {a:.2f}")
        panel.set(xlabel=f"{axis} (at {fixed[axis]})", xticks=line["size"], xticklabels=line["size"])
        panel.minorticks_off()
        panel.legend()
    panels[0].set_ylabel("one epoch [seconds of one core]")
    return figure


def main() -> None:
    torch.set_num_threads(1)  # as in every run of the study
    torch.manual_seed(0)
    lines = [{"axis": axis, **BASE, axis: size, "size": size} for axis, sizes in SIZES.items() for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        running = [epochs(line["channels"], line["windows"], Path(folder, str(n))) for n, line in enumerate(lines)]
        rounds = [[next(each) for each in running] for _ in tqdm(range(ROUNDS), desc="rounds")]
    table = pd.DataFrame(lines).assign(seconds=np.min(rounds, axis=0))
    slopes = {axis: slope(line)[0] for axis, line in table.groupby("axis")}
    table["slope"] = table["axis"].map(slopes)
    plots.save(draw(table), "scaling", "results/benchmarks")
    shown = tables.save(table.drop(columns="size"), "scaling", "results/benchmarks", digits=2)
    print(shown.to_string(index=False))


if __name__ == "__main__":
    main()
