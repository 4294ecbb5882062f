"""A teacher is run once, its outputs are the same live and stored, and they are never read half-written."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from tdlib import data, models, teachers
from tdlib.compute import Compute
from tdlib.distill import Distillation
from tdlib.models import Forecast
from tdlib.run import prepare_teacher
from tdlib.store import Store
from tdlib.study import RunConfig
from tdlib.teachers import LiveTeacher, SeveralTeachers, StoredTeacher, outputs_size, store_outputs
from tdlib.train import Supervised, fit, train_epoch, window_errors
from tdlib.windows import Splits, split

SHAPE = {"lookback": 48, "horizon": 16, "channels": 3}
TRAINING = {"learning_rate": 1e-2, "batch_size": 32, "epochs": 2, "patience": 5}


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
    files = list((tmp_path / "outputs").glob("*.npy"))
    assert sorted(file.name for file in files) == ["features.npy", "predictions.npy"]
    headers = 2 * 128
    assert sum(file.stat().st_size for file in files) == outputs_size(teacher, splits.train) + headers


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", models.names("teacher"))
def test_a_stored_and_a_live_teacher_train_the_same_student_bit_by_bit(name, precision, splits, tmp_path):
    torch.manual_seed(1)
    teacher = models.build(name, **SHAPE, **small.settings(name))
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    histories, states = [], []
    for source in (StoredTeacher(tmp_path / "outputs"), LiveTeacher(teacher, splits.train)):
        torch.manual_seed(2)
        student = models.build("mlp", **SHAPE, width=8)
        distillation = Distillation(source, teacher.feature_width, 8, alpha=1.0, beta=1.0)
        histories.append(fit(student, distillation, splits, **TRAINING, compute=Compute(1, "cpu", precision)))
        states.append(student.state_dict())
    assert histories[0] == histories[1]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize("kind", ["live", "several"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_an_epoch_is_taught_does_not_depend_on_its_precision(precision, kind, teacher, stored, student, splits):
    """Half of an output and half of the same output are that output, also in a mean of two teachers."""
    live = LiveTeacher(teacher, splits.train)
    source = live if kind == "live" else SeveralTeachers({"live": live, "stored": stored}, "mean")
    taught = []

    class Recorder:
        def batch(self, index):
            taught.append((index, source.batch(index).prediction))
            return source.batch(index)

    objective = Distillation(Recorder(), 16, 8, alpha=1.0, beta=0.0)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
    train_epoch(student, objective, splits.train, optimizer, 32, Compute(1, "cpu", precision))
    assert len(taught) == -(-len(splits.train) // 32)
    assert all(torch.equal(prediction, stored.batch(index).prediction) for index, prediction in taught)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system takes no room ahead of the values")
def test_the_room_of_all_values_is_taken_behind_the_header(tmp_path):
    with open(tmp_path / "outputs.npy", "wb") as file:
        teachers._begin_array(file, (3, 5, 7))
        assert file.tell() == 128
        assert os.fstat(file.fileno()).st_size == 128 + 2 * 3 * 5 * 7


@pytest.mark.parametrize("name", ["predictions", "features"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e5])  # the last is finite until it is half as wide
def test_outputs_that_are_not_finite_are_refused_with_their_window(name, value, splits, tmp_path):
    class Broken(torch.nn.Module):
        feature_width = 4

        def forward(self, x):
            broken = (x == splits.train.batch(torch.tensor([200]))[0]).all(2).all(1)  # window 200, in any batch
            outputs = {"predictions": torch.zeros(len(x), 16, 3), "features": torch.zeros(len(x), 3, 4)}
            outputs[name][broken] = value
            return Forecast(*outputs.values())

    words = f"^the teacher's {name} for training window 200 are not finite in half precision$"
    with pytest.raises(ValueError, match=words):
        store_outputs(Broken(), splits.train, tmp_path / "outputs")
    assert list(tmp_path.iterdir()) == []


def test_outputs_of_another_shape_are_refused(splits, tmp_path):
    teacher = models.build("nlinear", lookback=48, horizon=8, channels=3)
    words = (
        r"^the teacher's predictions for training windows 0 to \d+ must be of shape \[\d+, 16, 3\], got \[\d+, 8, 3\]$"
    )
    with pytest.raises(ValueError, match=words):
        store_outputs(teacher, splits.train, tmp_path / "outputs")
    assert list(tmp_path.iterdir()) == []


def test_a_committee_with_one_member_and_one_of_other_windows_are_refused(stored):
    with pytest.raises(ValueError, match=r"^a committee has at least two members, got 1$"):
        SeveralTeachers({"alone": stored}, "mean")

    class Short:
        def batch(self, index):
            return Forecast(torch.zeros(len(index), 8, 3), torch.zeros(len(index), 3, 4))

    words = r"^members of a committee forecast the same windows, and these differ: long \[16, 3\], short \[8, 3\]$"
    with pytest.raises(ValueError, match=words):
        SeveralTeachers({"long": stored, "short": Short()}, "mean").batch(torch.arange(5))


def test_outputs_of_other_windows_are_refused_by_committee_and_training(stored, teacher, student, splits):
    """Of a shorter look-back there are more windows, and each would teach another one's future."""
    others = LiveTeacher(teacher, splits.val)
    counts = f"{len(splits.train)} of stored, {len(splits.val)} of live"
    with pytest.raises(ValueError, match=f"^members of a committee forecast the same windows, got {counts}$"):
        SeveralTeachers({"stored": stored, "live": others}, "mean")
    objective = Distillation(others, 16, 8, alpha=1.0, beta=0.0)
    words = f"^the teacher's outputs are of {len(splits.val)} windows, and {len(splits.train)} are to be learned from$"
    with pytest.raises(ValueError, match=words):
        fit(student, objective, splits, learning_rate=1e-3, batch_size=32, epochs=1, patience=1)


