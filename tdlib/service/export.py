"""A forecaster as files for another machine: ONNX, a card that says what it is, a script without torch.

NAME.onnx         own units in, own units out; channels, look-back, horizon, step and bands in its metadata
NAME.md           the model card
NAME_predict.py   a CSV in, a forecast out, with onnxruntime and numpy alone
"""

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.tseries import offsets

from tdlib import __version__, calendar
from tdlib.checks import require
from tdlib.csvfile import gaps
from tdlib.deploy import onnx as deploy
from tdlib.files import check_place, write_atomically
from tdlib.service import intervals
from tdlib.service.forecaster import Forecaster, rounded

SCRIPT = Path(__file__).with_name("predict.py.txt")


def files(onnx: Path) -> tuple[Path, Path, Path]:
    """What `write` writes: the ONNX file, the card, the script; ValueError for a folder, and for the card's name."""
    require(onnx.name not in ("", ".."), f"{onnx} is a folder: name the ONNX file in it")
    require(onnx.suffix.lower() != ".md", f"{onnx} is the name of the model card: end that of the ONNX file in .onnx")
    return onnx, onnx.with_suffix(".md"), onnx.with_name(f"{onnx.stem}_predict.py")


def write(made: Forecaster, onnx: str | Path, *, int8: bool = False) -> deploy.Export:
    """Write the three files; what 8-bit weights cost is that of the run that was tested, where its rows are at hand.

    ValueError as of `deploy.onnx.to_onnx`, before anything is written.
    """
    target, card, script = files(Path(onnx))
    deploy.require_onnx()
    for path in (target, card, script):
        check_place(path)
    widths = {f"{level:g}": rounded(width) for level, width in made.widths_.items()}
    more = {"name": made.name_, "intervals": json.dumps(widths)} | _apart(calendar.parsed(made.step_))
    done = deploy.Export(deploy.to_onnx(made.model_, made.about_, target, run=made.id_, int8=int8, metadata=more))
    if int8 and hasattr(made, "store_"):  # else it was loaded without one
        with contextlib.suppress(ValueError), tempfile.TemporaryDirectory() as folder:
            tested = made.id_, made.store_, Path(folder, target.name)
            cost = deploy.export(*tested, int8=True, dataset=made.configs_[made.chosen_].dataset)
            done = cost._replace(difference=done.difference)
    code = SCRIPT.read_text().replace('"MODEL.onnx"', repr(target.name))
    weights = f", 8-bit integers, test MSE {done.cost}" if int8 else ""
    write_atomically((card, _card(made, target, script, weights).encode()), (script, code.encode()))
    return done


def _apart(step: offsets.BaseOffset | None) -> dict[str, str]:
    """Between how many and how many seconds two rows are apart, where their step is known: else one is missing.

    Months have 28 to 31 days, weekdays may lack holidays, and a day when the clock is changed has an hour less or more.
    """
    if step is None:
        return {}
    seconds = np.diff(pd.date_range("2001", periods=20, freq=step)) / np.timedelta64(1, "s")
    closed = (gaps.CLOSED + 3.5) * 86400 if isinstance(step, offsets.BusinessDay | offsets.BusinessHour) else 0
    return {"apart": json.dumps([0.6 * seconds.min(), max(1.9 * seconds.max(), closed)])}


def _card(made: Forecaster, target: Path, script: Path, int8: str) -> str:
    rows, first, last = made.rows_
    score = made.scores_.loc[made.chosen_, "test"]
    width = len(made.channels_)
    channels = f"{width} channels" if width > 1 else "one channel"
    listed = ", ".join(f"`{name}`" for name in made.channels_)
    mean = f", mean of the {channels}" if width > 1 else ""
    again = ", before it was trained again on all rows" if made.whole_ else ""
    return f"""\
# {made.name_}: {made.horizon_} steps of {channels}

`{target.name}` reads the last {made.lookback_} rows of {channels} and forecasts the next {made.horizon_}, in the \
series' own units. Nothing has to be scaled: the means and deviations of the training rows are inside.

| | |
| --- | --- |
| model | {made.chosen_}, {int(made.costs_.loc[made.chosen_, "weights"]):,} weights{int8} |
| learned from | {rows} rows, {first} to {last} |
| channels, in this order | {listed} |
| made with | tdlib {__version__}, run {made.id_} |

## How good it is

On {made.windows_["test"]} test windows that it had not seen{again}:

| MSE, scaled | MAE, own units{mean} | MASE | skill over the {made.baseline_.lower()} forecast |
| --- | --- | --- | --- |
| {score["MSE"]:.4g} | {score["MAE, own units"]:.4g} | {score["MASE"]:.4g} | {score["skill"]:.1%} |

{made.verdict_.words}

Its bands, from the errors on validation, held {intervals.held(made.coverage_, made.widths_)}.

## How to use it

    python {script.name} my.csv > my_forecast.csv

needs onnxruntime and numpy. `x` is float64 [batch, {made.lookback_}, {width}], \
`prediction` [batch, {made.horizon_}, {width}].

## What it cannot do

It knows no other input than these channels, none that is missing or irregular, and no event that its rows do not \
show. A series that has left its range of the training rows is forecast with less certainty than the bands say. \
Measure it again when rows have come: `tdlib distill` on all of them.
"""
