"""On a full disk nothing is half-written, and one sentence says what, where, how much it needs and how much is free.

The disk is a real one, a small tmpfs; mounting it takes root's rights.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import small
import torch

from tdlib import data, models
from tdlib.__main__ import main
from tdlib.files import DiskFull, write_atomically
from tdlib.store import Store
from tdlib.study import RunConfig, SweepFailed, ensure
from tdlib.teachers import StoredTeacher, outputs_size, store_outputs
from tdlib.windows import split

ID = "0123456789abcdef"
ABOUT = {"config": small.row(ID)["config"], "channels": ["a"], "mean": [0.0], "deviation": [1.0]}

pytestmark = pytest.mark.root  # a mount


class Disk:
    """A tmpfs of so many bytes, in whole pages of 4,096."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, size: int, *options: str):
        command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        return self.folder

    def grow(self, size: int) -> None:
        self(size, "remount")


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    yield Disk(tmp_path / "disk")
    subprocess.run(["umount", str(tmp_path / "disk")], capture_output=True)


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def sentence(name: str, needed: str = r"[\d,]+\.\d\d", free: str = r"[\d,]+\.\d\d") -> str:
    return rf"the disk of \S+ is full: {name} needs {needed} MB, {free} MB are free"


# --- what is written


def test_a_file_that_does_not_fit_is_not_there_and_an_older_one_stays(disk):
    place = disk(1_000_000)
    write_atomically((place / "row.json", b"old"))
    with pytest.raises(DiskFull, match=sentence(r"row\.json", needed=r"3\.00", free=r"1\.00")) as caught:
        write_atomically((place / "row.json", bytes(3_000_000)))
    assert str(place) in str(caught.value)
    assert files(place) == ["row.json"]
    assert (place / "row.json").read_bytes() == b"old"


def test_a_row_whose_arrays_fit_and_which_does_not_is_not_there_at_all(disk):
    place = disk(400_000)
    row = small.row(ID, epochs=[{"x" * 300_000: 0.5}])
    arrays = small.arrays(np.random.default_rng(0).random(25_000))  # 200 kB that cannot be compressed
    with pytest.raises(DiskFull, match=sentence(rf"{ID}\.json", needed=r"0\.\d\d", free=r"0\.4\d|0\.39")):
        Store(place).write(row, arrays)
    assert files(place) == []
    disk.grow(4_000_000)
    Store(place).write(row, arrays)
    assert Store(place).read(ID)["epochs"] == row["epochs"]


def test_weights_that_do_not_fit_are_not_there(disk):
    store = Store(disk(1_000_000))
    with pytest.raises(DiskFull, match=sentence(rf"{ID}\.safetensors", needed=r"4\.00")):
        store.write_weights(ID, {"weight": torch.zeros(1_000_000)}, ABOUT)
    assert files(store.place) == []
    disk.grow(5_000_000)
    store.write_weights(ID, {"weight": torch.zeros(1_000_000)}, ABOUT)
    assert store.read_weights(ID) is not None


def test_a_disk_without_room_for_a_folder_says_so(disk):
    place = disk(4096, "nr_inodes=2")  # the root and one more
    with pytest.raises(DiskFull, match=sentence(r"row\.json", needed=r"0\.00")):
        write_atomically((place / "runs" / "row.json", b"{}"))
    assert files(place) == []


def test_outputs_that_do_not_fit_are_refused_before_the_teacher_runs(disk):
    splits = split(data.synthetic(rows=400, channels=3), 48, 16)
    teacher = models.build("itransformer", lookback=48, horizon=16, channels=3, width=16, hidden=16, heads=2)
    calls = []
    teacher.register_forward_hook(lambda *_: calls.append(1))
    folder, size = disk(20_000) / "cache" / ID, outputs_size(teacher, splits.train)
    with pytest.raises(DiskFull, match=sentence(ID, needed=f"{size / 1e6:.2f}", free=r"0\.02")):
        store_outputs(teacher, splits.train, folder)
    assert calls == []
    assert files(disk.folder) == []
    disk.grow(size + 100_000)
    store_outputs(teacher, splits.train, folder)
    assert len(StoredTeacher(folder).features) == len(splits.train)


# --- a sweep


