"""Shapes are checked here and only here: jaxtyping's annotations, enforced by beartype."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook(["tdlib.models", "tdlib.losses"], "beartype.beartype")

os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session")
def published_data() -> Path:
    """The folder with the paper's files; tests that need it skip where it is missing."""
    folder = os.environ.get("TDLIB_DATA")
    if not folder or not (Path(folder) / "ETTh1.csv").is_file():
        pytest.skip("TDLIB_DATA does not name a folder with the paper's data")
    return Path(folder)
