# %% [markdown]
# # What is a teacher worth, and what is the MLP for?
# Page 12 has a student that is ahead of most of its teachers, and about level with all of them together. Which of its
# parts would you miss? Here the recipe stays as it is but
# for one thing: how much of the future the teacher sees, which steps count, how wide the student is, what it is made
# of. And the other way round, with the published loss: what if the teacher is no teacher at all, but merely smooth?
#
# **After this page you can** say why a teacher that knows the answer is no better teacher, tell what the teacher gives
# from what the width does, and name the opponent that a claim about an MLP has to beat.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import itertools

import pandas as pd
import torch

from tdlib import losses, profiles, rows
from tdlib.report import plots, tables, words

studies = profiles.load(profile)
wanted = {}
for study in studies:
    for question, entries in study.controls().items():
        wanted.setdefault(question, []).extend(entries)
configs = [run for entries in wanted.values() for _, run in entries]
runs = rows.read(configs, profile, "controls", store=store, train_missing=train_missing)


# %%
def of(*questions: str) -> pd.DataFrame:
    """The runs of some questions, each with its `name` and `question`, where there is something to compare."""
    parts = [tables.named(wanted[each], runs).assign(question=each) for each in questions]
    found = pd.concat(parts).sort_values(["dataset", "horizon"], kind="stable")
    several = found.groupby("setting").filter(lambda group: len(group[["question", "name"]].drop_duplicates()) > 1)
    return several if len(several) else found


def judged(found: pd.DataFrame, reference: str) -> pd.DataFrame:
    """`words.on_both`, and the deviation of the test MSE over seeds, of how many."""
    errors = found.groupby(["dataset", "horizon", "name"], sort=False)["test_mse"]
    spread = pd.DataFrame({"deviation [%]": 100 * errors.std() / errors.mean(), "seeds": errors.size()})
    return words.on_both(found, "name", reference).join(spread)


# %% [markdown]
# ## A teacher that sees the future
# Teachers that are shown what is to come in training (as in TimeKD, ICDE 2025) make smaller errors. Ours is spared a
# share of its error in every training window: at 100% it is the truth. No teacher can be better.
#
# **Predict first:** from which share on will the student be at its best: 0, 50 or 100%?

# %%
seeing = of("foresight")
shares = seeing.assign(spared="spared " + seeing["name"])
plots.save(plots.points(shares, x="test_mse", y="spared", label="test MSE"), "17_foresight", figures)

# %%
both = judged(seeing, seeing["name"].iloc[0])
tables.save(both.reset_index(), "17_foresight", f"{results}/tables", digits=2)

# %% [markdown]
# ## Which steps should count?
# A forecast's end is harder than its beginning. DistilTS (arXiv 2601.12785) weighs steps by an exponential: a positive
# tilt asks for more at the end. In percent of tilt 0.

# %%
steps = of("steps")
tilted = judged(steps, "tilt 0")
tables.save(tilted.reset_index(), "17_steps", f"{results}/tables", digits=2)

# %% [markdown]
# ## How wide must the student be?
# The same training with the committee and without it, mixup and average included.

# %%
wide = of("widths", "widths, no teacher")
wide = wide.assign(
    width=wide["name"].astype(int),
    system=wide["question"].replace({"widths": "MLP from a committee", "widths, no teacher": "MLP"}),
)
shades = {"MLP from a committee": plots.COLOURS["distilled"], "MLP": plots.COLOURS["plain"]}
curves = wide.rename(columns=tables.METRICS)
figure = plots.curves(curves, x="width", label="hidden units", colours=shades, log=True)
plots.save(figure, "17_widths", figures)

# %%
table = wide.pivot_table(index=["dataset", "horizon", "width"], columns="system", values="test_mse")
table = table.reindex(columns=list(shades))
table["gain [%]"] = 100 * (table["MLP from a committee"] / table["MLP"] - 1)
tables.save(table.reset_index(), "17_widths", f"{results}/tables")

