"""`make test-kill`: runs that are killed at random moments, again and again, end with the rows of undisturbed ones.

TDLIB_KILLS is the number of kills (100), TDLIB_STORES how many stores are worked on at a time (4). Each kill is
a SIGKILL to the command and its workers at once.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from outside import assert_whole, running, wait_until

from tdlib.files import UNFINISHED
from tdlib.store import Store

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("TDLIB_KILLS", 100))
STORES = int(os.environ.get("TDLIB_STORES", 4))
CHANGES = 8  # a kill waits for fewer new files than this, and then for up to
PAUSE = 0.5  # seconds: two or three runs are made between two kills, so that a store is killed some ten times


def started(place: Path) -> subprocess.Popen:
    """The command, in a session of its own; what it says goes to a file beside the store."""
    command = [sys.executable, "-m", "tdlib", "runs", "--profile", "smoke", "--part", "main", "--store", place]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    with open(said(place), "ab") as words:
        return subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True, stdout=words, stderr=words)


def said(place: Path) -> Path:
    return place.with_name(f"{place.name}.log")


def names(place: Path) -> set[Path]:
    return set(place.rglob("*"))


def half_written(place: Path) -> bool:
    return any(re.fullmatch(rf"{UNFINISHED}|.*\.unfinished", path.name) for path in names(place))


def killed(place: Path, moment: random.Random) -> bool:
    """Whether the command was killed at a moment drawn at random; False where it came to its end before."""
    before, changes = len(names(place)), moment.randrange(CHANGES)
    process = started(place)
    try:
        while process.poll() is None and len(names(place)) < before + changes:
            time.sleep(0.005)
        time.sleep(moment.uniform(0, PAUSE))
        ended = process.poll()
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
    wait_until(lambda: not running(process.pid), 20)
    assert ended in (None, 0), said(place).read_text()
    return ended is None


def finish(place: Path, reference: Store) -> None:
    """Run to the end: all rows are those of `reference`, nothing else is there, and nobody had to complain."""
    process = started(place)
    try:
        assert process.wait(900) == 0, said(place).read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert_whole(place, reference)
    assert set(said(place).read_text().splitlines()) == {f"{len(reference.ids())} runs are in {place}"}


def kill_and_finish(folder: Path, reference: Store, kills: int, seed: int) -> tuple[int, int]:
    """Stores, one after the other, until `kills` kills are done: how many stores, and kills in the midst of a write."""
    moment, done, halves, stores = random.Random(seed), 0, 0, 0
    while done < kills:
        stores += 1
        place = folder / f"store {seed} {stores}"
        while done < kills and killed(place, moment):
            done += 1
            halves += half_written(place)
        finish(place, reference)
    return stores, halves


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_killed_runs_that_are_finished_are_the_rows_of_undisturbed_ones(tmp_path, capsys):
    reference = tmp_path / "undisturbed"
    assert started(reference).wait(900) == 0, said(reference).read_text()
    shares = [KILLS // STORES + (share < KILLS % STORES) for share in range(STORES)]
    begun = time.monotonic()
    with ThreadPoolExecutor(STORES) as threads:
        work = [
            threads.submit(kill_and_finish, tmp_path, Store(reference), kills, seed)
            for seed, kills in enumerate(shares)
        ]
        stores, halves = map(sum, zip(*(one.result() for one in work), strict=True))
    with capsys.disabled():
        minutes = (time.monotonic() - begun) / 60
        print(f"\n{KILLS} kills of {stores} stores in {minutes:.1f} minutes, {halves} of them in the midst of a write")
