# %% [markdown]
# # Which periods does the student hear?
# A forecast of H steps is a sum of waves with periods H, H/2, H/3, ... The **period distribution** is
# softmax(amplitude / tau) over them, with a temperature tau: where the forecast puts its weight. The multi-period part
# of the loss asks the student to put it where the teacher does. Does that bring the student closer to the **truth**?
#
# **After this page you can** read a spectrogram and a period distribution of a forecast, say what the
# horizon does to the latter, and judge "closer to the truth" against the same student without the period part.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
dataset = "nyc_weather"
horizon = 96
teacher = "itransformer"
also = "ETTh1"
train_missing = False

# %%
import contextlib

import numpy as np
import pandas as pd
import torch
from IPython.display import display
from scipy.special import rel_entr

from tdlib import analysis, losses, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

configs = [config for entry in profiles.load(profile) for config in entry.main()]
runs = rows.with_students(rows.read(configs, profile, "main", store=store, train_missing=train_missing))

# %% [markdown]
# ## One window: history and forecast in time and frequency
# The window and channel of page 00, with the end of the look-back. Short-time spectrograms: each column is of the 48
# steps around it, so that up to 24 steps on either side of the dotted line, where the forecast begins, history and
# forecast are in it together. The day of hourly data is at 1/24, or 0.042; brighter is stronger. What is bright in the
# truth right of the line and dark in a forecast are waves that it leaves out. Frequencies above 0.1 are not shown.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
arrays = {name: Store(store).arrays(id) for name, id in three["id"].items()}
_, plain, distilled = arrays
sample, channel = analysis.example(arrays[plain])
colours = plots.colours(three.reset_index())


# %%
def spectrograms(arrays, place):
    first = next(iter(arrays.values()))
    history = first["sample_x"][sample, :, channel].astype(float)
    futures = {"truth": first["sample_y"][sample, :, channel]}
    futures |= {name: entry["sample_prediction"][sample, :, channel] for name, entry in arrays.items()}
    whole = {name: np.concatenate([history, future]) for name, future in futures.items()}
    title = f"{place}, first channel: the last {len(history)} steps of the look-back, then the forecast"
    return plots.spectrograms(whole, split=len(history), title=title)


plots.save(spectrograms(arrays, dataset), "04_spectrograms", figures)

# %% [markdown]
# The same window of a second data set, where its rows are there.

# %%
with contextlib.suppress(rows.Missing):
    others = rows.taught(runs, dataset=also, horizon=horizon, teacher=teacher)["id"]
    figure = spectrograms({name: Store(store).arrays(id) for name, id in others.items()}, also)
    display(plots.save(figure, f"04_spectrograms_{also}", figures))

# %% [markdown]
# ## All test windows: the period distribution
# Mean over windows and channels; the truth's six strongest periods.
#
# **Predict first:** which period will be the strongest of hourly data over four days? And will a forecast put more or
# less weight on it than the truth does?

# %%
distributions = {"truth": arrays[plain]["periods_true"].mean(0)}
distributions |= {name: entry["periods"].mean(0) for name, entry in arrays.items()}
figure = plots.periods(distributions, colours=colours, horizon=horizon, top=6, title=f"{dataset}, {horizon} steps")
plots.save(figure, "04_periods", figures)

# %% [markdown]
# ## How far from the truth?
# KL(truth || forecast) of the period distributions, mean over channels, windows and seeds, in nats. Smaller is closer.
# It is the textbook sum over frequencies; the loss has a floor under the logarithm, which bounds it, and divides by
# their number (page 01). It is to be compared within a horizon: amplitudes grow with the number of steps while tau
# stays, so that a longer forecast's distribution is nearer to a single period, and a miss costs more (exercise 1).

# %%
chosen = runs[runs["system"].isin(arrays)]
groups = chosen.groupby(["dataset", "horizon", "system"], sort=False)["test_period_kl"]
distance = groups.agg(["mean", "std"]).rename(columns={"mean": "KL to the truth", "std": "deviation over seeds"})
tables.save(distance.reset_index(), "04_period_kl", f"{results}/tables")
tables.grid(chosen, "test_period_kl", ["dataset", "horizon"], "system", digits=2)

