# %% [markdown]
# # What is a teacher worth, and what is the MLP for?
# Page 12 says whom the student of a committee beats and whom not. Which of its parts would you miss? Here the recipe
# stays as it is but for one thing: how much of the future the teacher sees, which steps count, how wide the student
# is, what it is made of. And the other way round, with the published loss: what if the teacher is no teacher at all,
# but merely smooth?
#
# **After this page you can** read from errors what a teacher that knows more is worth to its student, tell what the
# teacher gives from what the width does, and name the opponent that a claim about an MLP has to beat.

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
import torch

from tdlib import analysis, data, losses, profiles, rows
from tdlib.models.layers import moving_average
from tdlib.report import plots, tables, words
from tdlib.store import Store

# %%
wanted, studies = {}, profiles.load(profile)
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


# %% [markdown]
# ## A teacher that sees the future
# Teachers that are shown what is to come in training (as in TimeKD, ICDE 2025) make smaller errors. Ours is spared a
# share of its error in every training window: at 100% it is the truth, and no forecaster can be better. The lines are
# the student without a teacher and that of the committee as it is: between them lies what this teacher has given.
#
# **Predict first:** at which share will the student be at its best: 0, 50 or 100%?

# %%
seeing = of("foresight")
blind = seeing["name"].iloc[0]
alone = of("students, no teacher").query("model == 'mlp'")
ends = {"no teacher": alone, "committee": seeing[seeing["name"] == blind]}
lines = pd.DataFrame({name: found.groupby("setting")["test_mse"].mean() for name, found in ends.items()}).T
lines = lines.reindex(columns=seeing["setting"].unique())
shades = {"no teacher": plots.COLOURS["plain"], "committee": plots.COLOURS["distilled"]}
shares = seeing.assign(spared="spared " + seeing["name"])
figure = plots.points(shares, x="test_mse", y="spared", label="test MSE", colours=shades, lines=lines)
plots.save(figure, "17_foresight", figures)

# %%
errors = seeing[seeing["name"] != blind].groupby(["setting", "name"], sort=False)["test_mse"].mean()
for setting, line in lines.dropna(axis=1).items():
    given, more = 100 * (line["committee"] / line["no teacher"] - 1), 100 * (errors[setting] / line["committee"] - 1)
    print(f"{setting}: from the committee {given:+.1f}% against no teacher, MSE.", end=" ")
    print(words.spread(more, "Foresight on top, by the share spared"))
with contextlib.suppress(rows.Missing):
    own = analysis.against_committee(ends["committee"], Store(store))["difference"].drop("all", level="dataset")
    print(words.spread(own, "student of the committee as it is against the committee itself, MSE"))

# %%
both = tables.against(seeing, "name", blind)
tables.save(both.reset_index(), "17_foresight", f"{results}/tables")

# %% [markdown]
# ## Which steps should count?
# A forecast's end is harder than its beginning. DistilTS (arXiv 2601.12785) weighs steps by an exponential: a positive
# tilt asks for more at the end. In percent of tilt 0. Each step has output weights of its own, so what one step counts
# reaches the others through the hidden layer alone: do not look for much.

# %%
steps = of("steps")
tilted = tables.against(steps, "name", "tilt 0")
at = " and ".join(map(str, sorted(set(steps["horizon"]))))
print(words.spread(tilted["test [%]"].drop("tilt 0", level="name"), f"tilted against level weights, {at} steps, MSE"))
print(f"No other horizon than {at} was tried.")
tables.save(tilted.reset_index(), "17_steps", f"{results}/tables")

# %% [markdown]
# ## How wide must the student be?
# The same training with the committee and without it, mixup and average included: the change of the test MSE that the
# teacher brings, seed by seed. Negative is better; the band is one deviation over seeds.

# %%
wide = of("widths", "widths, no teacher")
taught = wide["question"].map({"widths": "committee", "widths, no teacher": "no teacher"})
wide = wide.assign(width=wide["name"].astype(int), system=taught)
keys = ["dataset", "horizon", "width"]
paired = wide[wide.groupby([*keys, "seed"])["system"].transform("nunique") == 2]
if paired.empty:
    raise rows.missing(runs, "no width with and without a teacher")
