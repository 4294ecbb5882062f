"""The long form of several series, `unique_id, ds, y`: a row for each series and step, which become columns.

Shapes: T rows, C series.
"""

import pandas as pd

from tdlib.checks import require, short
from tdlib.csvfile import dates, stamps
from tdlib.csvfile.cells import LONG


def is_long(frame: object) -> bool:
    """Whether a table is in long form, by the names of its columns."""
    return isinstance(frame, pd.DataFrame) and set(LONG) <= {str(name).lower() for name in frame.columns}


def widened(frame: pd.DataFrame, path: object, dayfirst: bool | None) -> tuple[pd.DataFrame, list[str]]:
    """Long form as wide: a column for each series in order of appearance, by their common steps, and remarks.

    `path` is what the table is called. ValueError, which names the series, for one that has a step twice, or that
    begins or ends apart from the first one; for cells that name no series or no step; and for further columns, such as
    covariates, which no model here takes.
    """
    frame = frame[[name for name in frame.columns if name not in stamps.UNNAMED]]  # pandas' index, in any order
    names = [str(name).lower() if str(name).lower() in LONG else name for name in frame.columns]
    others = [short(name) for place, name in enumerate(names) if name not in LONG or name in names[:place]]
    wanted = "no model here takes covariates: leave them out"
    require(not others, f"{path} is in long form with the further columns {', '.join(others)}; {wanted}")
    frame = frame.set_axis(names, axis=1).reset_index(drop=True)
    for name in LONG[:2]:
        missing = frame[name].isna()
        require(not missing.any(), f"{path}: row {int(missing.argmax()) + 1} has no {name}")
    frame["unique_id"] = frame["unique_id"].astype("str")
    frame, remarks = _dated(frame, path, dayfirst)
    twice = frame.duplicated(["unique_id", "ds"])
    row = int(twice.argmax())
    name, when = frame["unique_id"].iloc[row], frame["ds"].iloc[row]
    require(not twice.any(), f"{path}: series {short(name)} has {when} twice, the second time in row {row + 1}")
    spans = frame.groupby("unique_id", sort=False)["ds"].agg(["min", "max"])
    for name, (begin, end) in spans.iterrows():
        for what, found, expected in (("begins", begin, spans["min"].iloc[0]), ("ends", end, spans["max"].iloc[0])):
            apart = f"series {short(name)} {what} at {found}, and {short(spans.index[0])} at {expected}"
            require(found == expected, f"{path}: {apart}; series of a panel must be of the same steps")
    wide = frame.pivot(index="ds", columns="unique_id", values="y")[list(spans.index)]
    wide.columns.name = None
    return wide, [f"its long form holds {len(spans)} series, which become columns", *remarks]


def _dated(frame: pd.DataFrame, path: object, dayfirst: bool | None) -> tuple[pd.DataFrame, list[str]]:
    """The same with `ds` as time stamps, of a period that of its begin; numbers that are no dates count evenly."""
    if isinstance(frame["ds"].dtype, pd.PeriodDtype):
        frame = frame.assign(ds=frame["ds"].dt.to_timestamp())
    if not pd.api.types.is_numeric_dtype(frame["ds"]):
        found, remarks = dates.read(frame["ds"], path, dayfirst)
        return frame.assign(ds=found), remarks
    found = stamps.numbered(frame["ds"])
    if found is None:
        gap = stamps.uneven(frame["ds"].drop_duplicates().sort_values(), "ds")
        require(not gap, f"{path}: {gap}")
        return frame, []
    return frame.assign(ds=found), [stamps.said(found.sort_values(), "column 'ds'")]
