"""What the profile `paper` costs: step times measured here, arithmetic counted, and both put together.

    hours of a run = steps * GFLOP of a step / measured GFLOP per second

FLOP are counted by torch (matrix products, convolutions, attention; training is three times a forward pass),
without computing anything, for every data set, horizon and model of the profile's main table but the small baselines,
which take next to nothing. FLOP per second come from one training step of each model in its published size on ETTh1,
720 -> 96, on this machine: one core, or with `--device cuda` one GPU in mixed precision. Epochs are the protocol's for
teachers, which seldom stop early, and the mean over the committed rows for students. Without a GPU its hours are a
guess: GPU_GFLOPS of useful arithmetic a second, and at least GPU_STEP seconds a step, which small models need to be
launched.
Minutes on a quiet machine; of its tables in results/benchmarks, steps and paper_cost, `docs/scaling.md` has the second.
"""

import argparse
import functools
import math
import time

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from tdlib import models, run
from tdlib.compute import DEVICES, Compute
from tdlib.config import RunConfig
from tdlib.profiles import Profile
from tdlib.report import tables
from tdlib.store import Store

GPU_GFLOPS, GPU_STEP = 20_000, 0.005
CHANNELS = {"ETTh1": 7, "ETTh2": 7, "ETTm1": 7, "ETTm2": 7, "Weather": 21, "ECL": 321, "Solar": 137, "Traffic": 862}
ROWS = {
    "ETTh1": 8640,
    "ETTh2": 8640,
    "ETTm1": 34560,
    "ETTm2": 34560,
    "Weather": 36887,
    "ECL": 18412,
    "Solar": 36792,
    "Traffic": 12280,
}  # of the training segment


def build(config: RunConfig) -> torch.nn.Module:
    return run.build(config, CHANNELS[config.dataset])


def flop(config: RunConfig) -> float:
    """Of one window's forward pass."""
    return _flop(RunConfig(config.dataset, config.lookback, config.horizon, config.model, settings=config.settings))


@functools.cache
def _flop(config: RunConfig) -> float:
    """The same of a config that says no more than the model: seeds and teachers do not change it."""
    # TimesNet picks periods by their values: the mean of a few windows stands for it
    values, count = ("cpu", 8) if config.model == "timesnet" else ("meta", 1)
    torch.manual_seed(0)
    with torch.device(values), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(config).eval()(torch.randn(count, config.lookback, CHANNELS[config.dataset]))
    return counter.get_total_flops() / count


def step_seconds(config: RunConfig, compute: Compute) -> float:
    """Of one training step of a model alone, the least of three after one that does not count."""
    model = build(config).to(compute.place).train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x = torch.randn(config.batch_size, config.lookback, CHANNELS[config.dataset], device=compute.place)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        with compute.autocast():
            loss = model(x).prediction.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        times.append(time.perf_counter() - start)
    return min(times[1:])


def student_epochs() -> float:
    """How many epochs the committed students took, in the mean."""
    store = Store("results")
    rows = [store.read(id) for id in store.ids()]
    return pd.Series([len(row["epochs"]) for row in rows if row["config"]["model"] == "mlp"]).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=DEVICES)
    compute = Compute(device=parser.parse_args().device)
    torch.set_num_threads(1)
    profile, epochs = Profile("paper"), student_epochs()
    measured = {}
    for name in [*profile.teachers, "mlp", "nlinear", "dlinear"]:
        config = profile.config("ETTh1", 96, name)
        seconds = step_seconds(config, compute)
        measured[name] = {"ms a step": 1e3 * seconds, "GFLOP a step": 3 * config.batch_size * flop(config) / 1e9}
    measured = pd.DataFrame(measured).T
    measured["GFLOP/s"] = 1e3 * measured["GFLOP a step"] / measured["ms a step"]

    counted = [run for run in profile.main() if run.model in measured.index]
    runs = pd.DataFrame([cost(run, epochs, measured["GFLOP/s"]) for run in counted])
    by_model = runs.groupby(["kind", "model"], sort=False).agg(
        runs=("hours", "size"),
        million_steps=("steps", lambda steps: steps.sum() / 1e6),
        PFLOP=("PFLOP", "sum"),
        core_hours=("hours", "sum"),
        gpu_hours=("gpu", "sum"),
        longest_on_gpu=("gpu", "max"),
    )
    by_model.columns = by_model.columns.str.replace("_", " ")
    place = "results/benchmarks"
    print(tables.save(measured.rename_axis("model").reset_index(), "steps", place, digits=1).to_string(index=False))
    print(tables.save(by_model.reset_index(), "paper_cost", place, digits=1).to_string(index=False))
    print(runs.groupby("dataset", sort=False)[["PFLOP", "hours", "gpu"]].sum().round(0).to_string())
    print(f"{len(runs)} runs; students take {epochs:.1f} epochs in the mean")


def cost(run: RunConfig, epochs: float, gflops: pd.Series) -> dict:
    """Steps, PFLOP and hours of a run on what was measured and, guessed, on a GPU."""
    student = models.role(run.model) == "student"
    epochs = min(epochs, run.epochs) if student else run.epochs
    windows = ROWS[run.dataset] - run.lookback - run.horizon + 1
    window = flop(run)
    if run.teacher:
        window += projector_flop(run)
    pflop, steps = 3 * epochs * windows * window / 1e15, epochs * math.ceil(windows / run.batch_size)
    kind = "distilled student" if run.teacher else ("plain student" if student else "teacher")
    hours, gpu = 1e6 * pflop / gflops[run.model] / 3600, max(1e6 * pflop / GPU_GFLOPS, steps * GPU_STEP) / 3600
    return {
        "dataset": run.dataset,
        "kind": kind,
        "model": run.model,
        "steps": steps,
        "PFLOP": pflop,
        "hours": hours,
        "gpu": gpu,
    }


def projector_flop(run: RunConfig) -> float:
    """Of the projector's forward pass on the features of one window."""
    with torch.device("meta"):
        teacher, student = build(run.teacher_config).feature_width, run.settings["width"]
    return 2 * CHANNELS[run.dataset] * student * (teacher + student)


if __name__ == "__main__":
    main()
