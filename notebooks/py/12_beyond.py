# %% [markdown]
# # Beyond the paper: which student is worth taking away?
# The paper's student is no better than one linear layer (page 00b). Here the same MLP learns from a **committee**, with
# patience: mixup of windows, a rate that falls slowly, and the moving average of its weights (`tdlib.patient`; after
# Beyer et al., CVPR 2022). The truth is no part of its loss.
#
# Who is in the committee, and how it is weighted, was chosen on validation (on Weather its Transformer is left out for
# what an epoch costs). Rate, average and mixup are those of a
# first trial at 96 steps of ETTh1 and ETTh2 whose test errors had been read: in these two settings they may flatter.
#
# **After this page you can** say why a committee's error is never above the mean of its members', weigh one without
# reading the test segment, and tell a gain over one's teachers from a gain over the field.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import contextlib
import itertools

import pandas as pd
from IPython.display import Markdown, display

from tdlib import analysis, models, patient, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

variants = {run: name for entry in profiles.load(profile) for run, name in entry.patient().items()}
runs = rows.read(variants, profile, "patient", store=store, train_missing=train_missing)
runs["variant"] = runs["id"].map({run.id: name for run, name in variants.items()})

# %%
rows.select(runs, variant="recipe")  # without it there is no page
students = {name: runs[runs["variant"] == variant].assign(system=name) for variant, name in patient.EVERYWHERE.items()}
recipe, halves, linear = students.values()


def suggested(datasets: pd.Index) -> pd.Index:
    """Which data sets suggested the halves, of settings that begin with their names."""
    return datasets.map(lambda name: "suggested" if name.startswith(patient.HALVES_FROM) else "not looked at before")


# %% [markdown]
# ## Whom to listen to
# Several ways of weighing the same members (`tdlib.committee`). *Held out* tries each of them on blocks of validation
# that were left out of the fit, and keeps the best. The committee's own test MSE, means over seeds, the least of
# a line in bold; then, over all settings, how far each is above the best on those blocks, on all of validation, and on
# test. `results/tables/12_weightings.csv` has all three for every setting.

# %%
weighted = patient.weightings(recipe, Store(store))
errors = ["held out", "validation", "test"]
shown = weighted.groupby(["setting", "weighting"], sort=False)[errors].mean()
tables.save(shown.reset_index(), "12_weightings", f"{results}/tables", digits=4)
Markdown(tables.marked(shown["test"].unstack("weighting", sort=False), digits=4))

# %%
relative = weighted[errors] / weighted.groupby(["setting", "seed"])[errors].transform("min")
means = 100 * (relative.groupby(weighted["weighting"], sort=False).mean() - 1)
tables.save(means.add_suffix(" [% above the best]").reset_index(), "12_weightings_all", f"{results}/tables", digits=2)

# %% [markdown]
# Who was listened to: mean weights.

# %%
weights = patient.members(recipe, Store(store))
table = weights.pivot_table(index="setting", columns="member", values="weight", sort=False).rename(columns=str)
tables.save(table.rename_axis(columns=None).reset_index(), "12_members", f"{results}/tables", digits=2)

# %% [markdown]
# ## What validation cannot tell
# Validation is four months of ETTh1, July to October 2017. The year of training may say more, but every member has seen
# it. So train each member **twice more, on one half of the training rows each**, and let it forecast the other half:
# then the rows of training, too, say who forecasts well what they have not seen. *Weighed on halves* fits the weights
# to those errors and validation's together.
#
# This was tried because the test errors of the weights from validation had been read on ETTh1 and ETTh2, and were
# poor: there it may flatter. On the other data sets nothing had been looked at; the two are counted apart below.
#
# The weight of each member, means over seeds; their MSE is in `results/tables/12_unseen.csv`. In the figure a dot is a
# setting, in percent of the mean of its members: where the order is that of test, dots rise; on the line the distances
# agree, too.

# %%
known = patient.members(halves, Store(store))
kinds = ["validation", "halves", "test"]
table = known.groupby(["setting", "member"], sort=False)[[*kinds, "weight"]].mean()
tables.save(table.reset_index(), "12_unseen", f"{results}/tables")
display(tables.grid(known, "weight", "setting", "member", digits=2))
apart = 100 * (table[kinds] / table.groupby("setting", sort=False)[kinds].transform("mean") - 1)
if len(apart):
    display(plots.save(plots.chance.evidence(apart.reset_index()), "12_unseen", figures))
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
tables.save(by_way.add_suffix(" [% above the best]").reset_index(), "12_weighed_on", f"{results}/tables", digits=2)

