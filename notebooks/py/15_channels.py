# %% [markdown]
# # Does a student that forecasts channel by channel learn how the channels move together?
# The MLP sees each channel alone, with weights that all channels share. An iTransformer lets channels talk. The paper
# draws the correlations between channels of forecasts (its Fig. 9) and trains no such thing. Here they are a third
# pattern, a term of the loss (`tdlib.channels`):
#
# $$R_{ij}(y) = \frac{\overline{c_i c_j}}{s_i s_j}, \qquad c = y - \bar y, \qquad
# C(y_s, y_t) = \overline{(R_{ij}(y_s) - R_{ij}(y_t))^2}$$
#
# with means over the horizon of each window, then over windows and pairs $i < j$.
#
# **After this page you can** read a correlation matrix of forecasts, say what a student that never mixes channels can
# and cannot learn of it, and tell a pattern that is closer to the truth from a forecast that is better.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import contextlib
import itertools

import numpy as np
import pandas as pd
import torch

from tdlib import analysis, channels, correlations, data, models, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

place = Store(store)
variants = {run: name for entry in profiles.load(profile) for run, name in entry.channels().items()}
runs = rows.read(variants, profile, "channels", store=store, train_missing=train_missing)

# %%
order = ["teacher", "ridge", "plain", *profiles.CHANNELS]
runs["variant"] = runs["id"].map({run.id: name for run, name in variants.items()})
runs = runs.assign(order=runs["variant"].map(order.index)).sort_values(["dataset", "order", "alpha", "seed"])
kept = correlations.chosen(runs)
plain = rows.select(kept, variant="plain")
kept = kept[kept["setting"].isin(plain["setting"])]

# %% [markdown]
# ## Who sees whom?
# Another past of the first of three channels: whose forecasts change? Models without training, since no training can
# change it.

# %%
x = torch.randn(1, 48, 3, generator=torch.Generator().manual_seed(0))
other = torch.cat([x[..., :1].flip(1), x[..., 1:]], dim=2)
for name in ("mlp", "itransformer"):
    model = models.build(name, lookback=48, horizon=24, channels=3).eval()
    with torch.no_grad():
        change = (model(other).prediction - model(x).prediction).abs().amax((0, 1)) > 0
    assert change.tolist() == [True, name == "itransformer", name == "itransformer"]
    print(f"{models.title(name)}: the forecasts of {change.sum()} of 3 channels change")

# %% [markdown]
# ## The picture (the paper's Fig. 9)
# Mean correlations over all test windows and seeds. A window's correlation is Pearson's over its 96 steps: level and
# size of a channel do not count. *TimeDistill* is the published loss, *+ channels* has the third pattern beside the
# other two, and both are there once more with a larger alpha; *channels alone* has no other pattern, and *channels of
# the truth* takes it from the truth, without a teacher.

# %%
for name in sorted(set(kept["dataset"]) & {"nyc_weather", "synthetic"}):
    print(f"{name}:", ", ".join(data.load(name).channels))

# %% [markdown]
# **Predict first:** the student forecasts each channel from this channel's past alone. Will its matrix be empty where
# the truth's is not? And whose colours will be too strong, whose too pale?

# %%
shown = ["teacher", "plain", "TimeDistill", "TimeDistill + channels"]
groups = kept[kept["variant"].isin(shown)].groupby("setting", sort=False)
found = {name: correlations.matrices(group, place) for name, group in groups}
figure = plots.correlations(found, label="mean correlation")
plots.save(figure, "15_correlations", figures)

# %% [markdown]
# What is hard to see there: the same, with the truth's taken away.

# %%
less = {name: {v: each[v] - each["truth"] for v in each if v != "truth"} for name, each in found.items()}
most = max(np.abs(matrix).max() for each in less.values() for matrix in each.values())
figure = plots.correlations(less, label="minus the truth's", most=np.ceil(20 * most) / 20)
plots.save(figure, "15_differences", figures)

# %% [markdown]
# ## How far from the truth?
# `distance` is the root of the mean squared difference of the correlations, window by window: the loss's own measure,
# against the truth. It has a floor that no forecast reaches, for a window's correlation is partly chance. `of the
# means` compares the two mean matrices, where that has averaged out. A dot a run.

# %%
far = correlations.distances(kept, place)
shades = {"teacher": "teacher", "ridge": "linear", "plain": "plain"}
shades = {name: plots.COLOURS[shades.get(name, "distilled")] for name in order}
label = "distance of correlations"
figure = plots.points(far, x="distance", y="variant", label=label, colours=shades, absent="not in the store")
plots.save(figure, "15_distance", figures)

# %%
levels = correlations.levels(kept, place)
tables.save(levels, "15_levels", f"{results}/tables")

# %% [markdown]
# ## The null: one plain MLP and another
# Two plain MLPs that differ by their seed alone: how far apart are their mean matrices, and by how many percent do the
# *squared* distances from the truth differ, which the next section compares?

# %%
nulls = {}
for setting, group in far[far["variant"] == "plain"].groupby("setting", sort=False):
    each = [place.arrays(id)["correlation"] for id in group["id"]]
    between = [correlations.apart(one, other) for one, other in itertools.combinations(each, 2)]
    change = 100 * ((group["distance"].max() / group["distance"].min()) ** 2 - 1) if between else np.nan
    line = {"apart": np.mean(between) if between else np.nan, "squared distance [%]": change}
    nulls[setting] = line | {"seeds": len(each)}
nulls = pd.DataFrame(nulls).T.rename_axis("setting")
tables.save(nulls.reset_index(), "15_nulls", f"{results}/tables")

# %% [markdown]
# ## Does the pattern help beyond the published loss?
# In percent of the opponent; negative is better: the squared distance of correlations, and the MSE. 95% intervals over
# seeds and blocks of time, as on page 05.

