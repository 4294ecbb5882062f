"""Shapes are checked here and only here: jaxtyping's annotations, enforced by beartype."""

import contextlib
import os
import signal
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as every run of a study, here and in what tests start: set before torch

import pytest
import torch
from jaxtyping import install_import_hook

ROOT = Path(__file__).parent.parent
MODELS = [f"tdlib.models.{path.stem}" for path in (ROOT / "tdlib/models").glob("[!_]*.py")]  # the registry has none
install_import_hook([*MODELS, "tdlib.losses", "tdlib.channels"], "beartype.beartype")

os.environ.setdefault("TQDM_DISABLE", "1")
with contextlib.suppress(ValueError):  # not the main thread
    # a shell that starts the tests in the background has them ignore Ctrl-C, and what they start inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)

from tdlib import data, models, teachers, windows  # noqa: E402, after the hook


@pytest.fixture(scope="session")
def published_data() -> Path:
    """The folder with the paper's files; tests that need it skip where it is missing."""
    folder = os.environ.get("TDLIB_DATA")
    if not folder or not (Path(folder) / "ETTh1.csv").is_file():
        pytest.skip("TDLIB_DATA does not name a folder with the paper's data")
    return Path(folder)


@pytest.fixture(scope="session")
def splits():
    """Windows of a small series of three channels, 48 -> 16."""
    return windows.split(data.synthetic(rows=400, channels=3), 48, 16)


@pytest.fixture
def teacher():
    """A teacher for `splits`, with random weights and features of width 16."""
    torch.manual_seed(1)
    shape = {"lookback": 48, "horizon": 16, "channels": 3}
    return models.build("itransformer", **shape, width=16, hidden=16, heads=2).eval()


@pytest.fixture
def stored(teacher, splits, tmp_path):
    """The stored outputs of `teacher` over the training windows."""
    teachers.store_outputs(teacher, splits.train, tmp_path / "outputs")
    return teachers.StoredTeacher(tmp_path / "outputs")


@pytest.fixture
def student():
    """A student for `splits`, of width 8."""
    torch.manual_seed(2)
    return models.build("mlp", lookback=48, horizon=16, channels=3, width=8)