# %% [markdown]
# And the students that such a committee teaches, the MLP and one linear layer, against the MLP whose committee was
# weighed on validation alone: in percent of its test MSE, negative is better.

# %%
changes = {}
for ours in (halves, linear):
    with contextlib.suppress(rows.Missing):
        change = analysis.compare(ours, recipe, Store(store)).drop(columns="lookback")
        changes[ours["system"].iloc[0]] = change
        each = change[change.index.get_level_values("dataset") != "all"]["difference"]
        for where, own in each.groupby(suggested(each.index.get_level_values("dataset"))):
            print(words.spread(own, f"{ours['system'].iloc[0]}, {where}, against weighed on validation alone, MSE"))
change = pd.concat(changes, names=["system"]) if changes else pd.DataFrame()
tables.save(change.reset_index(), "12_halves", f"{results}/tables", digits=2)

# %% [markdown]
# Does validation, which is to choose, know the better student? In percent of the first one's MSE; a cross where
# validation and test disagree.

# %%
entrants = patient.together(list(students.values()))
if len(entrants):
    beside = words.on_both(entrants, "system", "patient MLP").drop("patient MLP", level="system")
    for name, group in beside.groupby(level="system", sort=False):
        for segment in ("validation", "test"):
            print(words.spread(group[f"{segment} [%]"].droplevel("system"), f"{name}, MSE, {segment}"))
    display(tables.save(beside.reset_index(), "12_students", f"{results}/tables", digits=2))

# %% [markdown]
# ## Which piece does the work?
# The recipe with one piece removed or another in its place. A dot a seed.

# %%
few = runs.groupby("setting").filter(lambda group: group["variant"].nunique() > len(patient.EVERYWHERE))
pieces = few if len(few) else runs
order = pieces["variant"].map(list(patient.PIECES).index)
pieces = pieces.assign(order=order).sort_values(["dataset", "order", "seed"])
untaught = {"no teacher": plots.COLOURS["plain"], "no teacher, with weight decay": plots.COLOURS["decayed"]}
figure = plots.points(pieces, x="test_mse", y="variant", label="test MSE", colours=untaught)
plots.save(figure, "12_pieces", figures)

# %%
named = pieces.assign(variant=pieces["variant"].replace("recipe", "full")).rename(columns=tables.METRICS)
tables.save(tables.relative_to_full(named).reset_index(), "12_pieces", f"{results}/tables")

# %% [markdown]
# Validation beside test, in percent of the recipe; a cross where the two disagree on which is better.

# %%
both = words.on_both(pieces, "variant", "recipe")
tables.save(both.reset_index(), "12_validation", f"{results}/tables")

# %% [markdown]
# ## Against its own teachers, the plain MLP and the published recipe
# In percent of the opponent's MSE; negative is better. 95% intervals over seeds and blocks of time, as on page 05.

# %%
places = {(run.dataset, run.horizon) for run in variants}
others = [run for entry in profiles.load(profile) for run in entry.runs("main")]
others = [run for run in others if (run.dataset, run.horizon) in places]
main = rows.read(others, profile, "main", store=store, train_missing=train_missing)
taught = {run.model for entry in variants for run in entry.teacher_configs.values()}
opponents = {models.title(name): main[main["model"] == name] for name in sorted(taught)}
published = main[(main["model"] == "mlp") & (main["part"] != "decayed")]
opponents |= dict(list(main[main["part"] == "decayed"].groupby("system")))
opponents |= {f"{name} (published recipe)": group for name, group in published.groupby("system")}

# %%
validated = analysis.best(entrants).assign(system="validation's choice")
systems = dict(list(pd.concat([entrants, validated]).groupby("system", sort=False)))
everywhere = "patient MLP, all settings"
systems[everywhere] = recipe
found = {}
for (system, ours), (name, theirs) in itertools.product(systems.items(), opponents.items()):
    with contextlib.suppress(rows.Missing):
        found[system, name] = analysis.compare(ours, theirs, Store(store))
for system, ours in systems.items():
    with contextlib.suppress(rows.Missing):
        found[system, "its committee"] = analysis.against_committee(ours, Store(store))
compared = pd.concat(found, names=["system", "against"]).reset_index()
against = compared[compared["system"] == everywhere].drop(columns="system")

# %% [markdown]
# Means over the settings that all three students and the opponent have. Beside them the MLP in all of its settings,
# also where the other two are still to be trained: the table below the figure counts both.
# *Validation's choice* is in each setting the one of the three with the least validation error: what a reader who
# cannot look at the test segment would take away. (It was added after the three students' test errors had been read.)
#
# **Predict first:** whom will the student beat most clearly: the members of its committee, the plain MLP, or the MLP of
# the published recipe? Is there a member that it does not beat? And the committee itself, all members together?

