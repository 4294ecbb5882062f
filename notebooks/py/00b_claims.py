# %% [markdown]
# # Which claims hold?
# What the paper says of distillation, and what the other pages say, as a list of claims. Each is decided by rows
# of the store, by a statistic with a 95% interval, and by one rule; the pages that follow show the same rows at
# length.
#
# Who learns the method reads this page last. Words that other pages explain: the *plain* MLP has no teacher; *with
# decay* it has a weight decay of 1, nothing else changed. The *published rate* is a learning rate of 0.01. *Win keep*:
# of the windows that the plain MLP wins against a teacher, the share that another model wins, too (page 02). *Period
# distribution*: the spectrum of a series as shares of one (04). *Ridge* and *Phase ridge*: linear maps in closed form
# (05). A *committee* is several models whose weighted mean teaches a *patient* student; weighed *on halves*, its
# members were also judged on training rows that each had not seen (12).
#
# **After this page you can** read a verdict together with its interval, say what *inconclusive* and *not tested here*
# leave open, and decide a claim by the rule yourself.

# %% tags=["parameters"]
profile = "demo+laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
import re
import textwrap
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from tdlib import analysis, claims, rows
from tdlib.claims.listed import CLAIMS, HEADLINES
from tdlib.report import plots, tables, words

pd.options.display.max_colwidth = None  # whole sentences
evidence = claims.Evidence(profile, store, benchmarks=f"{results}/benchmarks", train_missing=train_missing)

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
# Intervals are over seeds *and* time (of scales and periods, over settings and seeds, as their statistic says), and
# narrower than their 95% where seeds and blocks are few, as page 14 simulates: teachers, students and blocks of
# look-back + horizon windows are drawn, and settings (a data set with a horizon) are pooled with equal weights. What is
# counted, measured or proved has no interval: its ends are the value itself, or as far apart as what is missing may
# move it. Where a mean over settings would have another verdict without the one setting that moves it most, `ours` says
# what it is *without* that one; of the worst of several means, without the one data set. Of win rates, and of wins that
# are kept, this is not computed.

# %%
found = claims.table(CLAIMS, evidence)
shown = tables.save(claims.short(found), "claims", f"{results}/tables")
found["main"] = found["claim"].isin(HEADLINES)  # those that README shows
first = found[found["main"]].drop(columns="main")
tables.save(claims.short(first.reset_index(drop=True)), "claims_headlines", f"{results}/tables")
found.round(4).to_csv(f"{results}/claims.csv", index=False)

# %% [markdown]
# ## How far from the bound?
# Those claims that are differences in MSE, ours with its interval and, where there is one, the published figure.
# Left of the line the first system of the claim has the smaller error, which all of these claim. The names are those of
# the next table: *part* is of the ablation (page 06), *target* and *decay* are of page 17.
#
# **Predict first:** how many of these claims will hold: most, about half, or fewer? And where will the widest intervals
# be, at large differences or at small ones?

# %%
errors = found[(found["unit"] == "% MSE") & found["low"].notna()]
if errors.empty:
    raise rows.missing(evidence.runs, "no pair of runs that a claim compares")
errors = errors.rename(columns={"ours": "estimate"}).set_index("claim")
colours = {"holds": "black", "inconclusive": "silver", "does not hold here": "#CC79A7"}
look = {"by": "verdict", "colours": colours, "reference": 0}
figure = plots.intervals(errors, label="difference in test MSE [%]", **look)
plots.save(figure, "00_claims", figures)

# %% [markdown]
# ## All claims
# *claimed* is the side and the bound. `results/claims.csv` also has the statistic of each, what it is a mean (or the
# worst) over, `settings`, and how many runs or pairs of them stand behind it, `rows`.

# %%
shown.fillna("").set_index(found["claim"].rename("name")).assign(claimed=found["claimed"].to_numpy())

# %% [markdown]
# ## In short
# README begins with these lines. *Ahead*: the claim that the first of the two is better holds; *behind*: it does not
# hold; *level*: it is inconclusive. In brackets the difference in MSE, negative is better, the number of settings, and
# what is left without the one setting that decides it. Two differences are to be compared on the same settings alone.

# %%
sides = {"holds": "ahead of", "does not hold here": "behind", "inconclusive": "level with"}


def beside(match: re.Match) -> str:
    """On which side of an opponent the first system of a claim is, and by how much."""
    opponent, name = match[1].split(" = ")
    line = found.set_index("claim").loc[name]
    if line["verdict"] not in sides:
        return f"not yet set beside {opponent}"
    rest = line["words"].partition("; without ")[2]
    numbers = words.interval(*line[["ours", "low", "high"]]) + f"%, {line['settings']} settings"
    return f"{sides[line['verdict']]} {opponent} ({numbers}{f'; without {rest}' * bool(rest)})"


# %%
def change(ours: pd.DataFrame, *others: pd.DataFrame) -> str:
    """The difference to the plain MLP in the settings that others have, too."""
    plain = evidence.plain()
    for other in others:
        plain = plain.merge(other[analysis.SETTING].drop_duplicates())
    try:
        found = evidence.difference(ours, plain)
    except rows.Missing:
        return "not there"
    return f"{found.value:.1f}%"