pairs = paired.pivot_table(index=["setting", *keys, "seed"], columns="system", values="test_mse", sort=False)
change = (100 * (pairs["committee"] / pairs["no teacher"] - 1)).rename("change")
drawn = change.reset_index().assign(system="committee")
look = {"unit": "change of test MSE [%]", "colours": {"committee": plots.COLOURS["distilled"]}}
plots.save(plots.curves(drawn, x="width", y="change", label="hidden units", log=True, **look), "17_widths", figures)

# %%
for setting, group in change.groupby(level="setting", sort=False):
    by_width = group.groupby(level="width").agg(["mean", "std"])
    print(words.spread(by_width["mean"], f"{setting}, committee against no teacher by width, test MSE"), end=" ")
    spread = by_width["std"].dropna()
    print(f"Deviation over seeds: {spread.min():.1f} to {spread.max():.1f} points." if len(spread) else "One seed.")

# %%
by_width = {width: tables.against(group, "system", "no teacher") for width, group in paired.groupby("width")}
table = pd.concat(by_width, names=["width"]).xs("committee", level="system")
table = table.join(change.groupby(level=keys).std().rename("deviation of the change"))
table = table.reorder_levels(keys).sort_index()
tables.save(table.reset_index(), "17_widths", f"{results}/tables")

# %% [markdown]
# The gain of a width is its distance to the best student without a teacher. How much of the largest gain does a narrow
# student keep? Validation chooses; what the choice keeps of the largest gain on test stands beside it, with the lowest
# and the highest share of single seeds, each with its own best: shares of a gain of a few percent are rough.

# %%
segments, shares = {"val_mse": "validation", "test_mse": "test"}, []
for place in (keys[:2], [*keys[:2], "seed"]):
    errors = wide.groupby(["system", *place, "width"])[[*segments]].mean().rename(columns=segments)
    bare = errors.loc["no teacher"].groupby(level=place).min()
    gain = bare - errors.loc["committee"]  # of every width
    most = gain.groupby(level=place).transform("max")
    shares.append((100 * gain / most).where(most > 0).dropna())
kept, by_seed = shares
kept = kept[kept.groupby(level=keys[:2])["test"].transform("size") > 1]  # one width says nothing about widths
lines = kept.join(by_seed.groupby(level=keys)["test"].agg(lowest="min", highest="max", seeds="size"))
told = "{:.0f}% (seeds {:.0f}: {:.0f} to {:.0f}%)".format
told = {at: told(line["test"], line["seeds"], line["lowest"], line["highest"]) for at, line in lines.iterrows()}
lines = lines.join(wide[wide["system"] == "committee"].groupby(keys)["parameters"].first().astype(int))
shown = lines.rename(columns={each: f"share kept, {each}" for each in kept})
tables.save(shown.reset_index(), "17_smallest", f"{results}/tables", digits=1)

# %%
for place, group in kept.groupby(level=keys[:2]):
    width = group.index[group["validation"] >= 99].get_level_values("width")[0]
    print(*place, f"width {width} is the narrowest with 99% of the gain on validation; on test {told[*place, width]}.")
counts = kept.groupby(level=keys[:2])["test"].transform("size")
whole = kept[counts == counts.max()]  # data sets that tried all widths
mean = whole.groupby(level="width").mean()
if len(mean):
    width = mean.index[mean["validation"] >= 0.99 * mean["validation"].max()][0]
    each = [f"{place[0]} {told[place]}" for place in whole.xs(width, level="width", drop_level=False).index]
    print(f"In short: one width for all data sets that tried {counts.max()}, by the mean on validation: {width}.")
    least = whole.groupby(level="width").min().min(axis=1)
    good = ", ".join(map(str, least.index[least >= 95])) or "no width"
    print("It keeps of the gain on test:", ", ".join(each))
    print(f"At least 95% on both segments of all these, which only a look at test tells: {good}.")

# %% [markdown]
# ## What is the MLP for?
# The opponent is one linear layer (RLinear) with the same teacher, or with none. *Committee* and *no teacher* are
# students of this page; *halves* are those of page 12 from the committee that was weighed on halves of training, too,
# in all settings where the store has both. Here is the MLP in percent of the linear layer's test MSE: negative is
# better, with 95% intervals over seeds and blocks of time, and none where the test segment is shorter than two blocks
# of look-back + horizon. An MLP beside a linear map (Residual MLP) is in `results/tables/17_students.csv`, validation
# beside test.