# %%
pairs = [(f"TimeDistill + channels{alpha}", f"TimeDistill{alpha}") for alpha in ("", ", alpha 10")]
pairs += [("channels alone", "channels of the truth"), ("channels alone", "TimeDistill")]
pairs += [(name, "plain") for name in ("teacher", "TimeDistill", "channels alone", "channels of the truth")]
lines = {}
for ours, theirs in pairs:
    two = [kept[kept["variant"] == name] for name in (ours, theirs)]
    with contextlib.suppress(rows.Missing):
        for what, array in {"correlation": correlations.QUANTITY, "MSE": "errors"}.items():
            line = analysis.compare(*two, place, array).drop("all", level="dataset")
            lines[ours, theirs, what] = line[["difference", "low", "high", "win rate", "runs"]]
if not lines:
    raise rows.missing(kept, "no variant beside the plain student")
against = pd.concat(lines, names=["variant", "against", "of"])
tables.save(against.reset_index(), "15_against", f"{results}/tables", digits=1)

# %% [markdown]
# Validation beside test, MSE in percent of the plain MLP; a cross where the two disagree on which is better.

# %%
both = words.on_both(kept, "variant", "plain")
tables.save(both.reset_index(), "15_validation", f"{results}/tables")

# %% [markdown]
# ## The weight, chosen on validation
# Correlations are at most 2 apart, whatever the units: a weight that suits scales and periods need not suit them. So
# the two students without another pattern were trained with several alphas, and all of the above shows the one with
# the least validation error. Means over seeds.

# %%
tried = runs[runs["variant"].isin(["channels alone", "channels of the truth"])]
tried = correlations.distances(tried, place).groupby(["setting", "variant", "alpha"], sort=False)
tried = tried[["val_mse", "test_mse", "distance"]].mean().rename(columns=tables.METRICS)
tables.save(tried.reset_index(), "15_alphas", f"{results}/tables")

# %%
print(words.looked_at(runs))
for (ours, theirs, what), group in against.groupby(level=["variant", "against", "of"], sort=False):
    sure = ((group["low"] > 0) | (group["high"] < 0)).sum()
    sentence = words.spread(group["difference"].droplevel([0, 1, 2]), f"{ours} against {theirs}, {what}")
    print(f"{sentence} Intervals without zero: {sure}.")

# %%
means = {setting: correlations.matrices(group, place) for setting, group in kept.groupby("setting", sort=False)}
for setting, mean in means.items():
    size = pd.Series({name: np.abs(matrix[np.triu_indices(len(matrix), 1)]).mean() for name, matrix in mean.items()})
    change = (100 * (size / size["truth"] - 1)).drop("truth")
    print(words.spread(change, f"{setting}: mean |R| of two channels against the truth's {size['truth']:.2f}"))

# %%
term = against.reset_index().query("variant == 'TimeDistill + channels' and against == 'TimeDistill'")
lower = term["difference"].lt(0).groupby(term["of"], sort=False).agg(["sum", "size"])
for what, (better, count) in lower.iterrows():
    print(f"In short: the term brings a lower error of {what} in {better} of {count} settings.")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown. A correlation that is closer to the truth's and an error that is
#   smaller are two things: the first lines say where the term brings which.
# * Students of one data set differ in their loss alone, and none of them mixes channels.
# * The two students without another pattern had as many trials on validation as there are alphas, the others one: their
#   own alpha is the published one, or 1 where nothing is published.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what the pattern does not see
# Take the kept truths of a row (`sample_y`, [S, H, C]) and compute their correlations with numpy and with
# `channels.correlation`. Where do they differ, and why? Then multiply a channel by 3 and add 5: by how much does the
# loss against the truth rise? And the MSE? Why does this pattern need the supervised part?

# %% tags=["hide-cell"]
y = torch.from_numpy(place.arrays(kept["id"].iloc[0])["sample_y"].astype(np.float32)).mT
with np.errstate(invalid="ignore"):  # 0 / 0 where a channel does not move: no number there, and 0 here
    by_hand = np.nan_to_num([np.corrcoef(window) for window in y.numpy()])
np.testing.assert_allclose(channels.correlation(y).numpy(), by_hand, atol=0.02)
moved = y.clone()
moved[:, 0] = 3 * moved[:, 0] + 5
assert channels.multi_channel(moved, y) < 1e-3 < (moved - y).square().mean()
print("It is deaf to level and size, which only the supervised part hears.")

# %% [markdown]
# ### Exercise 2 (thought): where do the student's correlations come from?
# The student's forecast of a channel is a function of this channel's past, the same function for all. How can its
# forecasts correlate at all? And what can a term that compares pairs of channels change in such a model?
#
# <details><summary>Solution</summary>
#
# Pasts correlate, and the same smooth function of two similar pasts gives two similar futures. The term's gradient
# moves the shared weights alone: it can make all forecasts smoother or rougher, or shift how phase and trend are drawn,
# so that pairs agree better on average. It cannot let one channel look at another. What only another channel's past
# foretells stays out of reach, whatever the loss.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): whose matrix is it?
# For every system, print how far its mean matrix is from the truth's and from the teacher's (`correlations.apart`).
# Which students go to the teacher, which to the truth, and which to neither?

# %% tags=["hide-cell"]
for setting, mean in means.items():
    ends = [end for end in ("truth", "teacher") if end in mean]
    lines = {name: {end: correlations.apart(matrix, mean[end]) for end in ends} for name, matrix in mean.items()}
    print(setting, pd.DataFrame(lines).T.round(2).to_string(), sep="\n")
print("Students of the truth show how near a model that mixes no channels can come.")
