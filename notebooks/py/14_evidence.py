# %% [markdown]
# # How much is weak evidence worth?
# A test segment of a few months, three seeds, a dozen variants tried: most tables in this field rest on as much. What
# would such a table show if there were **nothing** to show? The store has hundreds of runs that differ by their seed
# alone, and every run's validation error beside its test error: enough to ask the rows themselves.
#
# **After this page you can** say how often a null looks like a win, what seeds and what blocks of time do to an
# interval, how far to trust validation, and what the best of k looks at a test segment is worth.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
teacher = "itransformer"
train_missing = False

# %%
import numpy as np
import pandas as pd

from tdlib import chance, models, profiles, rows, study
from tdlib.report import plots, tables, words
from tdlib.store import Store

studies = profiles.load(profile)
configs = [config for entry in studies for config in entry.main()]
runs = rows.read(configs, profile, "main", store=store, train_missing=train_missing)
ours, theirs = rows.system("mlp", teacher), rows.system("mlp")

# %% [markdown]
# ## How often does a null look like a win?
# One seed of a system against another seed of the same system: there is nothing to find. Two intervals, both of 95%,
# for each: one takes test windows as independent, as a textbook's paired test would; one draws blocks of look-back +
# horizon windows. An honest 95% interval of the method would call about five of a hundred such nulls a difference.
#
# **Predict first:** in how many of a hundred nulls will the first interval leave out zero? And how wide do you think
# nulls scatter, beside what distillation changes (the lowest row)?

# %%
nulls = chance.nulls(runs, Store(store))
seeds = runs[runs["system"].isin([ours, theirs])].pivot_table(
    index=["setting", "seed"], columns="system", values="test_mse", sort=False
)
seeds = seeds.reindex(columns=[ours, theirs]).dropna()
effects = (100 * (seeds[ours] / seeds[theirs] - 1)).rename(f"{ours}, against {theirs}")
figure = plots.chance.nulls(nulls, effects, label="difference in test MSE, one seed each [%]")
plots.save(figure, "14_nulls", figures)

# %%
groups = nulls.groupby("system", sort=False)
alarms = (100 * groups[["windows", "blocks"]].mean()).add_suffix(": called a difference [%]")
alarms["95% of nulls differ by less than [%]"] = groups["difference"].agg(lambda found: found.abs().quantile(0.95))
alarms["nulls"] = groups.size()
alarms["nulls with blocks"] = groups["blocks"].count()
tables.save(alarms.reset_index(), "14_nulls", f"{results}/tables", digits=1)

# %% [markdown]
# ## What narrows an interval: seeds or time?
# The difference in MSE between the distilled and the plain MLP, with one, two, three pairs of seeds. Drawn are seeds
# alone (for this very test segment), blocks alone (for these very runs), or both. Means over settings.

# %%
narrowing = chance.widths(runs, ours, theirs, Store(store))
whole = narrowing.groupby("setting")["seeds"].transform("max") == narrowing["seeds"].max()
whole &= narrowing["both"].notna()  # the same settings for all three: of too few blocks there are seeds alone
plots.save(plots.chance.widths(narrowing[whole], label="width of the interval [points]"), "14_widths", figures)

# %%
wide = narrowing[whole].drop(columns="setting").groupby("seeds").mean()
tables.save(wide.reset_index(), "14_widths", f"{results}/tables", digits=1)

# %% [markdown]
# ## How often does an interval hold the truth?
# Made-up errors whose true difference is 0, so that the answer is known: of 200 intervals as pages 00b and 05 make
# them, the share that holds 0. It should be 95. A block deviates by twice as much as a seed: one seed is as unsure as
# the mean of four blocks. Hourly data has 3.4 blocks at 96 steps (and 1.5 at 720, where no interval is given but over
# several settings); the others have 7 at 720 and 13 or 14 at 96; none has 40.

# %%
places = pd.MultiIndex.from_product([(3.4, 7, 13, 40), (1, 3, 10)], names=["blocks", "settings pooled"])
coverage = pd.DataFrame(index=places)
for seeds in (1, 3, 10):
    held = [chance.coverage(settings, seeds, blocks=blocks) for blocks, settings in places]
    coverage[f"seeds: {seeds} [%]"] = held
