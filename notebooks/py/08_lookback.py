# %% [markdown]
# # How far back must the student look?
# The paper looks back 720 steps. A longer look-back shows more periods and asks for more weights. Does
# distillation help at short ones too, where the student cannot see what its teacher could not see either?
#
# The `demo` profile has two look-backs and one seed; `make runs PROFILE=laptop` trains four and three.

# %% tags=["parameters"]
profile = "laptop"
store = "../results"
figures = "../figures"
results = "../results"
train_missing = False

# %%
from tdlib import profiles, rows
from tdlib.report import plots, tables, words

wanted = profiles.Profile(profile).lookback()
runs = rows.read(wanted, profile, "lookback", store=store, train_missing=train_missing)

# %% [markdown]
# ## Error by look-back
# Bands are one deviation over seeds.

# %%
curves = runs.rename(columns=tables.METRICS)
figure = plots.curves(curves, x="lookback", label="look-back [steps]", colours=plots.colours(runs))
plots.save(figure, "08_lookback", figures)

# %% [markdown]
# ## In numbers
# `gain` is the distilled student's MSE against the plain one's, in percent; negative is better.

# %%
places = ["horizon", "lookback"]
table = curves.pivot_table(index=places, columns="system", values="MSE", sort=False)
mlp = curves[curves["model"] == "mlp"].pivot_table(index=places, columns="part", values="MSE")
mlp = mlp.reindex(columns=["plain", "distilled"])
table["gain [%]"] = 100 * (mlp["distilled"] / mlp["plain"] - 1)
tables.save(table.reset_index(), "08_lookback", f"{results}/tables")

# %%
print(words.spread(table["gain [%]"], "distilled against plain MLP by horizon and look-back, MSE"))
for horizon, lines in table.drop(columns="gain [%]").groupby("horizon"):
    for system, found in lines.droplevel("horizon").items():
        if (known := found.dropna()).any():
            print(f"{horizon} steps, {system}: lowest at look-back {known.idxmin()}, highest at {known.idxmax()}.")

# %% [markdown]
# ## What we see
# * The sentences above are made from the rows shown.
# * A system with one seed shows no trend that another seed could not change.
