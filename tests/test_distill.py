"""The objective is its five formulas; the teacher is run once, never learns, and is never read half-written."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small
import torch
import torch.nn.functional as F

from tdlib import data, losses, models, teachers
from tdlib.distill import TERMS, Distillation, Projector
from tdlib.run import prepare_teacher
from tdlib.store import Store
from tdlib.study import RunConfig, ensure
from tdlib.teachers import LiveTeacher, StoredTeacher, outputs_size, store_outputs
from tdlib.train import Supervised, fit, window_errors
from tdlib.windows import split

SHAPE = {"lookback": 48, "horizon": 16, "channels": 3}
OPTIONS = {"scales": 2, "downsample": "max", "temperature": 0.3, "reduction": "kl"}
TRAINING = {"learning_rate": 1e-2, "batch_size": 32, "epochs": 2, "patience": 5}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As every run of a study."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def splits():
    return split(data.synthetic(rows=400, channels=3), 48, 16)


@pytest.fixture
def teacher():
    torch.manual_seed(1)
    return models.build("itransformer", **SHAPE, width=16, hidden=16, heads=2).eval()


@pytest.fixture
def stored(teacher, splits, tmp_path):
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    return StoredTeacher(tmp_path / "outputs")


@pytest.fixture
def student():
    torch.manual_seed(2)
    return models.build("mlp", **SHAPE, width=8)


@pytest.fixture
def batch(splits, student):
    """(the student's forecast, truth, index) of some training windows."""
    index = torch.tensor([7, 0, 200, 33, 34])
    x, y = splits.train.batch(index)
    return student(x), y, index


def objective(teacher, *, alpha=0.7, beta=1.3, **options) -> Distillation:
    torch.manual_seed(3)
    return Distillation(teacher, 16, 8, alpha=alpha, beta=beta, **(OPTIONS | options))


def expected(forecast, y, taught, projector) -> dict[str, torch.Tensor]:
    """The five parts straight from the losses, as method.md writes them."""
    scale = {"scales": 2, "downsample": "max"}
    period = {"temperature": 0.3, "reduction": "kl"}
    projected = projector(taught.features)
    return {
        "supervised": F.mse_loss(forecast.prediction, y),
        "scale_forecast": losses.multi_scale(forecast.prediction, taught.prediction, dim=1, **scale),
        "period_forecast": losses.multi_period(forecast.prediction, taught.prediction, dim=1, **period),
        "scale_feature": losses.multi_scale(forecast.features, projected, dim=2, **scale),
        "period_feature": losses.multi_period(forecast.features, projected, dim=2, **period),
    }


# --- the objective


def test_all_five_parts_together_are_the_published_loss(stored, batch):
    whole = objective(stored)
    parts = whole(*batch)
    assert tuple(parts) == TERMS
    direct = expected(batch[0], batch[1], stored.batch(batch[2]), whole.projector)
    for term in TERMS:
        torch.testing.assert_close(parts[term], direct[term], rtol=0, atol=0)
    assert len({round(part.item(), 6) for part in parts.values()}) == 5  # no two could be mixed up
    total = sum(whole.weights[term] * part for term, part in parts.items())
    forecasts = direct["scale_forecast"] + direct["period_forecast"]
    features = direct["scale_feature"] + direct["period_feature"]
    torch.testing.assert_close(total, direct["supervised"] + 0.7 * forecasts + 1.3 * features)


@pytest.mark.parametrize("term", TERMS)
def test_each_part_alone_equals_its_formula_and_the_others_are_dropped(term, stored, batch):
    alone = objective(stored, terms=(term,))
    parts = alone(*batch)
    projector = alone.projector if term.endswith("feature") else Projector(16, 8)
    direct = expected(batch[0], batch[1], stored.batch(batch[2]), projector)
    assert set(parts) == set(alone.weights) == {term}
    torch.testing.assert_close(parts[term], direct[term], rtol=0, atol=0)


@pytest.mark.parametrize("left_out", TERMS)
def test_a_part_that_is_switched_off_is_dropped_and_leaves_the_others_alone(left_out, stored, batch):
    rest = tuple(term for term in TERMS if term != left_out)
    parts, whole = objective(stored, terms=rest)(*batch), objective(stored)(*batch)
    assert tuple(parts) == rest
    assert all(torch.equal(parts[term], whole[term]) for term in rest)


def test_a_weight_of_zero_drops_its_parts(stored, batch):
    assert tuple(objective(stored, alpha=0.0)(*batch)) == ("supervised", "scale_feature", "period_feature")
    without = objective(stored, beta=0.0)
    assert tuple(without(*batch)) == ("supervised", "scale_forecast", "period_forecast")
    assert not list(without.parameters())  # and with the features, the projector
    assert tuple(objective(stored, alpha=0.0, beta=0.0)(*batch)) == ("supervised",)


def test_alpha_weighs_the_forecasts_and_beta_the_features(stored):
    weights = objective(stored, alpha=0.25, beta=4.0).weights
    assert weights == {"supervised": 1.0, "scale_forecast": 0.25, "period_forecast": 0.25,
                       "scale_feature": 4.0, "period_feature": 4.0}  # fmt: skip


@pytest.mark.parametrize("terms", [("scale_forecast",), ("scale_feature",), ("period_forecast", "period_feature")])
def test_a_run_whose_every_part_weighs_nothing_is_refused(terms):
    with pytest.raises(ValueError, match=r"terms|alpha|beta"):
        RunConfig("synthetic", 48, 16, "mlp", "itransformer", terms=terms, alpha=0.0, beta=0.0)


def test_the_defaults_are_the_published_ones(stored, batch):
    plain = Distillation(stored, 16, 8, alpha=1.0, beta=1.0)
    parts, taught = plain(*batch), stored.batch(batch[2])
    assert tuple(parts) == TERMS
    student_y, projected = batch[0].prediction, plain.projector(taught.features)
    torch.testing.assert_close(parts["scale_forecast"], losses.multi_scale(student_y, taught.prediction, dim=1))
    torch.testing.assert_close(parts["period_feature"], losses.multi_period(batch[0].features, projected, dim=2))


def test_with_the_truth_as_pattern_the_truth_takes_the_teachers_place(batch):
    truth = Distillation(None, 0, 8, alpha=0.7, beta=0.0, **OPTIONS)
    parts = truth(*batch)
    forecast, y, _ = batch
    assert tuple(parts) == ("supervised", "scale_forecast", "period_forecast")
    scale = losses.multi_scale(forecast.prediction, y, dim=1, scales=2, downsample="max")
    period = losses.multi_period(forecast.prediction, y, dim=1, temperature=0.3, reduction="kl")
    assert torch.equal(parts["scale_forecast"], scale)
    assert torch.equal(parts["period_forecast"], period)
    assert not list(truth.parameters())


# --- gradients


def test_the_projector_brings_the_teachers_width_to_the_students():
    projector = Projector(16, 8)
    f = torch.randn(5, 3, 16)
    first, relu, last = projector
    assert isinstance(relu, torch.nn.ReLU)
    assert projector(f).shape == (5, 3, 8)
    torch.testing.assert_close(projector(f), last(first(f).clamp(min=0)))


def test_the_student_and_the_projector_get_gradients_from_the_feature_parts(stored, batch, student):
    features = objective(stored, terms=("scale_feature", "period_feature"))
    sum(features(*batch).values()).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in features.projector.parameters())
    assert student.seasonal_in.weight.grad.abs().sum() > 0
    assert student.seasonal_out.weight.grad is None  # the head is behind the features