def test_a_committee_is_not_weighed_on_the_errors_of_other_members(stored):
    with pytest.raises(ValueError, match=r"^2 members cannot have the weights of 3$"):
        SeveralTeachers({"a": stored, "b": stored}, "mean", np.ones((5, 3, 3)))


def test_a_committee_takes_the_weights_that_validation_gives_it(stored):
    moments = np.array([[[1.0, 0.0], [0.0, 4.0]]])
    several = SeveralTeachers({"good": stored, "bad": Constant(1.0)}, "least squares", moments)
    assert several.weights.tolist() == pytest.approx([0.8, 0.2])
    index = torch.arange(5)
    expected = 0.8 * stored.batch(index).prediction + 0.2
    torch.testing.assert_close(several.batch(index).prediction, expected)


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
@pytest.mark.parametrize(("spare", "mapped"), [(1, False), (0, False), (-1, True)])
def test_outputs_are_in_memory_up_to_a_budget_and_mapped_above_it(
    spare, mapped, teacher, splits, tmp_path, monkeypatch
):
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    size = sum(path.stat().st_size for path in (tmp_path / "outputs").glob("*.npy"))
    monkeypatch.setattr(teachers, "MEMORY_BUDGET", size + spare)
    source = StoredTeacher(tmp_path / "outputs")
    maps = Path("/proc/self/maps").read_text()
    assert [str(tmp_path / "outputs" / f"{name}.npy") in maps for name in teachers.OUTPUTS] == [mapped, mapped]
    index = torch.tensor([5, 0, 200])
    live = LiveTeacher(teacher, splits.train).batch(index)
    torch.testing.assert_close(source.batch(index).features, live.features, rtol=2**-10, atol=1e-6)


# --- several


class Level(torch.nn.Module):
    """Forecasts one number a channel, its only weights: at 0, an MSE pulls along the channel means."""

    def __init__(self):
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return Forecast(self.level.expand(len(x), 16, 3), x)


class Seen:
    """Windows that note which of them are asked for."""

    def __init__(self, windows):
        self.windows, self.asked = windows, []

    @property
    def channels(self):
        return self.windows.channels

    def __len__(self):
        return len(self.windows)

    def batch(self, index):
        self.asked.append(index.tolist())
        return self.windows.batch(index)


class Constant:
    def __init__(self, value):
        self.value, self.asked = value, []

    def batch(self, index):
        self.asked.append(index.tolist())
        return Forecast(torch.full((len(index), 16, 3), self.value), torch.zeros(len(index), 3, 16))


