"""The pages: py:percent scripts in notebooks/py, executed by papermill into notebooks or a build folder.

    NN_name.py --jupytext--> notebook --papermill, with parameters--> executed page

A page runs in the folder `notebooks`, so that paths in its parameters are relative to it.
"""

import os
import runpy
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from tdlib.files import write_atomically
from tdlib.sweep import Job, sweep

SCRIPTS = Path("notebooks/py")
PAGES = Path("notebooks")


class PageFailed(RuntimeError):
    """A cell of a page raised an error; the message names both."""


def names(chosen: Iterable[str] = ()) -> list[str]:
    """All pages in order, or the chosen ones; ValueError for a page that is not there."""
    if not SCRIPTS.is_dir():
        raise ValueError(f"there is no folder {SCRIPTS} here: run this from the root of the repository")
    known = sorted(path.stem for path in SCRIPTS.glob("[0-9]*.py"))
    for name in chosen:
        if name not in known:
            raise ValueError(f"unknown page {name!r}; known: {', '.join(known)}")
    return [name for name in known if not list(chosen) or name in chosen]


def execute(name: str, out: Path, parameters: dict | None = None, *, shared: bool = False) -> Path:
    """Execute one page into the folder `out`; ValueError for a parameter it does not have.

    With `shared`, parameters that the page does not have are left out: one set for all pages.
    When a cell fails nothing is written: ValueError if that is what the cell raised (a parameter's value
    is wrong), else PageFailed; either names page, cell and error.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, done = Path(folder, "source.ipynb"), Path(folder, "done.ipynb")
        notebook = jupytext.read(SCRIPTS / f"{name}.py")
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, source)
        known = papermill.inspect_notebook(source)
        given = {key: value for key, value in (parameters or {}).items() if key in known or not shared}
        for key in given:
            if key not in known:
                raise ValueError(f"page {name} has no parameter {key!r}; it has: {', '.join(known) or 'none'}")
        try:
            with _quiet():
                papermill.execute_notebook(
                    source,
                    done,
                    given,
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


def execute_all(out: Path, parameters: dict | None = None, chosen: Iterable[str] = ()) -> None:
    """Execute pages side by side, each with those of the parameters that it has."""
    sweep([Job(name, _execute_shared, (name, out, parameters)) for name in names(chosen)], label="pages")


def _execute_shared(name: str, out: Path, parameters: dict | None) -> None:
    execute(name, out, parameters, shared=True)


def figures(chosen: Iterable[str] = ()) -> None:
    """Run the scripts of pages in this process: every figure and table is drawn again."""
    scripts = [(SCRIPTS / f"{name}.py").resolve() for name in names(chosen)]
    before = Path.cwd()
    try:
        os.chdir(PAGES)
        for script in tqdm(scripts, desc="figures", unit="page"):
            runpy.run_path(str(script))
    finally:
        os.chdir(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars inside pages: they would be stored."""
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        os.environ.pop("TQDM_DISABLE")
        if before is not None:
            os.environ["TQDM_DISABLE"] = before


def _strip(page: nbformat.NotebookNode) -> None:
    """Take out what differs between two executions or tells of the machine: times, paths, empty tags."""
    page.metadata = nbformat.from_dict({"kernelspec": page.metadata.kernelspec, "language_info": {"name": "python"}})
    for cell in page.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
