# %% [markdown]
# # Which part of the loss does the work?
# The loss is the truth and four terms: two patterns (scale, period) at two levels (prediction, feature). Here a
# pattern, a level or the truth (the term `supervised`) is left out; each of the four terms stands alone beside the
# truth; the period part takes its exact forms; and the **truth** takes the teacher's place: if that were as good, no
# teacher would be needed. The scale part holds two things: at scale 0 forecasts and features themselves are matched, as
# in any distillation, at the others their averages. *w/o scale* drops both, *w/o coarser scales* the averages alone:
# what is *multi-scale* about the method is the second.
#
# **After this page you can** read an ablation, tell "this part is not needed" from "this part can be replaced by the
# others", and say which of its differences are larger than what another seed does.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
dataset = "nyc_weather"
horizon = 96
train_missing = False

# %%
import pandas as pd
from IPython.display import display

from tdlib import models, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

studies = [(entry, teacher) for entry in profiles.load(profile) for teacher in entry.ablation_teachers()]
ablations = [entry.ablation(teacher) for entry, teacher in studies]
variants = {run: name for wanted in ablations for run, name in wanted.items()}
every = rows.read(variants, profile, "ablation", store=store, train_missing=train_missing, named="variant")


# %%
def of_each(found: pd.DataFrame, wanted: list) -> pd.DataFrame:
    """The runs wanted for each ablation; another teacher makes another panel of a figure, other lines of a table."""
    parts = []
    for (entry, teacher), own in zip(studies, wanted, strict=True):
        part = found[found["id"].isin([run.id for run in own])]
        if teacher != entry.ablation_teachers()[0]:
            where = f"from {models.title(teacher)}"
            part = part.assign(dataset=part["dataset"] + " " + where, setting=part["setting"] + "\n" + where)
        parts.append(part)
    return pd.concat(parts)


runs = of_each(every, ablations)

# %% [markdown]
# ## One part at a time
# Beside them, without any distillation: the plain MLP, without and with weight decay, and the teacher. The students
# learn from the first teacher of the study; where they learn from another, the panel and the line say so.

# %%
references = [entry.ablation_references(teacher) for entry, teacher in studies]
needed = [run for wanted in references for run in wanted]
untaught = rows.read(needed, profile, "main", store=store, train_missing=train_missing)
beside = of_each(untaught, references)
beside["system"] = beside["system"].mask(beside["part"] == "teacher", "teacher")
lines = beside.pivot_table(index="system", columns="setting", values="test_mse", sort=False)
lines = lines.reindex(columns=runs["setting"].unique())

# %% [markdown]
# **Predict first:** a pattern, a level or the truth is left out in turn. Without which one will the student be worst?
# And can it do without the truth, taught by the teacher alone, and still beat the plain MLP (the dark blue line), and
# the one that was told nothing but to keep its weights small (the light blue line)?

# %%
look = {"label": "test MSE [scaled units]", "colours": plots.colours(beside), "absent": "not in the store"}
for steps, found in runs.groupby("horizon", sort=False):
    figure = plots.points(found, x="test_mse", y="variant", lines=lines[found["setting"].unique()], **look)
    display(plots.save(figure, f"06_ablation_{steps}", figures))

# %% [markdown]
# ## In numbers
# Each variant's MSE against the full method's, in percent (positive is worse), over the seeds that both have, on test
# and then on validation. In
# `results/tables/06_ablation.csv` a cross marks where the two disagree on which is better, and `alpha` is the weight of
# the prediction level, `beta` that of the feature level; 0 where a variant has no such part. The truth has no features:
# what it is to be compared with is not the full method but *w/o feature level*, the teacher's forecasts alone.

# %%
ablation, weights = tables.against(runs, "variant", "full"), runs[["dataset", "horizon", "variant"]].copy()
for name, level in {"alpha": "forecast", "beta": "feature"}.items():
    weights[name] = runs[name] * [any(term.endswith(level) for term in terms) for terms in runs["terms"]]
shown = ablation.join(weights.groupby(["dataset", "horizon", "variant"]).first()).reset_index()
tables.save(shown, "06_ablation", f"{results}/tables")
shown["place"] = shown["dataset"] + ", " + shown["horizon"].astype(str)
for side in ("test [%]", "validation [%]"):
    display(tables.grid(shown, side, "variant", "place", digits=1).rename_axis(side))

# %% [markdown]
# ## Published, for orientation
# The paper ablates on ECL with ModernTCN as the teacher, means over four horizons.

# %%
published = tables.published("../results/published.csv", table="ablation (T4)").set_index("model")["value"]
published = (100 * (published / published["full"] - 1)).rename("published, ECL [% against full]").to_frame()
tables.save(published.reset_index(), "06_published", f"{results}/tables", digits=1)

