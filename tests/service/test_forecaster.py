"""Forecaster: it chooses on validation, learns from all rows, forecasts in its form, is kept and read again."""

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tdlib
from tdlib import csvfile, data, forecast, train
from tdlib.compute import Compute
from tdlib.config import RunConfig
from tdlib.distill import Distillation
from tdlib.run import trained
from tdlib.service import Forecaster, backtest, final, intervals, report
from tdlib.service.forecaster import ASKED
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


def test_a_training_on_all_rows_keeps_the_last_of_as_many_epochs_as_were_best(fitted, frame, monkeypatch):
    """Whatever the errors on the last fifth of these rows are: it has learned from them."""

    class Rows(Store):
        def read(self, id, config=None):
            errors = enumerate((3.0, 1.0, 2.0), start=1)
            return super().read(id) | {"epochs": [{"epoch": epoch, "val_mse": error} for epoch, error in errors]}

    series = data.Series(frame.to_numpy(), frame.index, ("load", "wind"), "own.csv", "")
    config, found = fitted.configs_["MLP"], []
    for rising in (False, True):
        if rising:
            errors = iter((1.0, 2.0))
            monkeypatch.setattr(train, "window_errors", lambda *_: torch.full((2,), next(errors)))  # noqa: B023
        found.append(final.train(config, Rows(fitted.folder), series)[0].state_dict())
    assert next(errors, None) is None
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name])


def test_a_training_on_all_rows_keeps_the_weights_of_its_committee(fitted, frame, monkeypatch):
    class Rows(Store):
        def read(self, id, config=None):
            row = super().read(id)
            if "committee" in row:
                row["committee"]["weightings"]["held out"]["weights"] = [0.6, 0.4, 0.0, 0.0, 0.0]
            return row

    def seen(model, objective, *rest, **given):
        if isinstance(objective, Distillation):
            weights.append(objective.teacher.weights.tolist())
        return train.fit(model, objective, *rest, **given)

    weights = []
    monkeypatch.setattr(final, "fit", seen)
    series = data.Series(frame.to_numpy(), frame.index, ("load", "wind"), "own.csv", "")
    final.train(fitted.configs_["MLP distilled"], Rows(fitted.folder), series)
    assert weights == [pytest.approx([0.6, 0.4, 0, 0, 0])]


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


def test_bands_are_of_the_errors_on_validation_in_own_units(fitted):
    deviation = split(data.read_csv(fitted.folder / "series/own.csv"), 48, 8).deviation
    for level, width in fitted.widths_.items():
        expected = intervals.half_widths(fitted.residuals_[fitted.chosen_].val, (level,))[level] * deviation
        np.testing.assert_allclose(width, expected)
        np.testing.assert_allclose(fitted.half_widths(level), expected)


def test_coverage_is_that_of_the_bands_on_test(fitted):
    errors = np.abs(fitted.residuals_[fitted.chosen_].test)
    deviation = split(data.read_csv(fitted.folder / "series/own.csv"), 48, 8).deviation
    assert list(fitted.coverage_) == list(fitted.widths_)
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
    pd.testing.assert_frame_equal(again.predict(), fitted.predict(), check_freq=False, atol=1e-5)
    pd.testing.assert_frame_equal(again.scores_, fitted.scores_)
    assert (again.verdict_, again.coverage_, again.rows_) == (fitted.verdict_, fitted.coverage_, fitted.rows_)
    with pytest.raises(ValueError, match="keeps no rows"):
        again.backtest()


def test_a_forecaster_is_not_kept_among_its_runs_whose_weights_it_would_replace(frame, tmp_path):
    made = Forecaster(24, 4, **SMALL, folder=tmp_path).fit(frame)
    before = made.backtest(cutoffs=1)
    with pytest.raises(ValueError, match="holds this forecaster's runs"):
        made.save(tmp_path / "series/..")
    pd.testing.assert_frame_equal(made.backtest(cutoffs=1), before)


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
    lines = fitted.backtest(cutoffs=3)
    assert len(lines) == 3 * len(fitted.configs_)
    last = lines[(lines["model"] == "Naive") & (lines["origin"] == frame.index[-8])].iloc[0]
    assert last["MAE, own units"] == pytest.approx(np.abs(frame.iloc[-8:] - frame.iloc[-9]).mean(axis=None))
    own = lines[lines["chosen"]].iloc[-1]  # of the last test window, with the weights of the training rows
    error = np.square(fitted.residuals_[fitted.chosen_].test[-1]).mean()
    assert (own["model"], own["MSE"]) == (fitted.chosen_, pytest.approx(error, rel=1e-3))
    with pytest.raises(ValueError, match="cutoffs must be at most that, got 11"):
        fitted.backtest(cutoffs=11)


