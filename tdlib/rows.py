"""The rows of a store as a frame: read, named, chosen, and one sentence with a command where one is not there."""

import functools
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tdlib import models, profiles, study
from tdlib.config import RunConfig


class Missing(ValueError):
    """Rows that something needs are not in the store."""


def read(
    wanted: Iterable[RunConfig] | dict[RunConfig, str],
    profile: str,
    *parts: str,
    store: str | Path,
    train_missing: bool = False,
    named: str | None = None,
) -> pd.DataFrame:
    """The rows of `wanted`, runs of some parts of a profile, as `with_systems` names them; says how many are there.

    Where `wanted` maps runs to names, those stand in the column `named`.
    `store` is as a page sees it, which runs one folder below the root. ValueError, with the command that trains
    what is missing, where there is no row at all, or with what the profile has, where no command trains such a run;
    `missing` says the same of a single one.
    """
    names = {run.id: name for run, name in wanted.items()} if named else {}
    wanted = list(dict.fromkeys(wanted))
    place = store if Path(store).is_absolute() else os.path.relpath(store, "..")
    chosen = "".join(f" --part {part}" for part in parts)
    commands = [f"`python -m tdlib runs --profile {name}{chosen} --store {place}`" for name in profile.split("+")]
    runs = study.ensure(wanted, store=store, train_missing=train_missing)
    # `missing` says what may be done wherever the frame has got to
    runs.attrs |= {"commands": " and ".join(commands), "profile": profile, "parts": parts}
    if runs.empty:
        if {*map(_place, _listed(profile, parts))}.isdisjoint(map(_place, wanted)):
            raise Missing(f"{_has(profile)}; train_missing=True trains other runs")
        raise missing(runs, f"none of these {len(wanted)} runs")
    rest = f"; train the rest with {runs.attrs['commands']}" if len(runs) < len(wanted) else ""
    print(len(runs), "of", len(wanted), f"runs are in the store{rest}")
    runs = with_systems(runs)
    return runs.assign(**{named: runs["id"].map(names)}) if named else runs


def _place(run: RunConfig) -> tuple[str, int, str, str | None]:
    return run.dataset, run.horizon, run.model, run.teacher


@functools.cache  # the claims ask again and again, and the configs of a study take a second
def _listed(profile: str, parts: tuple[str, ...]) -> list[RunConfig]:
    return [run for entry in profiles.load(profile) for run in entry.runs(*parts)]


def _has(profile: str) -> str:
    said = []
    for entry in profiles.load(profile):
        has = {"data sets": entry.datasets, "horizons": entry.horizons, "teachers": entry.teachers}
        listed = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in has.items())
        said.append(f"profile {entry.name} has no such run (it has {listed})")
    return " and ".join(said)


def missing(runs: pd.DataFrame, what: str, **chosen: str | int) -> Missing:
    """What to raise where `what` is not among the runs: it names the command that trains it.

    Where the profile that they were read for lists no run that is as `chosen`, it says what that profile has.
    """
    if profile := runs.attrs.get("profile"):
        listed = _listed(profile, runs.attrs["parts"])
        # a column that a config does not have, such as `part`, is for the rows to say
        if not any(all(getattr(run, name, value) == value for name, value in chosen.items()) for run in listed):
            return Missing(f"{what} is in the store; {_has(profile)}")
    commands = runs.attrs.get("commands", "`python -m tdlib runs`")
    return Missing(f"{what} is in the store; train what is missing with {commands}")


def system(model: str, teacher: str | None = None, decay: float = 0.0, patterns: str = "teacher") -> str:
    """What a table calls a run: its model, whom it learned from, the weight decay that it was trained with, and whether
    its patterns are the truth's.
    """
    whom = f" from {models.title(teacher)}" if teacher else ""
    whose = ", patterns of the truth" if patterns != "teacher" else ""
    return models.title(model) + whom + (f", decay {decay:g}" if decay else "") + whose


def with_systems(runs: pd.DataFrame, *, by_decay: bool = True) -> pd.DataFrame:
    """The runs with what tables and figures call them.

    `system`: see there; `part`: "teacher", "plain" (no teacher: baselines, too), "decayed" (plain, with weight decay)
    or "distilled"; `setting`: the data set and horizon in words; `teacher_seed`: the seed of the teacher it learned
    from, else its own. Not `by_decay`, where weight decay is a setting that is chosen and makes no other system.
    """
    taught = runs["teacher"].notna()
    decay = runs.get("weight_decay", pd.Series(0.0, runs.index)) * by_decay
    patterns = runs.get("patterns", pd.Series("teacher", runs.index))
    teacher = runs["teacher"].astype(object).where(taught, None)
    names = list(map(system, runs["model"], teacher, decay, patterns))
    teachers = runs["model"].map(models.role) == "teacher"
    part = pd.Series("plain", runs.index).mask(decay > 0, "decayed").mask(teachers, "teacher").mask(taught, "distilled")
    setting = runs["dataset"] + ", " + runs["horizon"].astype(str) + " steps"
    options = runs.get("teacher_options", [{}] * len(runs))
    seeds = [
        given.get("seed", own) if known else own
        for given, own, known in zip(options, runs["seed"], taught, strict=True)
    ]
    return runs.assign(system=names, part=part, setting=setting, teacher_seed=seeds)


def select(runs: pd.DataFrame, **chosen: str | int) -> pd.DataFrame:
    """The runs of, say, `dataset="ETTh1", horizon=96`; ValueError, with the valid ones, where there is none."""
    if runs.empty:
        raise missing(runs, "no run")
    for column, value in chosen.items():
        valid = list(dict.fromkeys(runs[column].dropna()))
        if value not in valid:
            there = f" (there is: {', '.join(map(str, valid))})" if valid else ""
            raise missing(runs, f"no run with {column} {value!r}{there}", **chosen)
        runs = runs[runs[column] == value]
    return runs


def with_students(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the settings that hold a student, a baseline is none, or all of them; says what it leaves out."""
    kept = runs["model"].map(models.role).eq("student").groupby(runs["setting"]).transform("any")
    if not kept.any():
        return runs
    if left := list(dict.fromkeys(runs.loc[~kept, "setting"])):
        print("without a student, left out here:", "; ".join(left))
    return runs[kept]


def taught(runs: pd.DataFrame, *, dataset: str, horizon: int, teacher: str) -> pd.DataFrame:
    """The teacher, the plain MLP and the MLP that learned from it in one setting, by `system`, in this order.

    The two students have the same seed, the first that both have, and the teacher is the one of the second. ValueError
    where one of the three is not there.
    """
    here = select(runs, dataset=dataset, horizon=horizon)
    select(here, teacher=teacher)
    plain, distilled = (
        here[(here["model"] == "mlp") & found] for found in (here["part"] == "plain", here["teacher"] == teacher)
    )
    paired = distilled[distilled["seed"].isin(plain["seed"])][:1]
    source = here[(here["model"] == teacher) & here["seed"].isin(paired["teacher_seed"])]
    three = pd.concat([source[:1], plain[plain["seed"].isin(paired["seed"])][:1], paired])
    if len(three) < 3:
        what = f"{dataset}, {horizon} steps: not every run of teacher, plain and distilled student of one seed"
        raise missing(runs, what, dataset=dataset, horizon=horizon, teacher=teacher)
    return three.set_index("system")
