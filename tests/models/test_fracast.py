"""Fracast as a teacher: what its own package forecasts, its row, and what is refused. Skipped without the package."""

import functools

import numpy as np
import outside
import pytest
import small
import torch

from tdlib import data, models, study
from tdlib.config import RunConfig
from tdlib.models import fracast
from tdlib.run import load_model, prepare_teacher
from tdlib.store import Store

installed = pytest.mark.usefixtures("package")
SERIES = {"lookback": 48, "horizon": 8}


@pytest.fixture
def package():
    small.needs("fracast")


def own(tmp_path) -> RunConfig:
    """A series so short that its windows take seconds."""
    path = tmp_path / "own.csv"
    np.savetxt(path, data.synthetic(rows=130, channels=2).values, delimiter=",", header="a,b", comments="")
    return RunConfig(str(path), **SERIES, model="fracast")


def test_without_the_package_one_sentence_says_what_to_install_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words = r"^this needs fracast, which is not installed: pip install '\.\[fracast\]' in the repository$"
    with pytest.raises(ValueError, match=words):
        models.build("fracast", **SERIES, channels=1)
    student = RunConfig("synthetic", **SERIES, model="mlp", teacher="fracast", epochs=1)
    with pytest.raises(ValueError, match=words):
        study.ensure([student, RunConfig("synthetic", **SERIES, model="ridge")], store=tmp_path / "store")
    assert not (tmp_path / "store/runs").exists()


@installed
@pytest.mark.parametrize(("lookback", "horizon"), [(48, 8), (9, 50), (3, 2)])
def test_it_forecasts_the_median_of_its_package_for_every_channel(lookback, horizon):
    from fracast import FracastModel

    x = small.series(2, lookback, 3)
    made = models.build("fracast", lookback=lookback, horizon=horizon, channels=3)(x).prediction
    package = FracastModel.from_pretrained(weights="fp32")
    contexts = x.mT.flatten(0, 1).numpy()
    if lookback < 8:  # the package takes no shorter one: the first value stands in for those before it
        contexts = np.concatenate([np.repeat(contexts[:, :1], 8 - lookback, axis=1), contexts], axis=1)
    median = package.forecast_batch(contexts, horizon=horizon)[..., 4]
    np.testing.assert_allclose(made.mT.flatten(0, 1).numpy(), median, rtol=1e-5, atol=1e-5)


@installed
def test_building_and_running_it_leaves_torchs_generator_alone():
    fracast._network.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    models.build("fracast", **SERIES, channels=1)(torch.zeros(1, 48, 1))
    assert torch.equal(torch.rand(3), expected)


@installed
def test_its_row_names_its_weights_and_every_window_is_forecast_once(tmp_path, monkeypatch):
    asked = []
    forecast = fracast.Fracast.forecast

    @functools.wraps(forecast)
    def counted(self, contexts):
        asked.append(len(contexts))
        return forecast(self, contexts)

    monkeypatch.setattr(fracast.Fracast, "forecast", counted)
    config, store = own(tmp_path), Store(tmp_path / "store")
    settings = {"width": 8}
    members = {"teacher": "ridge", "co_teachers": {"fracast": {}}, "beta": 0.0, "weighting": "held out"}
    students = [
        RunConfig(config.dataset, **SERIES, model="mlp", settings=settings, epochs=1, **taught)
        for taught in ({"teacher": "fracast"}, members)
    ]
    study.ensure([config, *students], store=store, executor=outside.Inline())
    series = data.load(config.dataset)
    parts = [len(series.values[:91]), 13 + 48, 26 + 48]  # rows of the segments, and the look-back of the later two
    assert sum(asked) == 2 * sum(rows - 48 - 8 + 1 for rows in parts)
    row = store.read(config.id, config.to_dict())
    assert row["parameters"] == 85_001
    assert row["provenance"]["weights"] == fracast.RELEASES["0.1.0"]
    assert set(store.read(students[1].id)["committee"]["members"]) == {"ridge", "fracast"}
    model, _ = load_model(config.id, store)
    assert model.state_dict() == {}
    prepare_teacher(config, store)
    assert sum(asked) == 2 * sum(rows - 48 - 8 + 1 for rows in parts)


@installed
def test_it_is_refused_where_its_context_is_longer_than_it_can_take():
    with torch.device("meta"):
        models.build("fracast", lookback=2048, horizon=8, channels=1)
        with pytest.raises(ValueError, match=r"^fracast: the look-back must be at most 2048, its longest context, got"):
            models.build("fracast", lookback=2049, horizon=8, channels=1)


@installed
def test_other_weights_than_a_releases_are_refused(monkeypatch):
    monkeypatch.setattr(fracast, "_checksum", lambda: "0" * 64)
    words = r"^the weights of the fracast installed here are not 0\.1\.0's: pip install fracast==0\.1\.0$"
    with pytest.raises(ValueError, match=words):
        models.build("fracast", **SERIES, channels=1)


@installed
def test_how_many_weights_it_has_is_what_is_written():
    network = fracast._network("cpu")
    weights = [*network.core.parameters(), *network.head.parameters()]
    assert sum(weight.numel() for weight in weights) == fracast.Fracast.size
