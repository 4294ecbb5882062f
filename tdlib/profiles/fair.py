"""The fair protocol: what is chosen is chosen on validation, with as many trials for either student.

    plain        learning rates x weight decays
    distilled    learning rates x pattern weights, alpha = beta

tried at a profile's first horizon with its first seed, and kept for all horizons and seeds.
"""

import itertools
from pathlib import Path

import pandas as pd

from tdlib import study
from tdlib.config import RunConfig
from tdlib.profiles.settings import Settings
from tdlib.store import Store


def trials(profile: Settings) -> list[RunConfig]:
    """What is tried: of each data set the plain student, and that of each of its teachers."""
    return [run for dataset in profile.datasets for runs in _by_student(profile, dataset).values() for run in runs]


def chosen(profile: Settings, rows: pd.DataFrame) -> list[RunConfig]:
    """Both students with the settings of their best trial on validation, at every horizon and seed.

    `rows` are those of the trials, as `study.ensure` returns them; a student whose trials are not all there is left
    out.
    """
    errors = dict(zip(rows["id"], rows["val_mse"], strict=True)) if len(rows) else {}
    runs = []
    for dataset in profile.datasets:
        for teacher, tried in _by_student(profile, dataset).items():
            if all(run.id in errors for run in tried):
                best = min(tried, key=lambda run: errors[run.id])
                names = ("learning_rate", "alpha", "beta") if teacher else ("learning_rate", "weight_decay")
                changes = {name: getattr(best, name) for name in names}
                places = itertools.product(profile.horizons, profile.seeds(dataset))
                runs += [_student(profile, dataset, teacher, *place, **changes) for place in places]
    return runs


def stored(profile: Settings, store: str | Path | Store) -> list[RunConfig]:
    """What the trials in a store have chosen."""
    return chosen(profile, study.ensure(trials(profile), store=store, train_missing=False))


def aside(profile: Settings) -> list[RunConfig]:
    """Students beside the trials, which choose nothing: was the best of those only the end of a range?"""
    runs = []
    for dataset in profile.datasets:
        tried = _tried(profile, dataset)
        runs += [_plain(profile, dataset, *pair) for pair in tried.get("aside", ())]
        pairs = itertools.product(tried["teachers"], tried.get("aside_weights", ()))
        runs += [_taught(profile, dataset, teacher, *pair) for teacher, pair in pairs]
    return runs


def defaults(profile: Settings) -> list[RunConfig]:
    """Baselines with other settings than the study's, at the first horizon, to judge those by.

    Without the settings of their data set; and ridge regression with the penalties of `least_squares.SHARES`, which
    begin lower: was the least of the usual ones only the end of a range?
    """
    own, horizon = profile.table["datasets"], profile.horizons[0]
    bare = [
        RunConfig(dataset, profile.table["lookback"], horizon, model)
        for dataset in profile.datasets
        for model in profile.table["baselines"]
        if "settings" in own[dataset].get(model, {})
    ]
    wider = [profile.config(dataset, horizon, "ridge", settings={"relative": True}) for dataset in profile.datasets]
    return bare + wider * ("ridge" in profile.table["baselines"])


def _by_student(profile: Settings, dataset: str) -> dict[str | None, list[RunConfig]]:
    """The trials on a data set by teacher, None for the plain student."""
    tried = _tried(profile, dataset)
    decays, weights = (
        list(itertools.product(tried["learning_rates"], tried[name])) for name in ("weight_decays", "weights")
    )
    taught = {name: [_taught(profile, dataset, name, *pair) for pair in weights] for name in tried["teachers"]}
    return {None: [_plain(profile, dataset, *pair) for pair in decays]} | taught


def _tried(profile: Settings, dataset: str) -> dict:
    return profile.table["trials"] | profile.table["datasets"][dataset].get("trials", {})


def _plain(profile: Settings, dataset: str, rate: float, decay: float) -> RunConfig:
    return _student(profile, dataset, None, *_first(profile, dataset), learning_rate=rate, weight_decay=decay)


def _taught(profile: Settings, dataset: str, teacher: str, rate: float, weight: float) -> RunConfig:
    place = _first(profile, dataset)
    return _student(profile, dataset, teacher, *place, learning_rate=rate, alpha=weight, beta=weight)


def _first(profile: Settings, dataset: str) -> tuple[int, int]:
    return profile.horizons[0], profile.seeds(dataset)[0]


def _student(profile: Settings, dataset: str, teacher: str | None, horizon: int, seed: int, **changes) -> RunConfig:
    if teacher:
        return profile.student(dataset, horizon, teacher, seed, **changes)
    return profile.config(dataset, horizon, "mlp", seed=seed, **changes)
