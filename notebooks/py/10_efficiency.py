# %% [markdown]
# # How small and how fast is the student?
# The point of distilling is a forecaster that costs little: to store, to run, to wait for. This page measures
# the student beside the linear layers and the teachers, and the same student in three other forms: as two
# matrix products (`tdlib.deploy.fused`), as an ONNX file, and as one with 8-bit weights (`tdlib.deploy.onnx`).
#
# Errors come from the rows. **Times and memory are taken on your machine** when the page is run, on one thread.
# Weights do not change them: the models are built fresh, in the sizes of the rows.
#
# **After this page you can** say what distilling saves and what it costs, tell a model's size from its speed, and work
# out after how many forecasts a student has paid for its training.

# %% tags=["parameters"]
profile = "laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False
published_batch = 1

# %%
import pandas as pd
import torch

from tdlib import models, profiles, rows
from tdlib.deploy import efficiency
from tdlib.report import plots, tables
from tdlib.store import Store

wanted = profiles.Profile(profile).efficiency()
runs = rows.read(wanted, profile, "main", "versatility", store=store, train_missing=train_missing)
print("data set, look-back and horizon:", wanted[0].dataset, wanted[0].lookback, wanted[0].horizon)

# %% [markdown]
# ## Error, size and training, from the rows
# One seed each (page 05 has means). Training took one thread of the machine that made the rows; a distilled
# student's seconds are its own, its teacher's come on top.

# %%
columns = {"test_mse": "MSE", "test_mae": "MAE", "parameters": "parameters", "seconds": "training [s]"}
result = runs[["system", *columns]].rename(columns=columns)
tables.save(result, "10_error_and_size", f"{results}/tables")

# %% [markdown]
# ## The models, ready to forecast
# The plain and the distilled MLP are the same network and are measured once. Without the extra `onnx` the two
# ONNX forms are left out.

# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)
channels = len(Store(store).arrays(runs["id"].iloc[0])["channel_mse"])
found = [config for config in wanted if config.id in set(runs["id"]) and not config.teacher]
rows.select(runs, system="MLP")  # the one that all others are measured against
student = found[0]
served = {models.title(run.model): efficiency.in_torch(efficiency.build(run, channels)) for run in found}
served = {"MLP": served.pop("MLP"), **efficiency.forms(student, channels), **served}

# %% [markdown]
# ## Latency
# Each line rests on 0.15 seconds of calls, of which the first tenth is the warm-up and does not count; a call that
# takes longer is measured once, after one that does not count. A window is a whole look-back of all channels. Medians
# are shown; `results/benchmarks/latency.csv` has the 95th percentile, windows a second (the batch over the median) and
# the number of calls, too.

# %% tags=["nbval-ignore-output"]
shape = {"lookback": student.lookback, "channels": channels}
timings = {name: efficiency.measure(model, **shape, batches=[1, 16, 256]) for name, model in served.items()}
timings = pd.concat(timings, names=["system"])
tables.save(timings.reset_index(), "latency", f"{results}/benchmarks")
medians = timings["median ms"].unstack("batch").reindex(list(served)).add_prefix("batch of ")
medians.add_suffix(" [ms]").round(2)

# %% [markdown]
# ## Memory and size
# `memory` is by how much one forecast of 16 windows raises the resident memory of this process at its peak: what
# it takes beside the weights. It is read from Linux and stays empty elsewhere. `file` is safetensors for torch and
# the ONNX file for ONNX. The fused student holds more numbers than the plain one: BatchNorm's four numbers a
# channel have become tables, and hidden units for the mean, the biases and a round number were added.

# %% tags=["nbval-ignore-output"]
windows = torch.randn(16, student.lookback, channels)
sizes = pd.DataFrame({"system": list(served), "parameters": [model.parameters for model in served.values()]})
sizes["memory [MiB]"] = [efficiency.peak_memory(model.forward, windows) for model in served.values()]
sizes["file [MiB]"] = [model.size / 2**20 for model in served.values()]
tables.save(sizes, "memory", f"{results}/benchmarks", digits=2)

# %% [markdown]
# ## Error against latency
# As the paper's bubble figure: further down is better, further left is faster, and the area is the number of
# parameters. Batches of 16. Green with a black edge: the distilled student; rings: those of its forms whose forecasts
# agree to 1e-5. The last value and the last period are in the first table alone. The form with 8-bit weights is left
# out: what they cost depends on the weights, and `python -m tdlib export RUN --onnx FILE --int8` prints it.
#
# **Predict first:** seen from its teacher, where will the distilled student be: further left, further down, or both?
# And will the largest areas be furthest to the right?

# %% tags=["nbval-ignore-output"]
at_16 = timings.xs(16, level="batch")["median ms"]
table = efficiency.against_error(runs[~runs["model"].isin(["naive", "seasonal_naive"])], at_16)
labels = ("latency of 16 windows [ms], one thread", "test MSE [scaled units]")
plots.save(plots.bubbles(table, x="ms", y="test_mse", size="parameters", labels=labels), "10_efficiency", figures)

# %% [markdown]
# ## Ours beside published
# The paper states up to 7 times faster inference and up to 130 times fewer parameters than a teacher (122 times in its
# table, which is used here), measured on ECL: 321 channels, look-back 720, means over the four horizons, batches of 16,
# on a GPU. We set three things side by side: our run above; the published sizes, on this machine; and what the paper
# prints. Weights are means over the four horizons here, too. Latency is that of 720 steps to 720, which takes minutes
# and 6 GB in batches of 16 on one thread of a CPU: it is measured on single windows, which are 321 series each
# (`published_batch` changes that).

