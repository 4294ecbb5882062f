"""Frames of rows in, tables out: CSV, Markdown and LaTeX."""

import re
from pathlib import Path

import pandas as pd

from tdlib import models
from tdlib.config import TRAINING, RunConfig

NAMES = {
    "mlp": "MLP",
    "dlinear": "DLinear",
    "nlinear": "NLinear",
    "rlinear": "RLinear",
    "fits": "FITS",
    "tsmixer": "TSMixer",
    "lightts": "LightTS",
    "itransformer": "iTransformer",
    "moderntcn": "ModernTCN",
    "patchtst": "PatchTST",
    "timemixer": "TimeMixer",
    "timesnet": "TimesNet",
    "micn": "MICN",
    "fedformer": "FEDformer",
    "autoformer": "Autoformer",
}
METRICS = {"test_mse": "MSE", "test_mae": "MAE", "test_period_kl": "KL"}


def system(model: str, teacher: str | None = None) -> str:
    """What a table calls a run: its model, and whom it learned from."""
    return f"{NAMES[model]} from {NAMES[teacher]}" if teacher else NAMES[model]


def with_systems(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with the columns `system` and `setting`, the data set and horizon in words."""
    teachers = runs["teacher"].astype(object).where(runs["teacher"].notna(), None)
    names = [system(model, teacher) for model, teacher in zip(runs["model"], teachers, strict=True)]
    return runs.assign(system=names, setting=runs["dataset"] + ", " + runs["horizon"].astype(str) + " steps")


def select(runs: pd.DataFrame, **chosen: str | int) -> pd.DataFrame:
    """The runs of, say, `dataset="ETTh1", horizon=96`; ValueError, with the valid ones, where there is none."""
    for column, value in chosen.items():
        valid = list(dict.fromkeys(runs[column])) if len(runs) else []
        if value not in valid:
            there = ", ".join(map(str, valid)) or "nothing yet; `python -m tdlib runs` trains what is missing"
            raise ValueError(f"no run has {column} {value!r} here; there is: {there}")
        runs = runs[runs[column] == value]
    return runs


def by_system(runs: pd.DataFrame) -> pd.DataFrame:
    """One line a data set, horizon and system: the mean over seeds, their deviation, and their number."""
    groups = with_systems(runs).groupby(["dataset", "horizon", "system"], sort=False)
    table = groups[list(METRICS)].mean().rename(columns=METRICS)
    table["deviation of MSE"] = groups["test_mse"].std()
    table["seeds"] = groups["seed"].count()
    table["parameters"] = groups["parameters"].first()
    return table


def published(path: str | Path, **chosen: str | int) -> pd.DataFrame:
    """Published figures, chosen by column: `published(path, dataset="ETTh1", metric="MSE")`."""
    table = pd.read_csv(path, dtype={"horizon": str})
    for column, value in chosen.items():
        table = table[table[column] == str(value)] if column == "horizon" else table[table[column] == value]
    return table


def save(table: pd.DataFrame, name: str, folder: str | Path, *, digits: int = 3) -> pd.DataFrame:
    """Write `name`.csv in full, `.md` and `.tex` rounded; returns the rounded table, to be shown."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rounded = table.round(digits)
    index = not isinstance(table.index, pd.RangeIndex)
    table.to_csv(folder / f"{name}.csv", index=index)
    flat = rounded.reset_index() if index else rounded
    plain = flat.astype(object).where(flat.notna(), None)
    markdown = plain.to_markdown(index=False, missingval="", floatfmt=f".{digits}f")
    (folder / f"{name}.md").write_text(markdown + "\n")
    (folder / f"{name}.tex").write_text(flat.to_latex(index=False, float_format=f"%.{digits}f", na_rep="", escape=True))
    return rounded


def gains(main: pd.DataFrame) -> pd.DataFrame:
    """MSE of each distilled student against the plain one, its teacher and the best linear layer, in percent.

    `main` is `by_system`'s table; negative is better.
    """
    lines = []
    for (dataset, horizon), group in main["MSE"].groupby(["dataset", "horizon"], sort=False):
        mse = group.droplevel(["dataset", "horizon"])
        linear = [name for name in ("DLinear", "NLinear", "RLinear", "FITS") if name in mse]
        for name in mse.index[mse.index.str.contains(" from ")]:
            student, teacher = name.split(" from ")
            others = {"plain": mse.get(student), "teacher": mse.get(teacher), "best linear": mse[linear].min()}
            line = {f"against {label}": 100 * (mse[name] / other - 1) for label, other in others.items() if other}
            lines.append({"dataset": dataset, "horizon": horizon, "system": name, **line})
    return pd.DataFrame(lines).set_index(["dataset", "horizon", "system"])


def beside_published(main: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Our MSE and MAE beside published ones of the same data set, look-back 720, horizon and system.

    Published means over the four horizons are compared once all four are among ours.
    """
    ours = main.reset_index()[["dataset", "horizon", "system", "MSE", "MAE"]]
    whole = ours.groupby(["dataset", "system"], sort=False).filter(lambda group: len(group) == 4)
    means = whole.groupby(["dataset", "system"], sort=False)[["MSE", "MAE"]].mean().reset_index()
    ours = pd.concat([ours.astype({"horizon": str}), means.assign(horizon="mean")])
    ours = ours.melt(["dataset", "horizon", "system"], var_name="metric", value_name="ours")
    theirs = published(path)
    theirs = theirs[theirs["metric"].isin(["MSE", "MAE"])]
    distilled = theirs["model"] == "TimeDistill"
    names = theirs["model"].where(~distilled, "MLP from " + theirs["teacher"].fillna(""))
    theirs = theirs.assign(system=names).rename(columns={"value": "published"})
    columns = ["dataset", "horizon", "system", "metric", "ours", "published", "source"]
    return ours.merge(theirs, on=["dataset", "horizon", "system", "metric"])[columns]


def relative_to_full(runs: pd.DataFrame) -> pd.DataFrame:
    """Ablation runs (columns `variant`, `MSE`): the mean over seeds, its deviation, and the change in percent."""
    groups = runs.groupby(["dataset", "horizon", "variant"], sort=False)["MSE"]
    table = groups.agg(["mean", "std", "count"]).rename(columns={"mean": "MSE", "std": "deviation", "count": "seeds"})
    full = table["MSE"].xs("full", level="variant")
    level = full.reindex(table.index.droplevel("variant")).to_numpy()
    table["% against full"] = 100 * (table["MSE"] / level - 1)
    return table


def update_text(path: Path, folder: Path) -> None:
    """Put the tables of `folder` into a Markdown text, between the lines `<!-- table: NAME -->` and `<!-- end -->`."""

    def block(match: re.Match) -> str:
        return f"{match[1]}\n{(folder / f'{match[2]}.md').read_text().strip()}\n{match[3]}"

    text = path.read_text()
    fresh = re.sub(r"(<!-- table: (\S+) -->)\n.*?(<!-- end -->)", block, text, flags=re.DOTALL)
    path.write_text(fresh)


def named(entries: list[tuple[str, RunConfig]], runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of `entries` that are there, once for each `name` that they have, with their systems."""
    names = pd.DataFrame([(name, run.id) for name, run in entries], columns=["name", "id"])
    found = with_systems(names.merge(runs, on="id"))
    return found.assign(name=[NAMES.get(name, name) for name in found["name"]])


def side_by_side(runs: pd.DataFrame) -> pd.DataFrame:
    """One line a name (see `named`): MSE of `teacher`, `plain` and `distilled` student, and the gains in percent.

    A gain is positive where the distilled student is better, as the paper counts them.
    """
    part = runs["teacher"].isna().map({True: "plain", False: "distilled"})
    part = part.where(runs["model"].map(models.role) == "student", "teacher")
    table = runs.assign(part=part).pivot_table(index="name", columns="part", values="test_mse", sort=False)
    table = table.reindex(columns=[part for part in ("teacher", "plain", "distilled") if part in table])
    for other in ("plain", "teacher"):
        if other in table and "distilled" in table:
            table[f"gain over {other} %"] = 100 * (1 - table["distilled"] / table[other])
    return table.rename_axis(index=None, columns=None)


def deviations_from_published(entries: list[tuple[str, RunConfig]]) -> pd.Series:
    """How each teacher differs from its class's defaults, the published size for ETTh1, and from the protocol."""
    sizes = {}
    for name, run in entries:
        if run.model == name:
            usual = RunConfig(run.dataset, run.lookback, run.horizon, name)
            pairs = [(key, run.settings[key], value) for key, value in usual.settings.items()]
            pairs += [(key, getattr(run, key), getattr(usual, key)) for key in TRAINING["teacher"]]
            changed = [f"{key} {value:g}" for key, value, published in pairs if value != published]
            sizes[NAMES[name]] = ", ".join(changed) or "published"
    return pd.Series(sizes, name="size and training")


def varied(entries: dict[str, list[RunConfig]], runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of `entries` (what is varied -> runs) that are there, with `setting`, such as "scales 2"."""
    lines = [(f"{name} {getattr(run, name)}", run.id) for name, found in entries.items() for run in found]
    return pd.DataFrame(lines, columns=["setting", "id"]).merge(runs, on="id")