def test_a_summary_counts_the_origins_at_which_a_model_was_the_best():
    lines = pd.DataFrame({"origin": [1, 1, 2, 2], "model": ["a", "b"] * 2, "MSE": [1.0, 2, 3, 9]})
    found = backtest.summary(lines.assign(**{"MAE, own units": 1.0, "MASE": 1.0}))
    assert found["best"].to_dict() == {"a": 2, "b": 0}
    assert found["MSE"].to_dict() == {"a": 2, "b": 5.5}


def test_a_backtest_that_trains_again_knows_only_the_rows_before_its_origin(fitted, frame):
    few = Forecaster.__new__(Forecaster)
    few.__dict__ = fitted.__dict__ | {"configs_": {name: fitted.configs_[name] for name in ("Ridge", "DLinear")}}
    lines = few.backtest(cutoffs=1, retrain=True)
    assert not np.allclose(lines["MSE"], few.backtest(cutoffs=1)["MSE"])
    later, changed = longer(frame), longer(frame)
    changed.iloc[-8:] += 100  # what comes after the origin
    lines, others = (
        few.backtest(cutoffs=1, frame=rows, retrain=True)["MAE, own units"].to_numpy() for rows in (later, changed)
    )
    assert (others - lines > 90).all()  # the forecasts are the same: only the truth has moved


def longer(frame: pd.DataFrame) -> pd.DataFrame:
    """With eight rows more."""
    later = frame.index[-1] + pd.to_timedelta(np.arange(1, 9), unit="h")
    return pd.concat([frame, frame[:8].set_axis(later)])


def scale(frame: pd.DataFrame) -> np.ndarray:
    """MASE's, of the training rows, the first 280 of 400."""
    known = frame.to_numpy()[:280]
    return np.abs(known[24:] - known[:-24]).mean(0)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_backtest_is_of_the_rows_of_fit_and_later_ones(loaded, fitted, frame, tmp_path):
    made = Forecaster.__new__(Forecaster)
    made.__dict__ = dict(fitted.__dict__)
    if loaded:
        fitted.save(tmp_path)
        made = Forecaster.load(tmp_path, store=fitted.folder)
        with pytest.raises(ValueError, match=r"bands of any level need the errors that `fit` finds"):
            made.half_widths(50)
    made.configs_ = {"Naive": made.configs_["Naive"]}
    other = frame.copy()
    other.iloc[-20, 1] += 1
    earlier, larger = frame.set_axis(frame.index - pd.Timedelta(hours=1)), frame.copy()
    larger.iloc[:100] *= 3  # before the history: its errors would be in other deviations
    for rows in (frame[:-1], frame[8:], longer(frame)[8:], earlier, other, larger, frame.reset_index(drop=True)):
        with pytest.raises(
            ValueError, match=r"^backtest needs the 400 rows of fit, from 2020-01-01 00:00:00 to 2020-01-17"
        ):
            made.backtest(cutoffs=1, frame=rows)
    later = pd.concat([frame, *[1.5 * frame[:8]] * 60])  # another level: the scale stays that of the rows of fit
    later.index = pd.date_range(frame.index[0], periods=len(later), freq="h")
    found = made.backtest(cutoffs=1, frame=later)
    off = later.iloc[-8:] - later.iloc[-9]
    assert found["MASE"].item() == pytest.approx(np.nanmean(off.abs().mean().to_numpy() / scale(frame)))
    assert loaded or len(made.table_) == 400  # and the rows of fit are kept
    if not loaded:
        assert made.backtest(cutoffs=1)["origin"].item() == frame.index[-8]
    abroad = longer(frame).tz_localize("Asia/Tokyo")
    made.rows_ = [400, str(abroad.index[0]), str(abroad.index[399])]
    assert len(made.backtest(cutoffs=1, frame=abroad.tz_convert("UTC"))) == 1  # at one time


