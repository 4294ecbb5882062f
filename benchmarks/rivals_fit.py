"""What a user would pick instead, on windows from a file: run by `rivals.py` with the interpreter that has them.

windows.csv: window, unique_id, ds, y (context)  -->  forecasts.csv: window, unique_id, step, model, y;  costs.json

All as their libraries set them up, look-back, horizon and STEPS apart: the default, 1,000 steps of 1,024 windows, takes
NHITS ten minutes on two cores.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd

folder, horizon, season = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
context = pd.read_csv(folder / "windows.csv")
context["unique_id"] = context["window"].astype(str) + "|" + context["unique_id"].astype(str)
context["ds"] = context.groupby("unique_id").cumcount()
found, costs = [], {}
STEPS = 300


def keep(name: str, table: pd.DataFrame, fit: float, forecast: float, size: float) -> None:
    """Forecasts of one model, unique_id, ds and a column of its own; seconds to fit and to forecast, megabytes."""
    value = next(column for column in table.columns if column not in ("unique_id", "ds", "cutoff", "index"))
    table = table.reset_index(drop=True)
    part = table[["unique_id"]].assign(model=name, y=table[value], step=table.groupby("unique_id").cumcount())
    found.append(part)
    costs[name] = {"fit [s]": fit, "forecast [s]": forecast, "size [MB]": size}


def statistical() -> None:
    from statsforecast import StatsForecast
    from statsforecast.models import MSTL, AutoETS, SeasonalNaive

    data = context[["unique_id", "ds", "y"]]
    one = data[data["unique_id"] == data["unique_id"][0]]
    for model in (SeasonalNaive(season), MSTL([season]), AutoETS(season_length=season)):
        StatsForecast([model], freq=1).forecast(df=one, h=horizon)  # compiles
        started = time.perf_counter()
        table = StatsForecast([model], freq=1).forecast(df=data, h=horizon)
        keep(f"statsforecast {model.alias}", table, 0.0, time.perf_counter() - started, 0.0)


def neural() -> None:
    import logging

    logging.disable(logging.WARNING)
    from neuralforecast import NeuralForecast
    from neuralforecast.models import NHITS, DLinear

    train = pd.read_csv(folder / "train.csv")
    lookback = int(context.groupby("unique_id").size().iloc[0])
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "accelerator": "cpu"}
    for kind in (DLinear, NHITS):
        model = kind(h=horizon, input_size=lookback, max_steps=STEPS, random_seed=1, **quiet)
        made = NeuralForecast([model], freq=1)
        started = time.perf_counter()
        made.fit(train)
        fitted = time.perf_counter()
        table = made.predict(df=context[["unique_id", "ds", "y"]])
        passed = time.perf_counter() - fitted
        size = sum(weight.numel() * weight.element_size() for weight in made.models[0].parameters()) / 1e6
        keep(f"neuralforecast {kind.__name__}", table.reset_index(), fitted - started, passed, size)


for family in (statistical, neural):
    try:
        family()
    except ImportError as missing:
        print(f"left out: {missing}", file=sys.stderr)
table = pd.concat(found, ignore_index=True)
table[["window", "unique_id"]] = table["unique_id"].str.split("|", n=1, expand=True).to_numpy()
table.to_csv(folder / "forecasts.csv", index=False)
(folder / "costs.json").write_text(json.dumps(costs))