# %%
figure = plots.points(chosen, x="test_period_kl", y="system", label="KL [nats]", colours=colours)
plots.save(figure, "04_period_kl", figures)

# %% [markdown]
# ## The null: the same student without the period part
# A student that forecasts better may come closer in its periods, too, without being asked to. So what the period part
# does is the difference to the same student without it: both are runs of page 06, and means over the seeds that both
# have. Page 00b pools the settings, once there are five, for an interval and a verdict.

# %%
sides, null = ["full", "w/o period"], runs[:0].assign(variant="")
ablated = [entry.ablations() for entry in profiles.load(profile)]
named = {run: name for runs_of in ablated for run, name in runs_of.items() if name in sides}
with contextlib.suppress(rows.Missing):
    null = rows.read(named, profile, "ablation", store=store, train_missing=train_missing, named="variant")
places = ["dataset", "horizon", "teacher", "seed"]
of_both = null.pivot_table(index=places, columns="variant", values="test_period_kl", sort=False)
of_both = of_both.reindex(columns=sides).dropna().groupby(places[:-1], sort=False)
kl_of = of_both.mean().assign(seeds=of_both.size())
tables.save(kl_of.reset_index(), "04_null", f"{results}/tables")

# %%
print(words.looked_at(pd.concat([runs, null])))
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
# * The sentences above are made from the rows shown. The period part gets credit
#   for no more than the difference between the student with it and the one without it.
# * A softmax of amplitudes may lie nearly all on one period: a window on which forecast and truth prefer
#   different ones then costs much, whatever the rest looks like.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): a distance that grows with the horizon
# For the plain student and the windows that its rows keep, compute the largest share of the truth's $Q$ and the
# divergence of the forecast by horizon: as above, and with amplitudes divided by $H / 96$. What is left of the growth?

# %% tags=["hide-cell"]
lines = []
for run in chosen[chosen["system"] == plain].drop_duplicates("setting").itertuples():
    kept = Store(store).arrays(run.id)
    pair = [torch.from_numpy(kept[name]).double().mT for name in ("sample_prediction", "sample_y")]
    for by, factor in {"as above": 1, "by H / 96": 96 / run.horizon}.items():
        forecast, truth = (values * factor for values in pair)  # and with them their amplitudes
        share = losses.log_period_distribution(truth, dim=-1).exp().amax(-1).mean().item()
        far = losses.period_divergence(forecast, truth, floor=0.0).mean().item()
        place = {"dataset": run.dataset, "amplitudes": by, "horizon": run.horizon}
        lines.append(place | {"largest share": share, "KL": far})
found = pd.DataFrame(lines)
horizons = found.groupby("dataset")["horizon"].transform("nunique")
found = found[horizons == horizons.max()].drop(columns="dataset")  # the same data sets at every horizon
means = found.groupby(["amplitudes", "horizon"]).mean()
print(means.round(2).to_string())

# %% [markdown]
# ### Exercise 2 (thought): which way round?
# The divergence is $\mathrm{KL}(Q_\mathrm{teacher} \| Q_\mathrm{student})$. What would the student be punished for, and
# what would it be free to do, if the two changed places?
#
# <details><summary>Solution</summary>
#
# As it stands, each period counts by the *teacher's* share: a period that the teacher has and the student lacks is
# expensive, one that the student invents costs only what it takes away from the others. Turned round, each counts by
# the student's share: the student must not invent, but it may leave out all of the teacher's periods but one. The
# first spreads the student over everything that the teacher hears, the second lets it pick.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): the divergence of means, the mean of divergences
# The bars above are means over windows. Compute the divergence between the *mean* distributions of truth and forecast,
# and compare with `test_period_kl` of the same run, a mean over windows. Which one must be smaller, and what does the
# other one see?

# %% tags=["hide-cell"]
for name, entry in arrays.items():
    between = rel_entr(entry["periods_true"], np.maximum(entry["periods"], 1e-30)).sum(1).mean()
    mean = three.loc[name, "test_period_kl"]
    assert between <= mean * (1 + 1e-3)
    print(f"{name}: divergence of the means {between:.3f}, mean of the divergences {mean:.3f}")
print("The divergence is convex in both, so averaging first can only lower it: it forgives a forecast that has")
print("the right periods in the wrong windows. Bars that agree do not show that windows do.")
