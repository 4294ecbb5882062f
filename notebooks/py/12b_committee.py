# %% [markdown]
# # Whom should a committee listen to?
# The student of page 12 learns from several models at once. Their forecasts are averaged with weights, and whoever sets
# the weights cannot read the test segment. This page tries six ways (`tdlib.committee`) on the same members, on two
# kinds of evidence: validation, and *halves* of training that a member has not seen.
#
# **After this page you can** say why a committee's error is never above the mean of its members', weigh one without
# reading the test segment, and tell when validation is too short to judge.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import contextlib

import pandas as pd
from IPython.display import display

from tdlib import analysis, patient, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

variants = {run: name for entry in profiles.load(profile) for run, name in entry.patient().items()}
runs = rows.read(variants, profile, "patient", store=store, train_missing=train_missing, named="variant")
rows.select(runs, variant="recipe")  # without it there is no page
students = patient.students(runs)
recipe, halves, linear = students.values()

# %% [markdown]
# ## How much does a way of weighing lose?
# The committee's own test MSE, in percent above the best of the six in a setting, means over seeds. *Mean* needs no
# validation; *least squares* (non-negative) and *greedy* fit it closest; *half* is halfway between *mean* and *least
# squares* (and has nothing to do with the halves below); *error* weighs by a power of a member's validation error;
# *held out* tries the five on blocks of validation that were left out of the fit, and keeps the best.
#
# **Predict first:** does the way that fits validation closest err least on test? On which data sets would you expect
# equal weights to be hard to beat, and on which not?

# %%
weighted = patient.weightings(recipe, Store(store))
errors = ["held out", "validation", "test"]
shown = weighted.groupby(["setting", "weighting"], sort=False)[errors].mean()
tables.save(shown.reset_index(), "12b_weightings", f"{results}/tables", digits=4)
above = shown["test"].unstack("weighting", sort=False)
above = 100 * (above.div(above.min(axis=1), axis=0) - 1)
look = {"limits": (0, 5), "colours": "Purples"}
figure = plots.heat_map(above, label="committee's test MSE above the best way [%]", **look)
plots.save(figure, "12b_weightings", figures)

# %% [markdown]
# Means over all settings of how far each way is above the best: on the blocks that were held out, on all of validation,
# and on test.

# %%
relative = weighted[errors] / weighted.groupby(["setting", "seed"])[errors].transform("min")
keys = [weighted["weighting"], weighted["setting"]]  # some settings have more seeds than others
means = 100 * (relative.groupby(keys, sort=False).mean().groupby("weighting", sort=False).mean() - 1)
best = means["test"].drop("held out").idxmin()
print(f"In short, of ways that are the same everywhere {best} errs least on test: {means['test'][best]:.2f}% above the")
print(f"best of each setting; held out, chosen without the test segment, {means['test']['held out']:.2f}%.")
far = 100 * (relative["test"].groupby(keys[::-1], sort=False).mean() - 1).drop("held out", level="weighting")
print(f"The largest of these distances: {far.max():.1f}%, {far.idxmax()[1]} on {far.idxmax()[0]}.")
tables.save(means.add_suffix(" [% above the best]").reset_index(), "12b_weightings_all", f"{results}/tables", digits=2)

# %% [markdown]
# ## Who was listened to?
# The weights that *held out* came to, means over seeds. A fifth each (on Weather, which has four, a quarter) is equal
# weights.

# %%
weights = patient.members(recipe, Store(store))
table = weights.pivot_table(index="setting", columns="member", values="weight", sort=False).rename(columns=str)
tables.save(table.rename_axis(columns=None).reset_index(), "12b_members", f"{results}/tables", digits=2)
figure = plots.heat_map(100 * table, label="weight in the committee [%]", colours="Greens")
plots.save(figure, "12b_members", figures)

# %% [markdown]
# ## What validation cannot tell
# Of ETTh1, validation is four months, the end of June to October 2017. The year of training may say more, but every
# member has seen it. So train each member **twice more, on one half of the training rows each**, and let it forecast
# the other half: then the rows of training, too, say who forecasts well what they have not seen. *Weighed on halves*
# fits the weights to those errors and validation's together.
#
# This was tried because the test errors of the weights from validation had been read on ETTh1 and ETTh2, and were
# poor: there it may flatter. On the other data sets nothing had been looked at; the two are counted apart below.
#
# In the figure a dot is a setting, in percent of the mean of its members: where the order is that of test, dots rise;
# on the line the distances agree, too. `results/tables/12b_unseen.csv` has errors and weights.

# %%
known = patient.members(halves, Store(store))
kinds = ["validation", "halves", "test"]
table = known.groupby(["setting", "member"], sort=False)[[*kinds, "weight"]].mean()
tables.save(table.reset_index(), "12b_unseen", f"{results}/tables")
apart = 100 * (table[kinds] / table.groupby("setting", sort=False)[kinds].transform("mean") - 1)
if len(apart):
    display(plots.save(plots.chance.evidence(apart.reset_index()), "12b_unseen", figures))


# %%
def suggested(datasets: pd.Index) -> pd.Index:
    """Which data sets suggested the halves, of settings that begin with their names."""
    return datasets.map(lambda name: "suggested" if name.startswith(patient.HALVES_FROM) else "not looked at before")