# %%
sides = ["against", "system"]
pooled = compared[compared["dataset"] == "all"].rename(columns={"difference": "estimate"}).set_index(sides)
pooled = pooled[["estimate", "low", "high"]].sort_index(kind="stable")
figure = plots.several_intervals(pooled, label="MSE against the opponent, mean over settings [%]", reference=0)
plots.save(figure, "12_against", figures)

# %%
short = pooled.apply(lambda found: words.interval(*found), axis=1)
short = short.unstack().rename(columns=str).rename_axis(columns=None)[list(systems)]
counted = compared.groupby(sides).size().unstack() - 1  # without the line "all"
short.insert(len(short.columns) - 1, "settings", counted.get("patient MLP"))
short["its settings"] = counted[everywhere]
tables.save(short.reset_index(), "12_all", f"{results}/tables", digits=1)

# %% [markdown]
# Setting by setting, for the MLP; `results/tables/12_against.csv` has the others, and their intervals.

# %%
tables.save(compared.drop(columns="lookback"), "12_against", f"{results}/tables", digits=2)
tables.grid(against, "difference", ["dataset", "horizon"], "against", digits=1)

# %% [markdown]
# ## The field
# Means over the four horizons, where all four are in the store, beside the published systems with less than a
# hundredth more.

# %%
field = tables.peers(pd.concat([*students.values(), validated, main]), "../results/published.csv")
ours = field.sort_values("system", ascending=False).set_index("system").select_dtypes("number")
ours = ours[ours.index.isin(["validation's choice", "patient MLP"])].dropna(axis=1, how="all")
for name in ours:
    system, error = next(ours[name].dropna().items())  # the choice, or the MLP where it is the only one
    near = field[field[name] <= error + 0.01].sort_values(name)[["system", "lookback", "source", name]]
    tables.save(near.reset_index(drop=True), f"12_field_{name}", f"{results}/tables", digits=4)
    better = "; ".join(near[near[name] < error]["system"].unique()) or "none"
    print(f"{name}: {system} {error:.4f}; better: {better}")
if ours.empty:
    print("No data set has all four horizons of the patient student in the store.")

# %%
print(words.looked_at(pd.concat([runs, main])))
for name, group in against[against["dataset"] != "all"].groupby("against", sort=False):
    changes = group.set_index(["dataset", "horizon"])["difference"]
    print(words.spread(changes, f"patient MLP against {name}, MSE"))
tried = both["test [%]"].drop("recipe", level="variant").groupby(level=["dataset", "horizon"], sort=False)
print("settings with variants of the recipe:", len(tried))
for (place, steps), group in tried:
    print(words.spread(group.droplevel([0, 1]), f"{place} {steps}, variants against the recipe"))

# %%
best = means["test"].drop("held out").idxmin()
print(f"Of weightings that are the same everywhere {best} errs least on test: {means['test'][best]:.2f}% above")
print(f"the best of each setting; held out, chosen without the test segment, {means['test']['held out']:.2f}%.")
whole = pooled.xs(everywhere, level="system")
sides = {"ahead of": whole["high"] < 0, "level with": whole["low"] * whole["high"] <= 0, "behind": whole["low"] > 0}
for side, which in sides.items():
    print(f"In short, over all its settings the patient MLP is {side}: {', '.join(whole.index[which]) or 'none'}.")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown; what is missing changes them.
# * One weighting is chosen for each run by blocks of what it is fitted to. Neighbouring blocks share the steps at their
#   edge.
# * Members of halves are trained on half a year where ETTh has one: models with many weights look worse there than they
#   are. Their order is what counts, and the rank correlations above say whether it is that of test.
# * The committee on Weather has linear models alone: an epoch of its iTransformer, of width 512, takes minutes.

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
# ### Exercise 2 (thought): better than those it learned from?
# The truth is no part of the student's loss: the smallest loss is the committee's own forecast. How can its test MSE
# be below the committee's nevertheless, and when not? Write the student's error as the committee's and a rest.
#
# <details><summary>Solution</summary>
#
# With committee $c$ and student $s$ of the truth $y$: $(s - y)^2 = (c - y)^2 + (s - c)^2 + 2 (s - c)(c - y)$. The
# middle part costs. The last one pays where the student leaves the committee towards the truth: on average it must be
# negative by more than the middle one. That may happen where the student is smoother than its committee and drops what
# the members learned by heart, and cannot where it only fails to follow. "Patient MLP against its committee" above
# says in how many settings it happened.
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
