# %% [markdown]
# # Which periods does the student hear?
# A forecast of H steps is a sum of waves with periods H, H/2, H/3, ... The **period distribution** is the
# softmax of their amplitudes: where the forecast puts its weight. The multi-period part of the loss asks the
# student to put it where the teacher does. The question: does that bring the student closer to the **truth**?

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
dataset = "nyc_weather"
horizon = 96
teacher = "itransformer"
train_missing = False

# %%
import numpy as np

from tdlib import analysis, profiles, rows
from tdlib.report import plots, tables
from tdlib.store import Store

configs = [config for entry in profiles.load(profile) for config in entry.main()]
runs = rows.with_students(rows.read(configs, profile, "main", store=store, train_missing=train_missing))

# %% [markdown]
# ## One window: history and forecast in time and frequency
# Short-time spectrograms; right of the dotted line the forecast begins. The day is at 1/24, or 0.042; brighter
# is stronger.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
arrays = {name: Store(store).arrays(id) for name, id in three["id"].items()}
_, plain, distilled = arrays
sample, channel = analysis.telling_sample(arrays[plain], arrays[distilled])
colours = plots.colours(three.reset_index())

# %%
history = arrays[plain]["sample_x"][sample, :, channel].astype(float)
futures = {"truth": arrays[plain]["sample_y"][sample, :, channel]}
futures |= {name: entry["sample_prediction"][sample, :, channel] for name, entry in arrays.items()}
whole = {name: np.concatenate([history, future]) for name, future in futures.items()}
figure = plots.spectrograms(whole, split=len(history), title=f"{dataset}, channel {channel + 1}: log amplitude")
plots.save(figure, "04_spectrograms", figures)

# %% [markdown]
# ## All test windows: the period distribution
# Mean over windows and channels; the truth's six strongest periods.

# %%
distributions = {"truth": arrays[plain]["periods_true"].mean(0)}
distributions |= {name: entry["periods"].mean(0) for name, entry in arrays.items()}
figure = plots.periods(distributions, colours=colours, horizon=horizon, top=6, title=f"{dataset}, {horizon} steps")
plots.save(figure, "04_periods", figures)

# %% [markdown]
# ## How far from the truth?
# KL(truth || forecast) of the period distributions, the textbook sum over frequencies, mean over channels,
# windows and seeds, in nats. Smaller is closer.

# %%
chosen = runs[runs["system"].isin(arrays)]
groups = chosen.groupby(["dataset", "horizon", "system"], sort=False)["test_period_kl"]
distance = groups.agg(["mean", "std"]).rename(columns={"mean": "KL to the truth", "std": "deviation over seeds"})
tables.save(distance.reset_index(), "04_period_kl", f"{results}/tables")

# %%
figure = plots.points(chosen, x="test_period_kl", y="system", label="KL [nats]", colours=colours)
plots.save(figure, "04_period_kl", figures)

# %% [markdown]
# ## What we see
# * On the window and series shown, the truth puts most of its weight on the slowest wave, forecasts put much of
#   it on the daily one: a forecast that minimises the squared error keeps what it can foresee, the day, and
#   flattens the rest.
# * The distilled student's distribution is close to its teacher's, which is what the period part asks for; a
#   null, the same student without that part, is not shown here.
# * It does **not** bring the student closer to the truth. On the weather series and on ETTh2 the distances of
#   plain and distilled student are equal within the deviation over seeds; on ETTh1 iTransformer is farther from
#   the truth than the plain MLP, and draws the student away. The gain in MSE does not come from here. Page 06
#   asks what the part is worth.
# * Distances are several nats because the softmax of amplitudes at this temperature is nearly all on one period:
#   a window on which forecast and truth prefer different ones costs much, whatever the rest looks like.
