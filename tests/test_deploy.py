"""The fused student and the ONNX file forecast what the model forecasts; what cannot be exported is refused."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from small import TRAINED, settings
from test_cli import refused
from torch.utils._python_dispatch import TorchDispatchMode

from tdlib import __main__ as cli
from tdlib import data, models, study
from tdlib.deploy import fused
from tdlib.deploy import onnx as deploy
from tdlib.models.pretrained import Pretrained
from tdlib.run import train_run
from tdlib.store import Store
from tdlib.train import Supervised, fit, window_errors
from tdlib.windows import split

NOT_IN_ONNX = ("fits", "timesnet", "autoformer")  # complex numbers, and shapes that depend on the data


def trained_mlp(lookback: int = 37, channels: int = 3, **given):
    """An MLP after one epoch, and the splits it has learned from."""
    torch.manual_seed(0)
    splits = split(data.synthetic(rows=400, channels=channels), lookback, 8)
    model = models.build("mlp", lookback=lookback, horizon=8, channels=channels, **{"width": 16} | given)
    fit(model, Supervised(), splits, learning_rate=1e-2, batch_size=32, epochs=1, patience=1)
    return model.eval(), splits


def description(model: str, lookback: int, horizon: int, channels: int) -> dict:
    """What the store keeps with weights; the channels' units differ by orders of magnitude."""
    mean, deviation = [1000.0, -2.0, 0.0][:channels], [7.0, 0.01, 300.0][:channels]
    config = {"model": model, "lookback": lookback, "horizon": horizon}
    return {"config": config, "channels": list("abc")[:channels], "mean": mean, "deviation": deviation}