def test_the_teacher_has_no_part_in_the_training(teacher, splits, student):
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    live = objective(LiveTeacher(teacher, splits.train))
    projector = [weight.clone() for weight in live.projector.parameters()]
    own = {id(weight) for weight in live.parameters()}
    assert own == {id(weight) for weight in live.projector.parameters()}
    fit(student, live, splits, **TRAINING)
    assert all(weight.grad is None for weight in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training
    assert not any(torch.equal(a, b) for a, b in zip(projector, live.projector.parameters(), strict=True))


# --- the teacher's outputs


def test_stored_outputs_are_the_teachers_rounded_to_half(teacher, stored, splits):
    with torch.no_grad():
        forecast = teacher(splits.train.batch(torch.arange(len(splits.train)))[0])
    assert stored.predictions.dtype == stored.features.dtype == torch.float16
    assert stored.predictions.shape == (len(splits.train), 16, 3)
    assert stored.features.shape == (len(splits.train), 3, 16)
    for kept, part in zip((stored.predictions, stored.features), forecast, strict=True):
        torch.testing.assert_close(kept.float(), part, rtol=2**-10, atol=1e-6)
        assert (kept == part.half()).double().mean() > 0.999  # but for sums that end beside a rounding border


def test_stored_outputs_of_any_windows_in_any_order_are_theirs(teacher, stored, splits):
    index = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(0))[:50]
    taught, live = stored.batch(index), LiveTeacher(teacher, splits.train).batch(index)
    assert taught.prediction.dtype == torch.float32
    for row, window in enumerate(index.tolist()):
        assert torch.equal(taught.prediction[row], stored.predictions[window].float())
        assert torch.equal(taught.features[row], stored.features[window].float())
    torch.testing.assert_close(taught.prediction, live.prediction, rtol=2**-10, atol=1e-6)
    torch.testing.assert_close(taught.features, live.features, rtol=2**-10, atol=1e-6)


