"""Files that are either whole or not there, places that are checked before any work, and a full disk in one sentence.

A file is written through symbolic links: the link stays, what it points to is replaced.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from tdlib.checks import require

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # no room, no quota
UNFINISHED = r"\..+\.[0-9a-f]{8}\d*\.tdlib"  # no name that somebody else would give: it may be removed


class DiskFull(OSError):
    """A disk has no room for what is to be written; nothing of it is left there."""


@contextlib.contextmanager
def room_for(path: Path, size: int) -> Iterator[None]:
    """Say what cannot be written where, how many bytes it takes and how many are free, if the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        there = next(folder for folder in path.absolute().parents if folder.exists())
        needed, free = (f"{amount / 1e6:,.2f} MB" for amount in (size, shutil.disk_usage(there).free))
        words = f"the disk of {path.parent} is full: {path.name} needs {needed}, {free} are free"
        raise DiskFull(words) from None


def write_atomically(*files: tuple[Path, bytes]) -> None:
    """All of `files`, each a path and its content, or nothing: they get their names, in order, once all are on disk.

    DiskFull where there is no room for them.
    """
    unique = secrets.token_hex(4)  # among the processes of all machines that share the folder
    targets = [Path(os.path.realpath(path)) for path, _ in files]
    unfinished = [path.with_name(f".{path.name[:50]}.{unique}{i or ''}.tdlib") for i, path in enumerate(targets)]
    with room_for(files[-1][0], sum(len(blob) for _, blob in files)), contextlib.ExitStack() as held:
        try:
            for temporary, (_, blob) in zip(unfinished, files, strict=True):
                temporary.parent.mkdir(parents=True, exist_ok=True)
                file = held.enter_context(open(temporary, "wb"))
                _lock(file)
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            for temporary, target in zip(unfinished, targets, strict=True):
                temporary.replace(target)
        finally:
            for temporary in unfinished:
                temporary.unlink(missing_ok=True)


def _lock(file: IO) -> None:
    with contextlib.suppress(OSError):  # of a file system without `flock`: there nobody waits, nor is anything removed
        fcntl.flock(file, fcntl.LOCK_EX)


def remove_unfinished(*folders: Path) -> None:
    """Remove the temporary files in `folders` whose writers were killed; one that lives holds the lock of its file."""
    for path in itertools.chain.from_iterable(folder.glob("*") for folder in folders):
        if re.fullmatch(UNFINISHED, path.name):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(file.fileno()).st_mtime > 1:  # a younger one may be about to be locked
                    path.unlink()


def check_place(path: Path, *, folder: bool = False) -> None:
    """ValueError, in one sentence with the path, unless a file, or a `folder` of files, can be written there."""
    try:
        fault = _fault(path, folder)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        fault = os.strerror(error.errno).lower()
    require(fault is None, f"cannot write {path}: {fault}")


def _fault(path: Path, folder: bool) -> str | None:
    real = Path(os.path.realpath(path))
    if any(len(os.fsencode(part)) > 255 for part in real.parts):
        return "the name is too long"
    if real.is_symlink():
        return "its links lead in a circle"
    there = next(place for place in (real, *real.parents) if place.exists())  # what is not there yet is made in it
    if there == real and not folder:
        if not real.is_file():
            return "it is a folder" if real.is_dir() else "it is not a regular file"
        there = real.parent
    if not there.is_dir():
        return f"{there} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except FileNotFoundError:  # /proc's word for it
        return f"no file can be made in {there}"


def check_output(path: Path, record: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """`check_place`, and ValueError for one of the `inputs` or, without `force`, a file that `note_written` lacks."""
    check_place(path)
    if not path.exists():
        return
    for source in inputs:
        same = source.exists() and path.samefile(source)
        require(not same, f"cannot write {path}: it is the input {source} itself")
    known = force or _written(record).get(os.path.realpath(path)) == _sha256(path)
    require(known, f"{path} is there already, and not as this command wrote it: --force replaces it")


def note_written(path: Path, record: Path) -> None:
    """Keep in `record`, JSON of path -> sha256, that a file is a command's own: it may be replaced while unchanged."""
    with contextlib.suppress(OSError):  # where nothing can be kept, the next time asks for --force
        record.parent.mkdir(parents=True, exist_ok=True)
        with open(record.with_suffix(".lock"), "w") as held:  # the record itself is replaced, and its lock lost
            _lock(held)
            written = _written(record) | {os.path.realpath(path): _sha256(path)}
            write_atomically((record, json.dumps(written, indent=1).encode()))


def _written(record: Path) -> dict:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(record.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