# %% [markdown]
# ## How much of the loss is each part?
# The period part of the full method is the divergence of the public code: a floor under the student's logarithm
# (`losses.FLOOR`) bounds it, and it is averaged over the frequencies, of which there are half as many as steps. The
# variant *exact KL* is without the floor alone; *exact KL, summed* also without the average, which makes the period
# part heavier by the number of frequencies: it is the KL of the textbook. Below is the log of the full method, each
# part by epoch before its weight (validation is another stretch of time: its level says nothing beside training's).

# %%
full = rows.select(runs, dataset=dataset, horizon=horizon, variant="full").iloc[0]
history = pd.DataFrame(Store(store).read(full["id"])["epochs"])
last = history.iloc[-1][full["terms"]]
last *= [full["alpha" if term.endswith("forecast") else "beta"] if "_" in term else 1 for term in last.index]
shares = ", ".join(f"{name} {share:.1%}" for name, share in (last / last.sum()).items())
print(f"The loss of the last epoch, with its weights (alpha {full['alpha']:g}, beta {full['beta']:g}): {shares}")
plots.save(plots.training(history, title=f"{dataset}, {horizon} steps: the full method"), "06_training", figures)

# %% [markdown]
# ## In sentences, from these rows

# %%
print(words.looked_at(pd.concat([every, untaught])))
for (place, steps), group in ablation["test [%]"].groupby(level=["dataset", "horizon"], sort=False):
    others = group.droplevel([0, 1]).drop("full", errors="ignore")
    print(words.spread(others, f"{place} {steps}, variants against the full method"))
for name in ("exact KL", "exact KL, summed"):
    found = ablation["test [%]"].reindex([name], level="variant").droplevel("variant")
    print(words.spread(found, f"{name} against the full method"))

# %%
change = tables.against(runs, "variant", "w/o feature level")["test [%]"].unstack("variant", sort=False)
change = change.reindex(columns=["truth patterns"])["truth patterns"]
print(words.spread(change, "truth in the teacher's place against the teacher's forecasts alone"))
lost = ablation["test [%]"].unstack("variant").filter(like="w/o").reindex(columns=list(profiles.ABLATIONS))
lost = lost.dropna(axis=1, how="all").mean().sort_values(ascending=False)
print("In short, mean over what is there, without a part:", "; ".join(f"{n[4:]} {v:+.1f}%" for n, v in lost.items()))

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown. All students of the ablation learn from the first teacher
#   seed: deviations are those of students alone.
# * Where a variant has one seed, another seed may change its place.
#
# A variant of your own is one line; what may be changed is `terms`, `alpha`, `beta`, `scales`, `downsample`,
# `temperature`, `reduction` and `patterns` (see `RunConfig`). It trains the teacher, then the student, in a minute or
# two:
#
#     run = profiles.Profile("demo").config("nyc_weather", 96, "mlp", "itransformer", seed=2021, temperature=2.0)
#     study.ensure(run, store="../build/mine")    # from tdlib import study; its row has `test_mse`

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what a variant is
# `profiles.ABLATIONS` says what each variant changes. Write down from memory which terms are left in *w/o prediction
# level* and in *w/o period*, then look. Which term is in all variants that change the list, but for one?

# %% tags=["hide-cell"]
listed = {name: set(changes["terms"]) for name, changes in profiles.ABLATIONS.items() if "terms" in changes}
for name in ("w/o prediction level", "w/o period"):
    print(f"{name}: {', '.join(sorted(listed[name]))}")
without = [name for name, terms in listed.items() if "supervised" not in terms]
assert without == ["w/o supervised"]
print("The truth, `supervised`, is in all of them but one.")

# %% [markdown]
# ### Exercise 2 (thought): needed, or replaceable?
# Suppose that leaving out the period part changes nothing, and that leaving out the scale part changes nothing either.
# Does it follow that neither is worth anything? Which line of the figure answers that?
#
# <details><summary>Solution</summary>
#
# No. Both may hand over the same thing, so that either one will do: leaving one out is then harmless, leaving both out
# is not. The plain MLP, which has neither, is the dashed line: *w/o scale* and *w/o period* have one pattern each, and
# how far each stands from that line tells the two cases apart. An ablation that only leaves out measures what is *not
# replaced*, not what is *worth*.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): larger than a seed?
# For each variant with several seeds, compare its distance from the full method with two standard errors of the
# difference, from the deviations over seeds. Which variants stand out, and why is this yardstick still too kind?

# %% tags=["hide-cell"]
several = ablation[(ablation["seeds"] > 1) & (ablation.index.get_level_values("variant") != "full")]
full_method = ablation.xs("full", level="variant").reindex(several.index.droplevel("variant")).set_axis(several.index)
error = (several["deviation"] ** 2 / several["seeds"] + full_method["deviation"] ** 2 / full_method["seeds"]) ** 0.5
far = ((several["MSE"] - full_method["MSE"]).abs() > 2 * error).map({True: "beyond", False: "within"})
print(tables.wide(far, "variant").T.to_string() if len(far) else "needs two seeds")
print("Too kind: two or three seeds give a poor deviation, one test segment is shared, and there are many variants.")
