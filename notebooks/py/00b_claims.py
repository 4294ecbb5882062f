# %% [markdown]
# # Which claims hold?
# What the paper says of distillation, and what the other pages say, as a list of claims. Each is decided by rows
# of the store, by a statistic with a 95% interval, and by one rule; the pages that follow show the same rows at
# length.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import pandas as pd

from tdlib import claims, rows
from tdlib.claims.listed import CLAIMS
from tdlib.report import plots, tables

places = {"published": "../results/published.csv", "benchmarks": f"{results}/benchmarks"}
pd.options.display.max_colwidth = None  # whole sentences
evidence = claims.Evidence(profile, store, train_missing=train_missing, **places)

# %% [markdown]
# ## The rule
# A claim says on which side of a bound its statistic lies: that the distilled student's error, relative to another's,
# is below 0 percent, or a share at least the published one. It
#
# * **holds** where the whole interval is on the claimed side,
# * **does not hold here** where none of it is,
# * is **inconclusive** where the interval straddles the bound, and
# * **not tested here** where the rows are not there, or fewer than the statistic asks for.
#
# Intervals are over seeds *and* time: teachers, students and blocks of look-back + horizon windows are drawn, and
# settings (a data set with a horizon) are pooled with equal weights. What is counted, measured or proved has no
# interval: its ends are the value itself, or as far apart as what is missing may move it.

# %%
found = claims.table(CLAIMS, evidence)
shown = tables.save(claims.short(found), "claims", f"{results}/tables")
found.round(4).to_csv(f"{results}/claims.csv", index=False)
shown.fillna("")

# %% [markdown]
# ## How far from the bound?
# Those claims that are differences in MSE, ours with its interval and, where there is one, the published figure.
# Left of the line the first system of the claim has the smaller error.

# %%
errors = found[(found["unit"] == "% MSE") & found["low"].notna()]
if errors.empty:
    raise rows.missing(evidence.runs, "no pair of runs that a claim compares")
errors = errors.rename(columns={"value": "estimate"}).set_axis(errors["name"] + ": " + errors["verdict"])
figure = plots.intervals(errors, label="difference in test MSE [%]", reference=0)
plots.save(figure, "00_claims", figures)

# %% [markdown]
# ## By what each is decided
# `claimed` is the side and the bound; `settings` is what the statistic is a mean (or the worst) over, `runs` how many
# runs, or pairs of them.

# %%
columns = ["name", "source", "statistic", "unit", "claimed", "value", "low", "high", "settings", "runs"]
found[columns].round(2)

# %% [markdown]
# ## How often has each test segment been looked at?
# Each row below is a model whose test error was read. The more there are, the likelier it is that one looks good by
# luck; no interval above takes that into account.

# %%
looked = evidence.runs.groupby("dataset", sort=False).agg(variants=("id", "size"), systems=("system", "nunique"))
looked

# %% [markdown]
# ## In words

# %%
for verdict in claims.VERDICTS:
    names = found.loc[found["verdict"] == verdict, "name"]
    print(f"{verdict} ({len(names)} of {len(found)}): {'; '.join(names) or 'none'}\n")

# %% [markdown]
# ## What we see
# * The lines above are made from the rows, and so are the figure and README's table: other rows, other verdicts.
# * *Inconclusive* is no *no*: a test segment holds few blocks, most settings have one to three seeds, and an interval
#   over a single setting or two says nothing about other data sets. `settings` and `runs` tell how much a verdict
#   rests on.
# * *Not tested here* is no *no* either: the rows are being trained, or no profile lists them. What is missing is
#   said above the table, with the command that trains it.
# * A published figure is a mean over other data sets, other horizons and mostly one seed. It stands beside ours for its
#   size; the verdict is on the claim, and only where the claim names a figure does it stand as the bound.
