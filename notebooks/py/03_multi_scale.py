# %% [markdown]
# # At which scale does the student learn?
# Averaging a forecast over pairs of steps, again and again, leaves its slow part: scale 0 is the forecast
# itself, scale 3 its means over eight steps. The paper's claim: a plain MLP misses the coarse course of the series that
# its teacher follows, and the multi-scale part of the loss hands it over. The page asks both: is the gain coarse, and
# is it the loss at coarser scales that brings it?
#
# **After this page you can** take a forecast apart into a course and details, say how much of an error or of a gain is
# in which of them, and judge a part of a loss against the same student without that part.

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

import pandas as pd
import torch
from IPython.display import display

from tdlib import analysis, losses, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

pd.options.display.max_rows = None  # whole tables

configs = [config for entry in profiles.load(profile) for config in entry.main()]
runs = rows.with_students(rows.read(configs, profile, "main", store=store, train_missing=train_missing))

# %% [markdown]
# ## One window, seen at four scales
# The second of the windows that a row keeps, and the first channel: a rule that looks at no result.


# %%
def window(place):
    three = rows.taught(runs, dataset=place, horizon=horizon, teacher=teacher)
    arrays = {name: Store(store).arrays(id) for name, id in three["id"].items()}
    parts = analysis.at_scales(arrays, *analysis.example(next(iter(arrays.values()))))
    title = f"{place}, {horizon} steps, first channel"
    return plots.scales(parts, colours=plots.colours(three.reset_index()), title=title)


plots.save(window(dataset), "03_scales", figures)

# %% [markdown]
# The same on a second data set, where its rows are there.

# %%
with contextlib.suppress(rows.Missing):
    display(plots.save(window(also), f"03_scales_{also}", figures))

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
_, plain, distilled = three.index
colours = plots.colours(three.reset_index())

# %% [markdown]
# ## All test windows
# The MSE at each scale, in percent of the plain student's at scale 0; bands are one deviation over seeds. If the gap
# between the plain and the distilled student stays as wide at scale 3 as at scale 0, what sets them apart is coarse.
# `results/tables/03_scale_errors.csv` has the MSE.
#
# **Predict first:** from scale 0 to scale 3, how much of the plain student's error goes away by averaging, a tenth or
# a third? And does the gap to the distilled one close as fast?

# %%
errors = analysis.scale_table(runs[runs["system"].isin(three.index)])
shown = errors.pivot_table(index=["setting", "system"], columns="scale", values="MSE", sort=False)
_ = tables.save(shown.rename(columns="scale {}".format).reset_index(), "03_scale_errors", f"{results}/tables")
before = shown.xs(plain, level="system")
relative = errors.assign(MSE=100 * errors["MSE"] / errors["setting"].map(before[0]))
look = {"label": "scale m (means over 2^m steps)", "unit": f"MSE [% of {plain} at scale 0]", "colours": colours}
figure = plots.curves(relative, x="scale", **look)
for axis in figure.axes:
    axis.set_ylim(0)
plots.save(figure, "03_scale_errors", figures)

# %% [markdown]
# ## How much of the gain is coarse?
# The share of the gain that is left at scale 3, in the means over eight steps, beside the share of the plain student's
# error that is left there. If distillation lowered all scales alike, both columns would agree. Empty where the
# distilled student is no better.

# %%
gain, coarse = before - shown.xs(distilled, level="system"), shown.columns[-1]
gain = gain.where(gain[0] > 0)
share = pd.DataFrame(
    {"of the gain [%]": 100 * gain[coarse] / gain[0], "of the error [%]": 100 * before[coarse] / before[0]}
)
tables.save(share.reset_index(), "03_coarse_share", f"{results}/tables", digits=0)

# %% [markdown]
# ## The null: the same student without the coarser scales
# A gain that is coarse need not come from the loss at coarser scales. Without them (`scales = 0`, page 06) forecasts
# and features are matched as they are. Gain over the plain student of the same seeds at each scale, with them and
# without, in percent, means over the seeds that all three have.

# %%
sides, null = ["full", "w/o coarser scales"], runs[:0].assign(variant="")
ablated = [entry.ablations() for entry in profiles.load(profile)]
named = {run: name for runs_of in ablated for run, name in runs_of.items() if name in sides}
with contextlib.suppress(rows.Missing):
    null = rows.read(named, profile, "ablation", store=store, train_missing=train_missing, named="variant")

# %%
places = ["setting", "teacher", "scale", "seed"]
of_both = analysis.scale_table(null, "teacher", "variant").pivot_table("MSE", places, "variant", sort=False)
of_plain = errors[errors["system"] == plain].set_index(["setting", "scale", "seed"])["MSE"].rename(plain)
of_both = of_both.reindex(columns=sides).join(of_plain, on=of_plain.index.names).dropna()
means = of_both.groupby(places[:-1], sort=False).mean()
gains = 100 * (1 - means[sides].div(means[plain], axis=0)).rename_axis(columns="loss")
by_scale = gains.stack().unstack("scale", sort=False).rename(columns="scale {} [%]".format).rename_axis(columns=None)
tables.save(by_scale.reset_index(), "03_null", f"{results}/tables")

