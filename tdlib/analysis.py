"""Who wins where, and how sure that is (TimeDistill, section 3).

Errors are the mean squared errors of the test windows, [N], as the store keeps them; `runs` are rows with their
systems (`rows.with_systems`).
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from tdlib import bootstrap, models
from tdlib.checks import require
from tdlib.losses import halve
from tdlib.rows import Missing, missing
from tdlib.store import Store

CHOSEN = "baseline by validation"  # what `strongest` finds, as an opponent
DECAYED = "plain, with decay"
SETTING = ["dataset", "lookback", "horizon"]


def win_rate(student_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Share of windows on which the student's error is strictly smaller, in percent.

    ValueError for errors that are empty, not finite, or of different windows.
    """
    student, teacher = _checked(student_errors, teacher_errors)
    return float(100 * np.mean(student < teacher))


def tie_rate(student_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Share of windows with equal errors, in percent: no win for either side. ValueError as in `win_rate`."""
    student, teacher = _checked(student_errors, teacher_errors)
    return float(100 * np.mean(student == teacher))


def win_keep(mlp_errors: ArrayLike, distilled_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Of the windows on which the plain MLP beats the teacher, the share that the distilled one wins too, in percent.

    NaN where the plain MLP wins nowhere. ValueError as in `win_rate`.
    """
    mlp, distilled, teacher = _checked(mlp_errors, distilled_errors, teacher_errors)
    wins = mlp < teacher
    return float(100 * np.mean(distilled[wins] < teacher[wins])) if wins.any() else float("nan")


def _checked(*errors: ArrayLike) -> list[np.ndarray]:
    """ValueError for errors that are empty, not finite, or of different windows."""
    arrays = [np.asarray(entry, dtype=float) for entry in errors]
    if any(array.ndim != 1 or not array.size for array in arrays):
        raise ValueError("errors must be one number per window, and there must be a window")
    if len({array.size for array in arrays}) > 1:
        raise ValueError(f"errors must be of the same windows, got {', '.join(str(a.size) for a in arrays)} of them")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("errors must be finite numbers")
    return arrays


def pairs(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Each run of `ours` beside the run of `theirs` that it is to be compared with: `ours`, `theirs`, `group`.

    Both are runs of one setting. A student stands beside the run of its own seed, or beside the run of the teacher
    that it learned from, and no other of its teacher's; beside the only run of another model whatever its seed. Runs
    without a partner are left out. `group` is the teacher's seed: students of one teacher are not independent.
    """
    theirs = theirs.drop_duplicates("id")
    several = theirs[theirs["seed"].duplicated(keep=False)]
    words = f"of a seed there may be one run to be compared with, got {', '.join(several['system'])}"
    require(several.empty, words)
    teacher = (theirs["part"] == "teacher").all()
    key = ours["teacher_seed"].where(ours["teacher"].notna(), ours["seed"]) if teacher else ours["seed"]
    ids = theirs.set_index("seed")["id"]
    model, partners = theirs["model"].iloc[0], key.map(ids)
    if len(ids) == 1 and model not in set(ours["model"]):
        partners = partners.where((ours["teacher"] == model) & teacher, ids.iloc[0])
    found = pd.DataFrame({"ours": ours["id"], "theirs": partners, "group": ours["teacher_seed"]})
    return found.dropna(subset="theirs")


def compare(
    ours: pd.DataFrame, theirs: pd.DataFrame, store: Store, quantity: str | tuple[str, str] = "errors"
) -> pd.DataFrame:
    """How much better or worse one system is than another: a line for each setting that both have, and one for all.

    `quantity` is the array of a row that is compared, one value a window, or those of our row and of theirs: by
    default the MSE.
    `difference`: of its mean, in percent, negative where ours is better; `win rate`: share of windows, ties count half;
    `improvement`: share of runs that are better than their partners, ties half (Agarwal et al., NeurIPS 2021).
    `low`, `high`: 95% intervals of `bootstrap.draws`, NaN where the test segment holds fewer than two `blocks` of
    look-back + horizon windows. The line "all" is the mean over settings, drawn together, the short ones among them; it
    has an interval where any setting has; its blocks are those of the shortest horizon of each data set, whose horizons
    share their time. `without` names the setting that moves its difference most, and `rest`, `rest low` and `rest high`
    are the difference without that one.
    A data set that is there under several names, once for each teacher say, names its test segment in a column
    `segment`. ValueError where there is no pair.
    """
    lines, estimates, drawn, most = [], [], [], {}
    for place, (mine, others) in _common(ours, theirs):
        found = pairs(mine, others)
        if found.empty:
            continue
        errors = paired_errors(store, found[["ours", "theirs"]], quantity)
        quantities = np.stack([errors[:, 0], errors[:, 1], _wins_with_ties(errors[:, 0], errors[:, 1])], 1)
        block, segment = place["lookback"] + place["horizon"], mine.get("segment", mine["dataset"]).iloc[0]
        names = {"segment": segment, "setting": str([*place.values()])}
        estimate, draws = bootstrap.draws(quantities, list(found["group"]), _comparison, block=block, **names)
        held = bootstrap.blocks(quantities.shape[2], block)
        most[segment] = max(held, most.get(segment, 0))
        lines.append(place | _compared_line(estimate, draws, held) | {"runs": len(found), "blocks": held})
        estimates.append(estimate)
        drawn.append(draws)
    if not lines:
        raise missing(ours, "no pair of runs to compare")
    everything = {"dataset": "all", "lookback": lines[0]["lookback"], "horizon": "all"}
    total = _compared_line(np.mean(estimates, 0), np.mean(drawn, 0), max(most.values()))
    counts = {"runs": sum(line["runs"] for line in lines), "blocks": sum(most.values())}
    counts |= _without_one(lines, np.stack(estimates)[:, 0], np.stack(drawn)[:, :, 0])
    return pd.DataFrame([*lines, everything | total | counts]).set_index(["dataset", "horizon"])


def _without_one(lines: list[dict], differences: np.ndarray, draws: np.ndarray) -> dict:
    """The mean of settings' differences [S] but the one that moves it most, with the interval of its draws [S, D]."""
    if len(lines) == 1:
        return {"without": "", "rest": np.nan, "rest low": np.nan, "rest high": np.nan}
    place = int(np.argmax(np.abs(differences - differences.mean())))
    others = np.arange(len(lines)) != place
    held = max(line["blocks"] for line in itertools.compress(lines, others))
    low, high = bootstrap.interval(draws[others].mean(0), held)
    names = {"without": "{dataset}, {horizon}".format(**lines[place]), "rest": differences[others].mean()}
    return names | {"rest low": low, "rest high": high}


def against_committee(students: pd.DataFrame, store: Store) -> pd.DataFrame:
    """`compare` of students with the committees that taught them, whose window errors the students' rows keep."""
    have = students[np.array(["committee_errors" in store.arrays(id) for id in students["id"]], dtype=bool)]
    return compare(have, have, store, ("errors", "committee_errors"))


def comparisons(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """`compare` for every distilled MLP `against` the plain one, without and with decay, its teacher and baselines.

    The baselines are `strongest`'s choice and Ridge. An opponent that is not there is left out. `validation` is the
    difference there.
    """
    found, mlps = [], runs[runs["model"] == "mlp"]
    for name, ours in mlps[mlps["part"] == "distilled"].groupby("system", sort=False):
        opponents = {"plain": mlps[mlps["part"] == "plain"], DECAYED: mlps[mlps["part"] == "decayed"]}
        opponents |= {"its teacher": runs[runs["model"] == ours["teacher"].iloc[0]]}
        opponents |= {CHOSEN: strongest(runs), models.title("ridge"): runs[runs["model"] == "ridge"]}
        for against, theirs in opponents.items():
            with contextlib.suppress(Missing):
                table = compare(ours, theirs, store).reset_index()
                table.insert(2, "system", name)
                table.insert(3, "against", against)
                names = theirs.groupby(["dataset", "horizon"])["system"].first()
                places = pd.MultiIndex.from_frame(table[["dataset", "horizon"]])
                table.insert(4, "opponent", names.reindex(places).to_numpy())
                table["validation"] = on_validation(ours, theirs).reindex(places).to_numpy()
                found.append(table)
    if not found:
        raise missing(runs, "no distilled MLP with another system beside it")
    return pd.concat(found, ignore_index=True).drop(columns="lookback")


def on_validation(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """The difference of the validation error in percent, by setting and over "all", of the pairs that `compare` has."""
    changes = {}
    for place, (mine, others) in _common(ours, theirs):
        found, errors = pairs(mine, others), (frame.set_index("id")["val_mse"] for frame in (mine, others))
        own, other = (error[found[side]].mean() for side, error in zip(("ours", "theirs"), errors, strict=True))
        changes[place["dataset"], place["horizon"]] = 100 * (own / other - 1)
    return pd.Series(changes | {("all", "all"): np.nanmean(list(changes.values()))})


def skill(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """How much smaller each system's MSE is than the seasonal naive forecast's, in percent, mean over its `settings`.

    One less the ratio of the two, with its 95% interval. Empty where nobody has that forecast beside it.
    """
    base, lines = runs[runs["model"] == "seasonal_naive"], {}
    for name, ours in runs[runs["model"] != "seasonal_naive"].groupby("system", sort=False):
        if _common(ours, base):
            found = compare(ours, base, store)
            value, high, low = -found.loc[("all", "all"), ["difference", "low", "high"]].astype(float)
            lines[name] = value, low, high, len(found) - 1
    table = pd.DataFrame.from_dict(lines, orient="index", columns=["skill", "low", "high", "settings"])
    return table.rename_axis("system").sort_values("skill", ascending=False)


def strongest(runs: pd.DataFrame, by: str = "val_mse") -> pd.DataFrame:
    """`best` of the baselines."""
    return best(baselines(runs), by)


def baselines(runs: pd.DataFrame) -> pd.DataFrame:
    """What learned from no teacher and is none, but for the plain MLP."""
    return runs[(runs["part"] == "plain") & (runs["model"] != "mlp")]


def best(runs: pd.DataFrame, by: str = "val_mse") -> pd.DataFrame:
    """The runs of one system of each setting: the one with the smallest error `by`, a mean over seeds.

    By validation it is a choice; by "test_mse" it is what nobody could have chosen, to judge that choice by.
    """
    means = runs.groupby([*SETTING, "system"])[by].mean().reset_index()
    least = means.loc[means.groupby(SETTING)[by].idxmin(), [*SETTING, "system"]]
    return runs.merge(least, on=[*SETTING, "system"])


def _common(*frames: pd.DataFrame) -> list[tuple[dict, list[pd.DataFrame]]]:
    """The settings that all frames have, each with its part of every frame."""
    parts = [dict(iter(frame.groupby(SETTING, sort=False))) for frame in frames]
    shared = [place for place in parts[0] if all(place in part for part in parts)]
    return [(dict(zip(SETTING, place, strict=True)), [part[place] for part in parts]) for place in shared]


def _wins_with_ties(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 where ours is smaller, 1/2 where both are equal."""
    return (mine < other) + (mine == other) / 2


def _comparison(means: np.ndarray) -> np.ndarray:
    """Difference, win rate and improvement [..., 3], in percent, from the means [..., P, 3]."""
    mine, other, wins = np.moveaxis(means.mean(-2), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing is so and so much worse than no error
        ratio = np.where(other > 0, mine / other, np.nan)
    improved = _wins_with_ties(means[..., 0], means[..., 1]).mean(-1)
    return 100 * np.stack([ratio - 1, wins, improved], -1)


_COMPARED = {
    "difference": ("low", "high"),
    "win rate": ("win low", "win high"),
    "improvement": ("improvement low", "improvement high"),
}


def _compared_line(estimate: np.ndarray, draws: np.ndarray, blocks: float) -> dict[str, float]:
    line = {}
    for place, (name, ends) in enumerate(_COMPARED.items()):
        line[name] = estimate[place]
        line |= dict(zip(ends, bootstrap.interval(draws[:, place], blocks), strict=True))
    return line


def wins(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Every MLP, plain (without weight decay) and distilled, against every teacher of its setting, or its own.

    One line each, the mean over pairs of runs (see `pairs`): `estimate` is the win rate in percent, ties no win,
    `low` and `high` its 95% interval over seeds and blocks of look-back + horizon windows, `ties` in percent.
    ValueError where no teacher has a student beside it.
    """
    lines = []
    mlps = runs[(runs["model"] == "mlp") & (runs["part"] != "decayed")]
    for place, teacher, students in _against_teachers(runs, mlps):
        found = pairs(students, teacher)
        if len(found):
            errors = paired_errors(store, found[["ours", "theirs"]])
            quantities = np.stack([errors[:, 0] < errors[:, 1], errors[:, 0] == errors[:, 1]], 1)
            line = _share(quantities, found["group"], lambda means: means[..., 0].mean(-1), students)
            lines.append(place | line | {"ties": 100 * quantities[:, 1].mean(), "seeds": len(found)})
    if not lines:
        raise missing(runs, "no teacher with an MLP beside it")
    return pd.DataFrame(lines).set_index(["dataset", "horizon", "teacher", "system"])


def other_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of one system, each with the next one's id in place of its own: a null; none where there is one run."""
    return runs.assign(id=np.roll(runs["id"], 1))[: len(runs) if len(runs) > 1 else 0]


def keeps(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Of the windows that the plain MLP wins against a teacher, the share that another system wins, too; as `wins`.

    The distilled MLP beside what a student without the teacher keeps: every baseline, the plain MLP with weight decay,
    and the plain MLP of another seed. Each is set against the plain MLP of its own seed.
    ValueError where no teacher has a plain and a distilled MLP of one seed beside it.
    """
    lines = []
    mlps = runs[(runs["model"] == "mlp") & (runs["part"] == "plain")]
    for place, teacher, students in _against_teachers(runs, runs[(runs["model"] == "mlp") | (runs["part"] == "plain")]):
        plain = mlps[(mlps[SETTING] == students[SETTING].iloc[0]).all(axis=1)]
        if place["system"] == models.title("mlp"):
            place["system"] += ", another seed"
            students = other_seeds(students)
        found = trios(plain, students, teacher) if len(plain) and len(students) else []
        if len(found):
            mlp, student, against = np.moveaxis(paired_errors(store, found[["plain", "student", "against"]]), 1, 0)
            quantities = np.stack([(mlp < against) & (student < against), mlp < against], 1)
            line = _share(quantities, found["group"], kept, students)
            lines.append(place | line | {"seeds": len(found)})
    table = pd.DataFrame(lines, columns=["dataset", "horizon", "teacher", "system", "estimate", "low", "high", "seeds"])
    taught = table["system"].isin(runs.loc[runs["part"] == "distilled", "system"])
    table = table[taught.groupby([table[name] for name in ("dataset", "horizon", "teacher")]).transform("any")]
    if table.empty:
        raise missing(runs, "no teacher with a plain and a distilled MLP of the same seed")
    return table.set_index(["dataset", "horizon", "teacher", "system"])


def trios(plain: pd.DataFrame, students: pd.DataFrame, teacher: pd.DataFrame) -> pd.DataFrame:
    """A plain MLP, another student, and the teacher of the one of them that has one: ids, with the teacher's group."""
    whose = "student" if students["teacher"].notna().all() else "plain"
    both = pairs(plain, students)[["ours", "theirs"]].set_axis(["plain", "student"], axis=1)
    learned = pairs(students if whose == "student" else plain, teacher)
    return both.merge(learned.set_axis([whose, "against", "group"], axis=1))


def _against_teachers(runs: pd.DataFrame, systems: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame, pd.DataFrame]]:
    """By setting and teacher: the place of a line, the teacher's runs, and the runs of each system of `systems`.

    A system that learned from a teacher stands beside this one only.
    """
    for place, (here, others) in _common(runs, systems):
        for _, students in others.groupby("system", sort=False):
            for model, teacher in here[here["part"] == "teacher"].groupby("model", sort=False):
                if students["teacher"].isna().all() or (students["teacher"] == model).all():
                    names = {"teacher": models.title(model), "system": students["system"].iloc[0]}
                    yield {"dataset": place["dataset"], "horizon": place["horizon"]} | names, teacher, students


def paired_errors(store: Store, ids: pd.DataFrame, quantity: str | tuple[str, ...] = "errors") -> np.ndarray:
    """The errors of runs side by side: [pairs, columns, N]; a `quantity` for all columns, or one for each."""
    names = [quantity] * ids.shape[1] if isinstance(quantity, str) else quantity
    read = [[store.arrays(id, name)[name] for id, name in zip(line, names, strict=True)] for line in ids.to_numpy()]
    return np.stack([_checked(*line) for line in read])


def kept(means: np.ndarray, column: int = 0) -> np.ndarray:
    """Mean over runs of what is kept, in a column of [..., P, K], of what was won, in the last one: [...].

    Runs that won nothing are left out; NaN where none did.
    """
    with np.errstate(invalid="ignore"):  # 0 / 0
        shares = means[..., column] / means[..., -1]
        return np.nansum(shares, -1) / np.isfinite(shares).sum(-1)


def _share(quantities: np.ndarray, groups: pd.Series, statistic: Callable, runs: pd.DataFrame) -> dict[str, float]:
    """A share in percent, with its interval."""
    dataset, lookback, horizon = runs[SETTING].iloc[0]
    block = int(lookback + horizon)
    estimate, values = bootstrap.draws(quantities, list(groups), statistic, block=block, segment=dataset)
    low, high = bootstrap.interval(100 * values, bootstrap.blocks(quantities.shape[2], block))
    return {"estimate": 100 * float(estimate), "low": low, "high": high}


def scale_table(runs: pd.DataFrame, *also: str) -> pd.DataFrame:
    """MSE at each scale, one line a run and scale: `setting`, `system`, `seed`, columns `also`, `scale`, `MSE`."""
    keys = ["setting", "system", "seed", *also]
    lines = runs[[*keys, "test_scale_mse"]].explode("test_scale_mse", ignore_index=True)
    lines["scale"] = lines.groupby(keys).cumcount()
    lines["MSE"] = lines.pop("test_scale_mse").astype(float)
    return lines


def example(arrays: dict[str, np.ndarray]) -> tuple[int, int]:
    """(sample, channel) of the window that pages draw: the second one that a row keeps, and the first channel.

    A rule that looks at no result: a window picked for its gain would show a gain whatever the student is.
    """
    return min(1, len(arrays["sample_y"]) - 1), 0


def at_scales(
    arrays: dict[str, dict[str, np.ndarray]], sample: int, channel: int, scales: int = 3
) -> dict[int, dict[str, np.ndarray]]:
    """By scale 0..`scales`, one channel of one kept window: the truth and the forecast of each system of `arrays`."""
    first = next(iter(arrays.values()))
    series = {"truth": first["sample_y"][sample, :, channel]}
    series |= {name: entry["sample_prediction"][sample, :, channel] for name, entry in arrays.items()}
    halved = {name: torch.from_numpy(values.astype(np.float32)) for name, values in series.items()}
    parts = {}
    for scale in range(scales + 1):
        parts[scale] = {name: values.numpy() for name, values in halved.items()}
        halved = {name: halve(values) for name, values in halved.items()}
    return parts


def chosen_on(runs: pd.DataFrame) -> pd.DataFrame:
    """The setting that the validation error chooses and the one that the test error would, means over seeds."""
    grid = runs.groupby(["alpha", "beta"], as_index=False)[["val_mse", "test_mse"]].mean()
    cells = {
        "chosen on validation": grid["val_mse"].idxmin(),
        "chosen on test": grid["test_mse"].idxmin(),
        "worst on test": grid["test_mse"].idxmax(),
    }
    chosen = grid.loc[list(cells.values())].reset_index(drop=True)
    chosen.insert(0, "cell", list(cells))
    return chosen
