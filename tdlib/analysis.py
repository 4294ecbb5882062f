"""Who wins where, and how sure that is (TimeDistill, section 3).

Errors are the mean squared errors of the test windows, [N], as the store keeps them; `runs` are rows with their
systems (`rows.with_systems`).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tdlib.models import title
from tdlib.rows import missing
from tdlib.store import Store


def win_rate(student_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Share of windows on which the student's error is strictly smaller, in percent."""
    student, teacher = _checked(student_errors, teacher_errors)
    return float(100 * np.mean(student < teacher))


def tie_rate(student_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Share of windows with equal errors, in percent: no win for either side."""
    student, teacher = _checked(student_errors, teacher_errors)
    return float(100 * np.mean(student == teacher))


def win_keep(mlp_errors: ArrayLike, distilled_errors: ArrayLike, teacher_errors: ArrayLike) -> float:
    """Of the windows on which the plain MLP beats the teacher, the share that the distilled one wins too, in percent.

    NaN where the plain MLP wins nowhere. Both ValueErrors as in `win_rate`.
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


def block_interval(
    statistic: Callable[..., float],
    *errors: ArrayLike,
    block: int,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of `statistic(*errors)` from a moving-block bootstrap over the windows.

    Neighbouring windows share almost all their values, so whole blocks of `block` windows are drawn;
    look-back + horizon windows is the least after which two windows have nothing in common (Kunsch 1989).
    (NaN, NaN) where there are fewer than two blocks: so little says nothing of its own spread.
    """
    arrays = _checked(*errors)
    count = arrays[0].size
    if count < 2 * block:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    starts = random.integers(0, count - block + 1, (draws, -(-count // block)))
    values = []
    for start in starts:
        index = (start[:, None] + np.arange(block)).ravel()[:count]
        values.append(statistic(*(array[index] for array in arrays)))
    values = [value for value in values if np.isfinite(value)]  # a draw may leave the statistic undefined
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(values, [tail, 100 - tail]) if values else (float("nan"), float("nan"))
    return float(low), float(high)


def wins(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Every student, plain and distilled, against every teacher of its data set and horizon, or its own.

    One line each, the mean over the students' seeds: `estimate` is the win rate in percent, `low` and
    `high` its 95% interval from blocks of look-back + horizon windows, `ties` in percent.
    ValueError where no teacher has a student beside it.
    """
    lines = []
    for (dataset, horizon), group in runs.groupby(["dataset", "horizon"], sort=False):
        teachers = group[group["part"] == "teacher"]
        for system, students in group[group["model"] == "mlp"].groupby("system", sort=False):
            errors = [store.arrays(id)["errors"] for id in students["id"]]
            learned_from = students["teacher"].iloc[0]
            for _, teacher in teachers.iterrows():
                if pd.isna(learned_from) or learned_from == teacher["model"]:
                    against = store.arrays(teacher["id"])["errors"]
                    place = {"dataset": dataset, "horizon": horizon, "teacher": title(teacher["model"])}
                    line = _win_line(errors, against, int(teacher["lookback"]) + horizon)
                    lines.append(place | {"system": system} | line)
    if not lines:
        raise missing(runs, "no teacher with an MLP beside it")
    return pd.DataFrame(lines).set_index(["dataset", "horizon", "teacher", "system"])


def _win_line(students: list[np.ndarray], teacher: np.ndarray, block: int) -> dict[str, float]:
    def mean_rate(teacher: np.ndarray, *students: np.ndarray) -> float:
        return float(np.mean([win_rate(student, teacher) for student in students]))

    low, high = block_interval(mean_rate, teacher, *students, block=block)
    ties = float(np.mean([tie_rate(student, teacher) for student in students]))
    return {"estimate": mean_rate(teacher, *students), "low": low, "high": high, "ties": ties, "seeds": len(students)}


def keeps(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Win keep of every distilled student, seed by seed against the plain one of the same seed; then as `wins`.

    Settings without the teacher or without a plain student of the same seed are left out; ValueError where no other is.
    """
    lines = []
    students = runs[runs["model"] == "mlp"]
    for (dataset, horizon, teacher), group in students.groupby(["dataset", "horizon", "teacher"], sort=False):
        here = runs[(runs["dataset"] == dataset) & (runs["horizon"] == horizon)]
        plain = here[(here["model"] == "mlp") & (here["part"] == "plain")]
        pairs = plain.merge(group, on="seed", suffixes=("_plain", "_distilled"))
        against = here[here["model"] == teacher]
        if len(pairs) and len(against):
            paired = [
                (store.arrays(one)["errors"], store.arrays(other)["errors"])
                for one, other in zip(pairs["id_plain"], pairs["id_distilled"], strict=True)
            ]
            place = {"dataset": dataset, "horizon": horizon, "teacher": title(teacher)}
            errors = store.arrays(against["id"].iloc[0])["errors"]
            lines.append(place | _keep_line(paired, errors, int(group["lookback"].iloc[0]) + horizon))
    if not lines:
        raise missing(runs, "no teacher with a plain and a distilled MLP of the same seed")
    return pd.DataFrame(lines).set_index(["dataset", "horizon", "teacher"])


def _keep_line(paired: list[tuple[np.ndarray, np.ndarray]], teacher: np.ndarray, block: int) -> dict[str, float]:
    def mean_keep(teacher: np.ndarray, *errors: np.ndarray) -> float:
        return float(np.mean([win_keep(*pair, teacher) for pair in zip(errors[::2], errors[1::2], strict=True)]))

    flat = [errors for pair in paired for errors in pair]
    low, high = block_interval(mean_keep, teacher, *flat, block=block)
    return {"estimate": mean_keep(teacher, *flat), "low": low, "high": high, "seeds": len(paired)}


def scale_table(runs: pd.DataFrame) -> pd.DataFrame:
    """MSE at each scale, one line a run and scale: `setting`, `system`, `scale`, `MSE`."""
    lines = runs[["setting", "system", "seed", "test_scale_mse"]].explode("test_scale_mse", ignore_index=True)
    lines["scale"] = lines.groupby(["setting", "system", "seed"]).cumcount()
    lines["MSE"] = lines.pop("test_scale_mse").astype(float)
    return lines


def telling_sample(plain: dict[str, np.ndarray], distilled: dict[str, np.ndarray]) -> tuple[int, int]:
    """(sample, channel) of the kept windows on which the distilled forecast improves most on the plain one."""
    gain = _sample_errors(plain) - _sample_errors(distilled)
    sample, channel = np.unravel_index(np.argmax(gain), gain.shape)
    return int(sample), int(channel)


def _sample_errors(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Mean squared error [samples, C] of the kept windows."""
    return np.square(arrays["sample_prediction"].astype(float) - arrays["sample_y"]).mean(1)


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
