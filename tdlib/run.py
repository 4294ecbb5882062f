"""One run: train it, load it again.

    RunConfig --> windows, model, objective --fit--> weights and row in the store

A distilled student needs its teacher's run first, and trains it where it is not there.
"""

import contextlib
import functools
import platform
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tdlib import calendar, committee, data, models
from tdlib.checks import require
from tdlib.compute import Compute
from tdlib.config import PATIENCE, SMOOTH, RunConfig
from tdlib.distill import Distillation, of_features
from tdlib.evaluate import evaluate
from tdlib.models.pretrained import Foundation
from tdlib.schema import agree, check_fit
from tdlib.store import Store
from tdlib.teachers import LiveTeacher, SeveralTeachers, StoredTeacher, output_shapes, outputs_size, store_outputs
from tdlib.train import Objective, Supervised, fit, window_errors
from tdlib.windows import Splits, halved, split

OUTPUTS_BUDGET = 20e9  # bytes that one teacher's stored outputs may take; above it the teacher runs live

_ALONE = threading.RLock()  # torch has one generator and one thread count in a process: one run at a time


def train_once(config: RunConfig, store: Store, compute: Compute = Compute()) -> None:
    """Train a run whose row or weights are not there: an engine, or a second sweep, may give one job to two workers."""
    with _ALONE:
        _member(config, store, compute)


def prepare_teacher(config: RunConfig, store: Store, compute: Compute = Compute()) -> None:
    """Train a teacher where its row or its weights are missing, and store its outputs.

    One that was trained on a half of the rows is asked for its errors alone: no outputs.
    """
    with _ALONE, compute.limit_threads():
        if config.half != "both":
            _member(config, store, compute)
        else:
            splits = split(data.load(config.dataset), config.lookback, config.horizon, compute.place)
            _teacher(config, splits, store, compute)


def train_run(config: RunConfig, store: Store, compute: Compute = Compute()) -> None:
    """Train one run and write its weights and its row; on a CPU the same config and `compute` give the same bits."""
    config = RunConfig.from_dict(config.to_dict())  # as its id has it, though someone changed its settings in place
    series = data.load(config.dataset)
    id = config.id_of(series.sha256)  # of what is learned from, whatever becomes of a CSV meanwhile
    splits = split(series, config.lookback, config.horizon, compute.place)
    if config.half != "both":
        splits, _ = halved(splits, config.half)
    with _ALONE, compute.limit_threads(), torch.random.fork_rng(devices=compute.generators):
        torch.manual_seed(config.seed)
        model = build(config, len(series.channels), store).to(compute.place)
        objective = _objective(config, model, splits, store, compute).to(compute.place)
        started = time.perf_counter()
        if models.closed_form(config.model):
            history = _solve(model, splits)
        else:
            history = fit(model, objective, splits, **training(config), compute=compute)
        seconds = time.perf_counter() - started
        result = evaluate(model, splits.test)
        several, arrays = {}, result.arrays
        if config.co_teachers:
            members = _members(config.teacher_configs.values(), store, compute)
            test = committee.error_moments(members, splits.test)
            several = {"committee": _committee(config, objective.teacher.moments, len(splits.val), test)}
            if how := several["committee"]["weightings"].get(config.weighting):  # an adaptive one has no fixed weights
                own = committee.errors(test, np.array(how["weights"]))
                arrays = arrays | {"committee_errors": own.astype(arrays["errors"].dtype)}
        model.cpu()
    shutil.rmtree(store.outputs(id), ignore_errors=True)  # they belong to earlier weights, and are not to outlive these
    store.write_weights(id, model.state_dict(), describe(config, series, splits))
    pretrained = isinstance(model, Foundation)
    row = {
        "id": id,
        "config": config.to_dict(),
        "metrics": {
            "val_mse": min(epoch["val_mse"] for epoch in history),
            **{f"test_{name}": value for name, value in vars(result).items() if name != "arrays"},
        },
        "epochs": history,
        "parameters": model.size if pretrained else sum(weight.numel() for weight in model.parameters()),
        "seconds": round(seconds, 1),
        "provenance": provenance() | compute.describe() | ({"weights": model.fingerprint} if pretrained else {}),
    } | several
    store.write(row, arrays)


