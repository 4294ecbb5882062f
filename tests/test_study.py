"""A study trains what is missing, once, and with the same bits wherever and whenever it does."""

import fcntl
import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import outside
import pandas as pd
import pytest
import torch

from tdlib import data, run, study
from tdlib.config import RunConfig
from tdlib.distill import TERMS
from tdlib.run import load_model, prepare_teacher, train_run
from tdlib.store import Store
from tdlib.study import SweepFailed, ensure, forecast
from tdlib.teachers import LiveTeacher, StoredTeacher
from tdlib.train import predict
from tdlib.windows import split

SHAPE = {"dataset": "synthetic", "lookback": 48, "horizon": 16}
SMALL = {"width": 16, "hidden": 16, "heads": 2}
TEACHER = RunConfig(**SHAPE, model="itransformer", epochs=1, learning_rate=1e-3, settings=SMALL)
OPTIONS = {"epochs": 1, "learning_rate": 1e-3, "settings": SMALL}
DISTILLED = RunConfig(
    **SHAPE, model="mlp", teacher="itransformer", epochs=1, settings={"width": 16}, teacher_options=OPTIONS
)
PLAIN = RunConfig(**SHAPE, model="mlp", epochs=1, settings={"width": 16})
LINEAR = RunConfig(**SHAPE, model="nlinear", epochs=1)


