"""What the profile `paper` costs: step times measured here, arithmetic counted, and both put together.

    cost of a run = epochs * windows * FLOP of a window (forward, times 3 for training) / FLOP per second

FLOP are counted by torch on tensors without values (matrix products, convolutions, attention), for every
data set, horizon and model of the profile. FLOP per second come from one training step of each model in its
published size on ETTh1, 720 -> 96, on this machine: one core, or with `--device cuda` one GPU in mixed precision.
Epochs are the protocol's for teachers, which seldom stop early, and the mean over the committed rows for students.
`python benchmarks/steps.py` takes a minute or two and writes results/benchmarks/steps.*; `docs/scaling.md` quotes it.
"""

import argparse
import time

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from tdlib import models, tables
from tdlib.compute import DEVICES, Compute
from tdlib.config import RunConfig
from tdlib.profiles import Profile
from tdlib.store import Store

CHANNELS = {"ETTh1": 7, "ETTh2": 7, "ETTm1": 7, "ETTm2": 7, "Weather": 21, "ECL": 321, "Solar": 137, "Traffic": 862}
ROWS = {"ETTh1": 8640, "ETTh2": 8640, "ETTm1": 34560, "ETTm2": 34560, "Weather": 36887, "ECL": 18412,
        "Solar": 36792, "Traffic": 12280}  # of the training segment  # fmt: skip


def build(config: RunConfig) -> torch.nn.Module:
    shape = {"lookback": config.lookback, "horizon": config.horizon, "channels": CHANNELS[config.dataset]}
    return models.build(config.model, **shape, **config.settings)


def flop(config: RunConfig) -> float:
    """Of one window's forward pass."""
    values = "cpu" if config.model == "timesnet" else "meta"  # TimesNet picks periods by their values
    with torch.device(values), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(config).eval()(torch.randn(1, config.lookback, CHANNELS[config.dataset]))
    return counter.get_total_flops()


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
    rows = [Store("results").read(id) for id in Store("results").ids()]
    return pd.Series([len(row["epochs"]) for row in rows if row["config"]["model"] == "mlp"]).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=DEVICES)
    compute = Compute(device=parser.parse_args().device)
    torch.set_num_threads(1)
    profile, epochs = Profile("paper"), student_epochs()
    measured = {}
    for name in models.names("teacher") + ["mlp", "nlinear", "dlinear"]:
        config = profile.config("ETTh1", 96, name)
        seconds = step_seconds(config, compute)
        measured[name] = {"ms a step": 1e3 * seconds, "GFLOP a step": 3 * config.batch_size * flop(config) / 1e9}
    measured = pd.DataFrame(measured).T
    measured["GFLOP/s"] = 1e3 * measured["GFLOP a step"] / measured["ms a step"]

    known: dict[tuple, float] = {}
    lines = []
    for run in profile.runs("main"):
        key = run.dataset, run.horizon, run.model
        if key not in known:
            known[key] = flop(run)
        windows = ROWS[run.dataset] - run.lookback - run.horizon + 1
        taken = epochs if models.role(run.model) == "student" else run.epochs
        cost = 3 * taken * windows * known[key]
        kind = "teacher" if run.model in profile.teachers else ("distilled student" if run.teacher else "plain student")
        if run.teacher:  # the projector reads the teacher's features
            width = build_width(run)
            student = run.settings["width"]
            cost += 3 * taken * windows * CHANNELS[run.dataset] * 2 * student * (width + student)
        lines.append({"dataset": run.dataset, "kind": kind, "model": run.model, "PFLOP": cost / 1e15,
                      "hours": cost / 1e9 / measured.loc[run.model, "GFLOP/s"] / 3600})  # fmt: skip
    runs = pd.DataFrame(lines)
    place = "results/benchmarks"
    print(tables.save(measured.rename_axis("model").reset_index(), "steps", place, digits=1).to_string(index=False))
    by_model = runs.groupby(["kind", "model"], sort=False).agg(
        runs=("hours", "size"), PFLOP=("PFLOP", "sum"), hours=("hours", "sum"), longest=("hours", "max")
    )
    print(tables.save(by_model.reset_index(), "paper_cost", place, digits=1).to_string(index=False))
    print(runs.groupby("dataset", sort=False)[["PFLOP", "hours"]].sum().round(0).to_string())
    print(f"{len(runs)} runs, {runs['PFLOP'].sum():,.0f} PFLOP, {runs['hours'].sum():,.0f} hours; "
          f"students take {epochs:.1f} epochs in the mean")  # fmt: skip


def build_width(run: RunConfig) -> int:
    """The feature width of a run's teacher."""
    with torch.device("meta"):
        return build(run.teacher_config).feature_width


if __name__ == "__main__":
    main()
