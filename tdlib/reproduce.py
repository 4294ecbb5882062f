"""From nothing to every page: the rows of a profile, its pages, and the table of results.

A profile may name what a reproduction trains anew (`[reproduce]` in `profiles/demo.toml`). Its other rows are
taken from the committed ones where they are there, which is said; what neither has is trained.
"""

from collections.abc import Iterable
from pathlib import Path

from tdlib import profiles, rows
from tdlib.config import RunConfig
from tdlib.profiles import Profile, fair
from tdlib.report import pages, tables
from tdlib.store import Store


def reproduce(profile: Profile, place: Path, committed: Path | None, chosen: Iterable[str] = ()) -> None:
    """Fill the store at `place`, execute the `chosen` pages on it, by default all, and print the results.

    With `committed` None every row is trained.
    """
    taken = _take(profile, Store(place), Store(committed)) if committed else 0
    runs = profiles.ensure(profile, profile.runs(), store=place)
    up = Path("..")  # pages run in notebooks/
    parameters = {
        "profile": profile.name,
        "store": str(up / place),
        "figures": str(up / place / "figures"),
        "results": str(up / place),
        "dataset": profile.datasets[0],
        "horizon": profile.horizons[0],
        "teacher": profile.teachers[0],
    }
    pages.execute_all(place / "pages", parameters, chosen)
    main = runs[runs["id"].isin([config.id for config in profile.runs("main")])]
    table = tables.by_system(rows.with_systems(main)).reset_index().round(3)
    print(f"\nProfile {profile.name}: {len(runs)} runs; errors in scaled units, means over seeds\n")
    print(table.drop(columns="horizon" if table["horizon"].nunique() == 1 else []).to_string(index=False))
    if taken:
        print(f"{taken} of the rows were read from {committed}; --all trains them, too")
    for kind in ("pages", "figures", "tables"):
        print(f"{kind:8} {place / kind}")


def _take(profile: Profile, store: Store, committed: Store) -> int:
    """Copy the committed rows that the profile does not train anew; how many of them `store` now has as committed."""
    anew = set(profile.anew())
    others = [run for run in profile.runs() + fair.stored(profile, committed) if run not in anew]
    return sum(_same(run, store, committed) for run in dict.fromkeys(others))


def _same(run: RunConfig, store: Store, committed: Store) -> bool:
    there, row = store.read(run.id, run.to_dict()), committed.read(run.id, run.to_dict())
    if there is None and row is not None:
        store.copy(run.id, committed)
        there = store.read(run.id)
    packed = {"arrays_sha256", "row_sha256"}  # another machine's zlib packs the arrays of a copy into other bytes
    return row is not None and all(there.get(name) == value for name, value in row.items() if name not in packed)