tables.save(coverage.reset_index(), "14_coverage", f"{results}/tables", digits=1)

# %% [markdown]
# ## Does validation rank variants as test does?
# Families of variants of one data set and horizon, one seed each: the trials of page 05, the ablation of page 06, the
# grid of page 09. A dot is a variant; were validation a perfect judge, dots would rise from the left to the right.

# %%
entries = []
for entry in studies:
    whose = {None: "plain"} | {name: models.title(name) for name in entry.teachers}
    kinds = [(f"trials, {whose[run.teacher]}", run) for run in profiles.fair.trials(entry)]
    kinds += [("ablation", run) for run in entry.ablation()]
    kinds += [("weights", run) for run in entry.sensitivity()["weights"]]
    entries += [(f"{run.dataset}, {run.horizon}: {kind}", run) for kind, run in kinds]
found = study.ensure([run for _, run in entries], store=store, train_missing=train_missing)
variants = tables.named(entries, found.assign(part="")).rename(columns={"name": "family"})
groups = variants.groupby("family", sort=False)
variants = variants[variants["seed"] == groups["seed"].transform("min")]
variants = variants[variants.groupby("family")["id"].transform("size") > 3]

# %%
failed = variants["val_mse"] > 2 * variants.groupby("family")["val_mse"].transform("min")
variants = variants[~failed]  # validation knows them at once, and a figure of the others would show nothing else
print("left out, with twice the least validation error:", failed.sum())
print(len(variants), "variants in", variants["family"].nunique(), "families")

# %%
plots.save(plots.chance.agreement(variants), "14_agreement", figures)

# %% [markdown]
# `rank correlation` is 1 where validation orders the variants as test does and 0 where it might as well be a lottery;
# `cost`: by how many percent the variant that validation chooses is above the best on test, and `spread` by how many
# the worst is.

# %%
lines = {}
for name, group in variants.groupby("family", sort=False):
    errors = group["test_mse"] / group["test_mse"].min()
    picked = 100 * (errors[group["val_mse"].idxmin()] - 1)
    order = group["val_mse"].rank().corr(group["test_mse"].rank())
    line = {"variants": len(group), "rank correlation": order, "cost [%]": picked}
    lines[name] = line | {"spread [%]": 100 * (errors.max() - 1)}
judged = pd.DataFrame(lines).T.astype({"variants": int}).rename_axis("family")
tables.save(judged.reset_index(), "14_agreement", f"{results}/tables", digits=2)

# %% [markdown]
# ## What is the best of k looks worth?
# Draw k variants of a family and keep one: the one with the least *test* error, as whoever looks at the test segment
# does, or the one with the least *validation* error. The lines are the expected test errors of both, exactly, over all
# draws (`chance.best_of`). What lies between the lines is not to be had by an honest choice.

# %%
curves = {}
for name, group in variants.groupby("family", sort=False):
    test, validation = group["test_mse"], group["val_mse"]
    expected = {"on test": chance.best_of(test, test), "on validation": chance.best_of(validation, test)}
    curves[name] = 100 * (pd.DataFrame(expected, index=range(1, len(group) + 1)) / test.mean() - 1)
plots.save(plots.chance.looks(curves), "14_looks", figures)

# %% [markdown]
# ## What we see, from the rows above

# %%
false = 100 * nulls[["windows", "blocks"]].mean()
limit = nulls["difference"].abs().quantile(0.95)
of_both = nulls[nulls["system"].isin([ours, theirs])].groupby("setting")["difference"].agg(lambda d: d.abs().max())
largest = of_both.reindex(effects.index.get_level_values("setting")).set_axis(effects.index).dropna()
below = (effects.abs().reindex(largest.index) <= largest).sum()
print(f"Called a difference, of {len(nulls)} nulls: {false['windows']:.0f}% by independent windows,")
print(f"{false['blocks']:.0f}% by blocks, of the {nulls['blocks'].count()} that have at least two. 95% of all nulls,")
print(f"whatever the system, differ by less than {limit:.1f}%.")
print(
    f"Of {len(effects)} effects of distillation {len(largest)} have nulls of the same setting and the same two systems"
)
print(f"beside them; {below} of these {len(largest)} are no larger than the largest of their nulls.")