@pytest.fixture
def in_turn():
    with ThreadPoolExecutor(1) as executor:
        yield executor


TAUGHT = RunConfig(
    "synthetic",
    48,
    16,
    "mlp",
    "itransformer",
    epochs=1,
    settings={"width": 16},
    teacher_options={"epochs": 1, "settings": {"width": 16, "hidden": 16, "heads": 2}},
)
LINEAR = RunConfig("synthetic", 48, 16, "nlinear", epochs=1)


def test_a_sweep_on_a_full_disk_names_the_runs_and_goes_on_once_there_is_room(disk, tmp_path, in_turn):
    """The teacher's weights and row fit, its outputs do not; the linear layer is done all the same."""
    place = disk(200_000)
    teacher = TAUGHT.teacher_config
    place_of = f"on {teacher.dataset}, {teacher.horizon} steps, seed"
    first = f"{teacher.model} {place_of} {teacher.seed}: {teacher.id}"
    student = f"{TAUGHT.model} from {teacher.model} {place_of} {TAUGHT.seed}: {TAUGHT.id}"
    named = rf"{first} \({sentence(teacher.id)}\); {student} \({first} failed\)"
    with pytest.raises(SweepFailed, match=f"^2 of 3 runs failed: {named}$"):
        ensure([TAUGHT, LINEAR], store=place, executor=in_turn)
    whole = [f"runs/{config.id}.{suffix}" for config in (teacher, LINEAR) for suffix in ("json", "npz")]
    whole += [f"cache/{config.id}.safetensors" for config in (teacher, LINEAR)]
    assert files(place) == sorted([*whole, *(f"cache/{config.id}.lock" for config in (teacher, LINEAR)), "schema"])
    assert all(Store(place).read(config.id) for config in (teacher, LINEAR))
    before = [(place / path).stat().st_mtime_ns for path in whole]

    disk.grow(20_000_000)
    rows = ensure([TAUGHT, LINEAR], store=place, executor=in_turn)
    assert before == [(place / path).stat().st_mtime_ns for path in whole]  # nothing was trained twice
    elsewhere = ensure([TAUGHT, LINEAR], store=tmp_path / "large", executor=in_turn)
    pd.testing.assert_series_equal(rows["test_mse"], elsewhere["test_mse"])


def test_distill_on_a_full_disk_exits_with_1_and_the_same_call_completes_once_there_is_room(disk, tmp_path, capsys):
    values = data.synthetic(rows=300, channels=2).values
    pd.DataFrame(values, columns=["a", "b"]).to_csv(tmp_path / "own.csv", index=False)
    place = disk(1_000_000)  # a student takes 0.5 MB, the teacher 5 MB
    call = ["distill", str(tmp_path / "own.csv"), "--lookback", "48", "--horizon", "16", "--epochs", "1"]
    call += ["--store", str(place)]
    assert main(call) == 1
    words = capsys.readouterr().err.splitlines()[-1]
    assert re.search(sentence(r"\w+\.safetensors"), words)
    kept = r"(runs|cache)/\w{16}\.\w+|schema|series/own\.(csv|plan\.json)"
    assert [path for path in files(place) if not re.fullmatch(kept, path)] == []
    disk.grow(100_000_000)
    assert main(call) == 0
    assert (place / "forecasters/own/forecaster.json").is_file()


def test_a_forecast_that_does_not_fit_is_one_sentence(disk, tmp_path, capsys):
    values = data.synthetic(rows=300, channels=2).values
    pd.DataFrame(values, columns=["a", "b"]).to_csv(tmp_path / "own.csv", index=False)
    config = RunConfig(str(tmp_path / "own.csv"), 48, 16, "nlinear", epochs=1)
    ensure([config], store=tmp_path / "store")
    capsys.readouterr()  # a slow machine shows a bar
    place = disk(4096)
    (place / "other").write_bytes(bytes(4096))
    call = ["forecast", config.id, str(tmp_path / "own.csv"), "--store", str(tmp_path / "store")]
    assert main([*call, "--out", str(place / "forecast.csv")]) == 1
    full = sentence(r"forecast\.csv", needed=r"0\.00", free=r"0\.00")
    assert re.fullmatch(f"tdlib: {full}\n", capsys.readouterr().err)
    assert files(place) == ["other"]