def test_days_of_a_zone_are_forecast_by_its_clock_and_loaded_again(frame, tmp_path):
    days = pd.date_range("2021-01-01", periods=91, freq="D", tz="Europe/Berlin")  # the clock is changed on the 87th
    made = Forecaster(7, 4, **SMALL).fit(frame[:91].set_axis(days))
    assert made.period_ == 7
    found = made.predict()
    assert list(found.index) == list(pd.date_range("2021-04-02", periods=4, freq="D", tz="Europe/Berlin"))
    assert len(made.backtest(cutoffs=2)) > 0
    made.save(tmp_path)
    loaded = Forecaster.load(tmp_path).predict()
    np.testing.assert_allclose(loaded, found, rtol=1e-3)
    assert list(loaded.index) == list(found.index.tz_localize(None))


def test_days_of_a_growing_file_are_known_again_when_their_offset_has_changed(fitted, frame):
    made = Forecaster.__new__(Forecaster)
    days = pd.date_range("2021-01-01", periods=408, freq="D")
    made.__dict__ = fitted.__dict__ | {"rows_": [400, f"{days[0]}+01:00", f"{days[399]}+01:00"], "step_": "D"}
    made.configs_ = {"Naive": made.configs_["Naive"]}
    assert len(made.backtest(cutoffs=1, frame=longer(frame).set_axis(days))) == 1
    with pytest.raises(ValueError, match=r"^backtest needs the 400 rows of fit"):
        made.backtest(cutoffs=1, frame=longer(frame).set_axis(days + pd.Timedelta(hours=1)))


def test_columns_without_names_are_numbers(frame):
    made = Forecaster(24, 4, **SMALL).fit(pd.DataFrame(frame.to_numpy()))
    assert list(made.predict(level=()).columns) == ["0", "1"]


def test_rows_that_are_numbered_are_known_again(fitted, frame):
    made = Forecaster.__new__(Forecaster)
    made.__dict__ = fitted.__dict__ | {"rows_": [400, "0", "399"], "step_": ""}
    made.configs_ = {"Naive": made.configs_["Naive"]}
    assert len(made.backtest(cutoffs=1, frame=frame.reset_index(drop=True))) == 1
    with pytest.raises(ValueError, match="400 rows of fit, from 0 to 399"):
        made.backtest(cutoffs=1, frame=frame)


# --- the step of the time stamps


@pytest.mark.parametrize("lookback", [1, 2, 4])
def test_weekdays_with_holidays_go_on_as_weekdays_however_few_are_read(lookback, tmp_path):
    weekdays = pd.bdate_range("2023-01-02", periods=221, name="day").delete([40, 219])  # a holiday before the last row
    frame = pd.DataFrame({"x": np.sin(np.arange(219))}, weekdays)
    made = Forecaster(lookback, 2, epochs=1, teacher="ridge", student="rlinear").fit(frame)
    expected = pd.bdate_range(weekdays[-1], periods=3, name="day")[1:]
    assert "2 weekdays, such as 2023-02-27, have no row and count as holidays" in made.remarks_
    made.save(tmp_path)
    again = Forecaster.load(tmp_path)
    for found in (made.predict(), again.predict(), again.predict(frame), made.predict(frame.tail(max(lookback, 3)))):
        assert found.index.equals(expected)
    assert list(again.history_.index) == list(made.history_.index)
    report.html(made, ["tdlib distill x.csv"])


def test_a_folder_that_does_not_say_the_step_is_read(fitted, frame, tmp_path):
    fitted.save(tmp_path)
    path = tmp_path / "forecaster.json"
    state = json.loads(path.read_text())
    assert state.pop("step_") == "h"
    path.write_text(json.dumps(state))
    assert Forecaster.load(tmp_path).predict().index.equals(fitted.predict().index)
    path.write_text(json.dumps(state | {"step_": "fortnight"}))
    with pytest.raises(ValueError, match=r"forecaster\.json is damaged: Invalid frequency"):
        Forecaster.load(tmp_path)


def test_time_stamps_of_another_step_are_refused(fitted, frame):
    days = frame.set_axis(pd.date_range("2020-01-01", periods=400))
    with pytest.raises(ValueError, match="the run has learned from steps of 1 hour, and these are of 1 day"):
        fitted.predict(days)


