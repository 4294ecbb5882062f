"""Rows, arrays and weights at random, each with the right checksum: whole, or named once and missing; nothing else."""

import contextlib
import io
import json
import math
import re
import warnings
from pathlib import Path

import forge
import numpy as np
import pytest
import small
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdlib.config import RunConfig
from tdlib.forecast import forecast
from tdlib.run import build, load_model
from tdlib.store import Store

ID = "0123456789abcdef"
CONFIG = RunConfig("synthetic", 12, 4, "mlp", settings={"width": 3})
ABOUT = {"config": CONFIG.to_dict(), "channels": ["a", "b"], "mean": [0.5, -1.0], "deviation": [1.0, 2.0]}
TENSORS = build(CONFIG, 2).state_dict()
VALUES = np.random.default_rng(0).random((20, 2))
JARGON = re.compile(r"Error|Exception|Errno|PosixPath|Traceback|codec|size mismatch|invalid literal")

fuzz = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = st.integers() | st.sampled_from([0, -1, 10**6, 10**12, 2**63, 10**20, 10**400]) | st.floats()
plain = st.none() | st.booleans() | numbers | st.text(max_size=8) | st.just(forge.DEEP)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def places(content: object) -> list[tuple]:
    """Each place in nested JSON: its container and its key there."""
    keys = {dict: lambda: list(content), list: lambda: range(len(content))}.get(type(content), lambda: [])()
    return [(content, key) for key in keys] + [place for key in keys for place in places(content[key])]


@st.composite
def changed(draw, content: dict) -> dict:
    """`content` with one to three fields dropped, added, of another value, or taken from elsewhere in it."""
    content = json.loads(json.dumps(content))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(places(content)))
        what = draw(st.sampled_from(["drop", "add", "change", "move"]))
        if what == "drop":
            del holder[key]
        elif what == "change":
            holder[key] = draw(values)
        elif what == "move":
            other, there = draw(st.sampled_from(places(content)))
            holder[key] = json.loads(json.dumps(other[there]))
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(values)
        else:
            holder.append(draw(values))
        if not places(content):
            break
    return content


@pytest.fixture
def store(tmp_path) -> Store:
    """A store with a whole row and, beside it, what nobody may touch."""
    (tmp_path / "beside").write_text("mine")
    store = Store(tmp_path / "place")
    store.write(small.row(ID, config=CONFIG.to_dict()), small.arrays(horizon=4))
    store.write_weights(ID, TENSORS, ABOUT)
    return store


def files(store: Store) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.place.parent.rglob("*") if path.is_file()}


def read(read, store: Store, *names: str) -> object:
    """What `read` gives: something without a warning, or None with one; no file is another than before."""
    before = files(store)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read(store)
        again = read(store)
    words = [str(warning.message) for warning in caught]
    assert (found is None) == (again is None) == (len(words) == 1)
    assert len(words) <= 1
    for sentence in words:
        assert any(name in sentence for name in names)
        assert re.fullmatch(r"the .+ (is|are) damaged \(.+\) and counts? as missing", sentence, re.DOTALL)
        assert not JARGON.search(sentence)
    assert files(store) == before
    return found


@fuzz
@given(content=st.data())
def test_a_row_is_itself_or_missing(content, store):
    path = store.place / "runs" / f"{ID}.json"
    row = content.draw(changed(json.loads(path.read_text())))
    whole = path.read_bytes()
    forge.row(path, row)
    found = read(lambda store: store.read(ID, CONFIG.to_dict()), Store(store.place), f"{ID}.json")
    path.write_bytes(whole)
    if found is not None:
        del found["row_sha256"], row["row_sha256"]
        assert found == row
        figures = [*found["metrics"].values(), *found["metrics"]["test_scale_mse"]]
        assert all(math.isfinite(value) for value in figures if not isinstance(value, list))
        assert found["id"] == ID


@st.composite
def tensors(draw) -> dict[str, torch.Tensor]:
    """A model's tensors with one or two of them dropped, added, of another shape or type, or not finite."""
    found = dict(TENSORS)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(found)))
        kind = draw(st.sampled_from(["drop", "name", "shape", "type", "value", "flat"]))
        value = found.pop(name)
        if kind == "name":
            found[draw(st.text("ab._", min_size=1, max_size=8))] = value
        elif kind == "shape":
            found[name] = torch.ones(draw(st.lists(st.integers(0, 5), max_size=4)))
        elif kind == "type":
            found[name] = value.to(draw(st.sampled_from([torch.float16, torch.float64, torch.int8, torch.bool])))
        elif kind == "value":
            found[name] = torch.full(value.shape, draw(st.sampled_from([math.nan, math.inf, -math.inf, 3e38, 1e-45])))
        elif kind == "flat":
            found[name] = value.reshape(-1)
    return found


@fuzz
@given(content=st.data(), of=st.sampled_from(["description", "tensors", "both"]))
def test_weights_are_a_model_or_missing_and_a_forecast_is_finite(content, of, store):
    path = store.weights(ID)
    about = ABOUT if of == "tensors" else content.draw(changed(ABOUT))
    kept = TENSORS if of == "description" else content.draw(tensors())
    forge.weights(path, kept, about)
    found = read(lambda store: load_model(ID, store), Store(store.place), f"{ID}.safetensors")
    if found is None:
        return
    model, description = found
    assert description == about
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    with contextlib.suppress(ValueError):
        assert np.isfinite(forecast(ID, Store(store.place), VALUES)).all()


@fuzz
@given(content=st.data())
def test_arrays_are_numbers_or_refused(content, store):
    path, found = store.place / "runs" / f"{ID}.json", small.arrays(horizon=4)
    whole = [(file, file.read_bytes()) for file in (path, path.with_suffix(".npz"))]
    name = content.draw(st.sampled_from([*sorted(found), "another", "../evil", "errors.npy"]))
    kind = content.draw(
        st.sampled_from(["float32", "float16", "int64", "bool", "complex64", "U3", "O", "datetime64[s]"])
    )
    shape = content.draw(st.lists(st.integers(0, 4), max_size=4))
    fills = [0, 1, math.nan, math.inf] if kind.startswith("float") else [0, 1]
    found[name] = np.full(shape, content.draw(st.sampled_from(fills)), dtype=kind)
    buffer = io.BytesIO()
    np.savez(buffer, **found)
    blob = bytearray(buffer.getvalue())
    if content.draw(st.booleans()):
        blob[content.draw(st.integers(0, len(blob) - 1))] ^= content.draw(st.integers(1, 255))
    forge.arrays(path, bytes(blob))
    assert store.read(ID) is not None
    before = files(store)
    try:
        arrays = store.arrays(ID)
    except ValueError as refused:
        assert re.match(f"the arrays of run {ID} cannot be read: ", str(refused))
        assert not JARGON.search(str(refused))
    else:
        assert np.isfinite(arrays["errors"]).all()
        assert arrays["periods"].shape == (len(arrays["channel_mse"]), len(arrays["step_mse"]) // 2)
    assert files(store) == before
    for file, bytes_ in whole:
        file.write_bytes(bytes_)
