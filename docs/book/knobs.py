"""What the page with knobs shows: one real window, and what its teacher, the plain student and sixteen others forecast.

The window is the one that every page draws (`analysis.example`), with all its channels; the sixteen students are the
grid of alpha and beta of page 09. All of it is in the committed rows.
"""

import json
from pathlib import Path

import numpy as np

from tdlib import analysis, profiles, rows
from tdlib.store import Store

PROFILE = "laptop"
DECIMALS = 9  # rows keep half precision: a number of a window is off by 5e-10 at most


def data(place: Path) -> dict:
    """The window and its forecasts as lists [C][H], scaled units; rows.Missing where the store lacks a run."""
    profile = profiles.Profile(PROFILE)
    grid = profile.sensitivity()["weights"]
    first = grid[0]
    setting = {"dataset": first.dataset, "horizon": first.horizon}
    here = [run for run in profile.main() if (run.dataset, run.horizon) == (first.dataset, first.horizon)]
    three = rows.taught(rows.read(here, PROFILE, "main", store=place), **setting, teacher=first.teacher)
    students = rows.read(grid, PROFILE, "sensitivity", store=place)
    if len(students) < len(grid):
        raise rows.missing(students, f"{len(students)} of the {len(grid)} students of the grid")

    store = Store(place)
    arrays = {id: store.arrays(id) for id in [*three["id"], *students["id"]]}
    teacher, plain = (arrays[id] for id in three["id"][:2])
    sample, channel = analysis.example(teacher)
    if len({int(entry["sample_index"][sample]) for entry in arrays.values()}) > 1:
        raise ValueError(f"the rows of {first.dataset}, {first.horizon} steps, keep different windows")
    return {
        **setting,
        "teacher": three.index[0],
        "channel": channel,
        "truth": _listed(teacher["sample_y"][sample]),
        "teacherForecast": _listed(teacher["sample_prediction"][sample]),
        "plain": _listed(plain["sample_prediction"][sample]),
        "students": [
            {
                "alpha": run.alpha,
                "beta": run.beta,
                "id": run.id,
                "validation": run.val_mse,
                "test": run.test_mse,
                "forecast": _listed(arrays[run.id]["sample_prediction"][sample]),
            }
            for run in students.itertuples()
        ],
    }


def _listed(window: np.ndarray) -> list[list[float]]:
    """[H, C] -> [C][H]."""
    return window.T.astype(float).round(DECIMALS).tolist()


def write(place: Path, target: Path) -> None:
    """`data` of the rows in `place` as a script: a page that is opened from disk may load that, but no JSON."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"const KNOBS = {json.dumps(data(place), separators=(',', ':'))};\n")
