"""A function of one series as a model: its forecasts, what it keeps, how it goes on after a kill, whom it can teach."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import small
import torch

from tdlib import models, teachers
from tdlib.distill import Distillation
from tdlib.models import pretrained
from tdlib.models.pretrained import Kept, Pretrained
from tdlib.train import fit, predict

HORIZON = 16


def drift(contexts: torch.Tensor) -> torch.Tensor:
    """The line from the first value to the last goes on."""
    slope = (contexts[:, -1:] - contexts[:, :1]) / (contexts.shape[1] - 1)
    return contexts[:, -1:] + slope * torch.arange(1.0, HORIZON + 1)


class Counted:
    """`drift`, and how many contexts it was asked for; from the `last` on it fails, as a job that is killed."""

    def __init__(self, last: int = 10**9):
        self.asked, self.last = 0, last

    def __call__(self, contexts):
        if self.asked + len(contexts) > self.last:
            raise KeyboardInterrupt
        self.asked += len(contexts)
        return drift(contexts)


def outputs(model, windows) -> torch.Tensor:
    return torch.cat([forecast.prediction for *_, forecast in predict(model, windows)])


def contexts_of(splits) -> int:
    return 3 * sum(map(len, splits[:3]))


# --- what it forecasts


def test_every_channel_of_every_window_is_a_context_by_itself():
    x = small.series(5, 48, 3)
    forecast = Pretrained(drift, horizon=HORIZON)(x)
    for window in range(5):
        for channel in range(3):
            expected = drift(x[window, :, channel][None])[0]
            torch.testing.assert_close(forecast.prediction[window, :, channel], expected)
            mean = x[window, :, channel].mean()
            torch.testing.assert_close(forecast.features[window, channel], expected - mean, rtol=1e-4, atol=1e-5)


def test_it_has_no_weights_and_learns_nothing(splits):
    model = Pretrained(drift, horizon=HORIZON)
    assert model.state_dict() == {}
    assert model.solve(splits) == {}


def test_a_function_is_never_asked_for_more_than_a_piece():
    sizes = []

    def noted(contexts):
        sizes.append(len(contexts))
        return drift(contexts)

    Pretrained(noted, horizon=HORIZON)(small.series(200, 48, 3))
    assert sizes == [256, 256, 88]


# --- what it keeps


def test_what_was_forecast_once_is_read_in_any_batch_and_order_by_any_later_process(splits, tmp_path):
    first = Counted()
    model = Pretrained(first, horizon=HORIZON, folder=tmp_path / "kept")
    model.solve(splits)
    assert first.asked == contexts_of(splits)
    later = Pretrained(Counted(last=0), horizon=HORIZON, folder=tmp_path / "kept")  # fails where it is asked
    index = torch.randperm(len(splits.val), generator=torch.Generator().manual_seed(0))
    for windows, order in ((splits.train, torch.arange(len(splits.train))), (splits.val, index), (splits.test, None)):
        x = windows.batch(torch.arange(len(windows)) if order is None else order)[0]
        for again, live in zip(later(x), Pretrained(drift, horizon=HORIZON)(x), strict=True):
            assert torch.equal(again, live)


def test_of_a_job_that_was_stopped_only_the_rest_is_computed_and_the_outputs_are_the_same_bits(splits, tmp_path):
    stopped, rest = Counted(last=600), Counted()
    with pytest.raises(KeyboardInterrupt):
        Pretrained(stopped, horizon=HORIZON, folder=tmp_path / "kept").solve(splits)
    assert 256 <= stopped.asked <= 600
    model = Pretrained(rest, horizon=HORIZON, folder=tmp_path / "kept")
    model.solve(splits)
    assert stopped.asked + rest.asked == contexts_of(splits)
    teachers.store_outputs(model, splits.train, tmp_path / "outputs")
    undisturbed = Pretrained(drift, horizon=HORIZON)
    teachers.store_outputs(undisturbed, splits.train, tmp_path / "undisturbed")
    for name in teachers.OUTPUTS:
        one, other = (tmp_path / folder / f"{name}.npy" for folder in ("outputs", "undisturbed"))
        assert one.read_bytes() == other.read_bytes()
    assert rest.asked + stopped.asked == contexts_of(splits)  # storing asked for none


SLOW = """
import sys, time
import torch
from tdlib import data, windows
from tdlib.models.pretrained import Pretrained

def slow(contexts):
    print("asked", flush=True)
    time.sleep(0.2)
    return contexts[:, -16:]

