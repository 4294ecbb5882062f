"""Files that are either whole or not there, and a full disk in one sentence."""

import contextlib
import errno
import fcntl
import itertools
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # no room, no quota


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
        free = shutil.disk_usage(there).free
        raise DiskFull(f"the disk of {path.parent} is full: {path.name} needs {_megabytes(size)}, "
                       f"{_megabytes(free)} are free") from None  # fmt: skip


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"


def write_atomically(*files: tuple[Path, bytes]) -> None:
    """All of `files`, each a path and its content, or nothing: they get their names, in order, once all are on disk.

    DiskFull where there is no room for them.
    """
    unique = secrets.token_hex(4)  # among the processes of all machines that share the folder
    unfinished = [path.with_name(f"{path.name}.{unique}") for path, _ in files]
    with room_for(files[-1][0], sum(len(blob) for _, blob in files)), contextlib.ExitStack() as held:
        try:
            for temporary, (path, blob) in zip(unfinished, files, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = held.enter_context(open(temporary, "wb"))
                with contextlib.suppress(OSError):  # of a file system without `flock`: none is taken away there
                    fcntl.flock(file, fcntl.LOCK_EX)
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            for temporary, (path, _) in zip(unfinished, files, strict=True):
                temporary.replace(path)
        finally:
            for temporary in unfinished:
                temporary.unlink(missing_ok=True)


def remove_unfinished(*folders: Path) -> None:
    """Remove the temporary files in `folders` whose writers were killed; one that lives holds the lock of its file."""
    for path in itertools.chain.from_iterable(folder.glob("*") for folder in folders):
        if re.fullmatch(r".+\.[0-9a-f]{8}\d*", path.name):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(file.fileno()).st_mtime > 1:  # a younger one may be about to be locked
                    path.unlink()
