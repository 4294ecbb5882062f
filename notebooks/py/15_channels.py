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
from IPython.display import display

from tdlib import analysis, channels, correlations, data, models, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

place = Store(store)
variants = {run: name for entry in profiles.load(profile) for run, name in entry.channels().items()}
runs = rows.read(variants, profile, "channels", store=store, train_missing=train_missing, named="variant")

# %%
order = ["teacher", "ridge", "plain", *profiles.CHANNELS]
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
ett = ("high useful load", "high useless load", "middle useful", "middle useless", "low useful", "low useless")
for name in sorted(set(kept["dataset"])):
    known = data.load(name).channels if name in ("nyc_weather", "synthetic") else (*ett, "oil temperature")
    if name in ("nyc_weather", "synthetic") or name.startswith("ETT"):
        print(f"{name}:", ", ".join(f"{number} {channel}" for number, channel in enumerate(known, 1)))

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
# A channel that does not move in a window has correlation 0 with every channel there, itself included: so a mean on
# the diagonal may be below 1.

# %%
for setting, each in found.items():
    still = 100 * (1 - np.diag(each["truth"]))
    told = ", ".join(f"channel {at} in {share:.0f}%" for at, share in enumerate(still, 1) if share >= 0.5)
    print(f"{setting}, the truth stands still, about: {told + ' of the windows' if told else 'nowhere'}")

# %% [markdown]
# What is hard to see in the picture: the same, with the truth's taken away.

# %%
less = {name: {v: each[v] - each["truth"] for v in each if v != "truth"} for name, each in found.items()}
most = max(np.abs(matrix).max() for each in less.values() for matrix in each.values())
figure = plots.correlations(less, label="minus the truth's", most=np.ceil(20 * most) / 20)
plots.save(figure, "15_differences", figures)

# %% [markdown]
# ## How far from the truth?
# `distance` is the root of the mean squared difference of the correlations, window by window: the loss's own measure,
# against the truth. A window's correlation is partly chance, which no forecast knows; `of the means` compares the two
# mean matrices, where that has averaged out. A dot a run.

# %%
far = correlations.distances(kept, place)
shades = {"teacher": "teacher", "ridge": "linear", "plain": "plain"}
shades |= {"channels of the truth": "plain"}  # nobody teaches it
shades = {name: plots.COLOURS[shades.get(name, "distilled")] for name in order}
label = "distance of correlations"
figure = plots.points(far, x="distance", y="variant", label=label, colours=shades, absent="not in the store")
plots.save(figure, "15_distance", figures)

# %%
levels = correlations.levels(kept, place).rename(columns={"deviation": "their deviation"})  # of the means, over seeds
tables.save(levels, "15_levels", f"{results}/tables")

# %% [markdown]
# ## Whose matrix is it?
# How far each mean matrix is from the truth's, and how far from the teacher's (`correlations.apart`).

# %%
means = {setting: correlations.matrices(group, place) for setting, group in kept.groupby("setting", sort=False)}
lines = []
for (setting, mean), end in itertools.product(means.items(), ("truth", "teacher")):
    each = {name: correlations.apart(mean[name], mean[end]) for name in mean if end in mean and name != "truth"}
    lines += [{"setting": setting, "variant": name, "from": end, "apart": value} for name, value in each.items()]
whose = pd.DataFrame(lines)
_ = tables.save(whose, "15_whose", f"{results}/tables")
tables.grid(whose.assign(place=whose["setting"] + ": " + whose["from"]), "apart", "variant", "place", digits=2)

# %%
apart = whose[whose["from"] == "teacher"].pivot(index="setting", columns="variant", values="apart")
apart = apart.reindex(columns=["TimeDistill", "plain"]).dropna()
nearer = (apart["TimeDistill"] < apart["plain"]).sum()
print(f"TimeDistill is nearer to the teacher's matrix than the plain MLP in {nearer} of {len(apart)} settings.")

# %% [markdown]
# ## The null: one seed and another
# Two runs of one system that differ by their seed alone: how far apart are their mean matrices, and by how many percent
# do the *squared* distances from the truth differ? For the four systems that the next section compares others with.

# %%
nulls = {}
opponents = far[far["variant"].isin(["plain", "TimeDistill", "TimeDistill, alpha 10", "channels of the truth"])]
for of, group in opponents.groupby(["variant", "setting"], sort=False):
    each = [place.arrays(id)["correlation"] for id in group["id"]]
    between = [correlations.apart(one, other) for one, other in itertools.combinations(each, 2)]
    change = 100 * ((group["distance"].max() / group["distance"].min()) ** 2 - 1) if between else np.nan
    line = {"apart": np.mean(between) if between else np.nan, "squared distance [%]": change}
    nulls[of] = line | {"seeds": len(each)}
nulls = pd.DataFrame(nulls).T.rename_axis(["variant", "setting"])
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
_ = tables.save(against.reset_index(), "15_against", f"{results}/tables", digits=1)

# %%
drawn = against.reset_index().rename(columns={"difference": "estimate"})
drawn["pair"] = drawn["variant"] + "\nagainst " + drawn["against"]
for what, group in drawn.groupby("of", sort=False):
    rings = group.set_index(["pair", "dataset"])[["estimate", "low", "high"]]
    figure = plots.several_intervals(rings, label=f"{'squared distance' * (what != 'MSE') or what} [%]", reference=0)
    display(plots.save(figure, f"15_against_{what}", figures))

# %% [markdown]
# `results/tables/15_validation.csv` has validation beside test, MSE in percent of the plain MLP.

# %%
both = tables.against(kept, "variant", "plain")
_ = tables.save(both.reset_index(), "15_validation", f"{results}/tables")
differ = both[both["disagree"] != ""].index.get_level_values("variant")
print(
    f"Validation and test disagree on who is better in {len(differ)} comparisons:", ", ".join(differ.unique()) or "none"
)