@pytest.mark.parametrize("norm", ["none", "mean", "revin"])
@pytest.mark.parametrize(("lookback", "channels", "average"), [(37, 3, 25), (96, 1, 25), (50, 2, 4), (7, 2, 25)])
@torch.no_grad()
def test_the_fused_mlp_forecasts_the_same(norm, lookback, channels, average):
    with torch.enable_grad():
        model, splits = trained_mlp(lookback, channels, norm=norm, average=average)
    assert (model.seasonal_norm.running_mean != 0).all()
    assert (model.trend_norm.running_var != 1).all()
    x, _ = splits.test.batch(torch.arange(len(splits.test)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for scale in (1, -1, 0):  # of either sign, and a channel that is switched off
        model.scale[0] *= scale
        torch.testing.assert_close(fused.fuse(model)(x), model(x).prediction, atol=1e-5, rtol=0)
        model.load_state_dict(before)


@torch.no_grad()
def test_a_level_far_from_0_is_carried_through_the_relu():
    with torch.enable_grad():
        model, splits = trained_mlp()
    x, _ = splits.test.batch(torch.arange(3))
    for level in (-50, 50):
        torch.testing.assert_close(fused.fuse(model)(x + level), model(x + level).prediction, atol=1e-4, rtol=0)


class Products(TorchDispatchMode):
    """Counts the matrix products."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.count += function.overloadpacket.__name__ in ("mm", "addmm", "bmm", "baddbmm")
        return function(*arguments, **keywords or {})


def test_the_fused_mlp_is_two_matrix_products():
    model = models.build("mlp", lookback=40, horizon=8, channels=3).eval()
    for form, count in ((model, 4), (fused.fuse(model), 2)):
        with Products() as products, torch.no_grad():
            form(torch.zeros(5, 40, 3))
        assert products.count == count


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [("mlp", {"layers": 2}, "several layers"), ("dlinear", {}, "only an mlp can be fused, got DLinear")],
)
def test_what_is_more_or_less_than_two_products_is_not_fused(name, given, words):
    model = models.build(name, lookback=40, horizon=8, channels=3, **given)
    with pytest.raises(ValueError, match=words):
        fused.fuse(model)


def shallow(name: str) -> dict:
    """One layer: the exporter takes seconds for each."""
    return settings(name) | ({"layers": 1} if "layers" in models.settings(name) else {})


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in NOT_IN_ONNX])
@torch.no_grad()
def test_the_file_forecasts_in_own_units_what_the_model_does(name, tmp_path):
    torch.manual_seed(0)
    about, path = description(name, 48, 16, 3), tmp_path / "model.onnx"
    model = models.build(name, lookback=48, horizon=16, channels=3, **shallow(name)).eval()
    assert deploy.to_onnx(model, about, path, run="some-run") < 5e-5
    assert list(tmp_path.iterdir()) == [path]
    mean, deviation = (torch.tensor(about[name], dtype=torch.float64) for name in ("mean", "deviation"))
    for batch in (1, 7):
        z = torch.randn(batch, 48, 3)
        (prediction,) = deploy.session(path).run(["prediction"], {"x": (z * deviation + mean).numpy()})
        found = (torch.from_numpy(prediction) - mean) / deviation
        torch.testing.assert_close(found.float(), model(z).prediction, atol=1e-4, rtol=0)
    metadata = deploy.session(path).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["channels"]) == ["a", "b", "c"]
    assert (metadata["lookback"], metadata["horizon"], metadata["run"]) == ("48", "16", "some-run")


@pytest.mark.parametrize("name", NOT_IN_ONNX)
def test_a_model_that_onnx_cannot_hold_is_refused_by_name(name, tmp_path, capfd):
    model = models.build(name, lookback=48, horizon=16, channels=3, **shallow(name)).eval()
    with pytest.raises(ValueError, match=f"^{name} cannot be exported"):
        deploy.to_onnx(model, description(name, 48, 16, 3), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_what_another_package_forecasts_is_refused(tmp_path):
    teacher = Pretrained(lambda contexts: contexts[:, -16:], horizon=16)
    words = "^fracast cannot be exported: its own package runs it, but a student of it can$"
    with pytest.raises(ValueError, match=words):
        deploy.to_onnx(teacher, description("fracast", 48, 16, 3), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_fails_its_check_is_not_written(tmp_path, monkeypatch):
    model, other = (models.build("mlp", lookback=48, horizon=16, channels=3) for _ in range(2))
    wrong, path = fused.fuse(other), tmp_path / "model.onnx"
    path.write_text("earlier")
    monkeypatch.setattr(deploy, "smallest", lambda model: wrong)
    with pytest.raises(ValueError, match=r"differ from torch's by .* scaled units; nothing was written"):
        deploy.to_onnx(model, description("mlp", 48, 16, 3), path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["earlier"]


def test_a_file_whose_forecasts_are_large_is_as_exact_in_proportion(tmp_path):
    model = models.build("mlp", lookback=48, horizon=16, channels=3)
    model.seasonal_norm.running_var.fill_(1e-6)  # of a series whose detail is next to nothing beside its trend
    assert 1e-5 < deploy.to_onnx(model, description("mlp", 48, 16, 3), tmp_path / "model.onnx") < 1e-2


def test_int8_is_a_fourth_of_the_size_and_nearly_as_exact(tmp_path):
    model, splits = trained_mlp(lookback=96, width=256)
    about = {**description("mlp", 96, 8, 3), "mean": splits.mean.tolist(), "deviation": splits.deviation.tolist()}
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    assert deploy.to_onnx(model, about, full) <= 2e-5
    assert 1e-4 < deploy.to_onnx(model, about, small, int8=True) < 0.15  # signed weights saturate: 0.52 without VNNI
    assert small.stat().st_size < 0.4 * full.stat().st_size
    mse = window_errors(model, splits.test).mean(dtype=torch.float64).item()
    assert deploy.mse(full, about, splits.test, batch_size=100) == pytest.approx(mse, rel=1e-5)
    assert deploy.mse(small, about, splits.test) == pytest.approx(mse, rel=0.05)


def test_int8_makes_a_ridge_small_and_the_whole_file_stays_exact(tmp_path):
    torch.manual_seed(0)
    model = models.build("ridge", lookback=192, horizon=96, channels=3)
    about, full, small = description("ridge", 192, 96, 3), tmp_path / "full.onnx", tmp_path / "small.onnx"
    assert deploy.to_onnx(model, about, full) < 2e-6
    assert 1e-4 < deploy.to_onnx(model, about, small, int8=True) < 0.1
    assert full.stat().st_size < 1.5 * 4 * 192 * 96  # one map, not one a channel
    assert small.stat().st_size < 0.5 * full.stat().st_size


def test_int8_leaves_a_stack_of_matrices_as_it_is(tmp_path):
    torch.manual_seed(0)
    model = models.build("micn", lookback=48, horizon=16, channels=3, **shallow("micn"))
    assert deploy.to_onnx(model, description("micn", 48, 16, 3), tmp_path / "model.onnx", int8=True) < 0.3


@pytest.mark.parametrize(("name", "given"), [("naive", {}), ("ridge", {"per_channel": True})])
def test_int8_is_refused_where_it_would_change_nothing(name, given, tmp_path):
    model = models.build(name, lookback=48, horizon=16, channels=3, **given)
    with pytest.raises(ValueError, match=f"^{name} has no weights that would become 8-bit integers"):
        deploy.to_onnx(model, description(name, 48, 16, 3), tmp_path / "model.onnx", int8=True)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def run(tmp_path):
    """A run trained on a CSV: (its id, the options that name its store)."""
    series = data.synthetic(rows=600, channels=2)
    pd.DataFrame(series.values * 20 + 100, columns=["load", "wind"]).to_csv(tmp_path / "own.csv", index=False)
    config = study.RunConfig(str(tmp_path / "own.csv"), 48, 16, "mlp", epochs=1, settings={"width": 16})
    train_run(config, Store(tmp_path / "store"))
    return config.id, ("--store", tmp_path / "store")


def test_export_writes_a_forecaster(run, tmp_path, capsys):
    id, store = run
    path = tmp_path / "model.onnx"
    assert cli.main(["export", id, "--onnx", str(path), *map(str, store)]) == 0
    assert (
        f"model.onnx: {path.stat().st_size:,} bytes; its forecasts differ from torch's by at most "
        in capsys.readouterr().out
    )
    values = data.read_csv(tmp_path / "own.csv").values
    (prediction,) = deploy.session(path).run(None, {"x": values[None, -48:]})
    np.testing.assert_allclose(prediction[0], study.forecast(id, Store(store[1]), values), rtol=1e-5)


def test_export_int8_prints_what_it_costs(run, tmp_path, capsys):
    id, store = run
    path = tmp_path / "model.onnx"
    assert cli.main(["export", id, "--onnx", str(path), "--int8", *map(str, store)]) == 0
    sentence = capsys.readouterr().out.splitlines()[1]
    mse = Store(store[1]).read(id)["metrics"]["test_mse"]
    assert sentence.startswith(f"test MSE: {mse:.5f} in float32, ")
    full, small, change = (float(sentence.split()[place]) for place in (2, 5, -2))
    assert change == pytest.approx(100 * (small / full - 1), abs=0.02)


def test_bad_exports_are_one_sentence_and_write_nothing(run, tmp_path, capsys, monkeypatch):
    id, store = run
    path = tmp_path / "model.onnx"
    assert f"no weights of a run '{'0' * 16}'" in refused(capsys, "export", "0" * 16, "--onnx", path, *store)
    for wrong in ("no-such-run", f"../cache/{id}", str(tmp_path / "store/cache" / id), id.upper()):
        assert "id is 16 hexadecimal digits" in refused(capsys, "export", wrong, "--onnx", path, *store)
    for wrong in (id + "\n", ""):
        assert "none but printable ones" in refused(capsys, "export", wrong, "--onnx", path, *store)
    assert "required: --onnx" in refused(capsys, "export", id, *store)
    inside_a_file = tmp_path / "own.csv/model.onnx"
    assert f"cannot write {inside_a_file}" in refused(capsys, "export", id, "--onnx", inside_a_file, *store)
    assert "cannot write" in refused(capsys, "export", id, "--onnx", tmp_path / "store", *store)
    csv = tmp_path / "own.csv"
    before = csv.read_bytes()
    assert "is there already" in refused(capsys, "export", id, "--onnx", csv, *store)
    assert csv.read_bytes() == before
    csv.write_text(csv.read_text() + "5,5\n" * 100)
    assert "is no longer the series" in refused(capsys, "export", id, "--onnx", path, "--int8", *store)
    csv.unlink()
    assert f"cannot read {csv}" in refused(capsys, "export", id, "--onnx", path, "--int8", *store)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "onnxruntime, which is not installed: pip" in refused(capsys, "export", id, "--onnx", path, *store)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["store"]
