"""Ratios of epoch times, each measured within this run: `make bench`.

    distilled / plain      one epoch with all five parts (iTransformer features of width 256, outputs stored)
    plain / DataLoader     the same model and loop, fed by a DataLoader over a per-sample Dataset
    plain / usual loop     as most forecasting code has it: the Dataset returns time features too, and Adam
                           is not fused

ETTh1's shape (17,420 x 7, look-back 720, horizon 96, batch 32) with random values: time does not
depend on them. The four kinds of epoch take turns, so that a machine that slows down slows all of them.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from tdlib import tables
from tdlib.data import Series
from tdlib.distill import Distillation, StoredTeacher, store_outputs
from tdlib.models import build
from tdlib.train import Supervised, train_epoch
from tdlib.windows import Windows, split

ROUNDS = 5
AIMS = {("distilled", "plain"): 2.2, ("plain", "DataLoader"): 0.75, ("plain", "usual loop"): 0.75}
SHAPE = {"lookback": 720, "horizon": 96, "channels": 7}


class PerSample(Dataset):
    """What most forecasting code does: one window of each array at a time, stacked by the loader."""

    def __init__(self, *arrays: np.ndarray):
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0]) - SHAPE["lookback"] - SHAPE["horizon"] + 1

    def __getitem__(self, start: int) -> list[np.ndarray]:
        middle = start + SHAPE["lookback"]
        end = middle + SHAPE["horizon"]
        return [part for array in self.arrays for part in (array[start:middle], array[middle:end])]


class Loaded:
    """A DataLoader under the interface that the training loop expects of `Windows`."""

    def __init__(self, *arrays: np.ndarray, batch_size: int = 32):
        dataset = PerSample(*arrays)
        self.loader, self.count = DataLoader(dataset, batch_size, shuffle=True), len(dataset)

    def __len__(self) -> int:
        return self.count

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not hasattr(self, "batches"):
            self.batches = iter(self.loader)
        x, y, *_ = next(self.batches)
        if len(index) < self.loader.batch_size:
            del self.batches  # the last one of the epoch
        return x, y


def seconds(windows: Windows | Loaded, objective: torch.nn.Module, *, fused: bool = True) -> float:
    """One epoch of a new MLP."""
    model = build("mlp", **SHAPE)
    weights = [*model.parameters(), *objective.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3, fused=fused)
    start = time.perf_counter()
    train_epoch(model, objective, windows, optimizer, 32)
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)  # as in every run of the study
    torch.manual_seed(0)
    values = np.random.default_rng(0).normal(size=(17420, 7)).astype(np.float32)
    series = Series(values, None, tuple("abcdefg"), "ETTh1", "")
    splits = split(series, SHAPE["lookback"], SHAPE["horizon"])
    train_rows = ((values - splits.mean) / splits.deviation)[:8640]
    stamps = train_rows[:, :4].copy()  # hour, weekday, day of the month, day of the year
    with tempfile.TemporaryDirectory() as folder:
        store_outputs(build("itransformer", **SHAPE), splits.train, Path(folder, "outputs"))
        teacher = StoredTeacher(Path(folder, "outputs"))
        times: dict[str, list[float]] = {"plain": [], "distilled": [], "DataLoader": [], "usual loop": []}
        for _ in tqdm(range(ROUNDS), desc="rounds"):
            distillation = Distillation(teacher, 256, 512, alpha=2.0, beta=2.0)
            times["plain"].append(seconds(splits.train, Supervised()))
            times["distilled"].append(seconds(splits.train, distillation))
            times["DataLoader"].append(seconds(Loaded(train_rows), Supervised()))
            times["usual loop"].append(seconds(Loaded(train_rows, stamps), Supervised(), fused=False))
    table = pd.DataFrame(times)
    print(table.describe().loc[["min", "50%", "max"]].round(2).to_string(), "\n[seconds an epoch]\n")
    ratios = {f"{a} / {b}": table[a] / table[b] for a, b in AIMS}
    lines = [
        {"ratio": name, "median": found.median(), "least": found.min(), "most": found.max(), "aim, at most": aim}
        for (name, found), aim in zip(ratios.items(), AIMS.values(), strict=True)
    ]
    print(tables.save(pd.DataFrame(lines), "epoch", "results/benchmarks", digits=2).to_string(index=False))


if __name__ == "__main__":
    main()