# %%
made = of("students", "students, no teacher")
made = made.groupby(["setting", "question"]).filter(lambda group: group["name"].eq("RLinear").any())
made["teacher there"] = made["question"].map({"students": "committee", "students, no teacher": "no teacher"})
sides = {kind: tables.against(group, "name", "RLinear") for kind, group in made.groupby("teacher there", sort=False)}
beside = pd.concat(sides, names=["teacher"])
_ = tables.save(beside.reset_index(), "17_students", f"{results}/tables")

# %%
mlp, linear = "weighed on halves", "one linear layer, halves"
others = {run: name for study in studies for run, name in study.patient().items()}
others = {run: name for run, name in others.items() if name in (mlp, linear)}
entrants = {kind: (group, "name", "MLP", "RLinear") for kind, group in made.groupby("teacher there", sort=False)}
with contextlib.suppress(rows.Missing):
    halves = rows.read(others, profile, "patient", store=store, train_missing=train_missing, named="variant")
    entrants["committee, halves"] = halves, "variant", mlp, linear

# %%
found = {}
for kind, (group, column, ours, theirs) in entrants.items():
    with contextlib.suppress(rows.Missing):
        line = analysis.compare(group[group[column] == ours], group[group[column] == theirs], Store(store))
        found[kind] = line.drop("all", level="dataset")
if not found:
    raise rows.missing(runs, "no MLP with one linear layer beside it")
against = pd.concat(found, names=["teacher"]).drop(columns="lookback").rename(columns={"difference": "estimate"})
_ = tables.save(against.reset_index(), "17_linear", f"{results}/tables", digits=2)

# %%
drawn = against.reset_index().sort_values("dataset", kind="stable")
drawn["part"] = drawn["teacher"].eq("no teacher").map({True: "plain", False: "distilled"})
drawn = drawn.set_index(drawn["dataset"] + ", " + drawn["horizon"].astype(str) + ": " + drawn["teacher"])
figure = plots.intervals(drawn, label="MLP against one linear layer, test MSE [%]", reference=0)
plots.save(figure, "17_linear", figures)

# %%
what = "MLP against one linear layer"
for kind, group in against.groupby(level="teacher", sort=False):
    print(words.spread(group["estimate"].droplevel("teacher"), f"{what}, {kind}, MSE"))
    ahead, behind, unknown = (group["high"] < 0).sum(), (group["low"] > 0).sum(), group["low"].isna().sum()
    level = len(group) - ahead - behind - unknown
    print(f"In short: ahead in {ahead}, behind in {behind}, level in {level}, without an interval {unknown}.")

# %%
for name, own in against[against.index.get_level_values("teacher") == "committee, halves"].groupby(level="dataset"):
    counts = [len(Store(store).arrays(id)["errors"]) for id in halves.loc[halves["dataset"] == name, "id"]]
    windows = f"{min(counts):,}" + f" to {max(counts):,}" * (min(counts) < max(counts))
    place = f"{name} (test windows {windows}, seeds {own['runs'].max()})"
    print(words.spread(own["estimate"].droplevel(["teacher", "dataset"]), f"{what}, halves, {place}"))

# %% [markdown]
# What has the committee given to either of the two?

# %%
errors = made.pivot_table(index=["dataset", "horizon", "name"], columns="teacher there", values="test_mse", sort=False)
errors = errors.reindex(columns=["no teacher", "committee"]).dropna().unstack("name")
for place, line in errors.iterrows():
    change = 100 * (line.xs("MLP", level="name") / line.xs("RLinear", level="name") - 1)
    gain = 100 * (line["committee"] / line["no teacher"] - 1)
    print(
        *place, f"MLP against one linear layer: {change.iloc[0]:+.1f}% without a teacher, {change.iloc[1]:+.1f}% with;"
    )
    print(f"  the committee changes the MLP's error by {gain['MLP']:+.1f}%, the layer's by {gain['RLinear']:+.1f}%.")
told, others = beside["disagree"].astype(bool), beside["test [%]"] != 0
print(f"Validation and test disagree on who is better in {told.sum()} of {others.sum()} comparisons with the layer.")

# %% [markdown]
# ## A smoother target
# Is a teacher's forecast a good target because it is smooth? The published loss at the level of forecasts, with
# something else in the teacher's place. *Nothing* is the plain MLP. Nobody teaches the next ones: *truth* has the truth
# itself there, *truth over 5 steps* its moving average, which leaves the day in, and *over 25 steps* one that takes it
# out of hourly data, too. *Ridge* has ridge regression, *mean of plain MLPs* the mean of the plain MLP's own seeds, and
# the last row is the paper's teacher.

