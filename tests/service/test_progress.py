"""The bar of a plan: on a terminal, and in no log."""

import sys
from types import SimpleNamespace

import pytest
from tqdm import tqdm

from tdlib.service import progress

PLAN = SimpleNamespace(seconds={"Ridge": 1.0}, runs={"Ridge": SimpleNamespace(teacher_configs={})})


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_shown_on_a_terminal_alone(terminal, monkeypatch):
    asked = []  # of tqdm itself: what it shows depends on TQDM_DISABLE, too, as it was when tqdm was imported

    def bar(**how):
        asked.append(how.get("disable"))
        return tqdm(**how)

    monkeypatch.setattr(progress, "tqdm", bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with progress.progress(PLAN) as shown:
        shown.begin("Ridge")
        shown.finish("Ridge")
    assert asked == [None if terminal else True]
