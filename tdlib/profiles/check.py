"""What the table of a profile may hold: what nothing reads is refused, in one sentence with the file and what is valid.

A kind is a type; a tuple, of what is valid; [kind], a list; [kind, ...], one that is not empty; [kind, 2], a pair; or
a dict, a table: its keys are required, but for "key?", and a tuple stands for names of which any may be there.
"""

import dataclasses

from tdlib import data, models
from tdlib.checks import one_of, require
from tdlib.config import RunConfig
from tdlib.profiles.variants import APART, PARTS, RIVALS

OTHERS = ("dataset", "lookback", "horizon", "model", "seed", "alpha", "beta")  # fields that no model's table sets
OTHERS += ("teacher", "teacher_options", "co_teachers")


def check_table(table: dict, file: str) -> None:
    """ValueError unless `table`, of `file`, is that of a profile; its runs check the values of their own fields."""
    try:
        there = table.get("datasets")
        require(isinstance(there, dict) and len(there) > 0, "it has no data set, such as [datasets.ETTh1]")
        for name in there:
            data.check_name(name)
        _check("the profile", table, _profile(tuple(there)))
        for name, own in there.items():  # what is taught by the teachers that belong to a seed has that seed
            seeds, some = own.get("seeds", table["seeds"]), table["patient"].get("seeds", {}).get(name, [])
            named = {"channels": table["channels"], "controls": table["controls"], "pieces": table["patient"]["pieces"]}
            for part, given in (named | {"patient": {"seeds": some}}).items():
                if name in given.get("datasets", there):
                    _check(f"{part}.seeds on {name}", given["seeds"], [tuple(seeds)])
            for model, count in own.get("teacher_seeds", {}).items():
                one_of(f"datasets.{name}.teacher_seeds.{model}", count, range(1, len(seeds) + 1))
    except ValueError as fault:
        raise ValueError(f"{file}: {fault}") from None


def _profile(there: tuple[str, ...]) -> dict:
    """The kind of a whole profile, of the data sets that are `there`."""
    fields = tuple(entry.name for entry in dataclasses.fields(RunConfig) if entry.name not in OTHERS)
    model, place, pair = tuple(models.names()), _all("horizons seeds", [int]), [float, 2]
    sizes, pieces = {model: {fields: object}}, place | {"datasets": [there]}
    tried = _all("learning_rates weight_decays weights", [float, ...]) | {"teachers": [model], "aside?": [pair]}
    tried |= {"aside_weights?": [pair]}
    own = {"seeds?": [int, ...], "teacher_seeds?": {model: int}, "weights?": {model: pair}, "committee?": [model]}
    own |= {"trials?": {f"{key.rstrip('?')}?": kind for key, kind in tried.items()}}
    asked = {"norms": [str], "affine": [there], "rivals": [tuple(RIVALS)]}
    asked |= _all("teacher co_teacher students_teacher", model) | _all("teachers students", [model])
    return {
        **{"lookback": int, "teachers": [model, ...], "baselines": [model]},
        **_all("horizons seeds", [int, ...]),
        "reproduce?": {"parts?": [(*PARTS, *APART)], "seeds?": [int]},
        "trials": tried,
        "ablation": place | {"teacher": model, "others?": {model: [there]}, "datasets?": [there]},
        "versatility": asked | _all("widths layers seeds", [int]),
        "lookback_study": place | {"teacher": model, "lookbacks": [int]},
        "sensitivity": _all("alphas betas temperatures", [float])
        | _all("scales seeds", [int])
        | {"teacher": model, "downsamplings": [str]},
        "patient": {"members": [model], "seeds?": {there: [int]}, "pieces": pieces},
        "channels": place | {"teacher": model, "alphas": [float], "datasets?": [there]},
        "controls": pieces | _all("foresights tilts", [float]) | {"widths": [int], "students": [model]},
        "foundation": {"model": model, "horizons": [int], "datasets?": [there]},
        "datasets": {there: own | sizes},
        "models?": sizes,
    }


def _all(keys: str, kind: object) -> dict:
    return dict.fromkeys(keys.split(), kind)


def _check(where: str, value: object, kind: object) -> None:
    """ValueError unless a value is of a kind."""
    if isinstance(kind, dict):
        require(isinstance(value, dict), f"{where} must be a table, got {value!r}")
        known = {}
        for key, inner in kind.items():
            known |= dict.fromkeys(key, inner) if isinstance(key, tuple) else {key.rstrip("?"): inner}
            lacks = isinstance(key, str) and not key.endswith("?") and key not in value
            require(not lacks, f"{where} lacks {key!r}")
        for key, inner in value.items():
            one_of(where, key, known)
            _check(key if where == "the profile" else f"{where}.{key}", inner, known[key])
    elif isinstance(kind, list):
        words = {(): "a list", (...,): "a list that is not empty", (2,): "a list of two"}[tuple(kind[1:])]
        fits = isinstance(value, list) and kind[1:] in ([], [len(value)], [...][: len(value)])
        require(fits, f"{where} must be {words}, got {value!r}")
        for inner in value:
            _check(where, inner, kind[0])
    elif isinstance(kind, tuple):
        one_of(where, value, kind)
    else:
        fits = kind is object or type(value) is kind or (kind is float and type(value) is int)
        require(fits, f"{where} must be {kind.__name__}, got {value!r}")
