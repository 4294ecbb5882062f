"""`make figures`: every figure and table again from the committed rows, without training anything."""

import shutil
from pathlib import Path

import pytest

from tdlib import study
from tdlib.report import pages

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    for part in ("notebooks", "results"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("cache", "tables"))

    def refuse(config, store):
        raise AssertionError(f"{config.id} would be trained")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(study, "train_run", refuse)
        pages.figures()
        assert Path.cwd() == folder
    return folder


def test_every_committed_figure_is_drawn_again(drawn):
    def figures(root):
        return sorted(path.name for path in (root / "figures").iterdir())

    assert figures(drawn) == figures(ROOT)


def test_every_committed_table_says_the_same_again(drawn):
    committed = sorted((ROOT / "results/tables").iterdir())
    assert len(committed) == len(list((drawn / "results/tables").iterdir()))
    for path in committed:
        assert (drawn / "results/tables" / path.name).read_text() == path.read_text(), path.name
