"""How a forecaster would have done: forecasts from several origins in the past, each judged by what came then.

    rows known | horizon          origin 1
         rows known | horizon     origin 2, a horizon later ...; the last horizon ends with the last row

Shapes: T rows, L look-back, H horizon, C channels.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tdlib import forecast
from tdlib.checks import require
from tdlib.compute import Compute
from tdlib.run import trained
from tdlib.service import final, frames, score
from tdlib.train import Diverged
from tdlib.windows import borders, split

if TYPE_CHECKING:
    from tdlib.service.forecaster import Forecaster


def run(made: "Forecaster", table: pd.DataFrame, cutoffs: int = 5, *, retrain: bool = False) -> pd.DataFrame:
    """A line for each origin and model: MAE in own units, MSE in scaled ones, MASE, and whether it is the chosen one.

    `table` begins with the rows of `fit`. Every model knows the rows before the origin: it forecasts from them with the
    weights that it learned from the training rows, or, with `retrain`, is trained anew on all of them (`final.train`),
    which takes as long as the first training for each origin; a UserWarning names one that diverges and keeps those.
    Deviations and MASE's scale are those of the training rows.
    ValueError for origins that would lie before the test rows.
    """
    require(type(cutoffs) is int and cutoffs >= 1, f"cutoffs must be a whole number of at least 1, got {cutoffs!r}")
    values, horizon = table.to_numpy(), made.horizon_
    rows, series = len(values), frames.series(table.iloc[: made.rows_[0]], made.name_)
    last = borders(series.name, rows)[1]
    most = (rows - last) // horizon
    few = f"the last fifth of the rows holds {most} forecasts of {horizon} steps: cutoffs must be at most that"
    require(cutoffs <= most, f"{few}, got {cutoffs}")
    splits = split(series, made.lookback_, horizon)
    deviation, scale = splits.deviation, score.naive_scale(splits, made.period_) * splits.deviation
    lines, honest = [], {name: trained(id, made.store_) for name, id in made.runs_.items()}
    for place in range(cutoffs):
        origin = rows - (cutoffs - place) * horizon
        truth = values[origin : origin + horizon]
        for name, config in made.configs_.items():
            model = honest[name]
            if retrain:
                before = frames.series(table.iloc[:origin], made.name_)
                compute = made.compute or Compute(made.threads_)
                try:
                    model = final.train(config, made.store_, before, compute, made.ids_)
                except Diverged as fault:  # a model that is left out at one origin has other means than its rivals
                    warnings.warn(f"{name} keeps its weights of the training rows at an origin: {fault}", stacklevel=2)
            errors = np.abs(forecast.by_model(*model, values[:origin]) - truth)
            lines.append(
                {
                    "origin": table.index[origin],
                    "model": name,
                    "MAE, own units": errors.mean(),
                    "MSE": np.square(errors / deviation).mean(),
                    "MASE": np.nanmean(errors.mean(0) / scale) if np.isfinite(scale).any() else np.nan,
                    "chosen": name == made.chosen_,
                }
            )
    return pd.DataFrame(lines)


def summary(lines: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of `run`: means over origins, and at how many of them each model was the best."""
    table = lines.groupby("model", sort=False)[["MSE", "MAE, own units", "MASE"]].mean()
    best = lines.loc[lines.groupby("origin")["MSE"].idxmin(), "model"].value_counts()
    return table.assign(best=best.reindex(table.index, fill_value=0)).sort_values("MSE")
