"""Chronos as a teacher, from a folder with a tiny model of its own classes. Skipped without the package."""

import json
import shutil

import numpy as np
import pytest
import small
import torch

from tdlib import data, models
from tdlib.config import RunConfig
from tdlib.models import chronos
from tdlib.run import train_run
from tdlib.store import Store

SHAPE = {"lookback": 50, "horizon": 20, "channels": 3}  # further than the tiny Bolt's 16 steps
installed = pytest.mark.usefixtures("package")
kinds = pytest.mark.parametrize("kind", ["bolt", "2"])


@pytest.fixture
def package():
    small.needs("chronos")


def with_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.fixture
def copy(package, tmp_path):
    """A folder with a model, to be changed."""
    return shutil.copytree(small.chronos_folder("bolt"), tmp_path / "model")


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words = r"^this needs chronos, which is not installed: pip install '\.\[chronos\]' in the repository$"
    with pytest.raises(ValueError, match=words):
        models.build("chronos", **SHAPE, source=str(tmp_path))


def test_a_folder_that_is_not_there_is_refused_before_the_package_is_asked_for(tmp_path):
    for source in (str(tmp_path / "gone"), "gone", "", "a/b/c"):
        words = "chronos: source must be a folder that is there, or OWNER/NAME on the hub, got "
        with pytest.raises(ValueError) as caught:
            models.build("chronos", **SHAPE, source=source)
        assert str(caught.value) == words + repr(source)


@installed
@kinds
def test_it_forecasts_the_median_of_its_own_pipeline_for_every_channel(kind):
    from chronos import BaseChronosPipeline

    folder, x = small.chronos_folder(kind), small.series(2, 50, 3)
    made = models.build("chronos", **SHAPE, source=str(folder))(x)
    pipeline = BaseChronosPipeline.from_pretrained(folder)
    for window in range(2):
        for channel in range(3):
            context = x[window, :, channel]
            if kind == "2":  # a longer horizon changes all of its steps
                median = pipeline.predict(context[None, None], prediction_length=20)[0][0, 4, :16]
            else:
                median = pipeline.predict(context, prediction_length=16)[0, 4]
            torch.testing.assert_close(made.prediction[window, :16, channel], median, rtol=1e-4, atol=1e-4)
    assert made.prediction.shape == (2, 20, 3)
    assert models.build("chronos", **SHAPE, source=str(folder)).size == sum(
        weight.numel() for weight in pipeline.inner_model.parameters()
    )


@installed
@kinds
def test_building_and_running_it_leaves_torchs_generator_alone(kind):
    chronos._pipeline.cache_clear()
    folder = small.chronos_folder(kind)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    models.build("chronos", **SHAPE, source=str(folder))(torch.zeros(1, 50, 3))
    assert torch.equal(torch.rand(3), expected)


@installed
def test_it_is_a_run_like_any_other_and_other_weights_are_another_run(copy, tmp_path):
    np.savetxt(
        tmp_path / "own.csv", data.synthetic(rows=130, channels=2).values, delimiter=",", header="a,b", comments=""
    )
    shape = {"dataset": str(tmp_path / "own.csv"), "lookback": 48, "horizon": 8}
    config = RunConfig(**shape, model="chronos", settings={"source": str(copy)})
    student = RunConfig(
        **shape, model="mlp", teacher="chronos", teacher_options={"settings": config.settings}, epochs=1, beta=0.0
    )
    ids, store = (config.id, student.id), Store(tmp_path / "store")
    train_run(student, store)
    row = store.read(config.id)
    assert row["provenance"]["weights"] == chronos._checksum(copy)
    assert row["parameters"] > 1000
    assert store.read(student.id)["metrics"]["test_mse"] > 0
    changed = copy / "model.safetensors"
    blob = bytearray(changed.read_bytes())
    blob[-1] ^= 1
    changed.write_bytes(blob)
    again = RunConfig.from_dict(config.to_dict()), RunConfig.from_dict(student.to_dict())
    assert all(new.id != old for new, old in zip(again, ids, strict=True))


@installed
def test_it_is_refused_where_its_context_is_longer_than_it_can_take():
    source = str(small.chronos_folder("bolt"))
    with torch.device("meta"):
        models.build("chronos", lookback=1024, horizon=8, channels=1, source=source)
        with pytest.raises(ValueError, match=r"^chronos: the look-back must be at most 1024, its longest context, got"):
            models.build("chronos", lookback=1025, horizon=8, channels=1, source=source)


@installed
def test_a_folder_that_holds_no_such_model_is_refused(copy):
    def refusal() -> str:
        with pytest.raises(ValueError) as caught:
            models.build("chronos", **SHAPE, source=str(copy))
        return str(caught.value)

    with_config(copy, chronos_pipeline_class="ChronosPipeline")
    assert refusal() == f"chronos: {copy} draws samples; only Chronos-Bolt and Chronos-2 forecast the same again"
    (copy / "config.json").write_text("{}")
    assert refusal() == f"chronos: {copy} holds no Chronos model"
    (copy / "config.json").write_text("{")
    assert refusal() == f"chronos: {copy} has no config.json that can be read"
    (copy / "config.json").unlink()
    assert refusal() == f"chronos: {copy} has no config.json that can be read"


@installed
def test_what_the_hub_does_not_give_is_one_sentence(monkeypatch):
    def failed(*_, **__):
        raise OSError("no route to the hub\nand a long story")

    monkeypatch.setattr("huggingface_hub.snapshot_download", failed)
    words = "chronos: owner/name is no folder here, and cannot be read from the hub: no route to the hub"
    with pytest.raises(ValueError) as caught:
        models.build("chronos", **SHAPE, source="owner/name")
    assert str(caught.value) == words
