"""Workers x threads: picked from what was measured, once for a store."""

import json

import pytest
import torch

from tdlib import threads
from tdlib.threads import cores, measure, pick, steps_per_second, threads_for


@pytest.mark.parametrize(
    ("rates", "picked"),
    [
        ({1: 40.0}, 1),
        ({1: 40.0, 2: 38.0}, 1),
        ({1: 40.0, 2: 43.9}, 1),  # a tenth is not reached: noise must not decide
        ({1: 40.0, 2: 44.1}, 2),
        ({1: 40.0, 2: 60.0, 4: 50.0}, 2),
        ({1: 40.0, 2: 30.0, 4: 10.0, 8: 45.0}, 8),
    ],
)
def test_one_thread_a_worker_unless_another_split_is_a_tenth_faster(rates, picked):
    assert pick(rates) == picked


def keep(place, **changes) -> None:
    """Rates at `place` that say: as many threads as there are cores."""
    kept = {"cores": cores(), "torch": torch.__version__, "steps_per_second": {"1": 1.0, str(cores()): 9.0}}
    (place / "cache").mkdir(exist_ok=True)
    (place / "cache" / "threads.json").write_text(json.dumps(kept | changes))


@pytest.fixture
def measured(monkeypatch):
    """How often it was measured; a count stands for the measurement itself, which has a test of its own."""
    calls = []
    monkeypatch.setattr(threads, "cores", lambda: 2)
    monkeypatch.setattr(threads, "measure", lambda: calls.append(1) or {1: 40.0, 2: 60.0})
    return calls


@pytest.mark.skipif(cores() < 2, reason="one core has one split")
def test_what_was_measured_holds_for_every_later_sweep_and_is_said(tmp_path, capsys):
    keep(tmp_path)
    for jobs in (1, 1000):
        assert threads_for(jobs, tmp_path) == cores()
        said = capsys.readouterr().err
        assert said == f"1 worker x {cores()} threads (measured: {cores()} x 1 1.0, 1 x {cores()} 9.0 steps/s)\n"


def test_it_is_measured_once_where_there_are_two_jobs_a_core(tmp_path, measured, capsys):
    assert threads_for(3, tmp_path) == 1
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""
    assert [threads_for(jobs, tmp_path) for jobs in (4, 4, 1)] == [2, 2, 2]
    assert len(measured) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"cores": 3},
        {"torch": "1.0"},
        {"steps_per_second": {}},
        {"steps_per_second": {"2": 9.0}},
        {"steps_per_second": {"1": float("nan")}},
        {"steps_per_second": {"1": -1.0}},
        {"steps_per_second": [1.0]},
        {"more": 1},
    ],
)
def test_what_was_measured_elsewhere_or_cannot_be_is_measured_again(changes, tmp_path, measured):
    keep(tmp_path, **{"cores": 2} | changes)
    assert threads_for(4, tmp_path) == 2
    assert threads_for(4, tmp_path) == 2
    assert len(measured) == 1


@pytest.mark.parametrize("blob", [b"", b"{", b"[]", b"7", b"\xff\xfe"])
def test_a_damaged_file_is_measured_again(blob, tmp_path, measured):
    keep(tmp_path)
    (tmp_path / "cache" / "threads.json").write_bytes(blob)
    assert threads_for(4, tmp_path) == 2
    assert len(measured) == 1
    assert threads_for(4, tmp_path) == 2
    assert len(measured) == 1


def test_the_measurement_takes_every_split_of_the_cores(monkeypatch):
    monkeypatch.setattr(threads, "SECONDS", 0.1)
    rates = measure()
    assert list(rates) == [each for each in range(1, cores() + 1) if cores() % each == 0]
    assert all(rate > 0 for rate in rates.values())


def test_a_step_can_be_timed_in_this_process():
    before = torch.get_num_threads()
    try:
        assert steps_per_second(1, 0.05) > 0
    finally:
        torch.set_num_threads(before)
