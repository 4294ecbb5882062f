# %% [markdown]
# # TimeDistill in five minutes
# A large trained forecaster (the **teacher**) hands what it has learned to a small MLP (the **student**).
# The student then forecasts about as well, often better, in less time than most teachers take; whether with fewer
# parameters depends on the teacher (page 10).
#
# The data are a year of hourly weather at New York's three airports, 15 channels. The question: **what does the student
# gain from its teacher, and what does the teacher cost?** The page reads three runs from the store of this study; with
# another `store` below, such as `"../build/mine"`, it trains them first, in minutes. Words are in the
# [glossary](../docs/book/glossary.md).
#
# **After this page you can** say what teacher, student and distillation are; train the three models of this study by
# one call or read their rows; and tell apart what one forecast, an average error and a time of forecast each show.

# %% tags=["parameters"]
profile = "demo"
store = "../results"
figures = "../figures"
results = "../results"
dataset = "nyc_weather"
horizon = 96
teacher = "itransformer"
train_missing = True

# %%
import time

import numpy as np
import pandas as pd
import torch

from tdlib import analysis, data, models, profiles, rows, windows
from tdlib.report import plots, tables
from tdlib.store import Store

# %% [markdown]
# ## The method in one picture
# Orange is the teacher, green the student; the grey, round boxes are what is compared. Only green and dashed boxes have
# weights that learn. A look-back has $L$ steps, a forecast $H$, both $C$ channels. $\alpha$ and $\beta$ are weights,
# $M$ is the number of coarser scales, $n$ half the length of $x$, $\tau$ a temperature and $\varepsilon$ a small floor.
# Page 01 builds each of these boxes in bare torch.

# %%
words = (
    "The pipeline: teacher and student read the same look-back. The teacher's feature, through a projector, "
    "and its forecast are compared with the student's by S and P; the student's forecast with the truth by the MSE."
)
plots.save(plots.pipeline(), "00_method", figures, words=words)

# %% [markdown]
# ## The series

# %%
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
# Errors are of scaled series: each channel less its mean and over its standard deviation, both of the training part (a
# *deviation* is a standard deviation on all pages). `parameters` counts what a forecast needs.

# %%
result = runs[["system", "test_mse", "test_mae", "parameters"]]
tables.save(result, "00_quickstart", f"{results}/tables")

# %% [markdown]
# ## One forecast
# The second of the windows that a row keeps, and the first channel: a rule that looks at no result, the same on every
# page. Of the look-back only the end is drawn. One window shows *what* changes; page 02 shows how often.
#
# **Predict first:** plain and distilled student are the same network with the same seed. Which of them will forecast
# more like the teacher in this window, and will that one be nearer to the truth, too?

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
arrays = {system: Store(store).arrays(id) for system, id in three["id"].items()}
_, plain, _ = arrays
sample, channel = analysis.example(arrays[plain])
test = windows.split(series, configs[0].lookback, horizon).test
history, _ = test.batch(torch.tensor([arrays[plain]["sample_index"][sample]]))
where = {"sample": sample, "channel": channel, "title": f"{dataset}: {series.channels[channel]}"}
figure = plots.forecasts(arrays, colours=plots.colours(runs), history=history[0, -horizon:, channel], **where)
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
torch.manual_seed(0)
student = models.build("mlp", lookback=96, horizon=24, channels=len(series.channels))
forecast = student(x)
loss = (forecast.prediction - y).square().mean()
print("prediction", tuple(forecast.prediction.shape), " features", tuple(forecast.features.shape), f" loss {loss:.2f}")

# %% [markdown]
# ## In words
# The sentences are made from the rows above.

# %%
ranks = three["test_mse"].sort_values()
print(f"{dataset}, {horizon} steps, test MSE, the smallest first:", ", ".join(f"{n} {e:.3f}" for n, e in ranks.items()))
changes = 100 * (three[["test_mse", "parameters"]].iloc[2] / three[["test_mse", "parameters"]] - 1)
for system, change in changes.iloc[:2].iterrows():
    print(f"{three.index[2]} against {system}: error {change.iloc[0]:+.1f}%, weights {change.iloc[1]:+.0f}%.")

# %% [markdown]
# ## What we see
# * Plain and distilled student are the same network with the same seed: what sets them apart is what the loss handed
#   over. To forecast, neither needs a teacher; the time above is the student's alone.
# * How a student's weights and time compare with its teacher's depends on the teacher: page 10 has others.
# * One data set and one seed prove little: page 05 has more of both, and linear baselines, and page 02 asks on how many
#   windows the student wins.
# * To learn the method go on with page 01 and read page 00b, the list of claims, last; to check the study start there.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): where in the horizon is the gain?
# One forecast shows one window. `arrays[system]["step_mse"]` holds the MSE of every step over all test windows and
# channels. In which quarter of the horizon does the distilled student gain most on the plain one, in percent?

# %% tags=["hide-cell"]
student = three.index[2]
quarters = {name: [part.mean() for part in np.array_split(entry["step_mse"], 4)] for name, entry in arrays.items()}
table = pd.DataFrame(quarters, index=["first", "second", "third", "last"])
table["gain over plain [%]"] = 100 * (1 - table[student] / table[plain])
most, widest = table["gain over plain [%]"].idxmax(), (table[plain] - table[student]).idxmax()
print(table.round(3).to_string())
print(f"{student}: the largest gain in percent is in the {most} quarter, in MSE in the {widest}.")

# %% [markdown]
# ### Exercise 2 (code): what costs nothing?
# Before a small error impresses, set it beside one that takes no training. Build the model `seasonal_naive`, the last
# period again and again, and read its MSE on the test windows above. Then write the forecast yourself: it is one line.

# %% tags=["hide-cell"]
lookback, day = configs[0].lookback, data.period(dataset)
x, y = test.batch(torch.arange(0, len(test), 4))  # every fourth window is enough
repeated = x[:, torch.arange(horizon) % day + lookback - day]  # the last `day` steps, again and again
shape = {"lookback": lookback, "horizon": horizon, "channels": len(series.channels)}
naive = models.build("seasonal_naive", **shape, period=day)
torch.testing.assert_close(naive(x).prediction, repeated)
print(f"the last {day} steps again and again: MSE {(repeated - y).square().mean():.3f}")
print(runs.set_index("system")["test_mse"].round(3).to_string())

# %% [markdown]
# ### Exercise 3 (thought): who pays, and when?
# The student is as small and as fast with a teacher as without. Where, then, are the costs of its teacher, who pays
# them, and for which user is distillation a bad bargain?
#
# <details><summary>Solution</summary>
#
# The teacher is paid for once, in training: it must be trained itself, and it must run over all training windows. Who
# only forecasts pays nothing. So distillation pays where a model is trained once and used often, or on a machine where
# the teacher does not fit. It is a bad bargain where the model is fitted anew before every forecast, or where a model
# that needs no teacher is as good: to know that, one has to train it (page 05 does).
#
# </details>