class Inline(outside.Inline):
    """It keeps what it was given."""

    def __init__(self):
        self.submitted = []

    def submit(self, function, *arguments):
        self.submitted.append((function.__name__, arguments[0].model, arguments[0].teacher))
        return super().submit(function, *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Store:
    """A store with a teacher, a distilled, a plain and a linear student. Tests copy it before they change it."""
    store = Store(tmp_path_factory.mktemp("trained"))
    ensure([TEACHER, DISTILLED, PLAIN, LINEAR], store=store, executor=Inline())
    return store


@pytest.fixture
def copy(trained, tmp_path) -> Store:
    """A copy of `trained` to change."""
    shutil.copytree(trained.place, tmp_path / "copy")
    return Store(tmp_path / "copy")


@pytest.fixture
def no_training(monkeypatch):
    def refuse(config, store, compute):
        raise AssertionError(f"{config.model} was trained")

    monkeypatch.setattr(run, "train_run", refuse)


def result(store: Store, config: RunConfig) -> tuple[dict, list, dict]:
    """All of a row that must be the same bits again."""
    row = store.read(config.id)
    arrays = {name: value.tobytes() for name, value in store.arrays(config.id).items()}
    return row["metrics"], row["epochs"], arrays


def assert_same(store: Store, other: Store, *configs: RunConfig) -> None:
    for config in configs:
        assert result(store, config) == result(other, config)


# --- ensure


def test_what_is_missing_is_trained_once_and_then_read(tmp_path, monkeypatch):
    executor = Inline()
    first = ensure([LINEAR, PLAIN], store=tmp_path / "store", executor=executor)
    assert [model for _, model, _ in executor.submitted] == ["nlinear", "mlp"]
    ensure([PLAIN, LINEAR], store=tmp_path / "store", executor=executor)
    assert len(executor.submitted) == 2
    again = ensure([LINEAR, PLAIN], store=Store(tmp_path / "store"))
    pd.testing.assert_frame_equal(first, again)


def test_settings_that_are_changed_in_place_are_not_trained_under_the_id_of_those_before(tmp_path):
    config = RunConfig(**SHAPE, model="mlp", epochs=1, settings={"width": 16})
    assert config.id == PLAIN.id
    config.settings["width"] = 8
    line = ensure([config], store=tmp_path, executor=Inline()).iloc[0]
    assert line["id"] == PLAIN.id
    model, _ = load_model(PLAIN.id, Store(tmp_path))
    assert model.feature_width == line["settings"]["width"] == 16


def test_only_what_is_missing_is_trained(copy):
    executor, other = Inline(), RunConfig(**SHAPE, model="nlinear", epochs=1, seed=7)
    frame = ensure([LINEAR, other, PLAIN], store=copy, executor=executor)
    assert len(executor.submitted) == 1
    assert list(frame["seed"]) == [2021, 7, 2021]


def test_the_lines_are_in_the_order_of_the_configs(trained, no_training):
    configs = [PLAIN, DISTILLED, LINEAR, TEACHER]
    for order in (configs, configs[::-1]):
        assert list(ensure(order, store=trained)["id"]) == [config.id for config in order]


def test_a_line_holds_the_config_the_metrics_and_the_size(trained, no_training):
    line = ensure(iter([DISTILLED]), store=trained).iloc[0]
    row = trained.read(DISTILLED.id)
    assert line["test_mse"] == row["metrics"]["test_mse"]
    assert (line["dataset"], line["lookback"], line["horizon"]) == ("synthetic", 48, 16)
    assert (line["model"], line["teacher"], line["alpha"]) == ("mlp", "itransformer", 1.0)
    assert line["parameters"] == row["parameters"] > 0
    assert (line["epochs_run"], line["precision"]) == (1, "float32")


def test_without_training_the_missing_lines_are_left_out_and_nothing_is_written(trained, no_training, tmp_path):
    missing = RunConfig(**SHAPE, model="nlinear", epochs=1, seed=99)
    frame = ensure([missing, PLAIN], store=trained, train_missing=False)
    assert list(frame["id"]) == [PLAIN.id]
    assert ensure([PLAIN], store=tmp_path / "empty", train_missing=False).empty
    assert not (tmp_path / "empty").exists()


def test_the_teacher_is_trained_before_its_student_and_counted(tmp_path, monkeypatch):
    counts, plain = [], study.sweep
    monkeypatch.setattr(study, "sweep", lambda jobs, *of, **how: counts.append(len(jobs)) or plain(jobs, *of, **how))
    executor = Inline()
    frame = ensure([DISTILLED, LINEAR], store=tmp_path, executor=executor)
    assert executor.submitted[0] == ("prepare_teacher", "itransformer", None)
    assert sorted(executor.submitted[1:]) == [("train_once", "mlp", "itransformer"), ("train_once", "nlinear", None)]
    assert counts == [3]
    assert list(frame["model"]) == ["mlp", "nlinear"]  # the teacher was not asked for
    assert Store(tmp_path).read(TEACHER.id)["metrics"]["test_mse"] > 0


def test_a_teacher_that_several_students_share_is_trained_once(tmp_path):
    executor = Inline()
    others = [RunConfig.from_dict(DISTILLED.to_dict() | {"seed": seed}) for seed in (1, 2)]
    assert {config.teacher_config for config in others} == {TEACHER}
    frame = ensure([*others, TEACHER], store=tmp_path, executor=executor)
    assert [model for _, model, _ in executor.submitted] == ["itransformer", "mlp", "mlp"]
    assert list(frame["model"]) == ["mlp", "mlp", "itransformer"]


def test_a_row_says_what_was_trained_and_with_what(trained):
    row = trained.read(DISTILLED.id)
    assert row["config"] == DISTILLED.to_dict()
    assert set(row["metrics"]) == {"val_mse", "test_mse", "test_mae", "test_scale_mse", "test_period_kl"}
    assert set(row["epochs"][0]) == {"epoch", "val_mse", *TERMS}
    assert row["metrics"]["val_mse"] == row["epochs"][0]["val_mse"]
    assert row["metrics"]["test_mse"] == pytest.approx(trained.arrays(DISTILLED.id)["errors"].mean(), rel=1e-6)
    assert row["provenance"]["torch"] == torch.__version__
    assert row["provenance"]["threads"] == 1
    model, about = load_model(DISTILLED.id, trained)
    assert row["parameters"] == sum(weight.numel() for weight in model.parameters())  # without the projector
    assert about["config"] == row["config"]


def test_the_validation_error_of_a_row_is_the_best_epochs(tmp_path):
    config = RunConfig(**SHAPE, model="nlinear", epochs=4, learning_rate=0.3)
    ensure([config], store=tmp_path)
    row = Store(tmp_path).read(config.id)
    assert row["metrics"]["val_mse"] == min(epoch["val_mse"] for epoch in row["epochs"])
    assert len(row["epochs"]) == 4


class Forgetful:
    """An executor that does nothing."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(None)
        return future


def test_a_series_is_loaded_and_checked_once_for_each_shape(tmp_path, monkeypatch):
    loads, plain = [], data.load
    monkeypatch.setattr(data, "load", lambda name: loads.append(name) or plain(name))
    shapes = [("nyc_weather", 48, 16), ("nyc_weather", 48, 24), ("nyc_weather", 96, 16)]  # it has its checksum by name
    configs = [RunConfig(*shape, "nlinear", seed=seed) for shape in shapes for seed in range(5)]
    ensure(configs, store=tmp_path, executor=Forgetful())
    assert loads == ["nyc_weather"] * len(shapes)


def test_who_finishes_takes_away_what_a_killed_writer_has_left(copy):
    """A writer that lives holds the lock of its file, and keeps it."""
    left = [copy.place / ".schema.0123abcd.tdlib"]
    left += [copy.place / kind / ".ab.json.89abcdef1.tdlib" for kind in ("runs", "cache")]
    alive, other = copy.place / "runs" / ".cd.json.89abcdef.tdlib", copy.place / "runs" / "notes.20240131"
    for path in (*left, alive, other):
        path.write_text("half")
        os.utime(path, (0, 0))
    with open(alive) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ensure([PLAIN], store=copy, train_missing=False)  # who reads takes nothing away
        assert all(path.exists() for path in left)
        ensure([PLAIN], store=copy)  # nothing is missing: the last row was written just before the kill
        assert not any(path.exists() for path in left)
        assert alive.exists()
        assert other.exists()


# --- the same bits


def test_two_stores_get_the_same_bits_whatever_ran_before(trained, tmp_path):
    torch.manual_seed(12345)  # somebody else's use of the generator
    torch.rand(7)
    state = torch.random.get_rng_state()
    ensure([DISTILLED, PLAIN], store=tmp_path, executor=Inline())
    assert_same(trained, Store(tmp_path), TEACHER, DISTILLED, PLAIN)
    assert torch.equal(torch.random.get_rng_state(), state)  # which is left as it was


def test_a_pool_of_processes_gives_the_same_bits(trained, tmp_path):
    ensure([DISTILLED, PLAIN], store=tmp_path)
    assert_same(trained, Store(tmp_path), TEACHER, DISTILLED, PLAIN)


def test_another_number_of_threads_gives_the_same_bits(trained, tmp_path):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        train_run(PLAIN, Store(tmp_path))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert_same(trained, Store(tmp_path), PLAIN)


def test_an_executor_of_one_thread_gives_the_same_bits(trained, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        ensure([DISTILLED, LINEAR], store=tmp_path, executor=executor)
        assert executor.submit(abs, -1).result() == 1  # it is left open
    assert_same(trained, Store(tmp_path), TEACHER, DISTILLED, LINEAR)


def test_an_executor_of_several_threads_gives_the_same_bits(tmp_path):
    configs = [RunConfig.from_dict(PLAIN.to_dict() | {"seed": seed, "epochs": 6}) for seed in (1, 2, 3)]
    ensure(configs, store=tmp_path / "inline", executor=Inline())
    with ThreadPoolExecutor(3) as executor:
        ensure(configs, store=tmp_path / "threads", executor=executor)
    assert_same(Store(tmp_path / "inline"), Store(tmp_path / "threads"), *configs)


def test_another_seed_gives_another_result(trained, tmp_path):
    other = RunConfig.from_dict(PLAIN.to_dict() | {"seed": 1})
    ensure([other], store=tmp_path)
    assert Store(tmp_path).read(other.id)["metrics"] != trained.read(PLAIN.id)["metrics"]


def test_a_teacher_whose_weights_are_gone_is_trained_again_with_the_same_bits(trained, copy):
    shutil.rmtree(copy.place / "cache")
    (copy.place / "runs" / f"{DISTILLED.id}.json").unlink()
    executor = Inline()
    ensure([DISTILLED], store=copy, executor=executor)
    assert len(executor.submitted) == 2
    assert_same(trained, copy, TEACHER, DISTILLED)


def test_a_teacher_whose_weights_are_damaged_is_trained_again_with_the_same_bits(trained, copy):
    path = copy.place / "cache" / f"{TEACHER.id}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    (copy.place / "runs" / f"{DISTILLED.id}.json").unlink()
    with pytest.warns(UserWarning, match=f"the weights {TEACHER.id}.safetensors are damaged"):
        ensure([DISTILLED], store=copy, executor=Inline())
    assert_same(trained, copy, TEACHER, DISTILLED)


def test_a_student_can_be_trained_by_itself_and_trains_its_teacher(trained, tmp_path):
    train_run(DISTILLED, Store(tmp_path))
    assert_same(trained, Store(tmp_path), TEACHER, DISTILLED)


# --- the teacher's outputs


def teachers(monkeypatch) -> list[str]:
    """The kinds of teacher that students are given from here on."""
    kinds, plain = [], run.Distillation

    def spy(teacher, *arguments, **options):
        kinds.append(type(teacher))
        return plain(teacher, *arguments, **options)

    monkeypatch.setattr(run, "Distillation", spy)
    return kinds


def test_outputs_above_the_budget_are_not_stored_and_give_the_same_row(trained, tmp_path, monkeypatch):
    kinds, store = teachers(monkeypatch), Store(tmp_path)
    monkeypatch.setattr(run, "OUTPUTS_BUDGET", 0)
    ensure([DISTILLED], store=store, executor=Inline())
    assert kinds == [LiveTeacher]
    assert not store.outputs(TEACHER.id).exists()
    assert_same(trained, store, TEACHER, DISTILLED)


def test_outputs_within_the_budget_are_stored_once_and_read(copy, monkeypatch):
    kinds = teachers(monkeypatch)
    before = (copy.outputs(TEACHER.id) / "features.npy").stat()
    other = RunConfig.from_dict(DISTILLED.to_dict() | {"seed": 1})
    monkeypatch.setattr(run, "OUTPUTS_BUDGET", 0)  # what is stored already is read all the same
    ensure([other], store=copy, executor=Inline())
    assert kinds == [StoredTeacher]
    after = (copy.outputs(TEACHER.id) / "features.npy").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_the_budget_is_in_bytes_of_one_teacher(tmp_path, monkeypatch, trained):
    size = sum(path.stat().st_size for path in trained.outputs(TEACHER.id).glob("*.npy")) - 2 * 128  # without headers
    for budget, there in ((size - 1, False), (size, True)):
        monkeypatch.setattr(run, "OUTPUTS_BUDGET", budget)
        prepare_teacher(TEACHER, Store(tmp_path))
        assert Store(tmp_path).outputs(TEACHER.id).exists() == there


def test_a_teacher_that_is_trained_again_loses_its_earlier_outputs(copy):
    assert copy.outputs(TEACHER.id).exists()
    train_run(TEACHER, copy)
    assert not copy.outputs(TEACHER.id).exists()


# --- damage and failure


def test_a_damaged_row_is_named_and_trained_again(trained, copy):
    path = copy.place / "runs" / f"{PLAIN.id}.json"
    path.write_text(path.read_text()[:200])
    executor = Inline()
    with pytest.warns(UserWarning, match=rf"the row {PLAIN.id}\.json is damaged \(.+\) and counts as missing"):
        frame = ensure([PLAIN, LINEAR], store=copy, executor=executor)
    assert [model for _, model, _ in executor.submitted] == ["mlp"]
    assert list(frame["id"]) == [PLAIN.id, LINEAR.id]
    assert_same(trained, copy, PLAIN)


def test_a_failed_run_is_named_and_the_others_are_done(tmp_path, monkeypatch):
    plain = run.train_run

    def sometimes(config, store, compute):
        if config == TEACHER:
            raise RuntimeError("out of luck")
        plain(config, store, compute)

    monkeypatch.setattr(run, "train_run", sometimes)
    with pytest.raises(SweepFailed) as caught:
        ensure([DISTILLED, LINEAR, PLAIN], store=tmp_path, executor=Inline())
    words = str(caught.value)
    assert words.startswith("2 of 4 runs failed: ")
    teacher = f"{TEACHER.model} on {TEACHER.dataset}, {TEACHER.horizon} steps, seed {TEACHER.seed}: {TEACHER.id}"
    assert f"{teacher} (RuntimeError: out of luck)" in words
    assert f"{DISTILLED.id} ({teacher} failed)" in words
    done = ensure([DISTILLED, LINEAR, PLAIN], store=tmp_path, train_missing=False)
    assert list(done["model"]) == ["nlinear", "mlp"]


def test_a_run_that_diverges_leaves_no_row(tmp_path):
    config = RunConfig(**SHAPE, model="nlinear", epochs=2, learning_rate=1e30)
    with pytest.raises(SweepFailed, match=rf"{config.id} \(training stopped: supervised is (nan|inf)\)"):
        ensure([config], store=tmp_path / "store")
    assert [path.name for path in (tmp_path / "store").rglob("*.*")] == [f"{config.id}.lock"]


def test_a_series_that_is_too_short_is_refused_before_anything_is_written(tmp_path):
    values = data.synthetic(rows=100, channels=2).values
    pd.DataFrame(values, columns=["a", "b"]).to_csv(tmp_path / "short.csv", index=False)
    short = RunConfig(str(tmp_path / "short.csv"), 48, 32, "nlinear", epochs=1)
    with pytest.raises(ValueError, match=r"short\.csv has 100 rows, too few for look-back 48 and horizon 32"):
        ensure([LINEAR, short], store=tmp_path / "store", executor=Inline())
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            RunConfig("synthetic", 6, 16, "mlp", "moderntcn", teacher_options={"settings": {"patch": 7}}),
            "moderntcn: patch must be at most 6",
        ),
        (RunConfig("synthetic", 6, 16, "moderntcn", settings={"patch": 7}), "moderntcn: patch must be at most 6"),
        (RunConfig(**SHAPE, model="mlp", epochs=1, settings={"width": 0}), "mlp: width must be at least 2"),
        (
            RunConfig(**SHAPE, model="mlp", teacher="itransformer", settings={"width": 4}),
            "a feature width of 4 cannot be halved 3 times",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_written(config, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        ensure([LINEAR, config], store=tmp_path / "store", executor=Inline())
    assert not (tmp_path / "store").exists()


def test_a_co_teacher_that_cannot_be_built_is_refused_before_anything_is_written(tmp_path):
    wide = {"moderntcn": {"settings": {"patch": 49}}}
    config = RunConfig(**SHAPE, model="mlp", teacher="itransformer", beta=0.0, co_teachers=wide)
    with pytest.raises(ValueError, match="moderntcn: patch must"):
        ensure([LINEAR, config], store=tmp_path / "store", executor=Inline())
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("model", "terms"),  # the features of a linear model are its forecast
    [("mlp", ("supervised", "period_forecast")), ("nlinear", ("supervised", "period_feature"))],
)
def test_a_length_without_a_period_is_refused_before_anything_is_written(model, terms, tmp_path):
    with pytest.raises(ValueError, match="no period"):
        config = RunConfig(
            "synthetic",
            48,
            1,
            model,
            "itransformer",
            epochs=1,
            scales=0,
            terms=terms,
            teacher_options=OPTIONS,
        )
        ensure([config], store=tmp_path / "store", executor=Inline())
    assert not (tmp_path / "store").exists()


def test_without_feature_parts_the_width_of_the_student_may_be_small(tmp_path):
    config = RunConfig(
        **SHAPE, model="mlp", teacher="itransformer", epochs=1, settings={"width": 4}, beta=0.0, teacher_options=OPTIONS
    )
    ensure([config], store=tmp_path, executor=Inline())
    assert Store(tmp_path).ids() == sorted([config.id, config.teacher_config.id])


# --- what is given


def test_one_config_may_stand_alone(trained):
    assert ensure(LINEAR, store=trained, train_missing=False).equals(
        ensure([LINEAR], store=trained, train_missing=False)
    )


@pytest.mark.parametrize("configs", [None, 5, "nlinear", [{}], [LINEAR, None]])
def test_what_is_no_config_is_refused(configs, tmp_path):
    with pytest.raises(ValueError, match=r"^configs must be"):
        ensure(configs, store=tmp_path / "store")


@pytest.mark.parametrize("place", ["/proc/store", "/dev/null", "/dev/null/store", "file", "file/store"])
def test_a_store_where_nothing_can_be_written_is_refused_before_anything_is_trained(place, tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / place
    with pytest.raises(ValueError, match=f"^(cannot write {path}: |a store is a folder, and {path} is none)"):
        ensure([LINEAR], store=tmp_path / place, executor=Inline())


# --- forecasts


def test_a_forecast_is_in_the_units_of_the_series(trained):
    series = data.load("synthetic")
    windows = split(series, 48, 16)
    model, about = load_model(DISTILLED.id, trained)
    assert about["channels"] == list(series.channels)
    *_, (_, _, _, last) = predict(model, windows.test)
    expected = last.prediction[-1].numpy() * windows.deviation + windows.mean
    made = forecast(DISTILLED.id, trained, series.values[:-16])  # the last test window's look-back
    assert made.shape == (16, 4)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)
    truth = series.values[-16:]
    persistence = np.broadcast_to(series.values[-17], truth.shape)
    assert np.square(made - truth).mean() < np.square(persistence - truth).mean()


def test_a_forecast_reads_the_last_look_back_rows_only(trained):
    values = data.load("synthetic").values
    changed = np.concatenate([values[:100] + 1e6, values[-48:]])
    np.testing.assert_array_equal(forecast(LINEAR.id, trained, values), forecast(LINEAR.id, trained, changed))
    np.testing.assert_array_equal(forecast(LINEAR.id, trained, values), forecast(LINEAR.id, trained, values[-48:]))


def test_a_loaded_model_is_in_evaluation_mode_and_leaves_the_generator_alone(trained):
    state = torch.random.get_rng_state()
    model, _ = load_model(TEACHER.id, trained)
    assert not model.training
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_forecast_without_weights_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match=f"has no weights of a run '{'0' * 16}'"):
        forecast("0" * 16, trained, np.zeros((48, 4)))
    with pytest.raises(ValueError, match=f"has no weights of a run '{PLAIN.id}'"):
        forecast(PLAIN.id, Store(tmp_path / "empty"), np.zeros((48, 4)))
    assert load_model(PLAIN.id, Store(tmp_path / "empty")) is None
    assert not (tmp_path / "empty").exists()


def test_a_forecast_from_too_few_rows_is_refused(trained):
    with pytest.raises(ValueError, match="47 rows are too few: the run looks back 48"):
        forecast(LINEAR.id, trained, np.zeros((47, 4)))


@pytest.mark.parametrize("shape", [(48, 1), (48, 5), (48,)])
def test_a_forecast_from_another_number_of_channels_is_refused(shape, trained):
    with pytest.raises(ValueError, match="4 channels"):
        forecast(LINEAR.id, trained, np.zeros(shape))


# --- your own series


def test_a_csv_is_trained_under_a_name_that_covers_its_values(tmp_path):
    values, path = data.synthetic(rows=500, channels=2).values, tmp_path / "own.csv"
    ids = []
    for shift in (0, 1):
        pd.DataFrame(values + shift, columns=["a", "b"]).to_csv(path, index=False)
        config = RunConfig(str(path), 48, 16, "nlinear", epochs=1)
        ids.append(ensure([config], store=tmp_path / "store")["id"][0])
    assert ids[0] != ids[1]
    assert Store(tmp_path / "store").ids() == sorted(ids)
    assert json.loads((tmp_path / "store" / "runs" / f"{ids[0]}.json").read_text())["config"]["dataset"] == str(path)


def test_a_series_of_one_channel_and_a_horizon_of_one_step_can_be_studied(tmp_path):
    pd.DataFrame({"load": data.synthetic(rows=300, channels=1).values[:, 0]}).to_csv(tmp_path / "one.csv", index=False)
    config = RunConfig(
        str(tmp_path / "one.csv"),
        31,
        1,
        "mlp",
        "itransformer",
        epochs=1,
        scales=0,
        terms=("supervised", "scale_forecast", "scale_feature"),
        settings={"width": 8},
        teacher_options=OPTIONS,
    )
    frame = ensure([config], store=tmp_path / "store", executor=Inline())
    assert np.isfinite(frame["test_mse"][0])
    assert frame["test_scale_mse"][0] == [frame["test_mse"][0]]
    made = forecast(config.id, Store(tmp_path / "store"), np.full((40, 1), 3.0))
    assert made.shape == (1, 1)
    assert np.isfinite(made).all()
