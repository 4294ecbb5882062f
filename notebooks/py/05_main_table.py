# %% [markdown]
# # Is the distilled student the best of them?
# The main table: every teacher, the plain MLP, the MLP distilled from each teacher, and the opponents that the paper
# leaves out: the last value, the last period, linear maps, some of them fitted in closed form within seconds (the
# largest in half a minute), and the plain MLP with one number changed, a weight decay of 1. Means over seeds, every run
# as a dot, and the published figures beside ours.
#
# **After this page you can** read a main table with its spread, say why a gain over the plain MLP is not yet a good
# forecaster, and choose a baseline without looking at the test segment.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import pandas as pd
from IPython.display import Markdown, display

from tdlib import analysis, patient, profiles, rows, study
from tdlib.report import plots, tables, words
from tdlib.store import Store

studies = profiles.load(profile)
configs = [config for entry in studies for config in entry.runs("main")]
runs = rows.read(configs, profile, "main", store=store, train_missing=train_missing)

# %% [markdown]
# ## Every run as a dot
# Without the last value and the last period, whose errors are far to the right. What would take more than half of a
# panel for itself is written at its edge, with an arrow: a mean.
#
# **Predict first:** a linear map, fitted in closed form (Ridge), stands among these. Will it be nearer to the plain MLP
# or to the distilled one? And is a teacher further from its student than one seed is from another?

# %%
students = rows.with_students(runs)
shown = students[~students["model"].isin(["naive", "seasonal_naive"])]
look = {"label": "test MSE [scaled units]", "colours": plots.colours(runs)}
plots.save(plots.points(shown, x="test_mse", y="system", **look), "05_runs", figures)

# %% [markdown]
# ## The table
# Errors in scaled units, means over seeds, first the MSE, then the MAE; of every line the least is bold, the next in
# italics. `results/tables/05_main.csv` adds validation errors, deviations over seeds, weights and the distance of the
# period distributions from the truth (page 04). Where products were in half precision, to save hours, it is said:
# `benchmarks/precision.py` measures what that does to an error.

# %%
tables.save(tables.by_system(runs).reset_index(), "05_main", f"{results}/tables", digits=4)
errors = {name: tables.by_setting(runs, f"test_{name}") for name in ("mse", "mae")}
for name, table in errors.items():
    tables.save(table.reset_index(), f"05_{name}", f"{results}/tables")
half = runs[runs["precision"] == "bfloat16"].drop_duplicates(["setting", "system"])
print("trained with matrix products in bfloat16:", "; ".join(half["system"] + ", " + half["setting"]) or "none")
Markdown(tables.marked(errors["mse"]))

# %% tags=["hide-output"]
Markdown(tables.marked(errors["mae"]))

# %% [markdown]
# ## The settings of the baselines
# *Ridge* is ridge regression from the whole look-back, *Phase ridge* one small map for all phases of a period,
# *SparseTSF* much the same by gradient. *CycleNet* takes a learned cycle off and has a linear layer for the rest,
# *FITS* one on the low frequencies, *DLinear* one for trend and one for season, *NLinear* one on windows less their
# last value.
#
# Where a data set has settings of its own, validation chose them at the first horizon. Each line sets them beside what
# the model has elsewhere; an x: test prefers the other one. Ridge stands there with penalties that begin lower, too
# (`relative`), which were tried later and choose nothing.

# %% tags=["hide-output"]
instead = [run for entry in studies for run in profiles.fair.defaults(entry)]
defaults = study.ensure(instead, store=store, train_missing=train_missing)
defaults = defaults.reindex(columns=runs.columns)  # also where there is none
beside = runs.merge(defaults, on=["dataset", "lookback", "horizon", "model", "seed"], suffixes=("", ", instead"))
own = beside[["dataset", "system", "settings", "settings, instead"]].astype(str)
for name, error in {"validation": "val_mse", "test": "test_mse"}.items():
    own[f"{name} MSE"], own[f"{name} MSE, instead"] = beside[error], beside[f"{error}, instead"]
gains = [beside[error] - beside[f"{error}, instead"] for error in ("val_mse", "test_mse")]
own["disagree"] = tables.disagree(*gains)
tables.save(own, "05_defaults", f"{results}/tables", digits=4)

# %%
lower = own[gains[0] > 0].assign(by=100 * (beside["val_mse, instead"] / beside["val_mse"] - 1))
named = (f"{line.system} on {line.dataset} ({line.by:+.2g}%)" for line in lower.itertuples())
print(f"Validation prefers what stands beside in {len(lower)} of {len(own)}:", ", ".join(named) or "nowhere")

