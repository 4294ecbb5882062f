"""A sweep from outside: the least executor, the processes of a session, the rows of a store, and time."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from tdlib.store import Store


class Inline:
    """The least that an executor may be: `submit`, and nothing else."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def wait_until(condition: Callable, seconds: float):
    """The first true value of `condition`; AssertionError where there is none in time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return value


def running(session: int | None = None, parent: int | None = None) -> dict[int, bytes]:
    """The command lines of the processes of a session, or of a parent's children, by ID; zombies aside."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, mother, _, of = path.read_text().rsplit(")", 1)[1].split()[:4]
            if state not in "ZX" and (session is None or int(of) == session) and parent in (None, int(mother)):
                found[int(path.parent.name)] = path.with_name("cmdline").read_bytes()
    return found


def assert_whole(place: Path, reference: Store) -> None:
    """The rows at `place` are those of `reference`, bit by bit, no more and no fewer; nothing half-written is left."""
    store = Store(place)
    assert store.ids() == reference.ids()
    for id in store.ids():
        mine, other = store.read(id), reference.read(id)
        for key in ("config", "metrics", "epochs", "parameters"):
            assert mine[key] == other[key], (id, key)
        arrays, others = store.arrays(id), reference.arrays(id)
        assert {name: value.tobytes() for name, value in arrays.items()} == {
            name: value.tobytes() for name, value in others.items()
        }
    assert _names(place) == _names(reference.place)


def _names(place: Path) -> set[str]:
    names = {str(path.relative_to(place)) for path in place.rglob("*")}
    return {name for name in names if not name.startswith("cache/slurm")}
