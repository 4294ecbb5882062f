# %% [markdown]
# # Who wins where?
# On average the teachers beat the plain MLP. An average hides how: is the MLP a little worse on every
# window, or better on many and much worse on a few? If it wins somewhere, it knows something its teacher
# does not, and a good distillation should keep that while it learns the rest.
#
# **Win rate**: the share of test windows on which the student's error is strictly smaller than the
# teacher's. **Win keep**: of the windows that the plain MLP wins, the share that the distilled one still wins.

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
from IPython.display import Markdown, display

from tdlib import analysis, profiles, rows
from tdlib.report import plots, tables
from tdlib.store import Store

configs = [config for entry in profiles.load(profile) for config in entry.main()]
runs = rows.read(configs, profile, "main", store=store, train_missing=train_missing)

# %% [markdown]
# ## The plain MLP wins more often than its average says
# Each number is a share of test windows, averaged over the students' seeds; 50 means a draw.

# %%
wins, keeps = analysis.wins(runs, Store(store)), analysis.keeps(runs, Store(store))
tables.save(wins.reset_index(), "02_win_rate", f"{results}/tables", digits=1)

# %%
grid = wins["estimate"].unstack("system", sort=False).rename_axis(columns=None)
grid.index = [f"{data}, {steps}, against {name}" for data, steps, name in grid.index]
grid["distilled MLP"] = grid.drop(columns="MLP").max(axis=1)  # of the one that learned from this teacher
plots.save(plots.heat_map(grid[["MLP", "distilled MLP"]], label="win rate [%]"), "02_win_rate", figures)

# %% [markdown]
# ## How sure is that?
# Two neighbouring windows share all but one of their steps, so the number of windows says little about
# certainty. The intervals come from a bootstrap over blocks of look-back + horizon windows: a test segment
# holds only three or four such blocks, and the intervals are wide. The published figures (one run each,
# Figure 3 of the paper) are the diamonds.

# %%
published = tables.published("../results/published.csv", table="win rate (F3)", model="MLP")
published = published.assign(horizon=published["horizon"].astype(int)).set_index(["dataset", "horizon", "teacher"])
plain = wins.xs("MLP", level="system")
plain = plain.assign(published=published["value"].reindex(plain.index))
shown = plain.set_axis([f"{data}, {steps}, {name}" for data, steps, name in plain.index]).assign(part="plain")
plots.save(plots.intervals(shown, label="win rate of the plain MLP [%]", reference=50), "02_intervals", figures)

# %% [markdown]
# ## Does the distilled student keep what the MLP was good at?
# The null: what a student keeps that never saw the teacher, a baseline or the plain MLP of another seed. What these
# keep, windows that are easy for any student, says nothing about teaching. The figure shows the distilled student and,
# of those without a teacher, the one that keeps most; the table has all of them.

# %%
published = tables.published("../results/published.csv", table="win keep (T5)")
print("published, mean of the 8 data sets, ModernTCN:", published["value"].iloc[0])
tables.save(keeps.reset_index(), "02_win_keep", f"{results}/tables", digits=1)

# %%
taught = keeps.index.get_level_values("system").str.contains(" from ")
best = keeps[~taught]["estimate"].groupby(["dataset", "horizon", "teacher"], sort=False).idxmax()
few = keeps[taught | keeps.index.isin(best)]
parts = runs.assign(part=runs["part"].mask((runs["part"] == "plain") & (runs["model"] != "mlp"), "linear"))
few = few.assign(part=few.index.get_level_values("system").map(dict(zip(parts["system"], parts["part"], strict=True))))
shown = few.set_axis([f"{data}, {steps}, {name}: {system}" for data, steps, name, system in few.index])
plots.save(plots.intervals(shown, label="win keep [%]"), "02_win_keep", figures)

# %% [markdown]
# ## Where along the test segment?
# The error of each student minus its teacher's, window by window, smoothed over one horizon. Below the
# line the student wins.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
against, *students = (Store(store).arrays(id)["errors"] for id in three["id"])
errors = dict(zip(three.index[1:], students, strict=True))
title = f"{dataset}, {horizon} steps, against {teacher}"
figure = plots.differences(errors, against, colours=plots.colours(runs), smooth=horizon, title=title)
plots.save(figure, "02_where", figures)

# %% [markdown]
# ## What we see, from the rows above
# The sentences are made by these cells; they change with the rows.

# %%
plain = wins.xs("MLP", level="system")["estimate"]
own = wins.drop("MLP", level="system")["estimate"].droplevel("system")
more = (own > plain.reindex(own.index)).sum()
said = [
    f"* The plain MLP wins {plain.min():.0f} to {plain.max():.0f}% of the windows, by setting and teacher.",
    f"* The distilled one wins more often than the plain one in {more} of {len(own)} settings, "
    f"and more than half of the windows in {(own > 50).sum()}.",
]
display(Markdown("\n".join(said)))

# %%
null = keeps[~taught]["estimate"].groupby(["dataset", "horizon", "teacher"]).max()
kept = keeps[taught]["estimate"].droplevel("system")
above = (kept > null.reindex(kept.index)).sum()
said = [
    f"* It keeps {kept.min():.0f} to {kept.max():.0f}% of the plain MLP's wins. The best of those that never "
    f"saw the teacher keeps {null.min():.0f} to {null.max():.0f}%; the distilled one keeps more than that "
    f"in {above} of {len(kept)} settings."
]
display(Markdown("\n".join(said)))

# %% [markdown]
# ## What we see
# * A student that loses on average may still win many windows: it is good at other windows. The intervals are wide,
#   since a test segment holds few independent blocks.
# * A share of wins kept is no evidence of teaching by itself. It is to be read against the null beside it: windows
#   that are easy for every student are kept by every student.
# * Wins and losses come in stretches, as the last figure shows, and not as noise from one window to the next. That is
#   why blocks, not windows, are drawn for the intervals.