def test_one_step_of_adaptive_weights_by_hand(splits):
    """Weights times e^(step cos), and to sum 1: two teachers on opposite sides have opposite cosines."""
    teachers, seen = {"above": Constant(9.0), "below": Constant(-9.0)}, Splits(*map(Seen, splits))
    several = SeveralTeachers(teachers, "adaptive")
    several.weights, model = torch.tensor([0.25, 0.75]), Level().train()
    several.adapt(model, seen, count=5)
    truth = splits.val.batch(torch.linspace(0, len(splits.val) - 1, 5).long())[1].mean((0, 1))
    cosine = truth.sum() / truth.norm() / 3**0.5
    assert 0.1 < cosine.abs() < 0.9
    moved = torch.tensor([0.25, 0.75]) * torch.exp(0.5 * cosine * torch.tensor([1.0, -1.0]))
    torch.testing.assert_close(several.weights, moved / moved.sum())
    assert not model.training  # batch statistics stay out
    last, quarter = len(splits.train) - 1, (len(splits.train) - 1) / 4
    spread = [[0, int(quarter), int(2 * quarter), int(3 * quarter), last]]  # first to last, evenly
    assert seen.train.asked == teachers["above"].asked == teachers["below"].asked == spread
    assert [seen.val.asked[0][0], seen.val.asked[0][-1], len(seen.val.asked[0])] == [0, len(splits.val) - 1, 5]
    assert seen.test.asked == []
    assert several.batch(torch.arange(2)).features.numel() == 0  # no width in common, no features


def test_a_step_with_fewer_windows_than_it_would_take_uses_each_once(splits):
    seen = Splits(*map(Seen, splits))
    SeveralTeachers({"above": Constant(9.0), "below": Constant(-9.0)}, "adaptive").adapt(Level(), seen, 10_000)
    assert seen.train.asked == [list(range(len(splits.train)))]
    assert seen.val.asked == [list(range(len(splits.val)))]


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


def other_bits(folder):
    blob = bytearray((folder / "features.npy").read_bytes())
    blob[-1] ^= 1
    (folder / "features.npy").write_bytes(blob)


def changed(folder, change):
    """An array of another kind, as from an earlier version: without a checksum."""
    np.save(folder / "predictions.npy", change(np.load(folder / "predictions.npy")))
    (folder / "sha256").unlink()


def fewer(folder):
    changed(folder, lambda part: part[:100])


def one_channel(folder):
    changed(folder, lambda part: part[:, :, :1])


def wider(folder):
    changed(folder, lambda part: part.astype(np.float32))


DAMAGES = [missing, truncated, not_an_array, empty, other_bits, fewer, one_channel, wider]


@pytest.mark.parametrize("damage", DAMAGES)
def test_outputs_that_are_not_whole_are_written_again(damage, taught):
    folder = taught.outputs(TEACHER.id)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder)
    prepare_teacher(TEACHER, taught)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_outputs_of_an_earlier_version_have_no_checksum_and_are_used(taught):
    folder = taught.outputs(TEACHER.id)
    (folder / "sha256").unlink()
    before = (folder / "features.npy").stat()
    prepare_teacher(TEACHER, taught)
    assert (folder / "features.npy").stat() == before


def test_outputs_that_are_mapped_are_written_and_read_without_a_checksum(taught, monkeypatch):
    monkeypatch.setattr(teachers, "MEMORY_BUDGET", 0)
    folder = taught.outputs(TEACHER.id)
    (folder / "sha256").write_text("of other outputs")
    before = (folder / "features.npy").stat()
    prepare_teacher(TEACHER, taught)
    assert (folder / "features.npy").stat() == before
    shutil.rmtree(folder)
    prepare_teacher(TEACHER, taught)
    assert sorted(path.name for path in folder.iterdir()) == ["features.npy", "predictions.npy"]


def test_a_folder_left_by_a_killed_writer_is_not_read(taught):
    """A writer works under a temporary name; what it left there counts as nothing."""
    folder = taught.outputs(TEACHER.id)
    before = (folder / "features.npy").read_bytes()
    left = folder.rename(folder.with_name(f"{folder.name}.99999999"))
    (left / "features.npy").write_bytes(b"")
    prepare_teacher(TEACHER, taught)
    assert (folder / "features.npy").read_bytes() == before


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