def test_days_and_weekdays_are_two_steps(fitted, frame):
    for learned, index, fits in (
        ("1 day", pd.bdate_range("2020-01-01", periods=400), False),
        ("1 day", pd.date_range("2020-01-01", periods=400), True),
        ("1 weekday", pd.bdate_range("2020-01-01", periods=410).delete(range(40, 400, 40)), True),
        ("1 weekday", pd.date_range("2020-01-01", periods=400), False),
    ):
        step = pd.offsets.Day() if learned == "1 day" else pd.offsets.BusinessDay()
        about = {"step": learned}
        if fits:
            forecast.check_step(index, about, step)
        else:
            with pytest.raises(ValueError, match=f"has learned from steps of {learned}, and these are of 1 "):
                forecast.check_step(index, about, step)


@pytest.mark.parametrize("damage", ["", "when,load,wind\n", "load\n1\n", "load,wind\n1,two\n", "load,wind\n1,inf\n"])
def test_a_damaged_history_is_named(damage, fitted, tmp_path):
    fitted.save(tmp_path)
    (tmp_path / "history.csv").write_text(damage)
    with pytest.raises(ValueError, match=r"history\.csv is damaged|0 rows are too few"):
        Forecaster.load(tmp_path).predict()


# --- what was trained before


def test_the_same_fit_again_trains_nothing(fitted, frame):
    times = {path: path.stat().st_mtime_ns for path in (fitted.folder / "runs").iterdir()}
    (fitted.folder / "series/own.plan.json").unlink()
    Forecaster(48, 8, epochs=1, folder=fitted.folder).fit(frame, "own")
    assert times == {path: path.stat().st_mtime_ns for path in (fitted.folder / "runs").iterdir()}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lookback": np.int64(0)}, "lookback must be a whole number of at least 1, got 0"),
        ({"horizon": 2.5}, r"horizon must be a whole number of at least 1, got 2\.5"),
        ({"minutes": 0}, "minutes must be above 0"),
        ({"level": (120,)}, "a level is a percentage"),
        ({"teacher": "giant"}, "teacher knows committee, itransformer, .*, chronos; got 'giant'"),
        ({"student": "itransformer"}, "student knows mlp, .*; got 'itransformer'"),
    ],
)
def test_bad_arguments_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Forecaster(**given)


def test_what_is_given_reaches_the_plan(frame, monkeypatch):
    from tdlib.service import plan

    def make(*_, **given):
        seen.update(given)
        raise ValueError("seen")

    seen = {}
    assert {*ASKED} == {*inspect.signature(Forecaster).parameters} - {"level", "compute", "folder"}
    monkeypatch.setattr(plan, "make", make)
    with pytest.raises(ValueError, match=r"^seen$"):
        Forecaster(24, 4, minutes=2, compute=Compute()).fit(frame)
    assert seen["seconds"] == pytest.approx(plan.PART * 120)
    made = Forecaster(np.int64(48), np.int32(8), period=np.int64(24), epochs=np.int8(1), seed=np.int64(7))
    assert json.loads(json.dumps(made._asked()))["lookback"] == 48
    assert made.horizon == 8


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


def test_two_fits_of_one_name_at_once_do_not_mix_their_rows(frame, tmp_path, monkeypatch):
    from tdlib.service import forecaster

    def beside(config, store, compute):
        csvfile.write_canonical(frame[::-1].set_axis(frame.index) * 2, Path(config.dataset))

    monkeypatch.setattr(forecaster, "train_once", beside)
    with pytest.raises(ValueError, match=r"own\.csv was changed while it was fitted: only one fit of a name at a time"):
        Forecaster(24, 4, epochs=1, folder=tmp_path).fit(frame, "own")


def test_a_fit_does_not_take_the_rows_of_another_that_was_faster(frame, tmp_path, monkeypatch):
    from tdlib.service import plan

    other, make = frame[::-1].set_axis(frame.index), plan.make
    Forecaster(24, 4, epochs=1, teacher="ridge", folder=tmp_path).fit(other, "own")

    def beside(series, path, *arguments, **given):
        csvfile.write_canonical(other, Path(path))
        return make(series, path, *arguments, **given)

    monkeypatch.setattr(plan, "make", beside)
    with pytest.raises(ValueError, match=r"own\.csv was changed while it was fitted"):
        Forecaster(24, 4, epochs=1, teacher="ridge", folder=tmp_path).fit(frame, "own")