def describe(config: RunConfig, series: data.Series, splits: Splits) -> dict:
    """What is kept with weights: see `load_model`."""
    scaling = {name: getattr(splits, name).tolist() for name in ("mean", "deviation", "constant")}
    step = calendar.length(calendar.frequency(series.index))
    return {"config": config.to_dict(), "channels": list(series.channels), "step": step, **scaling}


def _solve(model: nn.Module, splits: Splits) -> list[dict[str, float]]:
    """What `fit` does, in closed form: the log has one epoch."""
    kept = model.solve(splits)
    train, val = (window_errors(model, part).mean(dtype=torch.float64).item() for part in (splits.train, splits.val))
    return [{"epoch": 1, "supervised": train, **kept, "val_mse": val}]


def build(config: RunConfig, channels: int, store: Store | None = None) -> nn.Module:
    """The model of a run, untrained; a foundation model keeps its forecasts in the `store`."""
    shape = {"lookback": config.lookback, "horizon": config.horizon, "channels": channels}
    model = models.build(config.model, **shape, **config.settings)
    if store is not None and isinstance(model, Foundation):
        model.keep(store.forecasts)
    return model


def _objective(config: RunConfig, model: nn.Module, splits: Splits, store: Store, compute: Compute) -> Objective:
    if not config.distilled:
        return Supervised()
    found = {name: _teacher(teacher, splits, store, compute) for name, teacher in config.teacher_configs.items()}
    teacher, width = found.get(config.teacher, (None, 0))
    if config.co_teachers:
        sources = {name: source for name, (source, _) in found.items()}
        teacher = SeveralTeachers(sources, config.weighting, _unseen_moments(config, splits, store, compute))
    return distillation(config, teacher, width, model)


def training(config: RunConfig) -> dict:
    """What `train.fit` takes of a run's config."""
    names = ("learning_rate", "batch_size", "epochs", "patience", "weight_decay", *PATIENCE)
    return {name: getattr(config, name) for name in names}


def distillation(
    config: RunConfig, teacher: StoredTeacher | LiveTeacher | SeveralTeachers | None, width: int, model: nn.Module
) -> Distillation:
    """The objective of a distilled run; `width` is that of the teacher's features, which it forgets if none asks."""
    if not of_features(config.weights):
        for source in getattr(teacher, "teachers", {"": teacher}).values():  # the members of a committee
            if isinstance(source, StoredTeacher):
                source.forget_features()
    names = ("alpha", "beta", "terms", "scales", "downsample", "temperature", "reduction", "foresight", "tilt")
    given = {name: getattr(config, name) for name in names} | {"smooth": SMOOTH[config.patterns]}
    return Distillation(teacher, width, model.feature_width, **given)


def _members(configs: Iterable[RunConfig], store: Store, compute: Compute) -> list[nn.Module]:
    return [_member(config, store, compute) for config in configs]


def _unseen_moments(config: RunConfig, splits: Splits, store: Store, compute: Compute) -> np.ndarray:
    """E [N, K, K] of all windows that a committee is weighed on, in the order of time; those of validation are last."""
    moments = [committee.error_moments(_members(config.teacher_configs.values(), store, compute), splits.val)]
    for half, runs in config.half_configs.items():  # who saw the second half comes to stand first, with the first one
        _, unseen = halved(splits, half)
        moments.insert(0, committee.error_moments(_members(runs, store, compute), unseen))
    return np.concatenate(moments)