Pretrained(slow, horizon=16, folder=sys.argv[1]).solve(windows.split(data.synthetic(rows=400, channels=3), 48, 16))
"""


def test_a_killed_process_leaves_whole_pieces_and_the_next_one_goes_on(splits, tmp_path):
    command = [sys.executable, "-c", SLOW, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for _ in range(3):
        assert process.stdout.readline() == "asked\n"  # two pieces are written before the third is asked for
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    whole = len(list(tmp_path.glob("*.npz")))
    assert whole >= 2
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    pieces = sum(-(-len(windows) // (256 // 3)) for windows in splits[:3])
    assert done.stdout.count("asked") == pieces - whole
    model = Pretrained(Counted(last=0), horizon=HORIZON, folder=tmp_path)
    x = splits.train.batch(torch.arange(len(splits.train)))[0]
    assert torch.equal(model(x).prediction, x[:, -16:])


def test_a_bar_counts_all_windows(splits, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(pretrained, "tqdm", functools.partial(pretrained.tqdm, disable=False))  # off in tests
    Pretrained(drift, horizon=HORIZON, folder=tmp_path).solve(splits)
    count = sum(map(len, splits[:3]))
    assert f"forecasts of the teacher: 100%|██████████| {count}/{count}" in capfd.readouterr().err


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def changed(path: Path) -> None:
    blob = bytearray(path.read_bytes())
    blob[len(blob) // 2] ^= 1
    path.write_bytes(blob)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_another_horizon(path: Path) -> None:
    with np.load(path) as file:
        keys = file["keys"]
    np.savez(path, keys=keys, forecasts=np.zeros((len(keys), HORIZON + 1), np.float32))


def of_other_arrays(path: Path) -> None:
    np.savez(path, something=np.zeros(3))


@pytest.mark.parametrize("damage", [cut, changed, emptied, of_another_horizon, of_other_arrays])
def test_a_damaged_piece_is_computed_again(damage, tmp_path):
    x = small.series(100, 48, 3)
    expected = Pretrained(drift, horizon=HORIZON, folder=tmp_path)(x)
    pieces = sorted(tmp_path.iterdir())
    assert len(pieces) == 2
    damage(pieces[0])
    again = Counted()
    found = Pretrained(again, horizon=HORIZON, folder=tmp_path)(x)
    assert torch.equal(found.prediction, expected.prediction)
    assert again.asked in (256, 44)
    assert Pretrained(Counted(last=0), horizon=HORIZON, folder=tmp_path)(x).prediction.equal(expected.prediction)


def test_what_a_killed_writer_left_is_taken_away(tmp_path):
    left = tmp_path / ".piece.npz.0123abcd.tdlib"
    left.write_bytes(b"half a piece")
    past = time.time() - 60
    os.utime(left, (past, past))
    Kept(tmp_path, HORIZON)
    assert list(tmp_path.iterdir()) == []


# --- what is refused


def test_a_window_whose_forecast_is_not_finite_is_named_and_not_kept(splits, tmp_path):
    broken = splits.val.batch(torch.tensor([7]))[0][0, :, 1]

    def sometimes(contexts):
        found = drift(contexts)
        found[(contexts == broken).all(1), 3] = torch.nan
        return found

    model = Pretrained(sometimes, horizon=HORIZON, folder=tmp_path)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^the teacher's forecast for validation window 7 is not finite$"):
            model.solve(splits)
    x = splits.val.batch(torch.tensor([5, 6, 7, 8]))[0]
    with pytest.raises(ValueError, match=r"^the teacher's forecast for the batch's window 2 is not finite$"):
        Pretrained(sometimes, horizon=HORIZON)(x)
    kept = Pretrained(Counted(last=0), horizon=HORIZON, folder=tmp_path)
    kept(splits.train.batch(torch.arange(len(splits.train)))[0])  # those before it are


@pytest.mark.parametrize(
    ("forecast", "got"),
    [
        (lambda contexts: drift(contexts)[:, :8], r"\[6, 8\]"),
        (lambda contexts: drift(contexts)[:5], r"\[5, 16\]"),
        (lambda contexts: drift(contexts)[..., None], r"\[6, 16, 1\]"),
        (lambda contexts: drift(contexts).numpy(), "ndarray"),
    ],
)
def test_forecasts_of_another_shape_are_refused(forecast, got):
    words = rf"^the teacher must forecast \[6, 16\] for the batch's window 0, got {got}$"
    with pytest.raises(ValueError, match=words):
        Pretrained(forecast, horizon=HORIZON)(small.series(2, 48, 3))


# --- whom it teaches


def test_a_function_of_ones_own_teaches_a_student(splits, tmp_path):
    """The example of the docstring: the student ends nearer to its teacher than one that nobody taught."""
    teacher = Pretrained(drift, horizon=HORIZON, folder=tmp_path / "pieces")
    teacher.solve(splits)
    teachers.store_outputs(teacher, splits.train, tmp_path / "outputs")
    stored = teachers.StoredTeacher(tmp_path / "outputs")
    distances = {}
    for alpha in (0.0, 5.0):
        torch.manual_seed(0)
        student = models.build("mlp", lookback=48, horizon=HORIZON, channels=3, width=8)
        objective = Distillation(stored, teacher.feature_width, student.feature_width, alpha=alpha, beta=0.0)
        fit(student, objective, splits, learning_rate=1e-2, batch_size=32, epochs=3, patience=3)
        distances[alpha] = (outputs(student, splits.test) - outputs(teacher, splits.test)).square().mean().item()
    assert distances[5.0] < 0.8 * distances[0.0]


def test_a_function_may_change_what_it_is_given():
    def forecast(contexts):
        return contexts.mul_(0)[:, :4]

    x = torch.randn(1, 2, 12).mT  # its contexts are a view of it
    features = Pretrained(forecast, horizon=4)(x).features
    torch.testing.assert_close(features, -x.mean(1)[..., None].expand(1, 2, 4))


def test_a_function_that_draws_leaves_torchs_generator_alone():
    def noisy(contexts):
        return drift(contexts) + torch.randn(len(contexts), HORIZON)

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Pretrained(noisy, horizon=HORIZON)(small.series(2, 48, 3))
    assert torch.equal(torch.rand(3), expected)