# %% [markdown]
# The gain of a width is its distance, on validation, to the best student without a teacher. The narrowest student that
# keeps 99% of the largest gain, and the widest that was tried:

# %%
keys = ["dataset", "horizon"]
errors = wide.groupby(["system", *keys, "width"])[["parameters", "test_mse", "val_mse"]].mean()
taught = errors[errors.index.get_level_values("system") == "MLP from a committee"].droplevel("system")
bare = errors["val_mse"][errors.index.get_level_values("system") == "MLP"].groupby(level=keys).min()
taught = taught.assign(gain=bare.reindex(taught.index.droplevel("width")).to_numpy() - taught["val_mse"]).dropna()
taught = taught[taught.groupby(level=keys)["gain"].transform("size") > 1]  # one width says nothing about widths
most = taught["gain"].groupby(level=keys).transform("max")
keeps = taught[(most > 0) & (taught["gain"] >= 0.99 * most)].groupby(level=keys).head(1)
both_ends = pd.concat({"keeps 99%": keeps, "widest": taught.groupby(level=keys).tail(1)}, names=["student"])
both_ends = both_ends.astype({"parameters": int}).rename(columns=tables.METRICS | {"gain": "gain on validation"})
tables.save(both_ends.reset_index(), "17_smallest", f"{results}/tables", digits=4)

# %% [markdown]
# ## What is the MLP for?
# Three students of the same committee, and each of them without it: the MLP, one linear layer (RLinear), and an MLP
# beside a linear map.

# %%
made = of("students", "students, no teacher")
made = made.assign(teacher_there=made["question"].eq("students").map({True: "committee", False: "none"}))
built = made.pivot_table(index=["dataset", "horizon", "name"], columns="teacher_there", values="test_mse", sort=False)
spreads = made.groupby(["dataset", "horizon", "name", "teacher_there"], sort=False)["test_mse"].std().unstack()
built = built.join(spreads.add_prefix("deviation: "))
tables.save(built.reset_index(), "17_students", f"{results}/tables", digits=4)

# %% [markdown]
# ## A smoother target
# The published loss at the level of forecasts, and something else in the teacher's place. *Nothing* is the plain MLP;
# the truth's own patterns; its moving average over 25 steps; ridge regression; the mean of the plain MLP's own seeds.

# %%
targets = of("targets")
untaught = {"nothing": plots.COLOURS["plain"]}
figure = plots.points(targets, x="test_mse", y="name", label="test MSE", colours=untaught)
plots.save(figure, "17_targets", figures)

# %%
instead = judged(targets, "nothing")
tables.save(instead.reset_index(), "17_targets", f"{results}/tables", digits=1)

# %% [markdown]
# ## A teacher, or small weights?
# A weight decay of 1, at the published rate, shrinks every weight by a hundredth with every step: the other cure for a
# student that learns noise by heart. Four students of the published kind: plain and distilled, without it and with it.
# If each cure works on its own, are the two together better than either?

# %%
cures = of("decay")
four = {"plain": plots.COLOURS["plain"], "plain, decay": plots.COLOURS["decayed"]}
figure = plots.points(cures, x="test_mse", y="name", label="test MSE", colours=four)
plots.save(figure, "17_decay", figures)

# %%
cured = judged(cures, "plain")
tables.save(cured.reset_index(), "17_decay", f"{results}/tables", digits=1)
tables.grid(cured.reset_index(), "test [%]", ["dataset", "horizon"], "name", digits=1)

# %%
print(words.looked_at(runs))
print(words.spread(both["test [%]"].drop(seeing["name"].iloc[0], level="name"), "with foresight against without, MSE"))
print(words.spread(tilted["test [%]"].drop("tilt 0", level="name"), "tilted against level weights, MSE"))
print(words.spread(table["gain [%]"], "from a committee against no teacher, by width, MSE"))
for teacher in ("committee", "none"):
    sides = built[teacher].unstack("name").reindex(columns=["MLP", "RLinear"])
    print(words.spread(100 * (sides["MLP"] / sides["RLinear"] - 1), f"MLP against RLinear, teacher: {teacher}, MSE"))
