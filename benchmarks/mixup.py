"""Mixup with a committee's stored forecasts, mixed as the windows are, or with its forecast of each mixed window.

    python benchmarks/mixup.py [--store build/mixup]        -> results/benchmarks/mixup.{csv,md,tex}

A stored forecast costs nothing in a step, but of a model that is not linear it is not the one for the mixed window.
The same student twice, from the same first weights and with the same mixtures: the recipe (`tdlib.patient`) of the
laptop's profile where pieces of it are removed, too. Beside the mean difference stands how far apart the seeds are:
below that it is no finding.
"""

import argparse
import itertools

import pandas as pd
import torch
from torch import Tensor, nn

from tdlib import data, study
from tdlib.config import RunConfig
from tdlib.distill import Distillation
from tdlib.evaluate import evaluate
from tdlib.models import Forecast
from tdlib.profiles import Profile
from tdlib.report import tables
from tdlib.run import build, distillation, trained, training
from tdlib.store import Store
from tdlib.train import Mix, Objective, fit, unmixed
from tdlib.windows import Windows, split


class OfMixedWindows(Objective):
    """A recipe's objective whose committee forecasts the windows as mixed: `members` with their `weights`."""

    def __init__(self, objective: Distillation, windows: Windows, members: list[nn.Module], weights: list[float]):
        super().__init__()
        self.objective, self.windows, self.weights = objective, windows, objective.weights
        self.committee = list(zip(weights, members, strict=True))

    def forward(self, forecast: Forecast, y: Tensor, index: Tensor, mix: Mix = unmixed) -> dict[str, Tensor]:
        x = mix(self.windows.batch(index)[0])
        with torch.no_grad():
            self.objective.teacher = Given(sum(weight * member(x).prediction for weight, member in self.committee))
        return self.objective(forecast, y, index)


class Given:
    """A teacher whose forecasts [B, H, C] are those of the batch."""

    def __init__(self, prediction: Tensor):
        self.forecast = Forecast(prediction, prediction.new_empty(len(prediction), 0))

    def batch(self, index: Tensor) -> Forecast:
        return self.forecast


def live(run: RunConfig, store: Store) -> float:
    """The test MSE of a student whose committee forecasts every mixed window."""
    kept = store.read(run.id)["committee"]
    members = [trained(id, store)[0] for id in kept["members"].values()]
    series = data.load(run.dataset)
    splits = split(series, run.lookback, run.horizon)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)  # as `run.train_run` does
        model = build(run, len(series.channels), store)
        weights = kept["weightings"][run.weighting]["weights"]
        objective = OfMixedWindows(distillation(run, None, 0, model), splits.train, members, weights)
        fit(model, objective, splits, **training(run))
    return evaluate(model, splits.test).mse


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line a data set: test MSE both ways, their difference and the deviation over seeds in %."""
    rows["difference [%]"] = 100 * (rows["live"] / rows["stored"] - 1)
    groups = rows.groupby("dataset", sort=False)
    spread = 100 * groups["stored"].std() / groups["stored"].mean()
    means = groups[["stored", "live", "difference [%]"]].mean()
    return means.assign(**{"over seeds [%]": spread, "seeds": groups.size()}).reset_index()


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", default="build/mixup")
    store, profile, lines = Store(parser.parse_args().store), Profile("laptop"), []
    places = profile.table["patient"]["pieces"]
    for place in itertools.product(places["datasets"], places["horizons"], places["seeds"]):
        run = profile.patient_student(*place)
        (row,) = study.ensure([run], store=store).to_dict("records")
        lines.append({"dataset": run.dataset, "seed": run.seed, "stored": row["test_mse"], "live": live(run, store)})
        print(lines[-1], flush=True)
    tables.save(table(pd.DataFrame(lines)), "mixup", "results/benchmarks", digits=4)