def test_models_that_diverge_are_left_out_and_named(frame, monkeypatch):
    from tdlib.service import plan

    make = plan.make

    def wild(*arguments, **given):
        made = make(*arguments, **given)
        for name in ("DLinear", "MLP"):
            made.runs[name] = RunConfig.from_dict(made.runs[name].to_dict() | {"learning_rate": 1e30})
        return made

    monkeypatch.setattr(plan, "make", wild)
    made = Forecaster(24, 4, epochs=2, teacher="ridge").fit(frame)
    assert not {"DLinear", "MLP"} & set(made.scores_.index)
    for name in ("DLinear", "MLP"):
        assert any(remark.startswith(f"{name} is left out: training stopped") for remark in made.remarks_)
    assert "MLP distilled against" in made.verdict_.words


def test_a_verdict_rests_on_blocks_of_whole_windows(fitted):
    """Of 73 test windows, each of 48 + 8 steps, there are not two that share no row."""
    assert "(too few windows for an interval)" in fitted.verdict_.words


def test_weights_that_are_gone_are_trained_again(frame, tmp_path):
    first = Forecaster(24, 4, **SMALL, folder=tmp_path).fit(frame, "own")
    shutil.rmtree(tmp_path / "cache")
    again = Forecaster(24, 4, **SMALL, folder=tmp_path).fit(frame, "own")
    pd.testing.assert_frame_equal(again.scores_, first.scores_)
    pd.testing.assert_frame_equal(again.predict(), first.predict())


def test_what_a_student_learned_from_is_not_left_behind(frame, tmp_path):
    made = Forecaster(24, 4, **SMALL, folder=tmp_path).fit(frame, "own")
    assert list(tmp_path.glob("cache/*.safetensors")) and not list(tmp_path.glob("cache/*/*.npy"))
    assert len(made.backtest(cutoffs=1, retrain=True)) == len(made.runs_)


def test_a_store_that_was_moved_goes_on(frame, tmp_path):
    small = {"lookback": 24, "horizon": 4, "epochs": 1, "teacher": "dlinear", "student": "rlinear"}
    first = Forecaster(**small, folder=tmp_path / "old").fit(frame, "own")
    first.save(tmp_path / "kept")
    (tmp_path / "old").rename(tmp_path / "new")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "new/runs").iterdir()}
    moved = Forecaster(**small, folder=tmp_path / "new").fit(frame, "own")
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "new/runs").iterdir()}  # nothing is trained
    pd.testing.assert_frame_equal(moved.predict(), first.predict())
    assert moved.id_ in report.html(moved, ["tdlib distill own.csv"])
    again = Forecaster.load(tmp_path / "kept", store=tmp_path / "new")
    for retrain in (False, True):
        found = again.backtest(cutoffs=1, frame=frame, retrain=retrain)
        pd.testing.assert_frame_equal(found, moved.backtest(cutoffs=1, retrain=retrain))
    next((tmp_path / "new/runs").glob(f"{moved.runs_['DLinear']}.json")).unlink()
    with pytest.raises(ValueError, match=f"has no run {moved.runs_['DLinear']} any more"):
        moved.backtest(cutoffs=1, retrain=True)


def test_the_store_is_read_without_the_folder_of_fit(fitted, tmp_path):
    fitted.save(tmp_path)
    assert isinstance(Store(tmp_path).read_weights(fitted.id_), tuple)
    assert Forecaster.load(tmp_path, store=fitted.folder).configs_ == fitted.configs_
    with pytest.raises(ValueError, match="has no run"):
        Forecaster.load(tmp_path, store=tmp_path)


# --- what little a series allows is said

SMALL = {"epochs": 1, "teacher": "ridge", "student": "rlinear"}


