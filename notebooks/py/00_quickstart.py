# %% [markdown]
# # TimeDistill in five minutes
# A large trained forecaster (the **teacher**) hands what it has learned to a small MLP (the **student**).
# The student then forecasts about as well, often better, with a fraction of the parameters and of the time.
#
# This page trains all three models on real data: a year of hourly weather at New York's three airports,
# 15 channels. The question: **what does the student gain from its teacher, and what does the teacher cost?**

# %% tags=["parameters"]
profile = "demo"
store = "../results"
figures = "../figures"
results = "../results"
dataset = "nyc_weather"
horizon = 96
teacher = "itransformer"
train_missing = True

# %% [markdown]
# ## The series

# %%
import time

import pandas as pd
import torch

from tdlib import analysis, data, models, profiles, rows, windows
from tdlib.report import plots, tables
from tdlib.store import Store

series = data.load(dataset)
print(series.name, "has", *series.values.shape, "rows and channels:", ", ".join(series.channels[:4]), "...")

# %% [markdown]
# ## Three models
# A run is described by a config; `read` trains the runs whose rows are missing from the store, teacher
# first, and reads the others. The plain MLP and the distilled one are the same network, with the same
# seed and the same training: only the loss differs.

# %%
table = profiles.Profile(profile)
configs = [
    table.config(dataset, horizon, teacher),
    table.config(dataset, horizon, "mlp", seed=2021),
    table.config(dataset, horizon, "mlp", teacher, seed=2021),
]
runs = rows.read(configs, profile, "main", store=store, train_missing=train_missing)

# %% [markdown]
# ## Error and size
# Errors are in deviations of each channel's training part; `parameters` counts what a forecast needs.

# %%
result = runs[["system", "test_mse", "test_mae", "parameters"]]
tables.save(result, "00_quickstart", f"{results}/tables")

# %% [markdown]
# ## One forecast
# The second of the windows that a row keeps, and the first channel: a rule that looks at no result, the same on every
# page. One window shows *what* changes; page 02 shows how often.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
arrays = {system: Store(store).arrays(id) for system, id in three["id"].items()}
_, plain, _ = arrays
sample, channel = analysis.example(arrays[plain])
where = {"sample": sample, "channel": channel, "title": f"{dataset}: {series.channels[channel]}"}
figure = plots.forecasts(arrays, colours=plots.colours(runs), **where)
plots.save(figure, "00_forecast", figures)

# %% [markdown]
# ## Speed
# Time of one forecast of a batch of 16 windows on this machine, one thread, median of 20. Fresh weights do:
# time does not depend on their values.


# %%
def milliseconds(config, repeats=20):
    shape = {"lookback": config.lookback, "horizon": config.horizon, "channels": len(series.channels)}
    model = models.build(config.model, **shape, **config.settings).eval()
    x = torch.randn(16, config.lookback, len(series.channels))
    times = []
    with torch.no_grad():
        for _ in range(repeats):
            start = time.perf_counter()
            model(x)
            times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[repeats // 2]


# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)
speed = pd.Series({"teacher": milliseconds(configs[0]), "student": milliseconds(configs[1])})
print(speed.round(2).to_string())
print(f"the student is {speed['teacher'] / speed['student']:.1f} times as fast as its teacher")

# %% [markdown]
# ## By hand
# The same steps without the store, in short: a batch of windows, a forecast and its features, the loss.

# %%
splits = windows.split(series, 96, 24)
x, y = splits.train.batch(torch.arange(8))
student = models.build("mlp", lookback=96, horizon=24, channels=len(series.channels))
forecast = student(x)
assert forecast.prediction.shape == y.shape
print("prediction", tuple(forecast.prediction.shape), " features", tuple(forecast.features.shape))

# %% [markdown]
# ## What we see
# * The distilled student makes the smallest error of the three, and the plain one the largest, although the two
#   are the same network with the same seed: the difference is what the loss handed over.
# * It needs no teacher any more to forecast. Here the teacher is small too, so that this page can be trained in
#   minutes; it is slower all the same, because every forecast passes through attention and two feed-forward
#   networks. Page 05 has the published sizes.
# * One data set and one seed prove little: page 05 has three seeds, a second data set and linear baselines, and
#   page 02 asks on how many windows the student wins.