# %% tags=["nbval-ignore-output"]
paper, names = profiles.Profile("paper"), ["mlp", "micn", "patchtst", "itransformer", "timemixer", "moderntcn"]
lines = {}
for name in names:  # one at a time: ModernTCN alone has 136 million parameters
    model = efficiency.in_torch(efficiency.build(paper.config("ECL", 720, name), 321))
    ms = efficiency.measure(model, 720, 321, [published_batch])["median ms"].item()
    weights = [efficiency.weights(paper.config("ECL", steps, name), 321) for steps in paper.horizons]
    lines[models.title(name)] = {"ms": ms, "parameters": sum(weights) / len(weights)}
there = pd.DataFrame(lines).T

# %% tags=["nbval-ignore-output"]
theirs = tables.published("../results/published.csv", table="efficiency (T11)")
theirs = theirs.pivot(index="model", columns="metric", values="value")
ratios = {
    f"{student.dataset}, ours": efficiency.against_mlp(at_16, sizes.set_index("system")["parameters"]).assign(batch=16),
    "ECL, ours": efficiency.against_mlp(there["ms"], there["parameters"]).assign(batch=published_batch),
    "ECL, published": efficiency.against_mlp(*(theirs[name] for name in theirs)).assign(batch=16),
}
ratios = pd.concat({name: found.reindex(there.index[1:]) for name, found in ratios.items()}, axis=1)
ratios.columns = [f"{name}: {what}" for name, what in ratios.columns]
tables.save(ratios.reset_index(names="teacher"), "ratios", f"{results}/benchmarks", digits=1)

# %% [markdown]
# ## What we see, from the tables above
# The sentences are made by these cells, from the times of the machine that ran them.

# %% tags=["nbval-ignore-output"]
speed = timings["median ms"].unstack("batch", sort=False).drop(index="MLP")
speed = speed.rdiv(timings["median ms"]["MLP"], axis=1)  # how many times as fast as the plain form
for name in speed.index:
    factors = ", ".join(f"{float(f'{factor:.2g}'):,g} at batch {batch}" for batch, factor in speed.loc[name].items())
    print(f"{name}, times as fast as the MLP: {factors}.")

# %%
weights = sizes.set_index("system")["parameters"]
for name in [models.title(run.model) for run in found if models.role(run.model) == "teacher"]:
    print(f"The student has {100 * weights['MLP'] / weights[name]:,.0f}% of the weights of {name}, as trained here.")

# %% tags=["nbval-ignore-output"]
print(f"On ECL, ours in batches of {published_batch} on one thread of a CPU, published in batches of 16 on a GPU:")
for what in ("times the latency", "times the parameters"):
    ours, printed = (ratios[f"ECL, {whose}: {what}"] for whose in ("ours", "published"))
    print(
        f"{what} of the student: ours is above the published ratio for {(ours > printed).sum()} of {len(ours)} teachers"
    )

# %% [markdown]
# ## What we see
# * Figures of time are in the tables above and hold for the machine that made them: which form or model is faster
#   depends on the batch, and a ratio of ours to the published one also on the device.
# * A distilled student has the size and latency of the plain one; its training needs its teacher's on top.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): two products are enough
# Fuse a student with `tdlib.deploy.fused.fuse` and show that its forecasts are those of the plain form, to 1e-5. By how
# many numbers is it larger, and how many matrix products does a forecast take in either form?

# %% tags=["hide-cell"]
from tdlib.deploy.fused import fuse

model = efficiency.build(student, channels)
fused = fuse(model)
with torch.inference_mode():
    torch.testing.assert_close(fused(windows), model(windows).prediction, rtol=0, atol=1e-5)
plain, tabled = (efficiency.in_torch(form).parameters for form in (model, fused))
print(f"numbers: plain {plain:,}, fused {tabled:,}, {tabled - plain:,} more")
layers = sum(isinstance(part, torch.nn.Linear) for part in model.modules())
print(f"products of matrices: plain {layers}, the moving average aside; fused 2")

# %% [markdown]
# ### Exercise 2 (thought): small is not fast
# In the tables above look for a model with fewer weights than the student that takes longer. How can that be? And why
# may the order at one window differ from that at 256?
#
# <details><summary>Solution</summary>
#
# A weight is stored once and may be used often: a convolution or an attention layer takes the same few weights to every
# step, patch or channel, and what attention computes between steps has no weights at all. Time follows the products
# that are computed and the memory that is moved, not the weights that are stored. At one window every call also pays
# for being called: many small layers cost more than few large ones, whatever they compute. Large batches make that
# share vanish, and what counts is then arithmetic and whether intermediate results still fit into the cache.
#
# </details>

# %% [markdown]
# ### Exercise 3 (code): when has the student paid for itself?
# You have the teacher and may serve it as it is, or train the student first. After how many windows, in batches of 16,
# has the student's training been won back? Take training from the rows and latency from this page.

# %% tags=["hide-cell", "nbval-ignore-output"]
taught = runs[runs["part"] == "distilled"]
for run in taught.itertuples():
    if (name := models.title(run.teacher)) in at_16:
        saved = (at_16[name] - at_16["MLP"]) / 16 / 1000  # seconds a window
        paid = f"after {run.seconds / saved:,.0f} windows" if saved > 0 else "never: its teacher is no slower"
        print(f"{run.system} has paid for its training {paid}")
    else:
        print(f"{run.system}: its teacher is not among the rows")
print(f"distilled students in the rows: {len(taught)}; the two machines may differ in speed")