# %%
few = coverage.loc[3.4:13]  # as many blocks as the data sets have
for name, held in few.iloc[:, :2].items():
    print(f"Simulated, {name[:-4]}: an interval holds the truth in {held.min():.0f} to {held.max():.0f}%.")
assert few.max(axis=None) < 95  # more settings narrow an interval, and do not make it honest
print(
    "More settings narrow it, and do not make it honest: few seeds and blocks tell little of their own spread. With 10"
)
print(f"seeds and 40 blocks one setting's interval holds the truth in {coverage.loc[(40, 1)].iloc[-1]:.0f}%.")
print(f"{words.single_seeds(runs[runs['system'] == ours])} that pages 00b and 05 pool.")

# %%
few, many = wide.iloc[0].round(1), wide.iloc[-1].round(1)
free = [(curve["on validation"] - curve["on test"]).iloc[-1] for curve in curves.values()]
print(
    f"The interval of both is {few['both']} points wide with pairs of seeds: {wide.index[0]}, and {many['both']} with"
)
print(f"{wide.index[-1]}; blocks alone make the latter {many['blocks alone']}, seeds alone {many['seeds alone']}.")
print(f"Rank correlation of validation with test: {judged['rank correlation'].min():.2f} or more; the choice of")
print(f"validation costs up to {judged['cost [%]'].max():.1f}%. With all variants tried, a look at test is worth")
print(f"{max(free):.1f} points at most.")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows. Nulls of one setting share its test segment and are no independent
#   draws: the shares are rough.
# * An interval over blocks of one pair of runs knows nothing of seeds: it asks whether *these* two models differ, and
#   two seeds may well be two different models. Only pairs of several seeds ask about the *method*.
# * With one pair "seeds alone" is zero because there is nothing to draw, not because seeds do not matter: an interval
#   from one seed is narrow by ignorance.
# * Where blocks alone make up most of an interval, more seeds do not help; more time, or more data sets, do.
# * Validation that ranks well is worth more than a look at test, because it can be used again on the next data set.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): validation as a lottery
# Give `chance.best_of` random numbers to choose by, many times, and the test errors of one family to judge by. What
# does the mean curve look like, and which line of the last figure would it be compared with?

# %% tags=["hide-cell"]
random = np.random.default_rng(0)
test = variants.loc[variants["family"] == variants["family"].iloc[0], "test_mse"].to_numpy()
lottery = np.mean([chance.best_of(random.random(len(test)), test) for _ in range(4000)], axis=0)
np.testing.assert_allclose(lottery, test.mean(), rtol=0, atol=5 * test.std() / 4000**0.5)  # five standard errors
print("Flat, at the mean of the family: trying more is worth nothing if what one chooses by is noise. The solid line")
print("falls below zero as far as validation knows of test; the dashed one falls in any case.")

# %% [markdown]
# ### Exercise 2 (thought): a paper's best cell
# A paper tries 16 settings of its method on the test segment, one seed each, reports the best, and beats a baseline
# with one setting by one percent. Name three things to ask for, and what each of them would rule out.
#
# <details><summary>Solution</summary>
#
# The setting that *validation* chooses: it rules out the gain of the dashed line on the solid one. As many trials for
# the baseline: it rules out that the search, not the method, is what won. Other seeds of the chosen setting and of the
# baseline, with an interval over blocks of time: it rules out that the gain is a null of the first figure. A second
# data set on which nothing was searched would do all three at once.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): how much longer?
# An interval's width shrinks with the square root of the number of blocks. From `wide`: how many times as long would
# the test segment have to be for blocks alone to resolve a difference of one percent (a half width of 1)?

# %% tags=["hide-cell"]
half = wide["blocks alone"].iloc[-1] / 2
print(
    f"half width {half:.1f} points: {half**2:.0f} times as long" if half > 1 else f"half width {half:.1f}: long enough"
)
settings = narrowing[whole].dropna(subset="blocks alone")["setting"].nunique()
print(f"Or as many independent settings, pooled; there are {settings} here, and those of one data set share its time.")
