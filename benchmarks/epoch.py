"""Ratios of training times, each measured within this run, and where the time goes: `make bench`.

    plain / products           the plain MLP against its matrix products alone (`torch.mm`, the same shapes)
    plain / DataLoader         the same model and loop, fed by a DataLoader over a per-sample Dataset
    distilled / plain          all five parts of the loss, the teacher's outputs stored (iTransformer, width 256)
    straightforward / distilled    the straightforward way: a DataLoader over a per-sample Dataset, the teacher's
                               forward in every step, forecasts and features pooled one by one, Adam not fused
    ... bfloat16               the same, our matrix products in bfloat16: `runs --precision bfloat16`
    ... ModernTCN              the same with features of width 11,520, where the projector dominates

ETTh1's shape (7 channels, look-back 720, horizon 96, batch 32), teachers of published size, one thread, as
in every run of the study; values and weights are random, since time does not depend on them. A round is a
fifth of an epoch, 49 steps. All kinds take turns, so that a machine that slows down slows all of them.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from tdlib.compute import Compute
from tdlib.distill import Distillation, Projector
from tdlib.losses import period_divergence
from tdlib.models import build
from tdlib.report import tables
from tdlib.teachers import StoredTeacher, store_outputs
from tdlib.train import Objective, Supervised, train_epoch
from tdlib.windows import Windows

ROUNDS, STEPS, BATCH = 5, 49, 32
SHAPE = {"lookback": 720, "horizon": 96, "channels": 7}
AIMS = {  # (the slower, the faster, if all is well): the least, or the most, that the ratio should be
    ("plain", "products"): "at most 2",
    ("plain", "DataLoader"): "at most 0.75",
    ("distilled", "plain"): "at most 2.2",
    ("straightforward", "distilled"): "at least 3",
    ("straightforward", "distilled bfloat16"): "at least 3",
    ("straightforward ModernTCN", "distilled ModernTCN"): "at least 2.5",
}
Run = Callable[[], object]
KINDS = {  # of operations, by the names that torch's profiler gives them
    "matrix products": ("aten::mm", "aten::addmm"),
    "spectra": ("fft", "aten::abs", "aten::sgn", "softmax", "Divergence"),
    "optimiser": ("adam", "Adam", "Optimizer"),
    "BatchNorm": ("batch_norm",),
    "windows and copies": ("index", "aten::copy_", "aten::cat", "aten::_to_copy"),
}


class PerSample(Dataset):
    """What most forecasting code does: one window at a time, stacked by the loader."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows

    def __len__(self) -> int:
        return STEPS * BATCH

    def __getitem__(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        middle = start + SHAPE["lookback"]
        return self.rows[start:middle], self.rows[middle : middle + SHAPE["horizon"]]


class Loaded:
    """A DataLoader under the interface that the training loop expects of `Windows`."""

    def __init__(self, rows: np.ndarray):
        self.loader = DataLoader(PerSample(rows), BATCH, shuffle=True)
        self.batches = iter(self.loader)

    def __len__(self) -> int:
        return STEPS * BATCH

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return next(self.batches)


def straightforward(teacher: nn.Module, rows: np.ndarray) -> Run:
    """The same training as a first version would have it."""
    model, projector = build("mlp", **SHAPE), Projector(teacher.feature_width, 512)
    optimizer = torch.optim.Adam([*model.parameters(), *projector.parameters()], lr=1e-3)

    def run() -> None:
        for x, y in DataLoader(PerSample(rows), BATCH, shuffle=True):
            with torch.no_grad():
                taught = teacher(x)
            student, features = model(x), projector(taught.features)
            loss = F.mse_loss(student.prediction, y)
            for a, b, dim in ((student.prediction, taught.prediction, 1), (student.features, features, 2)):
                loss = loss + 2 * (pooled_errors(a, b, dim) + divergence(a, b, dim))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return run


def pooled_errors(a: Tensor, b: Tensor, dim: int) -> Tensor:
    a, b = a.movedim(dim, -1).flatten(0, 1), b.movedim(dim, -1).flatten(0, 1)
    errors = F.mse_loss(a, b)
    for _ in range(3):
        a, b = F.avg_pool1d(a, 2), F.avg_pool1d(b, 2)
        errors = errors + F.mse_loss(a, b)
    return errors / 4


def divergence(a: Tensor, b: Tensor, dim: int) -> Tensor:
    return period_divergence(a.movedim(dim, -1), b.movedim(dim, -1)).mean() / (a.shape[dim] // 2)


def ours(windows: Windows | Loaded, objective: Objective, precision: str = "float32") -> Run:
    """A new MLP through the study's own loop."""
    model, compute = build("mlp", **SHAPE), Compute(device="cpu", precision=precision)
    optimizer = torch.optim.Adam([*model.parameters(), *objective.parameters()], lr=1e-3, fused=True)
    return lambda: train_epoch(model, objective, windows, optimizer, BATCH, compute)


def products() -> Run:
    """The matrix products of as many steps of the plain MLP: forward, then towards weights and hidden layer."""
    rows, (lookback, horizon, channels), width = BATCH, SHAPE.values(), 512
    rows *= channels
    x, h, y = torch.randn(rows, lookback), torch.randn(rows, width), torch.randn(rows, horizon)
    v, w = torch.randn(width, lookback), torch.randn(horizon, width)

    def run() -> None:
        for _ in range(2 * STEPS):  # two branches
            torch.mm(x, v.T), torch.mm(h, w.T)
            torch.mm(y.T, h), torch.mm(y, w), torch.mm(h.T, x)

    return run


def measure(kinds: dict[str, Callable[[], Run]]) -> pd.DataFrame:
    """Seconds of each kind [rounds, kinds]; what a kind sets up before it runs does not count."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in tqdm(range(ROUNDS), desc="rounds"):
        for name, prepare in kinds.items():
            run = prepare()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return pd.DataFrame(times)


def where(run: Run) -> pd.Series:
    """Milliseconds a step by kind of operation."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    times = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for event in found.key_averages():
        kind = next((kind for kind, words in KINDS.items() if any(word in event.key for word in words)), "the rest")
        times[kind] += event.self_cpu_time_total / 1e3 / STEPS
    return pd.Series(times)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    count = STEPS * BATCH + SHAPE["lookback"] + SHAPE["horizon"] - 1
    rows = np.random.default_rng(0).normal(size=(count, SHAPE["channels"])).astype(np.float32)
    windows = Windows(torch.from_numpy(rows.T.copy()), SHAPE["lookback"], SHAPE["horizon"])
    transformer, convolution = build("itransformer", **SHAPE).eval(), build("moderntcn", **SHAPE).eval()
    with tempfile.TemporaryDirectory() as folder:

        def distillation(teacher: nn.Module) -> Distillation:
            place = Path(folder, str(teacher.feature_width))
            if not place.exists():
                store_outputs(teacher, windows, place)
            return Distillation(StoredTeacher(place), teacher.feature_width, 512, alpha=2.0, beta=2.0)

        kinds = {
            "products": products,
            "plain": lambda: ours(windows, Supervised()),
            "DataLoader": lambda: ours(Loaded(rows), Supervised()),
            "distilled": lambda: ours(windows, distillation(transformer)),
            "distilled bfloat16": lambda: ours(windows, distillation(transformer), "bfloat16"),
            "straightforward": lambda: straightforward(transformer, rows),
            "distilled ModernTCN": lambda: ours(windows, distillation(convolution)),
            "straightforward ModernTCN": lambda: straightforward(convolution, rows),
        }
        times = measure(kinds)
        shares = {name: where(kinds[name]()) for name in ("plain", "distilled", "distilled bfloat16")}
    print((times.describe().loc[["min", "50%", "max"]] * 1e3 / STEPS).T.round(1).to_string(), "\n[ms a step]\n")
    ratios = {f"{a} / {b}": times[a] / times[b] for a, b in AIMS}
    lines = [
        {"ratio": name, "median": found.median(), "least": found.min(), "most": found.max(), "aim": aim}
        for (name, found), aim in zip(ratios.items(), AIMS.values(), strict=True)
    ]
    place = "results/benchmarks"
    print(tables.save(pd.DataFrame(lines), "epoch", place, digits=2).to_string(index=False), "\n")
    table = pd.DataFrame(shares).rename_axis("ms a step").reset_index()
    print(tables.save(table, "epoch_where", place, digits=1).to_string(index=False))


if __name__ == "__main__":
    main()