# %% [markdown]
# ## In sentences, from these rows

# %%
print(words.looked_at(pd.concat([runs, null])))
beside = (100 * (means["full"] / means["w/o coarser scales"] - 1)).unstack("scale").reindex(columns=[0, coarse])
for scale, change in beside.items():
    print(words.spread(change, f"the loss with coarser scales against without, MSE at scale {scale}"))
averaged = 100 * (before[coarse] / before[0] - 1)
print(words.spread(averaged, f"the plain student's MSE at scale {coarse} against its own at scale 0"))
change = 100 * (shown.xs(distilled, level="system") / before - 1)
for scale in [0, coarse]:
    print(words.spread(change[scale], f"distilled against plain at scale {scale}, MSE"))
known = share.dropna()
more = known["of the gain [%]"] > known["of the error [%]"]
print(f"Of {len(known)} settings with a gain, its coarse share exceeds the error's in {more.sum()}.")

# %%
every = analysis.scale_table(runs[runs["model"].isin(["mlp", teacher])])
every = every[every["scale"] == coarse].groupby(["setting", "system"], sort=False)["MSE"].mean().unstack()
every = every[list(three.index)].dropna()
source, plain_mse, taught_mse = (every[name] for name in three.index)
print(f"At scale {coarse} the teacher is ahead of the plain MLP in {(source < plain_mse).sum()} of {len(every)}")
print(f"settings, the distilled MLP ahead of its teacher in {(taught_mse < source).sum()}: there it has more than was")
print("handed over.")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown. The gain is a matter of coarse scales only where its share
#   exceeds the error's, and the loss at coarser scales gets credit only for what the student without it lacks.
# * Averages are easier to forecast: curves are to be compared at one scale, not along it.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): an error's bands
# A pair of steps with errors $a, b$ has $\frac12(a^2 + b^2) = (\frac{a + b}2)^2 + (\frac{a - b}2)^2$: the MSE at scale
# $m$ is that of scale $m + 1$ and the mean square of the half differences, which averaging takes away. So in `shown`,
# which has all four scales, the steps from column to column are the error in *details* of 2, 4 and 8 steps, and the
# last column is the course. Check the identity on noise with `losses.halve`, then say in which band the gain is. Shares
# above 100% say that elsewhere the error has grown.

# %% tags=["hide-cell"]
noise = torch.randn(horizon, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
mean, half = losses.halve(noise), losses.halve(noise * torch.tensor([1, -1]).repeat(horizon // 2))
torch.testing.assert_close(noise.square().mean(), mean.square().mean() + half.square().mean())

# %% tags=["hide-cell"]
bands = shown.diff(-1, axis=1).iloc[:, :-1].set_axis([f"details of {2**m} steps" for m in shown.columns[1:]], axis=1)
bands["course"] = shown[shown.columns[-1]]
assert (bands >= 0).all(axis=None)
assert (bands.sum(axis=1) - shown[0]).abs().max() < 1e-6
gained = (bands.xs(plain, level="system") - bands.xs(distilled, level="system"))[gain[0] > 0]
(100 * gained.div(gained.sum(axis=1), axis=0)).round(1).rename_axis(columns="share of the gain [%]")

# %% [markdown]
# ### Exercise 2 (thought): smaller at a coarse scale
# Every system's error falls from scale 0 to scale 3, even that of the last value again and again. Why must it? And what
# would you compare instead, to say that a student has learned the coarse course?
#
# <details><summary>Solution</summary>
#
# By exercise 1 the error at a coarser scale is the finer one less a mean of squares: it cannot grow, whoever forecasts.
# So compare systems *at* one scale, and their gains *between* scales with what a gain in proportion to the error would
# be, as the sentences above do; a share of the gain says something only beside the share of the error.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): is the coarse share a property or luck?
# The coarse share of the gain above is of means over seeds. Compute it for each seed by itself. How far apart are they?

# %% tags=["hide-cell"]
by_seed = errors[errors["system"].isin([plain, distilled])]
by_seed = by_seed.pivot_table(index=["setting", "seed", "system"], columns="scale", values="MSE", sort=False)
each = (by_seed.xs(plain, level="system") - by_seed.xs(distilled, level="system")).dropna()
shares = (100 * each[each.columns[-1]] / each[0])[each[0] > 0].unstack("seed").round(0)
print(shares.to_string())
apart = (shares.max(axis=1) - shares.min(axis=1)).max()
print(f"Seeds of one setting are up to {apart:.0f} points apart." if shares.shape[1] > 1 else "One seed: no spread.")
print("A share is a ratio of two differences: where the gain is small, it may be anything.")