def test_the_size_of_the_outputs_is_the_size_of_the_files(teacher, stored, splits, tmp_path):
    files = list((tmp_path / "outputs").iterdir())
    assert sorted(file.name for file in files) == ["features.npy", "predictions.npy"]
    headers = 2 * 128
    assert sum(file.stat().st_size for file in files) == outputs_size(teacher, splits.train) + headers


@pytest.mark.parametrize("name", models.names("teacher"))
def test_a_stored_and_a_live_teacher_train_the_same_student_bit_by_bit(name, splits, tmp_path):
    torch.manual_seed(1)
    teacher = models.build(name, **SHAPE, **small.settings(name))
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    histories, states = [], []
    for source in (StoredTeacher(tmp_path / "outputs"), LiveTeacher(teacher, splits.train)):
        torch.manual_seed(2)
        student = models.build("mlp", **SHAPE, width=8)
        distillation = Distillation(source, teacher.feature_width, 8, alpha=1.0, beta=1.0)
        histories.append(fit(student, distillation, splits, **TRAINING))
        states.append(student.state_dict())
    assert histories[0] == histories[1]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_an_epoch_of_distillation_never_runs_the_teacher(teacher, stored, splits, student, monkeypatch):
    def refuse(x):
        raise AssertionError("the teacher was run")

    monkeypatch.setattr(teacher, "forward", refuse)
    with pytest.raises(AssertionError, match="the teacher was run"):
        teacher(torch.zeros(1, 48, 3))
    history = fit(student, objective(stored), splits, **TRAINING)
    assert len(history) == 2
    assert set(TERMS) <= set(history[-1])


def test_the_distilled_student_differs_from_the_plain_one(stored, splits):
    states = []
    for chosen in (Supervised(), objective(stored)):
        torch.manual_seed(2)
        student = models.build("mlp", **SHAPE, width=8)
        fit(student, chosen, splits, **TRAINING)
        states.append(student.state_dict())
    assert not torch.equal(states[0]["seasonal_in.weight"], states[1]["seasonal_in.weight"])


def test_a_second_writer_of_the_same_outputs_does_no_harm(teacher, splits, tmp_path):
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    before = (tmp_path / "outputs" / "features.npy").read_bytes()
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    assert (tmp_path / "outputs" / "features.npy").read_bytes() == before