# %% [markdown]
# ## What distillation changes
# The MSE of the distilled student relative to five opponents in percent, means over settings; negative is better. `low`
# and `high`: 95% intervals over teachers, seeds and blocks of look-back + horizon windows. A test segment holds fewer
# than four such blocks of hourly data, which is little; below two a setting has no interval of its own, but is among
# those that are drawn together here. Settings with one seed add no spread of seeds to an interval; how many they are
# is said. *Win rate*: the share of test windows, ties half; *improvement*, or probability of improvement: the share of
# runs that are better than their partners, ties half. `results/tables/05_changes.csv` has every setting with its
# blocks, the difference on validation, and a mark where the two disagree on who is better. The second figure shows each
# setting, for the student of the first teacher.

# %%
changes = analysis.comparisons(runs, Store(store))
changes["disagree"] = tables.disagree(changes["validation"], changes["difference"])
settings = changes.groupby(["system", "against"], sort=False)["dataset"].size() - 1
columns = ["difference", "low", "high", "win rate", "improvement", "improvement low", "improvement high"]
short = changes[changes["dataset"] == "all"].set_index(["system", "against"])[columns]
tables.save(changes, "05_changes", f"{results}/tables", digits=1)
print(words.single_seeds(students[students["part"] == "distilled"]))
tables.save(short.assign(settings=settings).reset_index(), "05_all", f"{results}/tables", digits=1)

# %%
label = "MSE against the opponent, mean over settings [%]"
pooled = short.rename(columns={"difference": "estimate"}).swaplevel()
shades = dict.fromkeys(pooled.index.unique("system"), plots.COLOURS["distilled"])
plots.save(plots.several_intervals(pooled, label=label, reference=0, colours=shades), "05_all", figures)

# %%
lines = changes[changes["system"] == changes["system"].iloc[0]].rename(columns={"difference": "estimate"})
where = (lines["dataset"] + ", " + lines["horizon"].astype(str)).replace("all, all", "all settings")
each = lines.set_index([where.rename("setting"), "against"])
label = f"MSE of the {lines['system'].iloc[0]} against the opponent [%]"
shades = {"plain": "plain", analysis.DECAYED: "decayed", "its teacher": "teacher", "Ridge": "linear"}
shades = {name: plots.COLOURS[part] for name, part in shades.items()} | {analysis.CHOSEN: "black"}
plots.save(plots.several_intervals(each, label=label, reference=0, colours=shades), "05_changes", figures)

# %% [markdown]
# ## Skill
# By how much an MSE is smaller than that of a forecast that repeats the last period, in percent, mean over settings,
# with intervals as above: how much more than the obvious each system knows. The *patient MLP* is the student of page
# 12. Systems with fewer settings are not to be compared with the others.

# %%
recipe = [run for entry in studies for run, variant in entry.patient().items() if variant == "recipe"]
patients = study.ensure(recipe, store=store, train_missing=train_missing)
named = [rows.with_systems(patients).assign(system=patient.EVERYWHERE["recipe"])] if len(patients) else []
everyone = pd.concat([runs, *named])
skill = analysis.skill(everyone, Store(store))
tables.save(skill.reset_index(), "05_skill", f"{results}/tables", digits=1)

# %% [markdown]
# ## The fair protocol: as many trials for each
# The published weights alpha and beta differ by data set; the plain student has nothing of its own. Here both get
# the same number of trials at the first horizon and seed: the plain student tries rates x decays, the distilled one
# rates x (alpha = beta). What is best on validation is kept for all horizons and seeds. Where that is the end of a
# range, as is printed, the best may lie beyond it.

# %%
trials = [config for entry in studies for config in profiles.fair.trials(entry)]
found = study.ensure(trials, store=store, train_missing=train_missing)
aside = [config for entry in studies for config in profiles.fair.aside(entry)]
further = study.ensure(aside, store=store, train_missing=train_missing)
fair = [config for entry in studies for config in profiles.fair.chosen(entry, found)]
print(f"{len(found)} of {len(trials)} trials are in the store; {len(fair)} runs are what they choose")

# %%
if fair:
    again = rows.read(fair, profile, "trials", store=store, train_missing=train_missing)
    again, found = (rows.with_systems(each, by_decay=False) for each in (again, found))
    columns = ["dataset", "system", "learning_rate", "weight_decay", "alpha"]
    kept = again[columns].drop_duplicates().reset_index(drop=True)
    display(tables.save(kept, "05_chosen", f"{results}/tables", digits=4))
    taken, tried = (part.set_index(["dataset", "system"]) for part in (kept, found))
    for name in columns[2:]:
        span = tried[name].groupby(level=[0, 1]).agg(["min", "max"]).loc[taken.index]
        for end in span:
            at = taken.index[(taken[name] == span[end]) & (span["min"] < span["max"]) & (taken[name] > 0)]
            if len(at):
                print(f"{name} is the {end} that was tried:", "; ".join(map(", ".join, at)))

