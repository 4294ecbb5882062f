# %% [markdown]
# # Who wins where?
# Is the teacher better than the plain MLP? A mean answers yes or no and hides how: is the MLP a little worse on every
# window, or better on many and much worse on a few? The paper's thought: where it wins, it may know something that its
# teacher does not, and a good distillation should keep that while it learns the rest. (Two seeds of one MLP win
# windows from each other, too: exercise 3.)
#
# **Win rate**: the share of test windows on which the student's error is strictly smaller than the
# teacher's. **Win keep**: of the windows that the plain MLP wins, the share that the distilled one still wins.
#
# **After this page you can** say how a win rate and a mean error can disagree, and how often they do here; read a share
# of windows with an interval that respects their overlap; and set "it keeps its wins" against what any student would
# keep.

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
from IPython.display import Markdown, display

from tdlib import analysis, profiles, rows, study
from tdlib.report import plots, tables, words
from tdlib.store import Store

configs = [config for entry in profiles.load(profile) for config in entry.runs("main")]
runs = rows.read(configs, profile, "main", store=store, train_missing=train_missing)

# %% [markdown]
# ## On average, and window by window
# Each number below is a share of test windows, averaged over the students' seeds; 50 means a draw. Intervals are in
# `results/tables/02_win_rate.csv`, with the `seeds`, which the plain and the distilled MLP need not share. PatchTST,
# the third teacher of the paper's figure, is among the teachers of page 07:
# its rows stand here, too, where they are.

# %%
wanted = [
    run for entry in profiles.load(profile) for name, run in entry.versatility()["teachers"] if name == "patchtst"
]
third = study.ensure(wanted, store=store, train_missing=train_missing)
everyone = rows.with_systems(pd.concat([runs, third]).drop_duplicates("id")) if len(third) else runs
everyone.attrs = runs.attrs
wins, keeps = analysis.wins(everyone, Store(store)), analysis.keeps(everyone, Store(store))
table = tables.save(wins.reset_index(), "02_win_rate", f"{results}/tables", digits=1)

# %% [markdown]
# In rows with a star the teacher's mean error is smaller than the plain MLP's; a hatched cell has no rows yet.
#
# **Predict first:** on what share of the windows does the plain MLP win where its mean error is the larger one? And by
# how many points does distillation move that share?

# %%
grid = wins["estimate"].unstack("system", sort=False).rename_axis(columns=None)
means = everyone.groupby(["dataset", "horizon", "system"])["test_mse"].mean()
ahead = pd.Series([means[place] < means.get((*place[:2], "MLP"), np.nan) for place in grid.index], index=grid.index)
stars = np.where(ahead, "* ", "")
grid.index = [
    f"{star}{data}, {steps}, against {name}" for star, (data, steps, name) in zip(stars, ahead.index, strict=True)
]
grid["distilled MLP"] = grid.drop(columns="MLP").max(axis=1)  # of the one that learned from this teacher
plots.save(plots.heat_map(grid[["MLP", "distilled MLP"]], label="win rate [%]"), "02_win_rate", figures)

# %% [markdown]
# ## How sure is that?
# Two neighbouring windows share all but one of their steps, so the number of windows says little about
# certainty. The intervals come from a bootstrap over blocks of look-back + horizon windows: a test segment
# of hourly data holds fewer than four such blocks, and the intervals are wide. The published figures (one run each,
# Figure 3 of the paper) are the crosses. Where a segment holds fewer than two blocks there is no bar.

# %%
published = tables.published("../results/published.csv", table="win rate (F3)", model="MLP")
published = published.assign(horizon=published["horizon"].astype(int)).set_index(["dataset", "horizon", "teacher"])
plain_rates = wins.xs("MLP", level="system")
plain_rates = plain_rates.assign(published=published["value"].reindex(plain_rates.index))
shown = plain_rates.set_axis([f"{data}, {steps}, {name}" for data, steps, name in plain_rates.index])
shown = shown.assign(part="plain")
plots.save(plots.intervals(shown, label="win rate of the plain MLP [%]", reference=50), "02_intervals", figures)