def _committee(config: RunConfig, unseen: np.ndarray, last: int, test: np.ndarray) -> dict:
    """What a row keeps of several teachers: who they are, and what each weighting makes of their errors [N, K, K].

    Weights are fitted to `unseen`; its `last` windows are those of validation.
    """
    weightings, val = {}, unseen[-last:]
    for how in committee.SCORED:
        weights = committee.weigh(how, unseen)
        weightings[how] = {
            "weights": weights.tolist(),
            "val_mse": float(committee.errors(val, weights).mean()),
            "held_out_mse": committee.held_out(how, unseen),
            "test_mse": float(committee.errors(test, weights).mean()),
        }
    ids = {name: teacher.id for name, teacher in config.teacher_configs.items()}
    halves = {"halves_mse": np.diag(unseen[:-last].mean(0)).tolist()} if config.half_configs else {}
    return {"members": ids, "val_mse": np.diag(val.mean(0)).tolist(), "weightings": weightings} | halves


def _teacher(
    config: RunConfig, splits: Splits, store: Store, compute: Compute
) -> tuple[StoredTeacher | LiveTeacher, int]:
    """The teacher's outputs over the training windows, and its feature width.

    Of several processes that need them one trains the teacher and stores its outputs; the others wait.
    """
    folder = store.outputs(config.id)
    with store.lock(config.id):
        model = _present(config, store, compute)
        with contextlib.suppress(OSError, ValueError, EOFError):  # not there, or not whole
            return StoredTeacher(folder, output_shapes(model, splits.train)), model.feature_width
        if outputs_size(model, splits.train) > OUTPUTS_BUDGET:
            return LiveTeacher(model, splits.train), model.feature_width
        store_outputs(model, splits.train, folder)
        return StoredTeacher(folder), model.feature_width


def _member(config: RunConfig, store: Store, compute: Compute) -> nn.Module:
    with store.lock(config.id):
        return _present(config, store, compute)


def _present(config: RunConfig, store: Store, compute: Compute) -> nn.Module:
    """The trained model of a run whose lock is held: trained now where its row or its weights are missing."""
    if store.read(config.id, config.to_dict()) is None or (found := load_model(config.id, store)) is None:
        train_run(config, store, compute)
        found = load_model(config.id, store)
    return found[0].to(compute.place)


def load_model(id: str, store: Store) -> tuple[nn.Module, dict] | None:
    """The trained model of a run, in evaluation mode, and what describes it; None where its weights are not there.

    The description holds `config`, `channels` and which are `constant`, the `step` of the time stamps in words, and the
    scaling `mean` and `deviation` [C].
    """
    found = store.read_weights(id)
    if found is None:
        return None
    tensors, about = found
    with store.missing_if_damaged(store.weights(id)), torch.random.fork_rng(devices=[]):
        row = store.read(id)
        require(not row or agree(row["config"], about["config"]), "they are those of another config")
        try:
            config, channels = RunConfig.from_dict(about["config"]), len(about["channels"])
            with torch.device("meta"):  # shapes without numbers: what a damaged config asks for takes no memory
                outline = build(config, channels)
        except ValueError:
            raise
        except Exception:  # what a config that no run can have meets depends on the model
            raise ValueError("no model can be built from their config") from None
        check_fit(tensors, outline)
        model = build(config, channels, store)
        model.load_state_dict(tensors)
        return model.eval(), about
    return None


def trained(id: str, store: Store) -> tuple[nn.Module, dict]:
    """What `load_model` returns; ValueError for what is no id, and where there are no weights."""
    found = load_model(id, store)
    if found is None:
        raise ValueError(f"{store.place} has no weights of a run {id!r}; `python -m tdlib distill` trains one")
    return found


@functools.cache
def provenance() -> dict:
    """What a row's figures may depend on beside its config."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "git": _revision(),
    }


def _revision() -> str | None:
    """What git calls these files; None where it has none of them: installed, they may lie in another's repository."""
    path, how = Path(__file__), {"capture_output": True, "text": True, "check": True}
    with contextlib.suppress(OSError, subprocess.CalledProcessError):  # git need not be there
        subprocess.run(["git", "ls-files", "--error-unmatch", path.name], cwd=path.parent, **how)
        return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=path.parent, **how).stdout.strip()
    return None
