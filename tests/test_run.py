"""A model in closed form is a run like any other: its row, its weights, its forecasts, and it can teach."""

import inspect
import subprocess

import numpy as np
import outside
import pandas as pd
import pytest
import small
import torch

from tdlib import data, models, run, study
from tdlib.config import RunConfig
from tdlib.distill import Distillation
from tdlib.run import load_model
from tdlib.store import Store
from tdlib.teachers import StoredTeacher
from tdlib.train import fit, window_errors
from tdlib.windows import split

CLOSED = [name for name in small.TRAINED if models.closed_form(name)]
SHAPE = {"dataset": "synthetic", "lookback": 50, "horizon": 16}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A store with each of CLOSED and a student of ridge."""
    store = Store(tmp_path_factory.mktemp("closed"))
    student = RunConfig(**SHAPE, model="mlp", teacher="ridge", epochs=1, settings={"width": 16})
    study.ensure(
        [*(RunConfig(**SHAPE, model=name) for name in CLOSED), student], store=store, executor=outside.Inline()
    )
    return store


def test_every_field_of_a_training_and_of_a_loss_reaches_them(monkeypatch):
    def options(of) -> set[str]:
        return {name for name, each in inspect.signature(of).parameters.items() if each.kind is each.KEYWORD_ONLY}

    patience = {"weight_decay": 0.5, "mixup": 0.4, "weight_average": 0.9, "rate_hold": 1, "rate_decay": 0.8}
    config = RunConfig(**SHAPE, model="mlp", teacher="ridge", settings={"width": 16}, **patience)
    assert run.training(config) == {name: getattr(config, name) for name in options(fit) - {"restore", "compute"}}
    fields, model = options(Distillation) - {"smooth"}, run.build(config, 4)
    monkeypatch.setattr(run, "Distillation", lambda *_, **given: given)
    found = run.distillation(config, None, 0, model)
    assert found == {name: getattr(config, name) for name in fields} | {"smooth": 1}
    for patterns, steps in (("truth", 1), ("truth over 5 steps", 5), ("smooth truth", 25)):
        assert run.distillation(RunConfig(**SHAPE, model="mlp", patterns=patterns), None, 0, model)["smooth"] == steps


@pytest.mark.parametrize("name", CLOSED)
def test_a_fit_in_closed_form_is_a_row_of_one_epoch(name, store):
    config = RunConfig(**SHAPE, model=name)
    row, splits = store.read(config.id, config.to_dict()), split(data.synthetic(), 50, 16)
    model, _ = load_model(config.id, store)
    (epoch,) = row["epochs"]
    errors = [window_errors(model, part).mean().item() for part in splits[:3]]
    found = [epoch["supervised"], epoch["val_mse"], row["metrics"]["test_mse"]]
    assert found == pytest.approx(errors, rel=1e-6)
    assert row["metrics"]["val_mse"] == epoch["val_mse"]
    assert epoch["epoch"] == 1
    assert set(epoch) == {"epoch", "supervised", "val_mse", *(["lambda"] if "ridge" in name else [])}
    assert row["parameters"] == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("name", CLOSED)
def test_a_fit_in_closed_form_forecasts_in_own_units(name, store):
    series = data.synthetic()
    made = study.forecast(RunConfig(**SHAPE, model=name).id, store, series.values)
    assert made.shape == (16, 4)
    if name == "seasonal_naive":
        np.testing.assert_allclose(made, series.values[-24:][:16], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CLOSED)
def test_a_fit_in_closed_form_has_the_same_bits_again(name, store, tmp_path):
    config = RunConfig(**SHAPE, model=name, seed=5)
    torch.manual_seed(5)
    study.ensure(config, store=tmp_path)
    one, other = (load_model(config.id, place)[0].state_dict() for place in (store, Store(tmp_path)))
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_ridge_teaches_by_its_stored_outputs(store):
    teacher = RunConfig(**SHAPE, model="ridge")
    stored, (model, _) = StoredTeacher(store.outputs(teacher.id)), load_model(teacher.id, store)
    index = torch.arange(5)
    with torch.no_grad():
        expected = model(split(data.synthetic(), 50, 16).train.batch(index)[0])
    for part, exact in zip(stored.batch(index), expected, strict=True):
        torch.testing.assert_close(part, exact.half().float())


def test_a_row_is_of_the_rows_that_were_learned_from_whatever_becomes_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "own.csv"
    pd.DataFrame(data.synthetic(rows=200, channels=1).values, columns=["a"]).to_csv(path, index=False)
    config = RunConfig(str(path), 24, 8, "naive")
    before = config.id
    evaluate = run.evaluate

    def edited(*arguments):
        path.write_text(path.read_text() + "0.5\n")  # while it is trained
        return evaluate(*arguments)

    monkeypatch.setattr(run, "evaluate", edited)
    run.train_run(config, Store(tmp_path / "store"))
    assert Store(tmp_path / "store").ids() == [before]
    assert config.id != before


def test_the_revision_is_that_of_these_files_and_not_of_a_repository_around_them(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a"]
    (tmp_path / ".gitignore").write_text(".venv\n")
    (tmp_path / ".venv").mkdir()
    for place in (tmp_path, tmp_path / ".venv"):
        (place / "run.py").touch()
    for command in (["init"], ["add", "."], ["commit", "-m", "own"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    expected = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    found = {}
    for place in ("run.py", ".venv/run.py", "nowhere/run.py"):
        monkeypatch.setattr(run, "__file__", str(tmp_path / place))
        found[place] = run.provenance.__wrapped__()["git"]
    assert found == {"run.py": expected, ".venv/run.py": None, "nowhere/run.py": None}