if len(apart):
    ranks = apart.groupby("setting", sort=False)[kinds]
    ranked = ranks.corr(method="spearman")["test"].unstack()[kinds[:2]]
    for where, own in ranked.groupby(suggested(ranked.index)):
        print(f"{where}, {len(own)} settings: mean rank correlation with the order on test", end=": ")
        print("; ".join(f"{kind} {value:.2f}" for kind, value in own.mean().items()))

# %% [markdown]
# The committee's own test MSE, by what its weights were fitted to: in percent above the best of all these in a setting,
# means over the settings and seeds that have both, where the halves were suggested and where nothing was looked at.

# %%
both = pd.concat([weighted, patient.weightings(halves, Store(store))])
keys = ["dataset", "horizon", "seed"]
both = both.groupby(keys).filter(lambda group: group["weighed_on"].nunique() > 1)
above = 100 * (both["test"] / both.groupby(keys)["test"].transform("min") - 1)
ways = [suggested(both["dataset"]).rename("data sets"), both["weighting"], both["weighed_on"]]
by_way = above.groupby(ways, sort=False).mean().unstack()
tables.save(by_way.add_suffix(" [% above the best]").reset_index(), "12b_weighed_on", f"{results}/tables", digits=2)

# %% [markdown]
# And the students that such a committee teaches, the MLP and one linear layer, against the MLP whose committee was
# weighed on validation alone: in percent of its test MSE, negative is better. `results/tables/12b_halves.csv` has each
# setting with its interval.

# %%
changes = {}
for ours in (halves, linear):
    with contextlib.suppress(rows.Missing):
        changes[ours["system"].iloc[0]] = analysis.compare(ours, recipe, Store(store)).drop(columns="lookback")
change = pd.concat(changes, names=["system"]) if changes else pd.DataFrame()
tables.save(change.reset_index(), "12b_halves", f"{results}/tables", digits=2)
for name, lines in changes.items():
    each = lines[lines.index.get_level_values("dataset") != "all"]["difference"]
    for where, own in each.groupby(suggested(each.index.get_level_values("dataset"))):
        print(words.spread(own, f"{name}, {where}, against weighed on validation alone, MSE"))

# %% [markdown]
# Does validation know which of the three students is better? In percent of the MSE of the first;
# `results/tables/12b_students.csv` has each setting.

# %%
entrants = patient.together(list(students.values()))
if len(entrants):
    beside = tables.against(entrants, "system", "patient MLP").drop("patient MLP", level="system")
    tables.save(beside.reset_index(), "12b_students", f"{results}/tables")
    for name, group in beside.groupby(level="system", sort=False):
        for segment in ("validation", "test"):
            print(words.spread(group[f"{segment} [%]"].droplevel("system"), f"{name}, MSE, {segment}"))
        print(f"{name}: the two disagree in {group['disagree'].astype(bool).sum()} of {len(group)}\n")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown; what is missing changes them.
# * One weighting is chosen for each run by blocks of what it is fitted to. Neighbouring blocks share the steps at their
#   edge.
# * Members of halves are trained on half as many rows: what matters is their order, and the rank correlations above say
#   whether it is that of test.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what does disagreement buy?
# For equal weights show that the committee's validation MSE is never above the mean of its members', and print by how
# many percent it is below. Hint: `patient.members` has each member's error. What is the difference, written out?

# %% tags=["hide-cell"]
alone = weights.groupby(keys, sort=False)["validation"].mean()
together = weighted[weighted["weighting"] == "mean"].set_index(keys)["validation"].reindex(alone.index)
assert (together <= alone * (1 + 1e-9)).all()  # the square is convex
bought = (100 * (together / alone - 1)).groupby(keys[:2], sort=False).mean()
print(words.spread(bought, "committee of equal weights against the mean of its members, validation MSE"))
print("The difference is the members' mean squared distance to the committee's forecast.")

# %% [markdown]
# ### Exercise 2 (thought): why not weigh on the training rows?
# There are many more rows of training than of validation. What would least squares do with a member that has learned
# them by heart? And which of the members here could that be?
#
# <details><summary>Solution</summary>
#
# It would give it all the weight: its error there is the least, whatever it forecasts elsewhere. The more freely a
# model can fit, the smaller its error on rows that it has seen, beside that on new ones: the order on seen rows would
# be that of capacity, and among these members that may be the iTransformer's. Halves mend this: each row is judged by a
# copy that has not seen it, at the price that the copy knows less.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): was the choice worth the trouble?
# Equal weights need no validation. Print how the committee weighted by *held out* compares with them: on blocks of
# validation, on all of it, and on test. Why may even the first be above zero, if the choice is the least of all there?

# %% tags=["hide-cell"]
ways = weighted.pivot_table(index=keys, columns="weighting", values=errors, sort=False)
for segment in errors:
    change = 100 * (ways[segment]["held out"] / ways[segment]["mean"] - 1)
    change = change.groupby(keys[:2], sort=False).mean()
    print(words.spread(change, f"chosen by blocks held out, against equal weights, MSE, {segment}"))
print("A block is scored by what the others choose: choosing may overfit too, and here it pays for that.")
