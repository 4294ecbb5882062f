"""Frames of rows in, tables out: CSV, Markdown and LaTeX."""

from pathlib import Path

import pandas as pd

NAMES = {
    "mlp": "MLP",
    "dlinear": "DLinear",
    "nlinear": "NLinear",
    "itransformer": "iTransformer",
    "moderntcn": "ModernTCN",
}
METRICS = {"test_mse": "MSE", "test_mae": "MAE"}


def system(model: str, teacher: str | None = None) -> str:
    """What a table calls a run: its model, and whom it learned from."""
    return f"{NAMES[model]} from {NAMES[teacher]}" if isinstance(teacher, str) else NAMES[model]


def with_systems(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with a column `system`."""
    names = [system(model, teacher) for model, teacher in zip(runs["model"], runs["teacher"], strict=True)]
    return runs.assign(system=names)


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
    (folder / f"{name}.md").write_text(flat.to_markdown(index=False) + "\n")
    (folder / f"{name}.tex").write_text(flat.to_latex(index=False, float_format=f"%.{digits}f", na_rep="-"))
    return rounded