# %% [markdown]
# ## Does the distilled student keep what the MLP was good at?
# The null: what a student keeps that never saw the teacher, a baseline, the plain MLP of another seed, or the plain MLP
# with weight decay (*decay 1*: a weight decay of 1, nothing else changed). What these keep are windows that are easy
# for any student: it says nothing about teaching. Each is a mean over the pairs that it has, and some nulls have fewer
# seeds; the claims of page 00b pair them. The figure shows the distilled student and, of those without a teacher, the
# one that keeps most; `results/tables/02_win_keep.csv` has all of them.

# %%
published = tables.published("../results/published.csv", table="win keep (T5)")
print("published, mean of the 8 data sets, ModernTCN:", published["value"].iloc[0])
tables.save(keeps.reset_index(), "02_win_keep", f"{results}/tables", digits=1)
taught = keeps.index.get_level_values("system").str.contains(" from ")
best = keeps[~taught]["estimate"].groupby(["dataset", "horizon", "teacher"], sort=False).idxmax()
few = {"distilled": keeps[taught], "best without a teacher": keeps[keeps.index.isin(best)]}
pairs = pd.concat({kind: lines.droplevel("system") for kind, lines in few.items()}, names=["kind"]).reset_index()
where = pairs["dataset"] + ", " + pairs["horizon"].astype(str) + ", " + pairs["teacher"]
shown = pairs.set_index([where.rename("setting"), "kind"])
shades = dict(zip(few, (plots.COLOURS["distilled"], plots.COLOURS["linear"]), strict=True))
figure = plots.several_intervals(shown, label="win keep [%]", reference=100, colours=shades)
plots.save(figure, "02_win_keep", figures)

# %% [markdown]
# ## Where along the test segment?
# The error of each student minus its teacher's, window by window, smoothed over one horizon. Below the
# line the student wins.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
against, *students = (Store(store).arrays(id)["errors"] for id in three["id"])
errors = dict(zip(three.index[1:], students, strict=True))
title = f"{dataset}, {horizon} steps, against {three.index[0]}"
figure = plots.differences(errors, against, colours=plots.colours(runs), smooth=horizon, title=title)
plots.save(figure, "02_where", figures)

# %% [markdown]
# A smoothed line has stretches in any case. Without smoothing: how often do two neighbouring windows have the same
# winner?

# %%
for name, error in errors.items():
    won = error < against
    same, rate = 100 * (won[1:] == won[:-1]).mean(), won.mean()
    print(f"{name}: in {same:.0f}% of the cases; of independent windows in {100 * (rate**2 + (1 - rate) ** 2):.0f}%")

# %% [markdown]
# ## What we see, from the rows above
# The sentences are made by these cells; they change with the rows.

# %%
plain = wins.xs("MLP", level="system")["estimate"]
ahead = ahead[plain.index]
split = (plain[ahead] > 50).sum(), (plain[~ahead] < 50).sum()
said = [
    f"* On average the teacher beats the plain MLP in {ahead.sum()} of {len(ahead)} settings and teachers. In "
    f"{split[0]} of these the plain MLP wins more than half of the windows all the same. In the other "
    f"{(~ahead).sum()} it is better on average, and in {split[1]} of them wins fewer than half. Mean and win rate can "
    f"disagree (exercise 2); here they do in {sum(split)} of {len(ahead)}."
]
display(Markdown("\n".join(said)))

# %%
own = wins.drop("MLP", level="system")["estimate"].droplevel("system")
more = (own > plain.reindex(own.index)).sum()
said = [
    f"* The plain MLP wins {plain.min():.0f} to {plain.max():.0f}% of the windows, by setting and teacher.",
    f"* The distilled one wins more often than the plain one in {more} of {len(own)} settings and "
    "teachers, "
    f"and more than half of the windows in {(own > 50).sum()}.",
]
display(Markdown("\n".join(said)))

