"""The pages: py:percent scripts in notebooks/py, executed by papermill into notebooks or a build folder.

    NN_name.py --jupytext--> notebook --papermill, with parameters--> executed page

A page runs in the folder `notebooks`, so that paths in its parameters are relative to it. A page that is executed into
another folder writes its figures and tables there too. papermill and jupytext are the extra `pages`, imported where
they are used.
"""

import ast
import contextlib
import functools
import math
import os
import runpy
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tqdm import tqdm

from tdlib import models
from tdlib.checks import one_of, require, require_extra
from tdlib.files import write_atomically
from tdlib.sweep import Job, sweep

if TYPE_CHECKING:
    import nbformat

SCRIPTS = Path("notebooks/py")
PAGES = Path("notebooks")
KERNEL = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}  # bars would be stored in a page, and pages run abreast


class PageFailed(RuntimeError):
    """A cell of a page raised an error; the message names both."""


def names(chosen: Iterable[str] = ()) -> list[str]:
    """All pages in order, or the chosen ones; ValueError for a page that is not there."""
    if not SCRIPTS.is_dir():
        raise ValueError(f"there is no folder {SCRIPTS} here: run this from the root of the repository")
    known = sorted(path.stem for path in SCRIPTS.glob("[0-9]*.py"))
    chosen = list(chosen)
    for name in chosen:
        require(name in known, f"unknown page {name!r}; known: {', '.join(known)}")
    return [name for name in known if not chosen or name in chosen]


def require_pages() -> None:
    """ValueError, with the command that helps, where the packages of the extra `pages` are not installed."""
    require_extra("pages", "ipykernel", "jinja2", "jupytext", "matplotlib", "papermill", "seaborn", "tabulate")


def execute(name: str, out: Path, parameters: dict | None = None, *, shared: bool = False) -> Path:
    """Execute one page into the folder `out`; ValueError for a parameter it does not have, or one of a wrong kind.

    With `shared`, parameters that the page does not have are left out: one set for all pages.
    When a cell fails no page is written: ValueError if that is what the cell raised (a parameter's value
    is wrong), else PageFailed; either names page, cell and error.
    """
    require_pages()
    import jupytext
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    _check_folder("out", out)
    with tempfile.TemporaryDirectory() as folder:
        source, done = Path(folder, "source.ipynb"), Path(folder, "done.ipynb")
        notebook = jupytext.read(SCRIPTS / f"{name}.py")
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, source)
        known = {key: ast.literal_eval(found["default"]) for key, found in papermill.inspect_notebook(source).items()}
        given = {key: value for key, value in (parameters or {}).items() if key in known or not shared}
        for key, value in given.items():
            require(key in known, f"page {name} has no parameter {key!r}; it has: {', '.join(known) or 'none'}")
            _check(key, value, known[key])
        out.mkdir(parents=True, exist_ok=True)
        filled = {key: value for key, value in _places(out, given).items() if key in known}
        try:
            with mock.patch.dict(os.environ, KERNEL):
                papermill.execute_notebook(
                    source,
                    done,
                    filled | given,
                    cwd=PAGES,
                    progress_bar=False,
                    # below that the kernel tells of the address it listens on and of being shut down
                    extra_arguments=["--log-level=CRITICAL"],
                )
        except PapermillExecutionError as error:
            kind = ValueError if error.ename == "ValueError" else PageFailed
            raise kind(f"page {name}, cell {error.cell_index}: {error.ename}: {error.evalue}") from None
        page = nbformat.read(done, as_version=4)
    _strip(page)
    target = out / f"{name}.ipynb"
    write_atomically((target, nbformat.writes(page).encode() + b"\n"))
    return target


def _check(name: str, value: object, default: object) -> None:
    """ValueError, with the parameter's name, for a value that no page can use."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    fits = type(value) is type(default) or (type(default) is float and type(value) is int)
    require(fits, f"{name} must be {kinds[type(default)]}, got {value!r}")
    if type(default) in (int, float):
        require(0 < value < math.inf, f"{name} must be a positive number, got {value}")
    if name == "teacher":
        one_of(name, value, models.names("teacher"))
    if name in ("store", "figures", "results"):
        _check_folder(name, PAGES / value)
    if name == "store" and Path(value).exists() and not (PAGES / value).exists():
        raise ValueError(f"a page's store is named from {PAGES}: did you mean {os.path.relpath(value, PAGES)}?")


def _check_folder(name: str, path: Path) -> None:
    there = next(place for place in (path, *path.parents) if place.exists())
    require(there.is_dir(), f"{name} must name a folder; {os.path.normpath(there)} is none")


def _places(out: Path, given: dict) -> dict:
    """Where a page writes: the committed pages as they say themselves, others below `out`."""
    if out.resolve() == PAGES.resolve():
        return {}
    below = Path("..") / out  # pages run one folder below the root
    places = {"figures": str(below / "figures"), "results": str(below)}
    return places if "store" in given else places | {"train_missing": False}  # rows would go into the committed store


def execute_all(out: Path, parameters: dict | None = None, chosen: Iterable[str] = ()) -> None:
    """Execute pages side by side, each with those of the parameters that it has."""
    require_pages()
    shared = functools.partial(execute, shared=True)
    sweep([Job(name, shared, (name, out, parameters)) for name in names(chosen)], label="pages")


def figures(chosen: Iterable[str] = ()) -> None:
    """Run the scripts of pages in this process: every figure and table is drawn again."""
    require_pages()
    scripts = [(SCRIPTS / f"{name}.py").resolve() for name in names(chosen)]
    with contextlib.chdir(PAGES):
        for script in tqdm(scripts, desc="figures", unit="page"):
            runpy.run_path(str(script))


def _strip(page: "nbformat.NotebookNode") -> None:
    """Take out what differs between two executions or tells of the machine: times, paths, empty tags."""
    import nbformat

    page.metadata = nbformat.from_dict({"kernelspec": page.metadata.kernelspec, "language_info": {"name": "python"}})
    for cell in page.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
