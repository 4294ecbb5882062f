"""A row is whole or not there, whatever happens while it is written or afterwards."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forge
import numpy as np
import pandas as pd
import pytest
import small
import torch

from tdlib import store as stores
from tdlib.__main__ import main
from tdlib.config import RunConfig
from tdlib.files import write_atomically
from tdlib.store import Store, run_id
from tdlib.study import ensure

ID, OTHER = "0123456789abcdef", "fedcba9876543210"
ROW, ARRAYS = small.row(ID), small.arrays(np.linspace(0, 1, 1000))
TENSORS = {"weight": torch.arange(6.0).reshape(2, 3).T, "steps": torch.tensor(7), "half": torch.ones(2).half()}
ABOUT = {"config": ROW["config"], "channels": ["a", "b"], "mean": [0.5, -1.25], "deviation": [1.0, 2.0]}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "place")


@pytest.fixture
def filled(store):
    store.write(ROW, ARRAYS)
    return store


def files(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.place)) for path in store.place.rglob("*") if path.is_file())


def fail_at(monkeypatch, number: int) -> None:
    """Make the given call of fsync fail, as a full or broken disk does."""
    calls, plain = [], os.fsync

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == number:
            raise OSError("the disk is full")
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


# --- writing


def test_what_is_written_comes_back(filled):
    row = filled.read(ID)
    assert {key: row[key] for key in ROW} == ROW
    arrays = filled.arrays(ID)
    assert list(arrays) == list(ARRAYS)
    assert all(np.array_equal(arrays[name], value) for name, value in ARRAYS.items())
    assert files(filled) == [f"runs/{ID}.json", f"runs/{ID}.npz", "schema"]


def test_writing_leaves_the_given_row_alone(store):
    row = dict(ROW)
    store.write(row, ARRAYS)
    assert row == ROW


def test_the_same_row_is_the_same_bytes_in_another_store(filled, tmp_path):
    other = Store(tmp_path / "other")
    other.write(ROW, ARRAYS)
    for name in files(filled):
        assert (filled.place / name).read_bytes() == (other.place / name).read_bytes()


def test_a_row_that_is_not_there_is_none_without_a_warning_and_makes_no_folder(store):
    assert store.read(ID) is None
    assert store.read_weights(ID) is None
    assert store.ids() == []
    assert not store.place.exists()


def test_the_ids_are_in_order_and_only_those_of_rows(store):
    ids = [f"{number:016x}" for number in (11, 10, 12)]
    for id in ids:
        store.write({**ROW, "id": id}, ARRAYS)
    store.write_weights(OTHER, TENSORS, ABOUT)
    (store.place / "runs" / f"{OTHER}.npz").write_bytes(b"arrays without a row")
    (store.place / "runs" / f"{OTHER}.json.4711").write_bytes(b"left by a killed writer")
    (store.place / "runs" / "notes.json").write_bytes(b"no row of ours")
    assert store.ids() == sorted(ids)


def test_a_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    fail_at(monkeypatch, 1)
    with pytest.raises(OSError, match="the disk is full"):
        write_atomically((tmp_path / "row.json", b"half of a r"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_middle_keeps_what_was_there(tmp_path, monkeypatch):
    write_atomically((tmp_path / "row.json", b"old"))
    fail_at(monkeypatch, 1)
    with pytest.raises(OSError, match="the disk is full"):
        write_atomically((tmp_path / "row.json", b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["row.json"]
    assert (tmp_path / "row.json").read_bytes() == b"old"


def test_the_bytes_are_on_disk_before_they_have_their_name(tmp_path, monkeypatch):
    there, plain = [], os.fsync

    def fsync(descriptor):
        there.append((tmp_path / "row.json").exists())
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically((tmp_path / "row.json", b"new"))
    assert there == [False]
    assert (tmp_path / "row.json").read_bytes() == b"new"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_row_whose_writing_failed_is_not_there_in_any_part(number, store, monkeypatch):
    fail_at(monkeypatch, number)  # the schema, the arrays, the row
    with pytest.raises(OSError, match="the disk is full"):
        store.write(ROW, ARRAYS)
    assert store.read(ID) is None
    assert store.ids() == []
    assert files(store) == []
    store.write(ROW, ARRAYS)
    assert store.read(ID)["metrics"] == ROW["metrics"]


# --- the schema


@pytest.fixture
def of_schema_2(filled, monkeypatch):
    """A store that a later version has written."""
    monkeypatch.setattr(stores, "SCHEMA", 2)
    later = Store(filled.place.with_name("later"))
    later.write(ROW, ARRAYS)
    monkeypatch.undo()
    return later.place


def refusal(place, found: int, ours: int) -> str:
    return rf"^{place} holds rows of schema {found}, and this version of tdlib {ours}; name another folder, or use the "


def test_a_store_of_another_schema_is_refused_and_left_alone(of_schema_2):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in of_schema_2.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=refusal(of_schema_2, 2, 1)):
        Store(of_schema_2)
    with pytest.raises(ValueError, match=refusal(of_schema_2, 2, 1)):
        ensure([RunConfig("synthetic", 48, 16, "nlinear", epochs=1)], store=of_schema_2)
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert len(before) == len([path for path in of_schema_2.rglob("*") if path.is_file()])


def test_a_store_of_another_schema_is_bad_input_on_the_command_line(of_schema_2, capsys):
    assert main(["runs", "--profile", "smoke", "--store", str(of_schema_2)]) == 2
    words = capsys.readouterr().err
    assert words.startswith(f"tdlib: {of_schema_2} holds rows of schema 2, and this version of tdlib 1;")
    assert words.count("\n") == 1


def test_rows_without_a_schema_are_of_schema_1(filled, monkeypatch):
    (filled.place / "schema").unlink()
    assert Store(filled.place).read(ID)["metrics"] == ROW["metrics"]
    assert files(filled) == [f"runs/{ID}.json", f"runs/{ID}.npz"]  # reading writes nothing
    monkeypatch.setattr(stores, "SCHEMA", 2)
    with pytest.raises(ValueError, match=refusal(filled.place, 1, 2)):
        Store(filled.place)
    monkeypatch.undo()
    filled.write({**ROW, "id": OTHER}, ARRAYS)
    assert (filled.place / "schema").read_text() == "1\n"


SCHEMAS = {
    "folder": lambda path: path.mkdir(),
    "loop": lambda path: path.symlink_to(path),
    "leads nowhere": lambda path: path.symlink_to("nowhere"),
    "queue": lambda path: os.mkfifo(path),
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(b"\xff?"),
    "text": lambda path: path.write_text("one"),
    "long": lambda path: path.write_text("1" * 5000),
}


@pytest.mark.parametrize("damage", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_that_is_no_number_is_refused_in_one_sentence(damage, filled, capsys):
    path = filled.place / "schema"
    path.unlink()
    damage(path)
    before = sorted(filled.place.rglob("*"))
    sentence = f"({path} is damaged: it must hold the number of the rows' schema, here 1|there is no file {path})"
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Store(filled.place)
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        filled.write(ROW, ARRAYS)
    assert sorted(filled.place.rglob("*")) == before
    assert main(["runs", "--profile", "smoke", "--store", str(filled.place)]) == 2
    assert re.fullmatch(f"tdlib: {sentence}\n", capsys.readouterr().err)


def test_a_store_that_is_a_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "place").write_text("mine")
    with pytest.raises(ValueError, match=f"^a store is a folder, and {tmp_path / 'place'} is none$"):
        Store(tmp_path / "place")
    assert (tmp_path / "place").read_text() == "mine"


def test_weights_alone_make_no_store_of_a_schema(store, monkeypatch):
    store.write_weights(ID, TENSORS, ABOUT)  # a run that was killed before it had its row
    monkeypatch.setattr(stores, "SCHEMA", 2)
    assert Store(store.place).ids() == []


def test_of_two_versions_that_begin_at_once_the_second_to_write_is_refused(store, monkeypatch):
    monkeypatch.setattr(stores, "SCHEMA", 2)
    later = Store(store.place)
    monkeypatch.undo()
    store.write(ROW, ARRAYS)
    before = files(store)
    monkeypatch.setattr(stores, "SCHEMA", 2)
    with pytest.raises(ValueError, match=refusal(store.place, 1, 2)):
        later.write({**ROW, "id": OTHER}, ARRAYS)
    assert files(store) == before


def test_the_committed_store_names_its_schema():
    assert (Path(__file__).parent.parent / "results/schema").read_text() == f"{stores.SCHEMA}\n"


# --- damage


def truncated(folder):
    text = (folder / f"{ID}.json").read_text()
    (folder / f"{ID}.json").write_text(text[: len(text) // 2])


def edited(folder):
    text = (folder / f"{ID}.json").read_text()
    assert "0.376" in text
    (folder / f"{ID}.json").write_text(text.replace("0.376", "0.366"))


def without_checksum(folder):
    row = json.loads((folder / f"{ID}.json").read_text())
    del row["row_sha256"]
    (folder / f"{ID}.json").write_text(json.dumps(row))


def of_another_run(folder):
    Store(folder.parent).write({**ROW, "id": OTHER}, ARRAYS)
    (folder / f"{OTHER}.json").rename(folder / f"{ID}.json")


def binary(folder):
    (folder / f"{ID}.json").write_bytes(bytes(range(256)))


def emptied(folder):
    (folder / f"{ID}.json").write_bytes(b"")


def replaced_by_a_folder(folder):
    (folder / f"{ID}.json").unlink()
    (folder / f"{ID}.json").mkdir()


def arrays_missing(folder):
    (folder / f"{ID}.npz").unlink()


def arrays_truncated(folder):
    blob = (folder / f"{ID}.npz").read_bytes()
    (folder / f"{ID}.npz").write_bytes(blob[:-100])


def arrays_flipped(folder):
    blob = bytearray((folder / f"{ID}.npz").read_bytes())
    blob[len(blob) // 2] ^= 1
    (folder / f"{ID}.npz").write_bytes(blob)


DAMAGES = [truncated, edited, without_checksum, of_another_run, binary, emptied, replaced_by_a_folder]
DAMAGES += [arrays_missing, arrays_truncated, arrays_flipped]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_named_and_counts_as_missing_until_it_is_written_again(damage, filled):
    damage(filled.place / "runs")
    with pytest.warns(UserWarning, match=rf"the row {ID}\.json is damaged \(.+\) and counts as missing"):
        assert filled.read(ID) is None
    if damage is replaced_by_a_folder:  # it is not ours to take away
        return
    filled.write(ROW, ARRAYS)
    assert filled.read(ID)["metrics"] == ROW["metrics"]


@pytest.mark.parametrize("text", ["null", "7", "[]", '"row"', "{}", '{"id": "abc"}', "NaN", "{'id': 'abc'}"])
def test_json_that_is_no_row_counts_as_missing(text, filled):
    (filled.place / "runs" / f"{ID}.json").write_text(text)
    with pytest.warns(UserWarning, match=rf"the row {ID}\.json is damaged"):
        assert filled.read(ID) is None


def test_a_row_in_another_layout_is_still_whole(filled):
    path = filled.place / "runs" / f"{ID}.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert filled.read(ID)["metrics"] == ROW["metrics"]


LINEAR = RunConfig("synthetic", 48, 16, "nlinear", epochs=1)
OPTIONS = {"epochs": 1, "settings": small.settings("itransformer")}
TAUGHT = RunConfig(
    "synthetic", 48, 16, "mlp", "itransformer", epochs=1, settings={"width": 16}, teacher_options=OPTIONS
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("trained") / "store"
    with ThreadPoolExecutor(1) as executor:
        ensure([TAUGHT, LINEAR], store=place, executor=executor)
    return place


def damage_row(place: Path, id: str) -> None:
    path = place / "runs" / f"{id}.json"
    forge.row(path, json.loads(path.read_text()) | {"seconds": None})


@pytest.mark.parametrize("config", [LINEAR, TAUGHT, TAUGHT.teacher_config], ids=["linear", "student", "teacher"])
def test_a_damaged_row_is_named_once_while_it_is_trained_again(config, trained, tmp_path):
    place = shutil.copytree(trained, tmp_path / "store")
    whole = Store(trained).read(config.id)
    damage_row(place, config.id)
    configs = [config, TAUGHT, LINEAR]
    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(1) as executor:
        warnings.simplefilter("always")
        frame = ensure(configs, store=place, executor=executor)
    named = [str(warning.message) for warning in caught]
    assert len(named) == 1
    assert named[0].startswith(f"the row {config.id}.json is damaged (Expected `float`, got `null` - at `$.seconds`)")
    assert len(frame) == len(set(configs))
    again = Store(place).read(config.id)
    assert {**again, "seconds": 0} | {"row_sha256": 0} == {**whole, "seconds": 0} | {"row_sha256": 0}


def test_a_row_of_another_config_is_trained_again(trained, tmp_path):
    place = shutil.copytree(trained, tmp_path / "store")
    path = place / "runs" / f"{LINEAR.id}.json"
    row = json.loads(path.read_text())
    forge.row(path, row | {"config": row["config"] | {"seed": 7}})
    with pytest.warns(UserWarning, match=rf"{LINEAR.id}\.json is damaged \(it is the row of another config\)"):
        frame = ensure([LINEAR], store=place)
    assert frame["seed"].tolist() == [2021]
    assert Store(place).read(LINEAR.id, LINEAR.to_dict())["config"]["seed"] == 2021


def test_what_a_store_has_named_its_workers_do_not_name_again(filled):
    damage_row(filled.place, ID)
    with pytest.warns(UserWarning, match="is damaged"):
        assert filled.read(ID) is None
    assert pickle.loads(pickle.dumps(filled)).read(ID) is None  # a warning is an error here
    filled.write(ROW, ARRAYS)
    damage_row(filled.place, ID)  # another damage than the one that was named
    with pytest.warns(UserWarning, match="is damaged"):
        assert filled.read(ID) is None


# --- weights


def test_weights_come_back_with_what_describes_them(store):
    store.write_weights(ID, TENSORS, ABOUT)
    tensors, about = store.read_weights(ID)
    assert about == ABOUT
    assert set(tensors) == set(TENSORS)
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)
    assert files(store) == [f"cache/{ID}.safetensors"]


def test_weights_that_need_a_gradient_are_kept_without_it(store):
    store.write_weights(ID, {"weight": torch.ones(2, requires_grad=True)}, ABOUT)
    assert not store.read_weights(ID)[0]["weight"].requires_grad


def flipped(blob: bytearray) -> bytes:
    blob[-1] ^= 1
    return blob


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda blob: blob[:-1], id="truncated"),
        pytest.param(lambda blob: blob[:5], id="hardly there"),
        pytest.param(lambda blob: b"", id="empty"),
        pytest.param(lambda blob: b"no safetensors at all, but quite some bytes", id="another format"),
        pytest.param(flipped, id="a bit flipped"),
        pytest.param(lambda blob: blob.replace(b'"sha256"', b'"sha255"'), id="without checksum"),
        pytest.param(lambda blob: blob.replace(b"[0.5", b"[0.6"), id="another description"),
    ],
)
def test_damaged_weights_are_named_and_count_as_missing_until_they_are_written_again(damage, store):
    store.write_weights(ID, TENSORS, ABOUT)
    path = store.place / "cache" / f"{ID}.safetensors"
    blob = path.read_bytes()
    damaged = bytes(damage(bytearray(blob)))
    assert damaged != blob
    path.write_bytes(damaged)
    with pytest.warns(UserWarning, match=rf"the weights {ID}\.safetensors are damaged \(.+\) and count as missing"):
        assert store.read_weights(ID) is None
    store.write_weights(ID, TENSORS, ABOUT)
    assert store.read_weights(ID)[1] == ABOUT


def test_foreign_safetensors_without_a_description_count_as_missing(store):
    from safetensors.torch import save_file

    (store.place / "cache").mkdir(parents=True)
    save_file({"weight": torch.ones(2)}, store.place / "cache" / f"{ID}.safetensors")
    with pytest.warns(UserWarning, match=rf"the weights {ID}\.safetensors are damaged"):
        assert store.read_weights(ID) is None


def test_a_failure_while_weights_are_written_leaves_none(store, monkeypatch):
    fail_at(monkeypatch, 1)
    with pytest.raises(OSError, match="the disk is full"):
        store.write_weights(ID, TENSORS, ABOUT)
    assert store.read_weights(ID) is None
    assert files(store) == []


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), lambda path: path.symlink_to(path)], ids=["folder", "loop"]
)
def test_weights_that_are_no_file_count_as_missing(make, store):
    store.weights(ID).parent.mkdir(parents=True)
    make(store.weights(ID))
    with pytest.warns(UserWarning, match=rf"the weights {ID}\.safetensors are damaged \(it is no whole file"):
        assert store.read_weights(ID) is None


# --- names

NO_IDS = [
    "../../evil",
    "/etc/evil",
    "..",
    "",
    "evil",
    ID.upper(),
    ID + "0",
    ID[1:],
    f"{ID}\n",
    f"{ID[:-1]}/",
    "é" * 16,
    7,
]


@pytest.mark.parametrize("id", NO_IDS)
def test_an_id_is_16_hexadecimal_digits_and_never_a_path(id, filled):
    before = files(filled)
    calls = [filled.read, filled.arrays, filled.read_weights, filled.weights, filled.outputs, filled.lock]
    calls += [lambda id: filled.write(small.row(id), ARRAYS), lambda id: filled.write_weights(id, TENSORS, ABOUT)]
    for call in calls:
        with pytest.raises(ValueError, match=r"^a run's id is 16 hexadecimal digits, .*; got "):
            call(id)
    assert files(filled) == before


@pytest.mark.parametrize("absolute", [False, True])
def test_no_id_reads_weights_outside_the_store(absolute, trained, tmp_path, capsys):
    outside = shutil.copy(Store(trained).weights(LINEAR.id), tmp_path / "evil.safetensors")
    (tmp_path / "store" / "cache").mkdir(parents=True)
    id = str(outside).removesuffix(".safetensors") if absolute else "../../evil"
    pd.DataFrame(np.ones((50, 4)), columns=list("abcd")).to_csv(tmp_path / "own.csv", index=False)
    call = ["forecast", id, str(tmp_path / "own.csv"), "--store", str(tmp_path / "store")]
    assert main([*call, "--out", str(tmp_path / "forecast.csv")]) == 2
    assert capsys.readouterr().err.startswith("tdlib: a run's id is 16 hexadecimal digits")
    assert not (tmp_path / "forecast.csv").exists()


def test_a_run_is_named_by_its_config_its_data_and_the_schema(monkeypatch):
    name = run_id({"model": "mlp", "seed": 1}, "data")
    assert name == run_id({"seed": 1, "model": "mlp"}, "data")  # not by the order of the keys
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
    others = {
        run_id({"model": "mlp", "seed": 2}, "data"),
        run_id({"model": "mlp"}, "data"),
        run_id({"model": "mlp", "seed": 1.5}, "data"),
        run_id({"model": "mlp", "seed": 1}, "other"),
    }
    monkeypatch.setattr(stores, "SCHEMA", stores.SCHEMA + 1)
    others.add(run_id({"model": "mlp", "seed": 1}, "data"))
    assert len(others | {name}) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "nyc_weather"},
        {"lookback": 49},
        {"horizon": 17},
        {"teacher": "moderntcn"},
        {"seed": 1},
        {"settings": {"width": 17}},
        {"learning_rate": 0.02},
        {"batch_size": 16},
        {"epochs": 9},
        {"patience": 9},
        {"alpha": 0.5},
        {"beta": 0.5},
        {"terms": ("supervised", "scale_forecast")},
        {"scales": 2},
        {"downsample": "max"},
        {"temperature": 1.0},
        {"reduction": "kl"},
        {"teacher_options": {"seed": 1}},
        {"teacher_options": {"settings": {"width": 64}}},
        {"teacher_options": {"epochs": 3}},
        {"teacher_options": {"learning_rate": 1e-3}},
    ],
)
def test_everything_that_changes_a_result_changes_the_name(change):
    fields = {"dataset": "synthetic", "lookback": 48, "horizon": 16, "model": "mlp", "teacher": "itransformer"}
    assert RunConfig(**(fields | change)).id != RunConfig(**fields).id


def test_what_is_said_and_what_is_the_default_have_one_name():
    short = RunConfig("synthetic", 48, 16, "mlp", "itransformer")
    said = RunConfig(
        "synthetic",
        48,
        16,
        "mlp",
        "itransformer",
        settings={"width": 512},
        epochs=100,
        alpha=1,
        teacher_options={"epochs": 10},
    )
    assert short == said
    assert short.id == said.id == RunConfig.from_dict(said.to_dict()).id


# --- several processes

WRITER = """
import sys, warnings
import small
from tdlib.store import Store
warnings.simplefilter("error")
store = Store(sys.argv[1])
arrays = small.arrays(range(5000))
for turn in range(5):
    for number in range(20):
        row = small.row(f"{number:016x}", seconds=number / 7)
        store.write(row, arrays)
        read = store.read(row["id"])
        assert read["seconds"] == row["seconds"], read
"""


def test_two_processes_may_write_the_same_store(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "store")]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert errors == ["", ""]
    store = Store(tmp_path / "store")
    assert store.ids() == [f"{number:016x}" for number in range(20)]
    assert all(store.read(id) is not None for id in store.ids())
    assert len(files(store)) == 41  # and the schema


@pytest.mark.parametrize("value", [np.float32(0.1), Path("place")])
def test_a_row_that_json_has_no_word_for_is_not_kept(value, store):
    with pytest.raises(ValueError, match=r"^the row .* is not kept: it holds what JSON has no word for"):
        store.write(small.row(ID, provenance={"value": value}), small.arrays())
    assert store.ids() == []
