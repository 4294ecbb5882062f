# %% [markdown]
# # Beyond the paper: which student is worth taking away?
# The paper's student is no better than one linear layer (page 00b). Here the same MLP learns from a **committee**, with
# patience: mixup of windows, a rate that falls slowly, and the moving average of its weights (`tdlib.patient`; after
# Beyer et al., CVPR 2022). The truth is no part of its loss. How the committee is weighted is page 12b.
#
# There are three such students: the MLP; the same whose committee was weighed *on halves* of training, too; and one
# linear layer from that committee. Who is in the committee, and how it is weighted, was chosen on validation (on
# Weather its Transformer is left out for what an epoch costs). Rate, average and mixup are those of a first trial at
# 96 steps of ETTh1 and ETTh2 whose test errors had been read: in these two settings they may flatter.
#
# **After this page you can** say whom a student of a committee beats and whom not, name the piece of its recipe that
# does the work, and tell a gain over one's teachers from a gain over the field.
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

from tdlib import analysis, models, patient, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

variants = {run: name for entry in profiles.load(profile) for run, name in entry.patient().items()}
runs = rows.read(variants, profile, "patient", store=store, train_missing=train_missing)
runs["variant"] = runs["id"].map({run.id: name for run, name in variants.items()})

# %%
rows.select(runs, variant="recipe")  # without it there is no page
students = {name: runs[runs["variant"] == variant].assign(system=name) for variant, name in patient.EVERYWHERE.items()}
recipe = students["patient MLP"]

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
entrants = patient.together(list(students.values()))
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

# %%
whole = pooled.xs(everywhere, level="system")
sides = {"ahead of": whole["high"] < 0, "level with": whole["low"] * whole["high"] <= 0, "behind": whole["low"] > 0}
for side, which in sides.items():
    print(f"In short, over all its settings the patient MLP is {side}: {', '.join(whole.index[which]) or 'none'}.")

# %% [markdown]
# Setting by setting, for the MLP; `results/tables/12_against.csv` has the others, and their intervals.

# %%
tables.save(compared.drop(columns="lookback"), "12_against", f"{results}/tables", digits=2)
tables.grid(against, "difference", ["dataset", "horizon"], "against", digits=1)

# %% [markdown]
# ## Does validation know the better of the three?
# In percent of the first one's MSE; `results/tables/12_students.csv` has each setting.

# %%
if len(entrants):
    beside = words.on_both(entrants, "system", "patient MLP").drop("patient MLP", level="system")
    tables.save(beside.reset_index(), "12_students", f"{results}/tables", digits=2)
    for name, group in beside.groupby(level="system", sort=False):
        for segment in ("validation", "test"):
            print(words.spread(group[f"{segment} [%]"].droplevel("system"), f"{name}, MSE, {segment}"))
        print(f"{name}: the two disagree in {group['disagree'].astype(bool).sum()} of {len(group)}\n")

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
    better = near[near[name] < error].drop_duplicates("system")
    better = "; ".join(f"{other} {value:.4f}" for other, value in zip(better["system"], better[name], strict=True))
    print(f"{name}: {system} {error:.4f}; better: {better or 'none'}")
if ours.empty:
    print("No data set has all four horizons of the patient student in the store.")

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

# %% [markdown]
# Means over seeds: how much worse than the full recipe in percent, and whether validation agrees on which is better.
# `results/tables/12_pieces.csv` has the errors.

# %%
named = pieces.assign(variant=pieces["variant"].replace("recipe", "full")).rename(columns=tables.METRICS)
tables.save(tables.relative_to_full(named).reset_index(), "12_pieces", f"{results}/tables")
both = words.on_both(pieces, "variant", "recipe")
tables.save(both.reset_index(), "12_validation", f"{results}/tables")

# %%
print(words.looked_at(pd.concat([runs, main])))
for name, group in against[against["dataset"] != "all"].groupby("against", sort=False):
    changes = group.set_index(["dataset", "horizon"])["difference"]
    print(words.spread(changes, f"patient MLP against {name}, MSE"))
tried = both["test [%]"].drop("recipe", level="variant").groupby(level=["dataset", "horizon"], sort=False)
print("settings with variants of the recipe:", len(tried))
for (place, steps), group in tried:
    print(words.spread(group.droplevel([0, 1]), f"{place} {steps}, variants against the recipe"))

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown; what is missing changes them.
# * A student that is level with one member of its committee is no better forecaster than that member: what it gives is
#   that nobody has to know beforehand which member that is.
# * The committee on Weather has linear models alone: an epoch of its iTransformer, of width 512, takes minutes.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (thought): better than those it learned from?
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
# ### Exercise 2 (code): the best member, if one knew it
# In how many settings is the patient MLP ahead of *every* member of its committee? Print for each setting how far it is
# from the member that is best on test there, which nobody knows beforehand.

# %% tags=["hide-cell"]
single = against[(against["dataset"] != "all") & against["against"].isin([models.title(name) for name in taught])]
nearest = single.groupby(["dataset", "horizon"], sort=False)["difference"].max()  # the best has the least to lose
print(words.spread(nearest, "patient MLP against the best member on test, MSE"))
print(f"ahead of every member in {(nearest < 0).sum()} of {len(nearest)} settings")

# %% [markdown]
# ### Exercise 3 (code): is a piece worth more than a seed?
# For each setting of the pieces print by how much mixup and the average of weights lower the test MSE, and how many
# deviations over the recipe's seeds that is. With how few seeds does such a ratio mean little?

# %% tags=["hide-cell"]
for setting, group in pieces.groupby("setting", sort=False):
    mse = group.groupby("variant")["test_mse"]
    for name in ("w/o mixup", "w/o average of weights"):
        if name in mse.groups:
            change, spread = mse.mean()[name] - mse.mean()["recipe"], mse.std()["recipe"]
            print(
                f"{setting}, {name}: {change:+.4f}, {change / spread:+.1f} deviations of {mse.size()['recipe']} seeds"
            )
print("A deviation from two or three values is itself uncertain by a factor of two and more.")
