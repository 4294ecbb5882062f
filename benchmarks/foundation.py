"""A first look at a foundation model: every thirteenth test window, beside ridge and the mean of the two, in minutes.

    python benchmarks/foundation.py [STORE]        -> results/benchmarks/foundation.{csv,md,tex}

All windows take hours (`runs --part foundation`). What is forecast here is kept in the store, so that nothing is
computed twice. The distance between windows is prime to the hours of a day, so that forecasts begin at all of them: at
a distance of twelve they begin at two, and ridge's error on ETTh1 was off by up to three percent.
"""

import sys
import time

import pandas as pd
import torch

from tdlib import data, models
from tdlib.profiles import Profile
from tdlib.report import tables
from tdlib.run import build
from tdlib.store import Store
from tdlib.windows import split

STRIDE = 13  # prime to 24
PLACES = {"demo": "nyc_weather", "laptop": "ETTh1"}  # a profile and its data set


def look(profile: Profile, dataset: str, horizon: int, store: Store) -> list[dict]:
    """A line a system: its MSE over every STRIDE-th test window, in scaled units."""
    series = data.load(dataset)
    config = profile.config(dataset, horizon, profile.table["foundation"]["model"])
    splits, channels = split(series, config.lookback, horizon), len(series.channels)
    ridge = build(profile.config(dataset, horizon, "ridge"), channels)
    ridge.solve(splits)
    x, y = splits.test.batch(torch.arange(0, len(splits.test), STRIDE))
    found = {}
    for name, model in (config.model, build(config, channels, store)), ("ridge", ridge):
        started = time.process_time()
        with torch.no_grad():
            found[models.title(name)] = model(x).prediction, (time.process_time() - started) / len(x)
    (one, first), (other, second) = found.values()
    found["their mean"] = (one + other) / 2, first + second
    place = {"dataset": dataset, "horizon": horizon, "windows": len(x)}
    return [
        place | {"system": name, "MSE": (made - y).square().mean().item(), "ms a window": 1000 * seconds}
        for name, (made, seconds) in found.items()
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    store = Store(sys.argv[1] if len(sys.argv) > 1 else "results")
    lines = [line for name, dataset in PLACES.items() for line in look(Profile(name), dataset, 96, store)]
    tables.save(pd.DataFrame(lines), "foundation", "results/benchmarks", digits=3)