def test_a_failure_while_outputs_are_written_leaves_what_was_there(teacher, splits, tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError("the disk is broken")

    store_outputs(teacher, splits.train, tmp_path / "earlier")
    monkeypatch.setattr(os, "fsync", fail)
    for name in ("outputs", "earlier"):
        with pytest.raises(OSError, match="the disk is broken"):
            store_outputs(teacher, splits.train, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["earlier"]
    assert len(StoredTeacher(tmp_path / "earlier").features) == len(splits.train)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not list what is mapped")
@pytest.mark.parametrize("mapped", [False, True])
def test_outputs_are_in_memory_up_to_a_budget_and_mapped_above_it(mapped, teacher, splits, tmp_path, monkeypatch):
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    size = sum(path.stat().st_size for path in (tmp_path / "outputs").iterdir())
    monkeypatch.setattr(teachers, "MEMORY_BUDGET", size - mapped)
    source = StoredTeacher(tmp_path / "outputs")
    maps = Path("/proc/self/maps").read_text()
    assert [str(tmp_path / "outputs" / f"{name}.npy") in maps for name in teachers.OUTPUTS] == [mapped, mapped]
    index = torch.tensor([5, 0, 200])
    live = LiveTeacher(teacher, splits.train).batch(index)
    torch.testing.assert_close(source.batch(index).features, live.features, rtol=2**-10, atol=1e-6)


# --- half precision


class FullPrecision:
    """The teacher in every step, and no rounding: what the stored outputs stand for."""

    def __init__(self, teacher, windows):
        self.teacher, self.windows = teacher.eval(), windows

    @torch.no_grad()
    def batch(self, index):
        return self.teacher(self.windows.batch(index)[0])


@pytest.fixture(scope="module")
def trained():
    """(a teacher that has learned, what it learned from)."""
    splits = split(data.synthetic(rows=3000), 96, 24)
    torch.manual_seed(1)
    teacher = models.build("itransformer", lookback=96, horizon=24, channels=4, width=32, hidden=32, heads=4)
    history = fit(teacher, Supervised(), splits, learning_rate=1e-3, batch_size=32, epochs=3, patience=3)
    assert history[-1]["val_mse"] < 0.1  # of a variance of one
    return teacher, splits


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_half_precision_changes_the_students_error_by_less_than_a_thousandth(seed, trained, tmp_path):
    """Over eight seeds the largest change is 0.02%; at ten times this learning rate chaos alone makes 0.1% of it."""
    teacher, splits = trained
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    errors = []
    for source in (StoredTeacher(tmp_path / "outputs"), FullPrecision(teacher, splits.train)):
        torch.manual_seed(seed)
        student = models.build("mlp", lookback=96, horizon=24, channels=4, width=64)
        distillation = Distillation(source, teacher.feature_width, 64, alpha=1.0, beta=1.0)
        fit(student, distillation, splits, learning_rate=1e-3, batch_size=32, epochs=5, patience=5)
        errors.append(window_errors(student, splits.test).mean(dtype=torch.float64).item())
    assert errors[0] != errors[1]  # the rounding did reach the student
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)


# --- in a study

TEACHER = RunConfig("synthetic", 48, 16, "itransformer", epochs=1, settings={"width": 16, "hidden": 16, "heads": 2})


@pytest.fixture
def taught(tmp_path):
    """A store with a trained teacher and its outputs."""
    store = Store(tmp_path)
    prepare_teacher(TEACHER, store)
    return store


def empty(folder):
    (folder / "features.npy").write_bytes(b"")


def missing(folder):
    (folder / "features.npy").unlink()


def truncated(folder):
    blob = (folder / "predictions.npy").read_bytes()
    (folder / "predictions.npy").write_bytes(blob[: len(blob) // 2])


def not_an_array(folder):
    (folder / "predictions.npy").write_bytes(b"not an array, but quite some bytes")


@pytest.mark.parametrize("damage", [missing, truncated, not_an_array, empty])
def test_outputs_that_are_not_whole_are_written_again(damage, taught):
    folder = taught.outputs(TEACHER.id)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder)
    prepare_teacher(TEACHER, taught)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_left_by_a_killed_writer_is_not_read(taught):
    """A writer works under a temporary name; what it left there counts as nothing."""
    folder = taught.outputs(TEACHER.id)
    before = (folder / "features.npy").read_bytes()
    left = folder.rename(folder.with_name(f"{folder.name}.99999999"))
    (left / "features.npy").write_bytes(b"")
    prepare_teacher(TEACHER, taught)
    assert (folder / "features.npy").read_bytes() == before


def test_a_run_with_truth_patterns_trains_without_any_teacher(tmp_path):
    config = RunConfig("synthetic", 48, 16, "mlp", patterns="truth", alpha=1.0, epochs=1, settings={"width": 16})
    ensure([config], store=tmp_path)
    store = Store(tmp_path)
    assert store.ids() == [config.id]
    epoch = store.read(config.id)["epochs"][0]
    assert set(epoch) == {"epoch", "supervised", "scale_forecast", "period_forecast", "val_mse"}


# --- several processes

PREPARE = """
import sys, time
from pathlib import Path
import torch
from tdlib.models.itransformer import ITransformer
from tdlib.store import Store
from tdlib.study import RunConfig
from tdlib.run import prepare_teacher
folder, name, others, killed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "killed"

def note(module, inputs, output):
    # The first run of the teacher is noted, and waits until the other processes want its outputs too.
    if isinstance(module, ITransformer) and not (folder / f"run by {name}").exists():
        (folder / f"run by {name}").touch()
        while len(list(folder.glob("wants *"))) < others or killed:
            time.sleep(0.05)
        time.sleep(0.3)

torch.nn.modules.module.register_module_forward_hook(note)
(folder / f"wants {name}").touch()
prepare_teacher(RunConfig.from_dict(eval(sys.argv[5])), Store(folder / "store"))
"""


def prepare(folder, name: str, processes: int, fate: str = "lives") -> subprocess.Popen:
    """A process that wants the teacher's outputs; one that is to be killed never comes to an end with them."""
    arguments = [str(folder), name, str(processes), fate, repr(TEACHER.to_dict())]
    return subprocess.Popen([sys.executable, "-c", PREPARE, *arguments], stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


@pytest.fixture
def emptied(tmp_path):
    """(the folder of a teacher's outputs, what was in it): the teacher is there, its outputs are wanted."""
    store = Store(tmp_path / "store")
    prepare_teacher(TEACHER, store)
    folder = store.outputs(TEACHER.id)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    return folder, before


def test_of_two_processes_one_runs_the_teacher_and_the_other_waits_and_reads(emptied, tmp_path):
    folder, before = emptied
    processes = [prepare(tmp_path, name, 2) for name in ("a", "b")]
    assert [process.communicate(timeout=120)[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("run by *"))) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_process_that_is_killed_while_it_fills_blocks_nobody(emptied, tmp_path):
    folder, before = emptied
    first = prepare(tmp_path, "first", 2, "killed")
    wait_for(tmp_path / "run by first", first)
    second = prepare(tmp_path, "second", 2)
    wait_for(tmp_path / "wants second", second)
    assert folder.with_name(f"{folder.name}.unfinished").exists()
    assert not (tmp_path / "run by second").exists()
    first.kill()
    assert first.wait() == -signal.SIGKILL
    first.stderr.close()
    assert second.communicate(timeout=120)[1] == ""
    assert (tmp_path / "run by second").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not folder.with_name(f"{folder.name}.unfinished").exists()


def test_of_two_students_that_lack_the_same_teacher_one_trains_it(tmp_path):
    processes = [prepare(tmp_path, name, 2) for name in ("a", "b")]
    assert [process.communicate(timeout=120)[1] for process in processes] == ["", ""]
    assert len(list(tmp_path.glob("run by *"))) == 1
    assert Store(tmp_path / "store").ids() == [TEACHER.id]