# %%
print(words.looked_at(everyone))
known = plain_rates.dropna(subset=["published", "low"])
outside = (known["published"] < known["low"]) | (known["published"] > known["high"])
display(Markdown(f"* Of {len(known)} published win rates {outside.sum()} lie outside our 95% interval."))

# %%
null = keeps[~taught]["estimate"].groupby(["dataset", "horizon", "teacher"]).max()
kept = keeps[taught]["estimate"].droplevel("system")
above = (kept > null.reindex(kept.index)).sum()
said = [
    f"* It keeps {kept.min():.0f} to {kept.max():.0f}% of the plain MLP's wins. The best of those that never "
    f"saw the teacher keeps {null.min():.0f} to {null.max():.0f}%; the distilled one keeps more than that "
    f"in {above} of {len(kept)} settings and teachers."
]
display(Markdown("\n".join(said)))

# %% [markdown]
# ## What we see
# * A win rate says how often, not by how much. It can name another winner than the mean does (exercise 2); how often it
#   does in these rows is counted above.
# * A share of wins kept is no evidence of teaching by itself. It is to be read against the null beside it: windows
#   that are easy for every student are kept by every student.
# * Neighbouring windows share their steps and mostly their winner, as the lines below the last figure count. That is
#   why blocks, not windows, are drawn for the intervals.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): win rate and win keep by hand
# Compute both for the three runs of the last figure, in a line of numpy each, and check them against
# `analysis.win_rate` and `analysis.win_keep`. Which windows does a *strict* comparison count for nobody?

# %% tags=["hide-cell"]
mlp, distilled = students
rate = 100 * (mlp < against).mean()
keep = 100 * (distilled < against)[mlp < against].mean() if rate else float("nan")
np.testing.assert_allclose(rate, analysis.win_rate(mlp, against))
np.testing.assert_allclose(keep, analysis.win_keep(mlp, distilled, against))
print(f"win rate {rate:.1f}%, win keep {keep:.1f}%; ties, for nobody: {analysis.tie_rate(mlp, against):.1f}%")

# %% [markdown]
# ### Exercise 2 (thought): wins most, errs more
# Give errors of five windows for a student that wins four of them and has twice its teacher's mean error. What kind of
# student would that be, and what does the win rate hide of it?
#
# <details><summary>Solution</summary>
#
# A student that is slightly better on quiet windows and far off on a loud one, such as a level that jumps within the
# look-back. The win rate counts a hair's breadth and a disaster alike; the mean counts little but the disaster. Neither
# is the truth: give both. An example:
#
# </details>

# %% tags=["hide-cell"]
student, teacher_errors = np.array([0.9, 0.9, 0.9, 0.9, 6.4]), np.ones(5)
assert analysis.win_rate(student, teacher_errors) == 80
np.testing.assert_allclose(student.mean(), 2 * teacher_errors.mean())
print(f"wins 80% of the windows, mean error {student.mean():.1f} against {teacher_errors.mean():.1f}")

# %% [markdown]
# ### Exercise 3 (code): how far from 50 is chance?
# The same plain MLP, another seed: neither is the better model. How far from 50% is the win rate of one against the
# other, by setting? Compare with what distillation moves in the heat map.

# %% tags=["hide-cell"]
mlps = runs[(runs["model"] == "mlp") & (runs["part"] == "plain")]
for setting, ids in mlps.groupby("setting", sort=False)["id"]:
    errors = [Store(store).arrays(id)["errors"] for id in ids]
    rates = [analysis.win_rate(a, b) for place, a in enumerate(errors) for b in errors[:place]]
    told = ", ".join(f"{rate:.0f}" for rate in rates) or "needs two seeds"
    print(f"{setting}: win rates of a seed against an earlier one [%]: {told}")
moved = (own - plain.reindex(own.index)).dropna()
print(f"distillation moves the win rate by {moved.min():+.0f} to {moved.max():+.0f} points in these rows")
