"""The chosen model once more, from all rows: the latest are those that the honest run learned nothing from.

    the run's own choices (epochs, lambda, the committee's weights) --all rows--> weights, scaling

Nothing is chosen here, as there is no row left to choose on: the weights are those of the last epoch. The errors that
are reported stay those of the run.
Shapes: T rows, C channels.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tdlib import models
from tdlib.checks import require
from tdlib.compute import Compute
from tdlib.config import RunConfig
from tdlib.data import Series
from tdlib.run import build, describe, distillation, training
from tdlib.store import Store
from tdlib.teachers import SeveralTeachers, StoredTeacher, store_outputs
from tdlib.train import Objective, Supervised, fit
from tdlib.windows import Splits, whole

Rows = Callable[[RunConfig], dict]  # the row of a run


def train(
    config: RunConfig,
    store: Store,
    series: Series,
    compute: Compute = Compute(),
    ids: dict[RunConfig, str] | None = None,
) -> tuple[nn.Module, dict]:
    """The model of a run in `store`, trained on all rows of `series`, and what describes it (see `run.load_model`).

    A gradient model gets as many epochs as were best in its run, a closed form its lambda, and a committee is trained
    again, too, and keeps its weights. The same seeds give the same bits. `ids` name the rows of this run and of its
    teachers where they are not the configs' own.
    ValueError for a row that is not there, and where `series` holds no window.
    """
    splits = whole(series, config.lookback, config.horizon, compute.place)

    def row_of(run: RunConfig) -> dict:
        id = (ids or {}).get(run) or run.id
        row = store.read(id)
        require(row is not None, f"{store.place} has no run {id} any more: fit the forecaster again")
        return row

    with (
        compute.limit_threads(),
        torch.random.fork_rng(devices=compute.generators),
        tempfile.TemporaryDirectory() as folder,
    ):
        model = _train(config, row_of, splits, Path(folder), compute).cpu().eval()
    return model, describe(config, series, splits)


def _train(config: RunConfig, row_of: Rows, splits: Splits, folder: Path, compute: Compute) -> nn.Module:
    row = row_of(config)
    torch.manual_seed(config.seed)
    model = build(config, splits.train.channels).to(compute.place)
    if models.closed_form(config.model):
        chosen = {"penalties": (row["epochs"][0]["lambda"],)} if "lambda" in row["epochs"][0] else {}
        model.solve(splits, **chosen)
        return model
    objective = _objective(config, row_of, model, splits, folder, compute).to(compute.place)
    best = min(row["epochs"], key=lambda epoch: epoch["val_mse"])["epoch"]
    given = training(config) | {"epochs": best, "patience": best, "restore": False}
    fit(model, objective, splits, **given, compute=compute)
    return model


def _objective(
    config: RunConfig, row_of: Rows, model: nn.Module, splits: Splits, folder: Path, compute: Compute
) -> Objective:
    if not config.distilled:
        return Supervised()
    found, width = {}, 0
    for name, member in config.teacher_configs.items():
        with torch.random.fork_rng(devices=compute.generators):
            taught = _train(member, row_of, splits, folder, compute)
        store_outputs(taught, splits.train, folder / name)
        found[name], width = StoredTeacher(folder / name), taught.feature_width
    teacher = found[config.teacher]
    if config.co_teachers:
        teacher, width = SeveralTeachers(found, "mean"), 0
        weights = row_of(config)["committee"]["weightings"][config.weighting]["weights"]
        teacher.weights = torch.tensor(weights)
    return distillation(config, teacher, width, model)