# %%
targets, smoothed = of("targets"), {"truth over 5 steps": 5, "truth over 25 steps": 25}
for setting, group in targets.groupby("setting", sort=False):
    y = torch.from_numpy(Store(store).arrays(group["id"].iloc[0])["sample_y"]).mT.float()  # [windows, C, H]
    day = y.shape[-1] // data.period(group["dataset"].iloc[0])  # its place among the frequencies
    waves = [torch.fft.rfft(moving_average(y, steps))[..., day] for steps in (1, *smoothed.values())]
    whole, *waves = (wave.abs().square().sum() for wave in waves)
    left = (f"{name} {100 * wave / whole:.0f}%" for name, wave in zip(smoothed, waves, strict=True))
    print(f"{setting}: of the variance of the day's wave, in the windows that a row keeps, is left:", ", ".join(left))
untaught = dict.fromkeys(["nothing", "truth", *smoothed], plots.COLOURS["plain"])
figure = plots.points(targets, x="test_mse", y="name", label="test MSE", colours=untaught)
plots.save(figure, "17_targets", figures)

# %%
instead = tables.against(targets, "name", "nothing")
changes = instead["test [%]"].drop("nothing", level="name")
for name, group in changes.groupby(level="name", sort=False):
    print(words.spread(group.droplevel("name"), f"{name} in the teacher's place, against nothing, MSE"))
errors = instead["MSE"].unstack("name")
for name in smoothed:
    if {name, "truth"} <= set(errors):
        print(words.spread(100 * (errors[name] / errors["truth"] - 1), f"{name} against the truth as it is, MSE"))
gentle = changes.reindex(["truth over 5 steps"], level="name")
helped = "everywhere" if (gentle < 0).all() else "in some settings" if (gentle < 0).any() else "nowhere"
found = f"lowers the error {helped} here" if len(gentle) else "has no row yet"
print(f"In short: the truth made smooth with its day left in, in its own place, {found}.")
tables.save(instead.reset_index(), "17_targets", f"{results}/tables")

# %% [markdown]
# ## A teacher, or small weights?
# A weight decay of 1, at the published rate, shrinks every weight by a hundredth with every step, against learning
# noise by heart. Four students of the published kind: plain and distilled, without it and with it. Are the two together
# better than either?

# %%
cures = of("decay")
four = {"plain": plots.COLOURS["plain"], "plain, decay": plots.COLOURS["decayed"]}
figure = plots.points(cures, x="test_mse", y="name", label="test MSE", colours=four)
plots.save(figure, "17_decay", figures)

# %%
cured = tables.against(cures, "name", "plain")
tables.save(cured.reset_index(), "17_decay", f"{results}/tables")
tables.grid(cured.reset_index(), "test [%]", ["dataset", "horizon"], "name", digits=1)

# %%
print(words.looked_at(pd.concat([runs, halves]) if "committee, halves" in entrants else runs))
errors = cures.pivot_table(index=["dataset", "horizon"], columns="name", values="test_mse", sort=False)
errors = errors.reindex(columns=cures["name"].unique())
for ours, theirs in itertools.combinations(errors, 2):
    print(words.spread(100 * (errors[theirs] / errors[ours] - 1), f"{theirs} against {ours}, MSE"))

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown; what is missing changes them.
# * A name with one seed cannot be told apart from a close one. Deviations over seeds are columns of the tables and the
#   band of the widths; an interval of one seed knows of blocks of time alone.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what is foresight?
# Show with `losses.multi_scale` that for squared errors a teacher with foresight $p$ is nothing but a choice
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
validation = wide.pivot_table(index=keys, columns="system", values="val_mse")
weights = wide.groupby(keys)["parameters"].first()
for place, found in validation.groupby(level=keys[:2]):
    taught, alone = found["committee"].dropna(), found["no teacher"].dropna()
    better = taught[taught < alone.min()].index  # of none that is not in the store
    told = "none"
    if len(better):
        told = f"width {better[0][-1]}, {weights[better[0]]:,} weights; the best without: width "
        told += f"{alone.idxmin()[-1]}, {weights[alone.idxmin()]:,} weights; the narrowest tried: {found.index[0][-1]}"
    print(*place, told)
gains = table["test [%]"]
print(f"On test a committee's student is better than one of the same width without it at {(gains < 0).sum()} of the")
print(f"{len(gains)} data sets and widths that have both.")
