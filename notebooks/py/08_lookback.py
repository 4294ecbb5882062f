# %% [markdown]
# # How far back must the student look?
# The paper looks back 720 steps. A longer look-back shows more periods and asks for more weights. Does distillation
# help at short ones, too? (Teacher and student always have the same.) And what is left of that help where the plain
# student trains with weight decay?
#
# **After this page you can** say what a longer look-back buys and costs, and why "longer is better" may hold for one
# model and not for another.
#
# All of it is one data set, which is printed below. A line without a band is one seed; a student's seeds all learn from
# one teacher, whose own spread is not in the band. The `demo` profile has fewer look-backs, horizons and seeds;
# `make runs PROFILE=laptop` trains those of this page.

# %% tags=["parameters"]
profile = "laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import pandas as pd
from IPython.display import display

from tdlib import models, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

wanted = profiles.Profile(profile).lookback()
runs = rows.read(wanted, profile, "lookback", store=store, train_missing=train_missing)
print("data set:", wanted[0].dataset)
print("teacher:", words.teachers(wanted))

# %% [markdown]
# ## Error by look-back
# Bands are one deviation over seeds.
#
# **Predict first:** whose error will fall most when the look-back grows, and whose may rise: that of NLinear (a linear
# layer), the plain MLP, the distilled one or the teacher? And will weight decay, which keeps a plain MLP's weights
# small, do more at short look-backs or at long ones?

# %%
curves = runs.rename(columns=tables.METRICS)
figure = plots.curves(curves, x="lookback", label="look-back [steps]", colours=plots.colours(runs))
plots.save(figure, "08_lookback", figures)

# %% [markdown]
# ## In numbers
# The last columns are the distilled student's MSE against that of the plain one, without and with weight decay, in
# percent; negative is better.

# %%
places = ["horizon", "lookback"]
table = curves.pivot_table(index=places, columns="system", values="MSE", sort=False)
mlp = curves[curves["model"] == "mlp"].pivot_table(index=places, columns="part", values="MSE")
mlp = mlp.reindex(columns=["plain", "decayed", "distilled"])
gains = {f"against {other} [%]": 100 * (mlp["distilled"] / mlp[other] - 1) for other in ("plain", "decayed")}
table = table.assign(**gains)
tables.save(table.reset_index(), "08_lookback", f"{results}/tables")

# %% [markdown]
# Validation beside test, in percent of the plain student of the same look-back, without and with weight decay; a cross
# where they disagree on which is better.

# %%
both = {
    (other, lookback): tables.against(own, "part", other).xs("distilled", level="part")
    for other in ("plain", "decayed")
    for lookback, own in runs[runs["model"] == "mlp"].groupby("lookback")
    if {other, "distilled"} <= set(own["part"])
}
if both:
    both = pd.concat(both, names=["distilled against", "look-back"]).reset_index().sort_values("horizon", kind="stable")
    shown = tables.save(both.reset_index(drop=True), "08_validation", f"{results}/tables")
    display(shown.drop(columns=["MSE", "deviation", "seeds"]))

# %%
print(words.looked_at(runs))
for system in runs.loc[runs["part"] != "distilled", "system"].unique():
    change = 100 * (mlp["distilled"] / table[system] - 1)
    print(words.spread(change, f"distilled against {system} by horizon and look-back, MSE"))
for horizon, lines in table.drop(columns=list(gains)).groupby("horizon"):
    for system, found in lines.droplevel("horizon").items():
        if (known := found.dropna()).any():
            print(f"{horizon} steps, {system}: lowest at look-back {known.idxmin()}, highest at {known.idxmax()}.")

# %%
for other in ("plain", "decayed"):
    gain = mlp["distilled"].sub(mlp[other]).dropna()
    name = {"plain": "the plain MLP", "decayed": "the plain MLP with weight decay"}[other]
    if len(gain):
        print(f"The distilled MLP is ahead of {name} in {(gain < 0).sum()} of {len(gain)} horizons and look-backs.")

# %% [markdown]
# ## What we see
# * The last lines answer the question for one data set and one teacher; all sentences are made from the rows shown.
# * A system with one seed shows no trend that another seed could not change; where a cross stands, validation would
#   have chosen the other one.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what does a longer look-back weigh?
# Build the MLP of this page with `models.build` at each look-back and count its weights. By how many does a step of
# look-back raise the number, and why is it twice the width?

# %% tags=["hide-cell"]
student = next(run for run in wanted if run.model == "mlp")
channels = len(Store(store).arrays(runs["id"].iloc[0])["channel_mse"])
counts = {}
for lookback in sorted({run.lookback for run in wanted}):
    shape = {"lookback": lookback, "horizon": student.horizon, "channels": channels}
    model = models.build("mlp", **shape, **student.settings)
    counts[lookback] = sum(weight.numel() for weight in model.parameters())
(first, few), *_, (last, many) = counts.items()
assert (many - few) / (last - first) == 2 * model.feature_width
print(counts, "a step weighs", 2 * model.feature_width)
print("Each of the two branches, trend and season, has a first layer with a row for every step.")

# %% [markdown]
# ### Exercise 2 (thought): what else changes?
# Compare look-back 96 with 720 on the same series. Which test windows are compared, what happens to the number of
# training windows, and what may a plain model do with 624 more inputs?
#
# <details><summary>Solution</summary>
#
# The targets of validation and test are the same: both segments begin a look-back early. Training windows are fewer by
# the difference. More inputs give the model more to see and more to learn by heart: with the same
# number of windows the plain model may overfit. Weight decay is meant to work against that, and a teacher may, too.
# Page 17 tests whether a teacher does so because its forecast is smoother than the truth.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): could you have chosen it?
# For each horizon and system, which look-back has the smallest validation error, and which the smallest test error?
# Means over seeds. How much test error does the choice on validation cost?

# %% tags=["hide-cell"]
means = curves.groupby(["horizon", "system", "lookback"])[["validation MSE", "MSE"]].mean()
for (horizon, system), found in means.groupby(level=["horizon", "system"], sort=False):
    found = found.droplevel(["horizon", "system"])
    chosen, best = found["validation MSE"].idxmin(), found["MSE"].idxmin()
    cost = 100 * (found["MSE"][chosen] / found["MSE"][best] - 1)
    print(f"{horizon} steps, {system}: validation chooses {chosen}, test {best}; it costs {cost:.1f}%")