# %%
two, best = [evidence.distilled(name) for name in ("itransformer", "moderntcn")], evidence.distilled()
bullets = [
    "* **As published** the MLP from iTransformer is {the plain one = plain, iTransformer} and "
    "{its teacher = teacher, iTransformer}; the MLP from ModernTCN is {the plain one = plain, ModernTCN} and "
    "{its teacher = teacher, ModernTCN}. In the settings that have both teachers the differences to the plain one are "
    f"{change(two[0], two[1])} and {change(two[1], two[0])}.",
    "* **A weight decay of 1** for the plain MLP: the distilled one, from the teacher that validation prefers, differs "
    f"from the plain one without decay by {change(best, evidence.decayed)}, and in the same settings is "
    "{the one with it = plain, decayed}; with that decay on both it is {it = decay: on both}.",
]

# %%
bullets += [
    "* **As many trials for both**, chosen on validation, of rates with weight decays for the plain MLP, of rates with "
    "weights of the patterns for the distilled one: that from iTransformer is {the plain one = plain, fair, "
    "iTransformer}, from ModernTCN {the plain one = plain, fair, ModernTCN}.",
    "* **The two patterns**, each left out: the full method is {the one without the coarser scales = part: coarser "
    "scales} and {the one without the period parts = part: period parts}. The two levels: it is {the one without "
    "features = part: feature level} and {the one without forecasts = part: prediction level}.",
    "* **A linear map**, fitted in closed form: the distilled MLP is {ridge regression = Ridge}.",
    "* **A student of a committee** is {that MLP = patient, published}, {ridge regression = patient, Ridge} and "
    "{its committee = patient, committee}.",
]

# %%
bullets = [textwrap.fill(re.sub(r"{(.+?)}", beside, line), 120, subsequent_indent="  ") for line in bullets]
Path(f"{results}/tables/headlines.md").write_text("\n".join(bullets) + "\n")
display(Markdown("\n".join(bullets)))

# %% [markdown]
# ## How often has each test segment been looked at?
# A test segment is a data set with a horizon; each variant is a model whose test error was read there. The more there
# are, the likelier it is that one looks good by luck; no interval above takes that into account. (Segments of one data
# set share most of their time: who looked at one has looked at the others. Page 16's runs come on top of these.)

# %%
segments = evidence.runs.groupby(["dataset", "horizon"], sort=False)
segments.agg(variants=("id", "size"), systems=("system", "nunique"))

# %% [markdown]
# ## How many hold?

# %%
tables.save(claims.counts(found), "claims_counts", f"{results}/tables")

# %% [markdown]
# ## What we see
# * The lines above are made from the rows, and so are README's first lines and table: other rows, other verdicts.
# * *Inconclusive* is no *no*: a test segment holds few blocks, most settings have one to three seeds, and an interval
#   over a single setting or two says nothing about other data sets. `settings` and `rows` of the file tell how
#   much a verdict rests on.
# * *Not tested here* is no *no* either: the rows are being trained, or no profile lists them. What is missing is
#   said above the table, with the command that trains it.
# * A published figure is a mean over other data sets, other horizons and mostly one seed. It stands beside ours for its
#   size; the verdict is on the claim, and only where the claim names a figure does it stand as the bound.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): at least as much as published?
# Decide every claim that has an interval and a published figure again, by `claims.verdict`, with that figure as the
# bound. (The ends of *best of all* are no interval.) How many hold, beside how many of the same claims above? Name
# those whose verdict changes.

# %% tags=["hide-cell"]
stated = found[found["published"].notna() & (found["low"] < found["high"]) & (found["claim"] != "best of all")]
sides = stated["claimed"].str.rsplit(" ", n=1).str[0]
ends = zip(stated["low"], stated["high"], sides, stated["published"].astype(float), strict=True)
again = pd.Series([claims.verdict(*each) for each in ends], index=stated.index, dtype=object)
print(f"hold: {(stated['verdict'] == 'holds').sum()} of {len(stated)}; with the published figure as the bound:")
print(f"{(again == 'holds').sum()} of {len(stated)}")
for name, old, new in zip(stated["claim"], stated["verdict"], again, strict=True):
    if new != old:
        print(f"{name}: {old} -> {new}")

# %% [markdown]
# ### Exercise 2 (thought): so many claims
# Suppose that of $n$ claims with an interval the true value lay exactly at the bound: none of them below or above it.
# How many would the rule call *holds*? Does it matter that many claims rest on the same students and the same test
# segments?
#
# <details><summary>Solution</summary>
#
# An interval of 95% misses the true value in 5% of the cases, on each side about half of them: about $n / 40$ claims
# would hold by luck. That mean needs no independence. Shared rows change how the mistakes come: where one student was
# lucky, all claims that rest on it are wrong together, so that there are often none and at times many. And the 5% are
# only as good as the interval, which a few blocks of time and a few seeds make too narrow rather than too wide.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): how much more evidence?
# An interval shrinks about with the square root of what stands behind it. For each inconclusive claim of the figure,
# how many times the evidence would take the near end to the bound, if the estimate stayed where it is?

# %% tags=["hide-cell"]
bounds = errors["claimed"].str.rsplit(" ", n=1).str[1].astype(float)
distance = (errors["estimate"] - bounds).abs()
reach = (errors["high"] - errors["estimate"]).where(errors["estimate"] < bounds, errors["estimate"] - errors["low"])
unclear = (errors["verdict"] == "inconclusive").to_numpy()
times = ((reach / distance) ** 2)[unclear].sort_values()
for name, factor in times.items():
    print(f"{name}: {factor:,.1f} times")
print(f"Inconclusive claims in the figure: {len(times)}. An estimate at its bound would need evidence without end.")
