# %% [markdown]
# # At which scale does the student learn?
# Averaging a forecast over pairs of steps, again and again, leaves its slow part: scale 0 is the forecast
# itself, scale 3 its means over eight steps. The paper's claim: a plain MLP misses the coarse course of the
# series that its teacher follows, and the multi-scale part of the loss hands it over.

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
import torch

from tdlib import analysis, losses, profiles, rows
from tdlib.report import plots, tables, words
from tdlib.store import Store

configs = [config for entry in profiles.load(profile) for config in entry.main()]
runs = rows.with_students(rows.read(configs, profile, "main", store=store, train_missing=train_missing))

# %% [markdown]
# ## One window, seen at four scales
# The second of the windows that a row keeps, and the first channel: a rule that looks at no result.

# %%
three = rows.taught(runs, dataset=dataset, horizon=horizon, teacher=teacher)
arrays = {name: Store(store).arrays(id) for name, id in three["id"].items()}
_, plain, distilled = arrays
sample, channel = analysis.example(arrays[plain])
colours = plots.colours(three.reset_index())

# %%
series = {"truth": arrays[plain]["sample_y"][sample, :, channel]}
series |= {name: entry["sample_prediction"][sample, :, channel] for name, entry in arrays.items()}
series = {name: torch.from_numpy(values.astype(np.float32)) for name, values in series.items()}
parts = {}
for scale in range(4):
    parts[scale] = {name: values.numpy() for name, values in series.items()}
    series = {name: losses.halve(values) for name, values in series.items()}
figure = plots.scales(parts, colours=colours, title=f"{dataset}, {horizon} steps, first channel")
plots.save(figure, "03_scales", figures)

# %% [markdown]
# ## All test windows
# The MSE at each scale; bands are one deviation over seeds. If the gap between the plain and the distilled
# student stays as wide at scale 3 as at scale 0, what was handed over is coarse.

# %%
errors = analysis.scale_table(runs[runs["system"].isin(arrays)])
figure = plots.curves(errors, x="scale", label="scale m (means over 2^m steps)", colours=colours)
plots.save(figure, "03_scale_errors", figures)

# %%
shown = errors.pivot_table(index=["setting", "system"], columns="scale", values="MSE", sort=False)
tables.save(shown.rename(columns="scale {}".format).reset_index(), "03_scale_errors", f"{results}/tables")

# %% [markdown]
# ## How much of the gain is coarse?
# The gain in MSE at scale 3 over the gain at scale 0: 100% means that all of it is in the means over eight
# steps.

# %%
gain = shown.xs(plain, level="system") - shown.xs(distilled, level="system")
share = (100 * gain[gain.columns[-1]] / gain[0]).rename("coarse share of the gain [%]")
tables.save(share.to_frame().reset_index(), "03_coarse_share", f"{results}/tables", digits=0)

# %% [markdown]
# ## In sentences, from these rows
# A gain proportional to the plain student's error would leave the same share of both at the coarsest scale.

# %%
coarse = shown.columns[-1]
change = -100 * gain / shown.xs(plain, level="system")
for scale in change:
    print(words.spread(change[scale], f"distilled against plain at scale {scale}, MSE"))
error_share = 100 * shown.xs(plain, level="system")[coarse] / shown.xs(plain, level="system")[0]
for setting, found in share.items():
    print(
        f"{setting}: {found:.0f}% of the gain and {error_share[setting]:.0f}% of the plain error are at scale {coarse}."
    )

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown. The gain is a matter of coarse scales only where its share
#   exceeds the error's.
# * Averages are easier to forecast: curves are to be compared at one scale, not along it.