# %% [markdown]
# Students aside from the trials, which choose nothing: was the best of a range only its end? How far they are above the
# chosen student of their kind, on validation and on test, with a mark where they are above on one of the two alone. (On
# ETTm and nyc_weather the plain student's decays were first tried up to 0.1 alone. It chose 0.1, and distillation
# gained more; students aside, with more decay, were then better on validation and on test. Now the trials there have
# decays of 1 and 3: a change in favour of the opponent, made after test errors had been read. The distilled one's
# larger weights are no part of its trials, whatever they gain.)

# %% tags=["hide-output"]
if fair and len(further):
    kind = ["dataset", "teacher"]
    mine, beyond = (frame.fillna({"teacher": ""}) for frame in (again, further))
    first = mine[mine["horizon"].isin(beyond["horizon"])].drop_duplicates(kind).set_index(kind)
    chosen = first[["val_mse", "test_mse"]].add_suffix(" chosen")
    beyond = beyond.join(chosen, on=kind).dropna(subset="val_mse chosen")
    what = zip(beyond["teacher"], beyond["alpha"], beyond["weight_decay"], strict=True)
    changed = [f"alpha = beta = {alpha:g}" if by else f"decay {decay:g}" for by, alpha, decay in what]
    above = beyond[kind].assign(rate=beyond["learning_rate"].map("{:g}".format), changed=changed)
    for name, error in {"validation [%]": "val_mse", "test [%]": "test_mse"}.items():
        above[name] = 100 * (beyond[error] / beyond[f"{error} chosen"] - 1)
    above["disagree"] = tables.disagree(above["validation [%]"], above["test [%]"])
    display(tables.save(above.reset_index(drop=True), "05_aside", f"{results}/tables", digits=1))

# %% [markdown]
# The difference to each opponent in percent; an x where validation disagrees on who is better.

# %%
if fair:
    both = pd.concat([again, runs[runs["model"] != "mlp"]])
    fairly = analysis.comparisons(both, Store(store))
    fairly["disagree"] = tables.disagree(fairly["validation"], fairly["difference"])
    tables.save(fairly, "05_fair", f"{results}/tables", digits=1)
    said = fairly["difference"].map("{:.1f} ".format) + fairly["disagree"]
    lines = fairly.assign(said=said).set_index(["system", "dataset", "horizon", "against"])["said"]
    display(tables.wide(lines, "against").rename_axis(columns=None))

# %% [markdown]
# ## Ours beside published
# Where a figure is published for the same data set, look-back and horizon: by how many percent ours is above it. The
# paper's own tables give means over four horizons only, so its distilled student appears once all four are in the
# store. `results/tables/05_published.csv` has every figure.

# %%
beside = tables.beside_published(runs, "../results/published.csv")
tables.save(beside, "05_published", f"{results}/tables")
above = beside.assign(above=100 * (beside["ours"] / beside["published"] - 1)).groupby(["source", "metric"], sort=False)
names = {"count": "figures", "min": "least [%]", "median": "median [%]", "max": "most [%]"}
above["above"].agg(list(names)).rename(columns=names).round(1)

# %% [markdown]
# ## The field
# Means over the four horizons, ours where all four are in the store, the least of a data set in bold, in the order of
# their mean distance from that, over those that they have; last the best published at this look-back (sizes are our
# reading of their papers). Folded below: all of the published ones, also those that are better than ours, with the
# look-back, the seeds, the source and how sure we are of having read it rightly.

# %%
means = tables.means(everyone, "../results/published.csv").reset_index()
tables.save(means, "05_means", f"{results}/tables")
Markdown(means.to_markdown(index=False))

# %% tags=["hide-output"]
tables.save(tables.peers(runs, "../results/published.csv"), "05_peers", f"{results}/tables")

# %% [markdown]
# ## What is missing
# Runs of the main table, of the trials and what they choose, and of the ablation that are not in the store yet. What
# trials choose is known only once they are all there. `results/parts.csv` tells which part of which profile each row
# of the store belongs to. The more runs were looked at on a test segment, the likelier one of them looks good by luck:
# those of this page are counted below, those of all pages on page 00b.

# %%
ablated = [each for entry in studies for each in entry.ablations().items()]
wanted = {"main": configs, "settings of baselines": instead, "trials": trials, "fair": fair}
wanted |= {f"ablation, {name}": [run for run, other in ablated if other == name] for name in profiles.ABLATIONS}
there = pd.DataFrame({"id": Store(store).ids()})
lost = pd.concat([tables.absent(part, there).assign(part=name) for name, part in wanted.items()], ignore_index=True)
profiles.parts(studies, Store(store)).to_csv(f"{results}/parts.csv", index=False)
print(words.looked_at(pd.concat([everyone, defaults, found, further, *([again] if fair else [])])))
tables.save(lost[["part", "dataset", "system", "horizons", "runs"]], "05_missing", f"{results}/tables")