for name, group in instead["test [%]"].drop("nothing", level="name").groupby(level="name", sort=False):
    print(words.spread(group.droplevel("name"), f"target {name} against nothing, MSE"))
errors = cures.pivot_table(index=["dataset", "horizon"], columns="name", values="test_mse", sort=False)
errors = errors.reindex(columns=cures["name"].unique())
for ours, theirs in itertools.combinations(errors, 2):
    print(words.spread(100 * (errors[theirs] / errors[ours] - 1), f"{theirs} against {ours}, MSE"))

# %%
seen = both["test [%]"].drop(seeing["name"].iloc[0], level="name")
pair = built["committee"].unstack("name").reindex(columns=["MLP", "RLinear"]).dropna()
linear = (pair["MLP"] < pair["RLinear"]).sum()
print(f"In short: foresight lowers the error by {max(0.0, -seen.min()):.1f}% at most; from one committee the MLP is")
print(f"ahead of one linear layer in {linear} of {len(pair)} settings.")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown; what is missing changes them.
# * A name with one seed cannot be told apart from a close one. Deviations over seeds are columns of the tables; those
#   of widths are the bands of their figure.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what is foresight?
# Show with `tdlib.distill.Distillation` that for squared errors a teacher with foresight $p$ is nothing but a choice
# of weights: its loss and $(1 - p)$ times the blind teacher's plus $p$ times the truth's differ by what no student can
# change.

# %% tags=["hide-cell"]
draw = torch.Generator().manual_seed(0)
truth, teacher, one, other = (torch.randn(4, 16, 2, generator=draw) for _ in range(4))
p = 0.3
seen, loss = teacher.lerp(truth, p), lambda a, b: losses.multi_scale(a, b, dim=1)
rests = [loss(s, seen) - (1 - p) * loss(s, teacher) - p * loss(s, truth) for s in (one, other)]
torch.testing.assert_close(*rests)
print(f"the rest is the same for both students: {rests[0]:.4f} and {rests[1]:.4f}")

# %% [markdown]
# ### Exercise 2 (thought): how much of the gap could any teacher close?
# A teacher at 100% is the truth, and the truth is in every training set. What then can a teacher give that the truth
# cannot, and what is the best that a teacher's forecast can be?
#
# <details><summary>Solution</summary>
#
# The best forecast from the look-back is the mean of what may follow, $E[y \mid x]$; the truth is that mean plus what
# nobody could know. Taught by the truth a student meets both, and with few windows it learns the second part by heart.
# A teacher helps by being *without* that part, not by being close to the truth: foresight puts it back. So the gap
# that any teacher can close is that between the student trained on the truth and $E[y \mid x]$; what lies below is
# noise, and no training error tells the two apart.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): is it the width or the teacher?
# For each data set print the narrowest student from a committee that is better on *validation* than every student
# without one, and how many weights the two have. Is there a width from which on a student needs a teacher?

# %% tags=["hide-cell"]
keys = ["dataset", "horizon", "width"]
validation = wide.pivot_table(index=keys, columns="system", values="val_mse").reindex(columns=list(shades))
weights = wide.groupby(keys)["parameters"].first()
for place, found in validation.groupby(level=keys[:2]):
    taught, alone = found["MLP from a committee"].dropna(), found["MLP"].dropna()
    better = taught[taught < alone.min()].index  # of none that is not in the store
    told = "none"
    if len(better):
        told = f"width {better[0][-1]}, {weights[better[0]]:,} weights; the best without: width "
        told += f"{alone.idxmin()[-1]}, {weights[alone.idxmin()]:,} weights; the narrowest tried: {found.index[0][-1]}"
    print(*place, told)
gains = table["gain [%]"].dropna()
print(f"On test a committee's student is better than one of the same width without it at {(gains < 0).sum()} of the")
print(f"{len(gains)} data sets and widths that have both.")
