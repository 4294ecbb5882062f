# %% [markdown]
# # What does it do for a series of your own?
# One command, `python -m tdlib distill my.csv`, reads a file, trains baselines, a teacher (or a committee), a student
# without it (also with weight decay) and one with it, says which to use, and leaves a small forecaster in service. This
# page does the same in Python, from a CSV that it writes itself, to a forecast on a machine without torch. Everything
# here is trained when the page is run: three channels, 100 days of hourly weather, a few epochs.
#
# **After this page you can** fit a `Forecaster` to a CSV, read its verdict and say what it rests on, judge whether its
# bands hold what they promise, and take the model away as one file.

# %% tags=["parameters"]
figures = "../figures"
days = 100
epochs = 5

# %%
import io
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from tdlib import Forecaster, csvfile, data
from tdlib.compute import Compute
from tdlib.report import plots
from tdlib.service import backtest, commands, export, intervals

# %% [markdown]
# ## A file
# The embedded weather, three of its channels, as somebody would have it on disk.

# %%
folder = Path(tempfile.mkdtemp())
weather = data.load("nyc_weather")
frame = pd.DataFrame(weather.values, weather.index.rename("hour"), list(weather.channels))
frame[["JFK temp", "JFK humid", "JFK wind_speed"]][: 24 * days].round(2).to_csv(folder / "jfk.csv")

# %% [markdown]
# ## Read it
# Delimiter, encoding, dates and step are those of the whole file; gaps, repeated stamps and columns that are no
# measurement are refused with their place, or read with an option that is named.

# %%
table, remarks = csvfile.read_frame(folder / "jfk.csv")
apart = (table.index[1] - table.index[0]) / pd.Timedelta("1h")
print(f"{len(table):,} rows, {apart:g} h apart, from {table.index[0]} to {table.index[-1]}", *remarks)
print(table.describe().loc[["mean", "std", "min", "max"]].round(1))

# %% [markdown]
# ## Fit
# Look-back, horizon and period are found from the rows where they are not given. `minutes` is the time that training
# may take; a number of `epochs` takes its place here, so that this page does the same on every machine.
#
# The table is of the test rows, but for its first column. MSE and MAE are in deviations of the training rows, *own
# units* are the file's. *MASE* is the MAE over what the training rows change by, on average, from one period to the
# next. *Skill* is the share of the seasonal naive forecast's MSE (what was there a period ago) that a model saves.

# %% tags=["nbval-ignore-output"]
made = Forecaster(epochs=epochs, compute=Compute(), folder=folder / "store").fit(table, "jfk")
print(*made.remarks_)
scores = commands.table(made).drop(columns=["microseconds"])
scores.round(3)

# %% [markdown]
# ## The verdict
# The model with the least **validation** error is chosen; the test error beside it is the honest one, since nothing was
# chosen on it. Then the chosen model is trained once more, on all rows.

# %% tags=["nbval-ignore-output"]
assert made.chosen_ == made.scores_["val", "MSE"].idxmin()
print(made.verdict_.words)

# %% [markdown]
# ## Intervals
# Split conformal: the half width of a band is a quantile of the absolute errors on validation, for each step and
# channel. It promises its share if test errors are like those of validation.
#
# **Predict first:** here validation is the ten days after training, and test the twenty after these: do you expect the
# 80% band to hold more or less than 80% of the test values?

# %% tags=["nbval-ignore-output"]
own, shares = made.residuals_[made.chosen_], {}
for level in made.level:
    inside = abs(own.test) <= intervals.half_widths(own.val, (level,))[level]
    shares[level] = inside.mean((0, 2))
print({level: f"{share:.0%} of the test values" for level, share in made.coverage_.items()})
plots.save(plots.coverage(shares), "13_coverage", figures)

# %% [markdown]
# ## Forecast
# What follows the last row, in the file's own units (here degrees Fahrenheit, percent, miles an hour) and with its own
# calendar. A band knows no bounds, as wind below 0 shows: `predict(nonnegative=True)` cuts it there.

# %% tags=["nbval-ignore-output"]
forecast = made.predict()
assert forecast.index[0] == table.index[-1] + table.index.freq
plots.save(plots.bands(table[-168:], forecast, list(made.level)), "13_forecast", figures)

# %% [markdown]
# ## Backtest
# How the models would have done from several origins in the past, each a horizon after the other; `best` counts at how
# many of them a model was the best.

# %% tags=["nbval-ignore-output"]
past = backtest.summary(made.backtest(cutoffs=5))
past.round(3)

# %% [markdown]
# ## Take it away
# One ONNX file with names, scaling and bands inside, a model card, and a script that needs onnxruntime and numpy alone.

# %% tags=["nbval-ignore-output"]
made.to_onnx(folder / "jfk.onnx")
script = export.files(folder / "jfk.onnx")[2]
printed = subprocess.run(
    [sys.executable, script, folder / "jfk.csv"], capture_output=True, text=True, check=True
).stdout
elsewhere = pd.read_csv(io.StringIO(printed), index_col="step")
apart = abs(elsewhere[list(forecast)].to_numpy() - forecast.to_numpy()).max()
assert apart < 1e-3 * table.std().max()
print(f"{(folder / 'jfk.onnx').stat().st_size:,} bytes; largest difference of its forecast: {apart:.1e}")

# %% [markdown]
# ## What we see
# * The verdict is computed, not promised: on a short series a closed-form baseline may be the one to use, and then it
#   says so. Pages 05 and 12 show where a distilled student pays, and where not.
# * Five forecasts are few: a backtest's order of models need not be that of the test windows, of
#   which there are hundreds.
# * A band is only as good as validation is like test: its coverage is measured and printed, not assumed.
# * The same from a shell: `python -m tdlib distill jfk.csv`, then `forecast`, `backtest` and `export`; `distill` also
#   writes a report, one HTML file to send to a colleague.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what is the teacher for?
# By how much does the distilled student differ from the plain one, without and with weight decay, on validation and on
# test? Use `made.scores_`. Which of the two is the fair opponent?

# %% tags=["hide-cell", "nbval-ignore-output"]
errors = made.scores_.xs("MSE", axis=1, level=1)
plain = errors.loc[["MLP", "MLP, decay 1"]]
print((100 * (errors.loc["MLP distilled"] / plain - 1)).round(1).rename_axis("distilled against, %"))
print(f"Without a teacher validation prefers {plain['val'].idxmin()}: that is the fair opponent.")

# %% [markdown]
# ### Exercise 2 (thought): why not choose on test?
# With that many models, the one with the least test error is sometimes another. Why is its test error no honest
# figure, and what would make it one?
#
# <details><summary>Solution</summary>
#
# The least of ten noisy figures is too small on average, even where all models are equally good: the choice picks the
# luckiest. It would be honest on rows that took no part in the choice, which is what test is for here; page 14 counts
# how large the effect is in this study.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): a narrower promise
# Compute the half widths of a 50% band from the residuals, and the share of test values that it holds.

# %% tags=["hide-cell", "nbval-ignore-output"]
half = intervals.half_widths(own.val, (50,))[50]
print(f"a 50% band holds {(abs(own.test) <= half).mean():.0%} of the test values")
