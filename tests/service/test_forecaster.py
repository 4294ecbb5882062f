"""Forecaster: it chooses on validation, learns from all rows, forecasts in its form, is kept and read again."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import tdlib
from tdlib import data, forecast
from tdlib.config import RunConfig
from tdlib.run import trained
from tdlib.service import Forecaster, final
from tdlib.store import Store
from tdlib.windows import split, whole


def test_it_is_tdlibs():
    assert tdlib.Forecaster is Forecaster
    with pytest.raises(AttributeError, match="no attribute 'Forecastre'"):
        tdlib.Forecastre  # noqa: B018


def test_the_least_validation_error_is_chosen_and_its_test_error_is_the_honest_one(fitted):
    assert fitted.scores_["val", "MSE"].idxmin() == fitted.chosen_
    for title, id in fitted.runs_.items():
        row = fitted.store_.read(id)
        assert fitted.scores_.loc[title, ("test", "MSE")] == pytest.approx(row["metrics"]["test_mse"], rel=1e-4)
        assert fitted.scores_.loc[title, ("val", "MSE")] == pytest.approx(row["metrics"]["val_mse"], rel=1e-4)
    assert fitted.windows_ == {"validation": 33, "test": 73}


def test_the_model_in_service_has_learned_from_all_rows(fitted, frame):
    np.testing.assert_allclose(fitted.about_["mean"], frame.mean(), rtol=1e-9)
    honest = trained(fitted.id_, fitted.store_)[0].state_dict()
    served = fitted.model_.state_dict()
    assert any(not torch.equal(honest[name], served[name]) for name in served)


@pytest.mark.parametrize("name", ["Ridge", "MLP", "MLP distilled", "iTransformer", "Seasonal naive"])
def test_training_on_all_rows_gives_the_same_bits_again_and_follows_the_series(name, fitted, frame):
    series = data.Series(frame.to_numpy(), frame.index, ("load", "wind"), "own.csv", "")
    config = fitted.configs_[name]
    first, second = (final.train(config, fitted.store_, series)[0].state_dict() for _ in range(2))
    for key, value in first.items():
        assert torch.equal(value, second[key])
    backwards = data.Series(frame.to_numpy()[::-1].copy(), frame.index, ("load", "wind"), "own.csv", "")
    other = final.train(config, fitted.store_, backwards)[0].state_dict()
    assert not first or any(not torch.equal(value, other[key]) for key, value in first.items())


def test_ridge_on_all_rows_is_the_ridge_of_its_lambda(fitted, frame):
    series = data.Series(frame.to_numpy(), frame.index, ("load", "wind"), "own.csv", "")
    model, _ = final.train(fitted.configs_["Ridge"], fitted.store_, series)
    penalty = fitted.store_.read(fitted.runs_["Ridge"])["epochs"][0]["lambda"]
    windows = whole(series, 48, 8).train
    x, y = (part.transpose(1, 2).double() for part in windows.batch(torch.arange(len(windows))))
    x, y = (part.reshape(-1, part.shape[-1]) for part in (x - x.mean(2, keepdim=True), y - x.mean(2, keepdim=True)))
    expected = torch.linalg.solve(x.T @ x + penalty * torch.eye(48, dtype=torch.float64), x.T @ y).T
    torch.testing.assert_close(model.weight[0].double(), expected, rtol=1e-4, atol=1e-5)


def test_a_forecast_follows_the_rows_with_bands_around_it(fitted, frame):
    found = fitted.predict()
    assert list(found.columns[:5]) == ["load", "load-lo-80", "load-hi-80", "load-lo-95", "load-hi-95"]
    assert found.index.equals(pd.date_range(frame.index[-1], periods=9, freq="h", name="when")[1:])
    np.testing.assert_allclose(found["load-hi-80"] - found["load"], fitted.widths_[80][:, 0])
    expected = forecast.by_model(fitted.model_, fitted.about_, frame)
    np.testing.assert_array_equal(found[["load", "wind"]], expected)
    assert list(fitted.predict(level=(95,)).columns) == [
        "load",
        "load-lo-95",
        "load-hi-95",
        *found.columns[5:6],
        *found.columns[8:],
    ]
    numbered = fitted.predict(frame.reset_index(drop=True), level=())
    assert numbered.index.tolist() == list(range(1, 9))


def test_only_who_asks_gets_whole_numbers_and_none_below_zero(fitted):
    assert (fitted.predict() < 0).any(axis=None)
    found = fitted.predict(nonnegative=True, integer=True)
    assert (found >= 0).all(axis=None)
    assert (found == found.round()).all(axis=None)


def test_coverage_is_that_of_the_bands_on_test(fitted):
    errors = np.abs(fitted.residuals_[fitted.chosen_].test)
    deviation = split(data.read_csv(fitted.folder / "series/own.csv"), 48, 8).deviation
    for level, share in fitted.coverage_.items():
        assert share == pytest.approx((errors * deviation <= fitted.widths_[level] * (1 + 1e-9)).mean(), abs=1e-3)


def test_a_long_frame_is_answered_by_a_long_one(frame):
    long = frame.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    made = Forecaster(24, 4, epochs=1, teacher="ridge", level=(80,)).fit(long)
    found = made.predict()
    assert list(found.columns) == ["unique_id", "ds", "tdlib", "tdlib-lo-80", "tdlib-hi-80"]
    assert found["unique_id"].tolist() == ["load"] * 4 + ["wind"] * 4
    assert list(made.predict(frame).columns[:1]) == ["load"]


def test_a_forecaster_is_kept_and_read_again(fitted, tmp_path):
    fitted.save(tmp_path / "kept")
    files = sorted(path.name for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert files == sorted([f"{fitted.id_}.safetensors", "forecaster.json", "history.csv"])
    json.loads((tmp_path / "kept/forecaster.json").read_text(), parse_constant=pytest.fail)
    again = Forecaster.load(tmp_path / "kept")
    pd.testing.assert_frame_equal(again.predict(), fitted.predict(), check_freq=False, rtol=1e-5)
    pd.testing.assert_frame_equal(again.scores_, fitted.scores_)
    assert (again.verdict_, again.coverage_, again.rows_) == (fitted.verdict_, fitted.coverage_, fitted.rows_)
    with pytest.raises(ValueError, match="keeps no rows"):
        again.backtest()


def test_a_damaged_or_missing_forecaster_is_named(fitted, tmp_path):
    with pytest.raises(ValueError, match="holds no forecaster"):
        Forecaster.load(tmp_path)
    fitted.save(tmp_path)
    state = json.loads((tmp_path / "forecaster.json").read_text())
    for damage in ("{", json.dumps({**state, "widths": {"80": [[1.0]]}}), json.dumps({"given": {}})):
        (tmp_path / "forecaster.json").write_text(damage)
        with pytest.raises(ValueError, match=r"forecaster\.json is damaged"):
            Forecaster.load(tmp_path)


def test_a_backtest_is_scored_by_what_came(fitted, frame):
    lines = fitted.backtest(3)
    assert len(lines) == 3 * len(fitted.configs_)
    last = lines[(lines["model"] == "Naive") & (lines["origin"] == frame.index[-8])].iloc[0]
    assert last["MAE, own units"] == pytest.approx(np.abs(frame.iloc[-8:] - frame.iloc[-9]).mean(axis=None))
    with pytest.raises(ValueError, match="cutoffs must be at most that, got 11"):
        fitted.backtest(11)


def test_a_backtest_that_trains_again_knows_only_the_rows_before_its_origin(fitted, frame):
    few = Forecaster.__new__(Forecaster)
    few.__dict__ = fitted.__dict__ | {"configs_": {name: fitted.configs_[name] for name in ("Ridge", "DLinear")}}
    lines = few.backtest(1, retrain=True)
    changed = frame.copy()
    changed.iloc[-8:] += 100  # what comes after the origin
    others = few.backtest(1, frame=changed, retrain=True)
    few.table_ = frame
    moved = (others["MAE, own units"] - lines["MAE, own units"]).to_numpy()
    assert (moved > 90).all()  # the forecasts are the same: only the truth has moved
    assert not np.allclose(lines["MSE"], few.backtest(1)["MSE"])


def test_the_same_fit_again_trains_nothing(fitted, frame):
    times = {path: path.stat().st_mtime_ns for path in (fitted.folder / "runs").iterdir()}
    (fitted.folder / "series/own.plan.json").unlink()
    Forecaster(48, 8, epochs=1, folder=fitted.folder).fit(frame, "own")
    assert times == {path: path.stat().st_mtime_ns for path in (fitted.folder / "runs").iterdir()}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lookback": 0}, "lookback must be a whole number of at least 1, got 0"),
        ({"horizon": 2.5}, r"horizon must be a whole number of at least 1, got 2\.5"),
        ({"minutes": 0}, "minutes must be positive"),
        ({"level": (120,)}, "a level is a percentage"),
        ({"teacher": "giant"}, "teacher knows committee, mlp, .*; got 'giant'"),
        ({"student": "itransformer"}, "student knows mlp, .*; got 'itransformer'"),
    ],
)
def test_bad_arguments_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Forecaster(**given)


def test_what_is_too_short_or_unfitted_is_refused(frame):
    with pytest.raises(ValueError, match="call fit first"):
        Forecaster().predict()
    with pytest.raises(ValueError, match="40 rows, too few for look-back 48 and horizon 8"):
        Forecaster(48, 8).fit(frame[:40])
    assert Forecaster(epochs=1).fit(frame[:60]).predict().shape[0] == 1


@pytest.mark.parametrize("values", [np.full(200, 5.0), np.tile([1.0, 2, 3, 2], 50)], ids=["constant", "periodic"])
def test_a_series_without_noise_is_forecast_as_it_goes_on(values):
    made = Forecaster(16, 4, period=4, epochs=1).fit(pd.DataFrame({"x": values}))
    np.testing.assert_allclose(made.predict()["x"], values[:4], atol=1e-3)
    assert np.isfinite(made.scores_["test", "MSE"]).all()


def test_a_model_that_diverges_is_left_out_and_named(frame, monkeypatch):
    from tdlib.service import plan

    make = plan.make

    def wild(*arguments, **given):
        made = make(*arguments, **given)
        run = made.runs["DLinear"]
        made.runs["DLinear"] = RunConfig.from_dict(run.to_dict() | {"learning_rate": 1e30})
        return made

    monkeypatch.setattr(plan, "make", wild)
    made = Forecaster(24, 4, epochs=2, teacher="ridge").fit(frame)
    assert "DLinear" not in made.scores_.index
    assert any("DLinear is left out: training stopped" in remark for remark in made.remarks_)


def test_the_store_is_read_without_the_folder_of_fit(fitted, tmp_path):
    fitted.save(tmp_path)
    assert isinstance(Store(tmp_path).read_weights(fitted.id_), tuple)
    assert Forecaster.load(tmp_path, store=fitted.folder).configs_ == fitted.configs_
    with pytest.raises(ValueError, match="has no run"):
        Forecaster.load(tmp_path, store=tmp_path)
