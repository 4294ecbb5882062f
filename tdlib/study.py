"""A study is a list of runs: `ensure` trains those whose rows are missing and reads the others.

    RunConfig --train--> row in the store;   a distilled student needs its teacher's run first

Runs are independent and idempotent, each with its own threads and seed, so that a sweep may be
killed and started again, or spread over processes, and ends with the same rows.
"""

import functools
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

import pandas as pd
import torch

from tdlib import data, models
from tdlib.checks import require
from tdlib.compute import Compute
from tdlib.config import RunConfig
from tdlib.files import check_place, remove_unfinished
from tdlib.forecast import forecast
from tdlib.run import build, prepare_teacher, train_once
from tdlib.store import Store
from tdlib.sweep import Job, SweepFailed, executors, sweep
from tdlib.windows import halved, split

__all__ = ["RunConfig", "SweepFailed", "ensure", "forecast"]


def ensure(
    configs: RunConfig | Iterable[RunConfig],
    *,
    store: str | Path | Store,
    executor: Executor | str | None = None,
    train_missing: bool = True,
    compute: Compute = Compute(),
    slurm: dict | None = None,
) -> pd.DataFrame:
    """The rows of `configs`, one or many, one line for each that is different, in their order.

    What is missing is trained first.

    Teachers that missing students need are trained with them. `executor` is "process" (a process a core, or
    a GPU), "dask:ADDRESS", "slurm" (`slurm` holds its options), or anything with `submit(fn, *args) -> Future`;
    by default "process" where several runs are missing, this process for a single one. With
    `train_missing=False` nothing is trained, and the rows that are not there are left out.
    Raises SweepFailed, after all other runs are done, if a run failed; ValueError, before anything is
    written, for an executor that is not there, and for a store where nothing can be written.
    """
    executors.check(executor, slurm)
    configs = _configs(configs)
    place = store.place if isinstance(store, Store) else Path(store)
    store = Store(place.absolute())  # workers may have another working directory
    rows = {config: store.read(config.id, config.to_dict()) for config in configs}
    missing = [config for config, row in rows.items() if row is None]
    if missing and train_missing:
        for folder in (store.place, store.place / "runs", store.place / "cache"):
            check_place(folder, folder=True)
        _check(missing)
        if executors.elsewhere(executor):
            _check_shared(missing)
        sweep(_jobs(missing, store, compute), executor, compute=compute, place=store.place, slurm=slurm)
        rows |= {config: store.read(config.id, config.to_dict()) for config in missing}
    if train_missing:  # also where all rows are there: who wrote the last one may have been killed before this line
        remove_unfinished(store.place, store.place / "runs", store.place / "cache")
    return pd.DataFrame([_line(config, row) for config, row in rows.items() if row is not None])


def _configs(given: RunConfig | Iterable[RunConfig]) -> list[RunConfig]:
    if isinstance(given, RunConfig):
        return [given]
    require(isinstance(given, Iterable), f"configs must be a RunConfig or several, got {given!r}")
    configs = list(given)
    for config in configs:
        require(isinstance(config, RunConfig), f"configs must be RunConfigs, got {config!r}")
    return configs


def _line(config: RunConfig, row: dict) -> dict:
    kept = {"id": row["id"], "parameters": row["parameters"], "seconds": row["seconds"]}
    kept["precision"] = row["provenance"].get("precision", "float32")  # the first rows do not say so
    return {**config.to_dict(), **row["metrics"], **kept, "epochs_run": len(row["epochs"])}


def _check(configs: list[RunConfig]) -> None:
    """ValueError, before anything is trained, for data too short or settings that do not fit together."""

    @functools.cache  # for this call only: a CSV may have changed by the next one
    def channels(dataset: str, lookback: int, horizon: int, halves: bool) -> int:
        series = data.load(dataset)
        splits = split(series, lookback, horizon)
        if halves:
            halved(splits, "first")
        return len(series.channels)

    for config in configs:
        halves = config.half != "both" or bool(config.half_configs)
        width = channels(config.dataset, config.lookback, config.horizon, halves)
        with torch.device("meta"):  # shapes without numbers
            student = build(config, width)
            for teacher in config.teacher_configs.values():
                build(teacher, width)
        config.check_channels(width)
        if config.teacher:
            config.check_length("feature", student.feature_width, "feature width")


def _check_shared(configs: list[RunConfig]) -> None:
    """ValueError for a file that workers with another working directory would not find."""
    for dataset in (config.dataset for config in configs):
        found = dataset in data.names() or Path(dataset).is_absolute()
        require(found, f"{dataset} is a relative path: workers elsewhere need an absolute one")


def _jobs(missing: list[RunConfig], store: Store, compute: Compute) -> list[Job]:
    """Teachers first: each is trained, and its outputs stored, before the students that learn from it."""
    teachers = dict.fromkeys(teacher for config in missing for teacher in config.needed)
    jobs = [Job(config.id, prepare_teacher, (config, store, compute), words=_words(config)) for config in teachers]
    for config in missing:
        if config not in teachers:
            after = tuple(teacher.id for teacher in config.needed)
            jobs.append(Job(config.id, train_once, (config, store, compute), after, _words(config)))
    return sorted(jobs, key=lambda job: models.role(job.arguments[0].model) == "student")


def _words(config: RunConfig) -> str:
    """A run that has no row yet: its id alone could not be looked up."""
    taught = f" from {config.teacher}" if config.teacher else ""
    return f"{config.model}{taught} on {config.dataset}, {config.horizon} steps, seed {config.seed}: {config.id}"