def test_a_period_beyond_the_lookback_stays_the_period(frame):
    wave = np.sin(2 * np.pi * np.arange(400) / 24)[:, None] + 0.1 * frame.to_numpy()
    series = pd.DataFrame(wave, frame.index, frame.columns)
    made = Forecaster(10, 5, **SMALL).fit(series)
    assert made.period_ == 24
    assert "found from the series: period 24" in made.remarks_
    short = "the look-back of 10 steps is shorter than the period of 24, so that skill is over the naive forecast"
    assert sum(remark.startswith(short) for remark in made.remarks_) == 1
    assert "Seasonal naive" not in made.scores_.index
    assert "than the naive forecast" in made.verdict_.words
    assert made.scores_.loc["Naive", ("test", "skill")] == 0
    scaled = split(data.Series(wave, frame.index, ("load", "wind"), "own.csv", ""), 10, 5).train.values.numpy()
    change = np.abs(scaled[:, 24:] - scaled[:, :-24]).mean(1)
    mase = (np.abs(made.residuals_["Naive"].test).mean((0, 1)) / change).mean()
    assert made.scores_.loc["Naive", ("test", "MASE")] == pytest.approx(mase)
    assert "the MSE of Naive that a model saves" in " ".join(report.html(made, []).split())


def test_a_period_that_the_training_rows_do_not_hold_is_refused(frame):
    for period in (280, 99999):
        words = f"a period of {period} steps is too long: of 400 rows the models learn from 280"
        with pytest.raises(ValueError, match=words):
            Forecaster(24, 4, period=period).fit(frame)
    assert Forecaster(1, 1, **SMALL).fit(frame[:30]).period_ == 1  # of the calendar's 24 rows there are 21


def test_a_period_of_the_calendar_that_never_comes_round_leaves_the_choice_to_the_values():
    seconds = pd.date_range("2021-01-01", periods=600, freq="s")  # a day has 86,400 of them
    waves = np.sin(2 * np.pi * np.arange(600) / 60)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(600, 1))
    made = Forecaster(120, 30)
    for index in (seconds, None):
        made._shape(data.Series(waves, index, ("load",), "own.csv", ""))
        assert made.period_ == 60


def test_one_row_is_said_to_be_too_few(frame):
    with pytest.raises(ValueError, match="has 1 rows, too few"):
        Forecaster().fit(frame[:1])


def test_a_series_that_stands_still_is_said_to():
    made = Forecaster(8, 2, **SMALL).fit(pd.DataFrame({"x": np.full(80, 5.0)}))
    assert "the training rows all hold the same values: there is nothing to learn from them" in made.remarks_
    assert "inf" not in made.verdict_.words


def test_a_channel_is_not_overwritten_by_a_band(frame):
    with pytest.raises(ValueError, match="the column 'load-lo-80' is called as a band"):
        Forecaster(24, 4, **SMALL).fit(frame.rename(columns={"wind": "load-lo-80"}))


def test_one_level_is_a_number(fitted):
    assert Forecaster(level=80).level == (80,)
    assert list(fitted.predict(level=95).columns[:3]) == ["load", "load-lo-95", "load-hi-95"]
    for bad in ("80", 80j):
        with pytest.raises(ValueError, match="level must be a percentage, or several of them"):
            Forecaster(level=bad)
    with pytest.raises(ValueError, match=r"compute must be a tdlib\.compute\.Compute.*, got 'cuda'"):
        Forecaster(compute="cuda")


def test_a_last_training_that_diverges_leaves_the_weights_before_it(frame, monkeypatch, tmp_path):
    def wild(*_):
        raise train.Diverged("training stopped: the loss is nan")

    monkeypatch.setattr(final, "train", wild)
    made = Forecaster(24, 4, **SMALL).fit(frame)
    words = "keeps its weights of the training rows: on all rows, training stopped: the loss is nan"
    assert made.remarks_[-1] == f"{made.chosen_} {words}"
    honest = trained(made.id_, made.store_)[0].state_dict()
    assert all(torch.equal(value, honest[name]) for name, value in made.model_.state_dict().items())
    made.save(tmp_path)
    assert Forecaster.load(tmp_path).whole_ is False
    assert "trained on the training rows" in report.html(made, [])
    made.configs_ = {"Ridge": made.configs_["Ridge"]}
    with pytest.warns(UserWarning, match="Ridge keeps its weights of the training rows at an origin"):
        again = made.backtest(cutoffs=1, retrain=True)
    pd.testing.assert_frame_equal(again, made.backtest(cutoffs=1))
