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
import pandas as pd

from tdlib import analysis, profiles, rows, study
from tdlib.report import plots, tables, words
from tdlib.store import Store

configs = [config for entry in profiles.load(profile) for config in entry.main()]
runs = rows.with_students(rows.read(configs, profile, "main", store=store, train_missing=train_missing))

# %% [markdown]
# ## One window: history and forecast in time and frequency
# The window and channel of page 00. Short-time spectrograms; right of the dotted line the forecast begins. The day is
# at 1/24, or 0.042; brighter is stronger.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
arrays = {name: Store(store).arrays(id) for name, id in three["id"].items()}
_, plain, distilled = arrays
sample, channel = analysis.example(arrays[plain])
colours = plots.colours(three.reset_index())

# %%
history = arrays[plain]["sample_x"][sample, :, channel].astype(float)
futures = {"truth": arrays[plain]["sample_y"][sample, :, channel]}
futures |= {name: entry["sample_prediction"][sample, :, channel] for name, entry in arrays.items()}
whole = {name: np.concatenate([history, future]) for name, future in futures.items()}
figure = plots.spectrograms(whole, split=len(history), title=f"{dataset}, first channel: log amplitude")
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
# ## The null: the same student without the period part
# A student that forecasts better may come closer in its periods, too, without being asked to. So what the period part
# does is the difference to the same student without it: the runs of page 06, over seeds.

# %%
named = {run.id: name for entry in profiles.load(profile) for run, name in entry.ablation().items()}
without = [run for entry in profiles.load(profile) for run in entry.ablation() if named[run.id] == "w/o period"]
null = study.ensure(without, store=store, train_missing=train_missing)
null = null.assign(variant=null["id"].map(named)) if len(null) else null
both = pd.concat([runs[runs["id"].isin(named)].assign(variant="full"), null])
kl_of = both.pivot_table(index=["dataset", "horizon"], columns="variant", values="test_period_kl", sort=False)
tables.save(kl_of.reset_index(), "04_null", f"{results}/tables")

# %%
if "w/o period" in kl_of and "full" in kl_of:
    change = 100 * (kl_of["full"] / kl_of["w/o period"] - 1)
    print(words.spread(change, "with the period part against without, distance to the truth"))

# %%
for name, weights in distributions.items():
    top = int(np.argmax(weights.mean(-1) if weights.ndim > 1 else weights)) + 1
    print(f"{name}: most weight on the wave of {horizon / top:g} steps.")
kl = groups.mean().unstack()
print(words.spread(100 * (kl[distilled] / kl[plain] - 1), "distilled against plain, distance to the truth"))

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown. What brings the distributions together is the period part only as
#   far as the student without it stays further away.
# * A softmax of amplitudes may lie nearly all on one period: a window on which forecast and truth prefer
#   different ones then costs much, whatever the rest looks like.