# %% [markdown]
# ## The weight, chosen on validation
# Correlations are at most 2 apart, whatever the units: a weight that suits scales and periods need not suit them. So
# *channels alone* and *channels of the truth* were trained with several alphas, and all of the above shows the one with
# the least validation error. Means over seeds.

# %%
tried = runs[runs["variant"].isin(["channels alone", "channels of the truth"])]
tried = correlations.distances(tried, place).groupby(["setting", "variant", "alpha"], sort=False)
tried = tried[["val_mse", "test_mse", "distance"]].mean().rename(columns=tables.METRICS)
_ = tables.save(tried.reset_index(), "15_alphas", f"{results}/tables")
for place_and_variant, group in tried.groupby(level=["setting", "variant"], sort=False):
    alpha, least = (group[column].idxmin()[-1] for column in ("validation MSE", "distance"))
    print(": ".join(place_and_variant), f"alpha {alpha:g} by validation; nearest to the truth with {least:g}")

# %%
print(words.looked_at(runs))
for (ours, theirs, what), group in against.groupby(level=["variant", "against", "of"], sort=False):
    sure = ((group["low"] > 0) | (group["high"] < 0)).sum()
    sentence = words.spread(group["difference"].droplevel([0, 1, 2]), f"{ours} against {theirs}, {what}")
    print(f"{sentence} Intervals without zero: {sure}.")

# %%
for setting, mean in means.items():
    size = pd.Series({name: np.abs(matrix[np.triu_indices(len(matrix), 1)]).mean() for name, matrix in mean.items()})
    change = (100 * (size / size["truth"] - 1)).drop("truth")
    print(words.spread(change, f"{setting}: mean |R| of two channels against the truth's {size['truth']:.2f}"))

# %%
for ours, theirs in (("TimeDistill", "plain"), ("TimeDistill + channels", "TimeDistill")):
    pair = against.reset_index().query("variant == @ours and against == @theirs").set_index("dataset")
    null = nulls["squared distance [%]"].reindex([theirs], level="variant").dropna()
    told = ", ".join(f"{value:.1f}% ({setting})" for (_, setting), value in null.items())
    told = (
        f"Seeds of {theirs} are apart by up to {told}." if len(null) else f"No null of {theirs}: fewer than two seeds."
    )
    for what, note in {"correlation": told, "MSE": ""}.items():
        change = pair.loc[pair["of"] == what, "difference"]
        what = {"correlation": "squared distance from the truth's correlations"}.get(what, what)
        print(words.spread(change, f"In short, {ours} against {theirs}, {what}"), note)

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown. A correlation that is closer to the truth's and an error that is
#   smaller are two things: the first lines say where the term brings which.
# * Students of one data set differ in their loss alone, and none of them mixes channels.
# * *Channels alone* and *channels of the truth* were trained with several alphas, and validation chose one; each of the
#   others had one alpha: 10 where its name says so, else the published one, or 1 where nothing is published.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what the pattern does not see
# Take the kept truths of a row (`sample_y`, [S, H, C]) and compute their correlations with numpy and with
# `channels.correlation`. Where has numpy no number, and why? Then multiply a channel by 3 and add 5: by how much does
# the loss against the truth rise? And the MSE? Why can this pattern not stand alone?

# %% tags=["hide-cell"]
y = torch.from_numpy(place.arrays(kept["id"].iloc[0])["sample_y"].astype(np.float32)).mT
with np.errstate(invalid="ignore"):  # 0 / 0 where a channel does not move: no number there, and 0 here
    by_hand = np.nan_to_num([np.corrcoef(window) for window in y.numpy()])
np.testing.assert_allclose(channels.correlation(y).numpy(), by_hand, atol=0.02)
moved = y.clone()
moved[:, 0] = 3 * moved[:, 0] + 5
deaf, heard = channels.multi_channel(moved, y), (moved - y).square().mean()
assert deaf < 1e-3 < heard
print(f"The loss rises by {deaf:.1e}, the MSE by {heard:.2f}: this pattern is deaf to level and size, which the")
print("supervised part and the scale part hear.")

# %% [markdown]
# ### Exercise 2 (thought): where do the student's correlations come from?
# The student's forecast of a channel is a function of this channel's past alone. All channels share its large weights,
# and each has a few numbers of its own (BatchNorm, the last scale and shift). How can its forecasts correlate at all?
# And what can a term that compares pairs of channels change in such a model?
#
# <details><summary>Solution</summary>
#
# Pasts correlate, and the same smooth function of two similar pasts gives two similar futures. The term's gradient
# moves the shared weights and these few numbers: it can make all forecasts smoother or rougher, or shift how phase and
# trend are drawn, so that pairs agree better on average. It cannot let one channel look at another. What only another
# channel's past foretells stays out of reach, whatever the loss.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): does a smaller error bring nearer correlations?
# Rank the variants of each setting by their test MSE and by their `distance` from the truth's correlations. Do the two
# orders agree? Who is first in one and last in the other?

# %% tags=["hide-cell"]
ranked = far.groupby(["setting", "variant"], sort=False)[["test_mse", "distance"]].mean()
for setting, group in ranked.droplevel("setting").groupby(ranked.index.get_level_values("setting"), sort=False):
    agree = group.corr(method="spearman").iloc[0, 1]
    print(f"{setting}, {len(group)} variants: rank correlation {agree:+.2f}")
    for what, column in {"distance from the truth's matrix": "distance", "error": "test_mse"}.items():
        print(f"    least {what}: {group[column].idxmin()}, largest: {group[column].idxmax()}")
print("1 would be one order for both, -1 the opposite one.")