# %% [markdown]
# ## What we see, from the rows above
# The MSE against each opponent in percent, negative is better: *level* says that the interval over all settings does
# not tell the two apart. In brackets: in how many settings the interval of that one lies without 0. Last, the
# difference without the setting that moves it most.

# %%
protocols = {"as published": changes} | ({"as many trials": fairly} if fair else {})
lines = []
for protocol, compared in protocols.items():
    for (system, against), found in compared.groupby(["system", "against"], sort=False):
        each, whole = found[found["dataset"] != "all"], found[found["dataset"] == "all"].iloc[0]
        sides = [(each["difference"] < 0, each["high"] < 0), (each["difference"] > 0, each["low"] > 0)]
        line = {"student": system, "protocol": protocol, "against": against}
        line["difference [%]"] = words.interval(*whole[["difference", "low", "high"]])
        line["is"] = "ahead" if whole["high"] < 0 else "behind" if whole["low"] > 0 else "level"
        line |= {at: f"{n.sum()} ({k.sum()})" for at, (n, k) in zip(("better in", "worse in"), sides, strict=True)}
        line["validation disagrees in"] = each["disagree"].eq("x").sum()
        rest = words.interval(*whole[["rest", "rest low", "rest high"]])
        lines.append(line | {"without": f"{whole['without']}: {rest}" if whole["without"] else ""})
Markdown(pd.DataFrame(lines).to_markdown(index=False))

# %%
picks = [analysis.strongest(runs, by).groupby("setting", sort=False) for by in ("val_mse", "test_mse")]
chosen, best = (found[["system", "test_mse"]].agg({"system": "first", "test_mse": "mean"}) for found in picks)
right = (chosen["system"] == best["system"].reindex(chosen.index)).sum()
costs = 100 * (chosen["test_mse"] / best["test_mse"].reindex(chosen.index) - 1)
display(Markdown(f"* The baseline that validation chooses is the best on test in {right} of {len(chosen)} settings."))
print(words.spread(costs, "its test MSE against that of the best on test"))

# %% [markdown]
# ## What we see
# * The sentences above hold for the rows that are there, and for no more data sets than stand in the table.
# * An interval over three seeds and fewer than four blocks of time is itself uncertain, and one of a single seed knows
#   nothing of seeds: page 14 simulates how often such an interval holds the truth. The lines over all settings are what
#   to go by, and they, too, are too narrow where many of their settings have one seed.
# * To beat the baseline that validation chooses is to beat a weak choice where validation errs. Ridge is fitted in less
#   than a minute and has no seed to choose: whoever takes a forecaster away from here should look at that line first.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): who is first, and how often?
# Rank the systems of `tables.by_system(runs)` by MSE within each setting. How often is each one first, and what is the
# mean rank of those that are in every setting? Does the order agree with that of the mean MSE?

# %% tags=["hide-cell"]
every = tables.by_system(students)["MSE"].unstack("system", sort=False)
errors = every.dropna(axis=1)
first, ranks = (every.rank(axis=1) == 1).sum(), errors.rank(axis=1)
order = pd.DataFrame({"first": first, "mean rank": ranks.mean(), "mean MSE": errors.mean()})
print(order.sort_values("mean rank").round(3).to_string())
agree = order["mean rank"].rank().corr(order["mean MSE"].rank())
print(f"{len(errors)} settings; the orders by mean rank and by mean MSE correlate by {agree:.2f}.")

# %% [markdown]
# ### Exercise 2 (thought): a baseline without a seed
# A map in closed form has no seed, and its row shows no deviation. Is its test MSE therefore certain? What does its
# interval against the MLP stand for, and what would make that interval narrower?
#
# <details><summary>Solution</summary>
#
# No: the seed is one source of doubt, the few blocks of time in the test segment are the other. Another year would give
# another error to a map in closed form, too. The interval draws blocks (and the MLP's seeds). More seeds narrow only
# the MLP's side; for the rest it takes a longer test segment or more data sets.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): a mean of what?
# "Improves by x% on average" may be the mean over settings of changes in percent, or the change of the mean MSE.
# Compute both for the distilled MLP against the plain one. When do they differ?

# %% tags=["hide-cell"]
table = tables.by_system(students)["MSE"].unstack("system", sort=False)
taught = next(iter(students.loc[(students["model"] == "mlp") & (students["part"] == "distilled"), "system"]), None)
if {"MLP", taught} <= set(table):
    both = table[["MLP", taught]].dropna()
    change = 100 * (both[taught] / both["MLP"] - 1)
    whole = 100 * (both[taught].mean() / both["MLP"].mean() - 1)
    print(f"mean of changes {change.mean():+.1f}%; change of means {whole:+.1f}%")
    print("The second weighs a setting by its error: hard settings, and long horizons, speak loudest.")
else:
    print("needs the plain and a distilled MLP")
