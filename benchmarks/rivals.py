"""What `tdlib distill` leaves in service, against what a user would pick instead: same windows, one run.

    python benchmarks/rivals.py --python OTHER/bin/python [--minutes 5]

OTHER is an environment of its own with statsforecast and, where it installs, neuralforecast: they need another pandas.
The models that learn do so from the first 70% of the rows; every forecast is of a test window, from its last 720 steps.
Test windows follow one another, each step is forecast once; intervals are of blocks of as many windows as look-back and
horizon hold. statsforecast's models have no training: each window is fitted anew, which is its time to forecast.
Writes results/benchmarks/rivals.csv, which docs/your_csv.md shows. Two series: nyc_weather (embedded) and ETTh1
(`TDLIB_DATA`).
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tdlib import Forecaster, data
from tdlib.deploy.efficiency import in_torch
from tdlib.report import tables
from tdlib.run import trained
from tdlib.service.score import difference
from tdlib.windows import borders, split

LOOKBACK, HORIZON, SEASON = 720, 96, 24
AGAINST = "against the chosen [%]"
OURS = ("MLP distilled", "MLP, decay 1", "Ridge")


def ours(series: data.Series, minutes: float, folder: Path) -> tuple[Forecaster, float]:
    """A forecaster fitted to the rows before the protocol's end of test, and the seconds that took."""
    rows = borders(series.name, len(series.values))[2]
    frame = pd.DataFrame(series.values[:rows].astype(float), series.index[:rows], list(series.channels))
    started = time.perf_counter()
    made = Forecaster(LOOKBACK, HORIZON, minutes=minutes, folder=folder).fit(frame, "own")
    return made, time.perf_counter() - started


def compare(series: data.Series, python: str, minutes: float) -> pd.DataFrame:
    """A line a model: errors over the test windows, against our choice, seconds to fit and to forecast, size."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made, seconds = ours(series, minutes, folder / "store")
        own = data.read_csv(folder / "store/series/own.csv")
        splits = split(own, LOOKBACK, HORIZON)
        x, y = splits.test.batch(torch.arange(0, len(splits.test), HORIZON))
        write(folder, x, splits, series.channels)
        command = [python, Path(__file__).with_name("rivals_fit.py"), folder, HORIZON, SEASON]
        subprocess.run([str(word) for word in command], check=True)
        forecasts, costs = pd.read_csv(folder / "forecasts.csv"), json.loads((folder / "costs.json").read_text())
        errors = {}
        for title in dict.fromkeys((made.chosen_, *OURS)):
            name = f"tdlib {title}" + (", chosen" if title == made.chosen_ else "")
            errors[name], passed, size = forecast(title, made, x, y)
            costs[name] = {"fit [s]": seconds, "forecast [s]": passed, "size [MB]": size}
    for model, part in forecasts.groupby("model", sort=False):
        table = part.pivot(index=["window", "step"], columns="unique_id", values="y")[list(series.channels)]
        errors[model] = table.to_numpy().reshape(len(x), HORIZON, -1) - y.numpy()
    chosen, *_ = errors.values()
    lines = [score(name, errors[name], chosen) | costs[name] for name in errors]
    return pd.DataFrame(lines).assign(series=series.name, windows=len(x))


def write(folder: Path, x: torch.Tensor, splits, channels: tuple[str, ...]) -> None:
    """The contexts [N, L, C] and the training rows, scaled, in long form."""
    windows, steps, _ = x.shape
    grid = pd.MultiIndex.from_product([range(windows), channels, range(steps)], names=["window", "unique_id", "ds"])
    long = pd.DataFrame({"y": x.transpose(1, 2).reshape(-1).numpy()}, grid)
    long.reset_index().to_csv(folder / "windows.csv", index=False)
    train = splits.train.values.numpy()
    grid = pd.MultiIndex.from_product([channels, range(train.shape[1])], names=["unique_id", "ds"])
    pd.DataFrame({"y": train.reshape(-1)}, grid).reset_index().to_csv(folder / "train.csv", index=False)


def forecast(title: str, made: Forecaster, x: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, float, float]:
    """Errors [N, H, C] of one of our models, with the weights of the training rows, seconds, and megabytes."""
    model = trained(made.runs_[title], made.store_)[0]
    started = time.perf_counter()
    with torch.no_grad():
        errors = (model(x).prediction - y).numpy()
    return errors, time.perf_counter() - started, in_torch(model).size / 1e6


def score(model: str, errors: np.ndarray, chosen: np.ndarray) -> dict:
    """Means, and by how much in percent the MSE lies above the chosen one's, with its interval."""
    line = {"model": model, "MSE": float(np.square(errors).mean()), "MAE": float(np.abs(errors).mean())}
    if errors is chosen:
        return line | {AGAINST: ""}
    share, interval = difference(errors, chosen, (LOOKBACK + HORIZON) // HORIZON)
    low, high = (f"{100 * end:.1f}" for end in interval)
    return line | {AGAINST: f"{100 * share:.1f} [{low}, {high}]"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True, help="of the environment that has the rivals")
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    both = [data.load(name) for name in ("nyc_weather", "ETTh1")]  # before minutes are spent
    parts = [compare(series, options.python, options.minutes) for series in both]
    table = pd.concat(parts).set_index(["series", "model"])
    print(tables.save(table, "rivals", Path("results/benchmarks")).to_string())


if __name__ == "__main__":
    main()
