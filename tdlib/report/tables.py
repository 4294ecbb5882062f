"""Frames of rows in, tables out: CSV, Markdown and LaTeX."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tdlib import models, profiles
from tdlib.checks import require
from tdlib.config import TRAINING, RunConfig
from tdlib.rows import missing, system

SMALL = (  # published systems of less than a million weights at 720 steps; published.csv has no sizes
    *("CycleNet-Linear", "CycleNet-MLP", "FITS", "SparseTSF", "SparseTSF-Linear", "SparseTSF-MLP", "TimeBase"),
)
METRICS = {"test_mse": "MSE", "test_mae": "MAE", "test_period_kl": "KL", "val_mse": "validation MSE"}


def by_system(runs: pd.DataFrame) -> pd.DataFrame:
    """One line a data set, horizon and system: the mean over seeds, their deviation, and their number."""
    groups = runs.groupby(["dataset", "horizon", "system"], sort=False)
    table = groups[[name for name in METRICS if name in runs]].mean().rename(columns=METRICS)
    table["deviation of MSE"] = groups["test_mse"].std()
    table["seeds"] = groups["seed"].nunique()
    table["parameters"] = groups["parameters"].first()
    return table


def over_horizons(values: pd.Series) -> float:
    """The mean of a measure over the four horizons of the field; NaN where one of them is not there."""
    return float(values.mean(skipna=False)) if len(values) == 4 else float("nan")


def by_setting(runs: pd.DataFrame, value: str) -> pd.DataFrame:
    """A column of `runs` as the field prints it: a line a data set and horizon, a column a system, means over seeds.

    After the four horizons of a data set comes their mean, of the systems that have all four; NaN where nothing is.
    """
    table = runs.pivot_table(index=["dataset", "horizon"], columns="system", values=value, sort=False)
    lines = []
    for dataset, own in table.groupby(level="dataset", sort=False):
        lines += [own, own.agg(over_horizons).to_frame((dataset, "mean")).T.dropna(how="all")]
    return pd.concat(lines).rename_axis(index=table.index.names, columns=None)


def marked(table: pd.DataFrame, *, digits: int = 3) -> str:
    """A table of numbers as Markdown: the least of every line in bold, the next in italics; equal ones alike."""
    ranks = table.round(digits).rank(axis=1, method="dense")
    marks = ranks.map(lambda rank: {1: "**", 2: "*"}.get(rank, ""))
    text = marks + _text(table, digits) + marks
    align = ["left"] * table.index.nlevels + ["right"] * len(table.columns)
    return text.reset_index().to_markdown(index=False, disable_numparse=True, colalign=align)


def grid(lines: pd.DataFrame, value: str, index: str | list[str], columns: str, *, digits: int = 3) -> pd.DataFrame:
    """A long table made wide, to be read: means of `value` as text, a line for each of `index`, empty where none is."""
    return _text(lines.pivot_table(value, index, columns, sort=False).rename_axis(columns=None), digits)


def _text(table: pd.DataFrame, digits: int) -> pd.DataFrame:
    return table.map(lambda x: "" if np.isnan(x) else f"{x:.{digits}f}")


def published(path: str | Path, **chosen: str | int) -> pd.DataFrame:
    """Published figures, chosen by column: `published(path, dataset="ETTh1", metric="MSE")`."""
    table = pd.read_csv(path, dtype={"horizon": str})
    for column, value in chosen.items():
        table = table[table[column] == str(value)] if column == "horizon" else table[table[column] == value]
    return table


def save(table: pd.DataFrame, name: str, folder: str | Path, *, digits: int = 3) -> pd.DataFrame:
    """Write `name`.csv in full, `.md` and `.tex` rounded; returns the rounded table, to be shown, NaN as empty.

    Percentages, the columns that have a % in their name, are rounded to a tenth: nobody reads more digits of them. Text
    in Markdown's bold is bold in LaTeX, too.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index = not isinstance(table.index, pd.RangeIndex)
    table.to_csv(folder / f"{name}.csv", index=index)
    flat = table.reset_index() if index else table
    places = {column: 1 if "%" in str(column) else digits for column in flat.select_dtypes("float")}
    text, shown = flat.astype(object), table.round(places)
    for column, count in places.items():
        text[column] = _text(flat[[column]], count)
        if column in shown and shown[column].isna().any():
            shown[column] = text[column].to_numpy()
    text = text.fillna("")
    sides = ["right" if column in flat.select_dtypes("number") else "left" for column in flat]
    markdown = text.to_markdown(index=False, disable_numparse=True, colalign=sides)
    (folder / f"{name}.md").write_text(markdown + "\n")
    columns = "".join(side[0] for side in sides)
    latex = text.to_latex(index=False, column_format=columns, escape=True)
    (folder / f"{name}.tex").write_text(re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", latex))
    return shown


def beside_published(runs: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Our MSE and MAE, means over seeds, beside published ones of the same data set, look-back, horizon and system.

    Published means over the four horizons are compared once all four are among ours. No published student has the
    weight decay of ours.
    """
    setting, names = ["dataset", "lookback", "horizon"], ["model", "teacher", "system"]
    runs = runs[runs["part"] != "decayed"]
    teacher = runs["teacher"].map(models.title, na_action="ignore").fillna("none").astype(object)
    ours = runs.assign(model=runs["model"].map(models.title), teacher=teacher)
    ours = ours.rename(columns=METRICS).groupby([*setting, *names], sort=False)[["MSE", "MAE"]].mean().reset_index()
    across = ours.groupby(["dataset", "lookback", *names], sort=False)[["MSE", "MAE"]]
    means = across.agg(over_horizons).dropna().reset_index()
    ours = pd.concat([ours.astype({"horizon": str}), means.assign(horizon="mean")])
    ours = ours.melt([*setting, *names], ["MSE", "MAE"], var_name="metric", value_name="ours")
    theirs = published(path).rename(columns={"value": "published"})
    theirs = theirs[theirs["lookback"] != "searched"].astype({"lookback": int})
    taught = theirs["model"] == "TimeDistill"
    theirs = theirs.assign(model=theirs["model"].mask(taught, "MLP"), teacher=theirs["teacher"].where(taught, "none"))
    columns = ["dataset", "horizon", "system", "metric", "ours", "published", "source"]
    return ours.merge(theirs, on=[*setting, "model", "teacher", "metric"])[columns]


def peers(runs: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Published systems and ours, MSE over the four horizons by data set; with the look-back, seeds and confidence.

    A published mean is given where all four horizons, or their mean, are; ours where all four are in the store. The
    seeds are those of each figure that a mean is taken of; empty where the source does not say.
    """
    theirs = published(path, metric="MSE")
    theirs = theirs[theirs["table"].str.startswith(("main", "peers"))]
    names = theirs["model"].where(theirs["teacher"].isna(), theirs["model"] + " from " + theirs["teacher"].astype(str))
    said = theirs["source"].str.extract(r"mean of (\d+) seeds", expand=False).fillna("")
    theirs = theirs.assign(system=names, MSE=theirs["value"], seeds=said)
    ours = runs.assign(MSE=runs["test_mse"], source="this study", confidence="", lookback=runs["lookback"].astype(str))
    ours = ours.assign(seeds=_seeds(ours, ours["system"]))
    same = ["system", "lookback", "seeds", "source", "confidence"]
    ours = ours.groupby([*same, "dataset", "horizon"], as_index=False)["MSE"].mean()
    both = pd.concat([theirs, ours.astype({"horizon": str})])
    groups = both.groupby([*same, "dataset"], sort=False)
    lines = groups.apply(_published_mean, include_groups=False).dropna().unstack("dataset")
    return lines.sort_values(list(lines.columns)).reset_index().rename_axis(columns=None)


def means(runs: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Our test MSE over the four horizons as text: a line a system, a column a data set, the least of each in bold.

    In the order of their mean distance from that; then the best published ones at the look-back of the protocol.
    """
    table = by_setting(runs, "test_mse").query("horizon == 'mean'").droplevel("horizon").T.dropna(how="all")
    table = table.loc[(table / table.min()).mean(axis=1).sort_values().index]
    text = _text(table, 3).mask(table.round(3).eq(table.round(3).min()), lambda cell: "**" + cell + "**")
    field = peers(runs[:0], path).query("lookback == '720'").set_index("system").reindex(columns=table.columns)
    for name, lines in {"below a million weights": field[field.index.isin(SMALL)], "of any size": field}.items():
        known = lines.dropna(axis=1, how="all")
        best = {dataset: f"{known[dataset].min():.3f} ({known[dataset].idxmin()})" for dataset in known}
        text.loc[f"best published, {name}"] = pd.Series(best, text.columns, dtype=object).fillna("")
    text.insert(0, "seeds", _seeds(runs, text.index))
    return text.rename_axis(index="system", columns=None)


def _seeds(runs: pd.DataFrame, systems: Iterable[str]) -> list[str]:
    """How many seeds each of `systems` has where it has all four horizons: "3", or "1 to 3", or nothing."""
    counts = runs.groupby(["system", "dataset", "horizon"])["seed"].nunique()
    counts = counts[counts.groupby(["system", "dataset"]).transform("size") == 4].groupby("system")
    said = {name: " to ".join(map(str, sorted({found.min(), found.max()}))) for name, found in counts}
    return [said.get(name, "") for name in systems]


def _published_mean(lines: pd.DataFrame) -> float:
    values = lines.set_index("horizon")["MSE"]
    return float(values["mean"]) if "mean" in values else over_horizons(values)


def absent(wanted: list[RunConfig], runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that are not in the store, by data set and system: at which horizons, and how many."""
    names = [system(run.model, run.teacher, run.weight_decay, run.patterns) for run in wanted]
    there = set(runs["id"])
    lines = [(run.dataset, name, run.horizon) for run, name in zip(wanted, names, strict=True) if run.id not in there]
    table = pd.DataFrame(lines, columns=["dataset", "system", "horizon"])
    groups = table.groupby(["dataset", "system"], sort=False)["horizon"]
    horizons = groups.agg(lambda found: ", ".join(map(str, dict.fromkeys(found))))
    return pd.DataFrame({"horizons": horizons, "runs": groups.size()}).reset_index()


def difference(committed: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """MSE of each setting and system, means over the runs that both frames of rows have, and how far `fresh` is off.

    ValueError where they have none in common.
    """
    shared = set(committed["id"]) & set(fresh["id"])
    both = [by_system(runs[runs["id"].isin(shared)])["MSE"] for runs in (committed, fresh)]
    table = pd.concat(both, axis=1, keys=["committed", "fresh"]).dropna()
    require(len(table) > 0, "the two stores have no run of this profile in common: there is nothing to compare")
    return table.assign(difference=table["fresh"] / table["committed"] - 1)


def against(runs: pd.DataFrame, name: str, reference: str) -> pd.DataFrame:
    """Each `name` of a data set and horizon: its test `MSE`, the `deviation` over `seeds`, and against `reference`.

    `test [%]` and `validation [%]` are the changes of the means over the seeds that both have, or over all where one of
    the two is in closed form and has none; NaN where they share none. `disagree` marks where the two segments do.
    """
    keys, errors, lines = ["dataset", "horizon"], {"test_mse": "test [%]", "val_mse": "validation [%]"}, {}
    base = runs[runs[name] == reference]
    for place, own in runs.groupby([*keys, name], sort=False):
        spread = own["test_mse"].agg(["mean", "std", "count"]).set_axis(["MSE", "deviation", "seeds"])
        theirs = base[(base[keys] == list(place[:2])).all(axis=1)]
        if not any(map(models.closed_form, {*own["model"], *theirs["model"]})):
            own, theirs = own[own["seed"].isin(theirs["seed"])], theirs[theirs["seed"].isin(own["seed"])]
        change = 100 * (own[list(errors)].mean() / theirs[list(errors)].mean() - 1)
        lines[place] = pd.concat([spread, change.rename(errors)])
    table = pd.DataFrame(lines).T.rename_axis([*keys, name]).astype({"seeds": int})
    return table.assign(disagree=disagree(table["validation [%]"], table["test [%]"]))


def wide(column: pd.Series, level: str) -> pd.DataFrame:
    """A column for each name of a `level` of the index that is there, in its order; empty where there is none.

    `unstack(sort=False)` alone puts text under other names where a filter has left the index with unused ones.
    """
    index = column.index.remove_unused_levels()
    return column.set_axis(index).unstack(level, sort=False, fill_value="")


def update_text(path: Path, folder: Path) -> None:
    """Put the tables of `folder` into a Markdown text, between the lines `<!-- table: NAME -->` and `<!-- end -->`."""

    def block(match: re.Match) -> str:
        return f"{match[1]}\n{(folder / f'{match[2]}.md').read_text().strip()}\n{match[3]}"

    text = path.read_text()
    fresh = re.sub(r"(<!-- table: (\S+) -->)\n.*?(<!-- end -->)", block, text, flags=re.DOTALL)
    path.write_text(fresh)


def named(entries: list[tuple[str, RunConfig]], runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of `entries` that are there, once for each `name` that they have; ValueError where none is."""
    names = pd.DataFrame([(name, run.id) for name, run in entries], columns=["name", "id"])
    found = names.merge(runs, on="id")
    if entries and found.empty:
        raise missing(runs, f"none of the runs {', '.join(dict.fromkeys(names['name']))}")
    return found.assign(name=[models.title(name) if name in models.names() else name for name in found["name"]])


def side_by_side(runs: pd.DataFrame) -> pd.DataFrame:
    """One line a name (see `named`): MSE of `teacher`, `plain` and `distilled` student, and the gains in percent.

    Beside the plain student that with weight decay, `decayed`, where any name has one. A gain is positive where the
    distilled student is better, as the paper counts them; `on validation` is the gain over the plain student there, and
    `disagree` marks where the two segments do. Means over the seeds that all students of a name have: `seeds` is how
    many, `deviation` the students' deviation over them. What is not there is NaN.
    """
    names, students = runs["name"].unique(), runs[runs["part"].isin(["plain", "decayed", "distilled"])]
    there, wanted = (students.groupby(keys)["part"].transform("nunique") for keys in (["name", "seed"], "name"))
    runs = pd.concat([runs[runs["part"] == "teacher"], students[there == wanted]])
    parts = [*(part for part in ("teacher", "decayed") if (runs["part"] == part).any()), "plain", "distilled"]

    def cells(value: str, how: str = "mean") -> pd.DataFrame:
        grid = runs.pivot_table(index="name", columns="part", values=value, aggfunc=how, sort=False, dropna=False)
        return grid.reindex(index=names, columns=parts)

    table, val, counts = cells("test_mse"), cells("val_mse"), cells("test_mse", "count")
    for other in parts[-2::-1]:
        table[f"gain over {other} %"] = 100 * (1 - table["distilled"] / table[other])
    table["on validation %"] = 100 * (1 - val["distilled"] / val["plain"])
    table["disagree"] = disagree(table["on validation %"], table["gain over plain %"])
    spread = cells("test_mse", "std")[["plain", "distilled"]]
    table = table.join(spread.add_prefix("deviation, ")).assign(seeds=counts[["plain", "distilled"]].min(axis=1))
    return table.rename_axis(index=None, columns=None)


def disagree(validation: pd.Series, test: pd.Series) -> pd.Series:
    """A mark where two differences have opposite signs: validation and test differ on which system is better."""
    return (validation * test < 0).map({True: "x", False: ""})


def deviations_from_published(entries: list[tuple[str, RunConfig]]) -> pd.Series:
    """How each teacher differs from that of the profile `paper`; where this has no such data set, from its defaults."""
    sizes, paper = {}, profiles.Profile("paper")
    for name, run in entries:
        if run.model == name:
            place = run.dataset, run.horizon, name
            there = run.dataset in paper.datasets
            usual = paper.config(*place) if there else RunConfig(run.dataset, run.lookback, run.horizon, name)
            pairs = [(key, run.settings[key], value) for key, value in usual.settings.items()]
            pairs += [(key, getattr(run, key), getattr(usual, key)) for key in TRAINING["teacher"]]
            changed = [(key, value) for key, value, published in pairs if value != published]
            changed = [f"{key} {value if isinstance(value, str) else format(value, 'g')}" for key, value in changed]
            sizes[models.title(name)] = ", ".join(changed) or "published"
    return pd.Series(sizes, name="size and training")


def varied(entries: dict[str, list[RunConfig]], runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of `entries` (what is varied -> runs) that are there, with `setting`, such as "scales 2"."""
    lines = [(f"{name} {getattr(run, name)}", run.id) for name, found in entries.items() for run in found]
    return pd.DataFrame(lines, columns=["setting", "id"]).merge(runs.drop(columns="setting"), on="id")
