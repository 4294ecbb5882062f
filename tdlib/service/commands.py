"""What the command line does with a series of your own: distill, forecast, backtest, export, list, clean.

STORE/forecasters/NAME/     what `distill my.csv` leaves in service, NAME = my: see `Forecaster.save`; its report, and
                            the path of the CSV, as another one of this name is another series
STORE/series/NAME.csv       the rows it learned from, as they were understood
STORE/runs, STORE/cache     every model that was trained on the way
"""

import argparse
import contextlib
import json
import os  # whose questions about a path too long for a name are answered with no
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tdlib import csvfile
from tdlib.checks import counted, require
from tdlib.compute import Compute
from tdlib.deploy import onnx as deploy
from tdlib.files import check_output, note_written, remove_unfinished, write_atomically
from tdlib.forecast import forecast_csv
from tdlib.service import backtest, export, frames, intervals, report
from tdlib.service.forecaster import ASKED, STATE, Forecaster
from tdlib.store import Store

RECORD = Path("cache", "written.json")  # in a store: the files that commands have written with its runs
SOURCE = "source"  # in a forecaster's folder: the path of its CSV
SHAPE = ("lookback_", "horizon_", "period_", "chosen_")  # what tells two forecasters of a series apart
DIGITS = "{:.4g}".format


def distill(options: argparse.Namespace, program: str) -> None:
    """Read, fit, save, report; print the verdict and the commands that go on from here."""
    _check_source(options.store, options.csv)
    place, record = folder(options.store, options.csv), options.store / RECORD
    page = options.report or place / "report.html"
    if options.report:
        check_output(page, record, inputs=[options.csv], force=options.force)
    frame, remarks = csvfile.read_frame(options.csv, csvfile.given(options))
    asked = (options.threads, options.device, options.precision)
    compute = (
        None
        if asked == (None, "auto", "auto")
        else Compute(1 if options.threads is None else options.threads, *asked[1:])
    )
    given = {name: getattr(options, name) for name in ASKED}
    made = Forecaster(**given, compute=compute, folder=options.store).fit(frame, options.csv.stem)
    made.remarks_ = list(dict.fromkeys([*remarks, *made.remarks_]))  # a frame's remarks may be the file's
    replaced = _replaced(place, made)
    made.save(place)
    write_atomically((place / SOURCE, str(options.csv.resolve()).encode()))
    print(f"{counted(len(frame), 'row')}, {counted(frame.shape[1], 'channel')}; " + "; ".join(made.remarks_))
    if replaced:
        print(replaced)
    print(f"\n{_with_runs(made).to_string(float_format=DIGITS)}\n")
    windows = " and ".join(f"{count} {segment}" for segment, count in made.windows_.items())
    over = "" if len(made.channels_) == 1 else "\nMAE in own units is a mean over channels, whatever their units;"
    print(f"MSE and MAE are in deviations of the training rows, means over {windows} windows;{over}")
    print(f"skill is over the {made.baseline_.lower()} forecast, microseconds are those of one; * is the one to use;")
    print("run is the id of what a model has learned from the training rows: `forecast` and `export` take it\n")
    print(made.verdict_.words)
    again = "It was trained again, on all rows." if made.whole_ else "It has learned from the training rows alone."
    print(f"Its bands hold {intervals.held(made.coverage_, made.widths_)}. {again}\n")
    commands = _commands(options, program)
    try:
        report.write(made, page, commands)
        note_written(page, record)
        print(f"{'report':9} {page}")
    except ValueError as missing:
        print(f"no report: {missing}")
    for command in commands[1:]:
        print(f"{command.removeprefix(program).split()[0]:9} {command}")


def table(made: Forecaster) -> pd.DataFrame:
    """The scores and costs of a forecaster's models, a line a model, the one to use marked."""
    scores = made.scores_
    columns = {"validation MSE": scores["val", "MSE"], "MSE": scores["test", "MSE"]}
    columns |= {name: scores["test", name] for name in ("MAE", "MAE, own units", "MASE", "skill")}
    found = pd.DataFrame(columns).join(made.costs_).sort_values("validation MSE")
    return found.rename(index={made.chosen_: f"* {made.chosen_}"})


def _with_runs(made: Forecaster) -> pd.DataFrame:
    """`table`, with the ids that `forecast` and `export` take."""
    return table(made).assign(run=pd.Series(made.runs_).rename({made.chosen_: f"* {made.chosen_}"}))


def _replaced(place: Path, made: Forecaster) -> str:
    """A line on the forecaster that is in service, where another one takes its place; "" where there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # a damaged one is in no service
        old = json.loads((place / STATE).read_bytes())
        asked = {name: getattr(made, name) for name in old["given"]}
        if (old["given"], *(old[name] for name in SHAPE)) != (asked, *(getattr(made, name) for name in SHAPE)):
            rows, _, last = old["rows_"]
            steps = f"{old['horizon_']} steps, {old['chosen_']}"
            return f"replaces the forecaster of {place.name} that was there ({steps}, of {rows} rows to {last})"
    return ""


def _commands(options: argparse.Namespace, program: str) -> list[str]:
    """What was called, and what can be called next, as one would type it."""
    quoted = shlex.quote(f"{'./' * str(options.csv).startswith('-')}{options.csv}")  # else it is taken for an option
    kept = _elsewhere(options.store)
    reading = _asked(options, "dayfirst", "missing", "longest_gap", "columns", "time")
    asked = _asked(options, *ASKED, "threads", "device", "precision", "report")
    stem = shlex.quote(f"{options.csv.stem}.onnx")
    return [
        f"{program} distill {quoted}{reading}{asked}{kept}",
        f"{program} forecast {quoted}{reading}{kept}",
        f"{program} backtest {quoted}{reading}{kept}",
        f"{program} export {quoted} --onnx {stem}{kept}",
    ]


def _asked(options: argparse.Namespace, *names: str) -> str:
    """The options that were given, as one would type them."""
    words = []
    for name in names:
        value, option = getattr(options, name), name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value != options.usual(name):
            words.append(f"--{option} {shlex.quote(str(value))}")
    return "".join(f" {word}" for word in words)


def _elsewhere(store: Path) -> str:
    """The option that names a store, as one would type it, where it is not the usual one."""
    return "" if store == Path("build/own") else f" --store {shlex.quote(str(store))}"


def folder(store: Path, csv: Path) -> Path:
    """Where the forecaster of a CSV is kept, which may be named without its ending: sales.2020 has none."""
    whole = store / "forecasters" / csv.name
    return whole if os.path.isfile(whole / STATE) and not os.path.exists(csv) else whole.with_name(csv.stem)


def _check_source(store: Path, csv: Path) -> None:
    """ValueError where the forecaster of this name is of another CSV that is still there: that was not moved."""
    require(bool(csv.stem.strip(".")), f"{csv} would give its forecaster no name: give the file another one")
    kept, here = folder(store, csv) / SOURCE, csv.resolve()
    source = Path(kept.read_text()) if os.path.isfile(kept) else here
    other = here.is_file() and source.is_file() and not source.samefile(here)
    words = f"{store} has the forecaster {csv.stem} of {source}, and {here} is another file"
    clean = f"tdlib clean {shlex.quote(csv.stem)}{_elsewhere(store)}"
    require(not other, f"{words}: name another --store, or remove that one with `{clean}`")


def _load(store: Path, csv: Path) -> Forecaster:
    place = folder(store, csv)
    _check_source(store, csv)
    there = os.path.isfile(place / STATE)
    command = f"tdlib distill {shlex.quote(str(csv))}{_elsewhere(store)}"
    require(there, f"{store} has no forecaster for {csv}: `{command}` makes one")
    return Forecaster.load(place, store=store)


def forecast(options: argparse.Namespace) -> None:
    """What follows a CSV, with bands; by the run `ID` without them, where one is named."""
    id, csv = _id_and_csv(options.what)
    require(options.out.suffix not in csvfile.BINARY, f"forecast writes CSV: end the name of {options.out} in .csv")
    record = options.store / RECORD
    check_output(options.out, record, inputs=[csv], force=options.force)
    remarks = ()
    if id is None:
        made = _load(options.store, csv)
        frame, remarks = csvfile.read_frame(csv, csvfile.given(options))
        level = None if options.level is None else tuple(options.level)
        found = made.predict(frame, level, nonnegative=options.nonnegative, integer=options.integer)
    else:
        require(options.level is None, f"run {id} has no bands: --level is for the forecaster, `forecast {csv}`")
        found = forecast_csv(id, options.store, csv, csvfile.given(options))
        found = frames.bounded(found, nonnegative=options.nonnegative, integer=options.integer)
    found = found.replace([np.inf, -np.inf], np.nan)  # a band without an end is an empty cell
    write_atomically((options.out, found.to_csv(float_format="%.16g").encode()))  # as many digits as float64 holds
    note_written(options.out, record)
    print("; ".join([f"{len(found)} steps after the last row of {csv} are in {options.out}", *remarks]))


def _id_and_csv(what: list[Path]) -> tuple[str | None, Path]:
    require(len(what) in (1, 2), f"forecast takes a CSV, or a run's id and a CSV; got {len(what)} words")
    return (None, what[0]) if len(what) == 1 else (str(what[0]), what[1])


def backtest_(options: argparse.Namespace) -> None:
    """The forecaster of a CSV and its rivals from several origins in the past."""
    made = _load(options.store, options.csv)
    frame, remarks = csvfile.read_frame(options.csv, csvfile.given(options))
    lines = made.backtest(frame, options.cutoffs, retrain=options.retrain)
    how = "trained again at each" if options.retrain else "by the weights of the training rows"
    said = f"{options.cutoffs} origins, {made.horizon_} steps each, {how}; best: at how many origins"
    print("; ".join([said, *remarks]), end="\n\n")
    print(backtest.summary(lines).rename(index={made.chosen_: f"* {made.chosen_}"}).to_string(float_format=DIGITS))


def export_(options: argparse.Namespace) -> None:
    """An ONNX file: of a CSV's forecaster with its card and script, or of the run of an id."""
    record, target, files = options.store / RECORD, options.onnx, [options.onnx]
    made = None
    if options.what.suffix or os.path.exists(folder(options.store, options.what)):
        made, files = _load(options.store, options.what), export.files(target)
    for file in files:
        check_output(file, record, inputs=_inputs(options.store, options.what), force=options.force)
    if made:
        done = export.write(made, target, int8=options.int8)
    else:
        done = deploy.export(str(options.what), Store(options.store), target, int8=options.int8)
    for file in files:
        note_written(file, record)
    size, apart = target.stat().st_size, f"by at most {done.difference:.1e} scaled units"
    print(f"{target}: {size:,} bytes; its forecasts differ from torch's {apart}")
    if made:
        print(f"{files[1]}: what it is and how good; {files[2]}: forecasts with onnxruntime and numpy alone")
    if options.int8:
        print(f"test MSE: {done.cost}")


def _inputs(store: Path, csv: Path) -> list[Path]:
    """What a forecaster was made of, which nothing may replace; a CSV may be named without its ending."""
    kept = folder(store, csv) / SOURCE
    return [csv, *([Path(kept.read_text())] if os.path.isfile(kept) else [])]


def list_(options: argparse.Namespace) -> None:
    """The forecasters of a store, a line each."""
    lines, damaged = [], []
    places = _forecasters(options.store)
    for place in places:
        try:
            made = Forecaster.load(place)
        except ValueError as fault:
            damaged.append(f"{place.name}: {fault}; `tdlib clean {shlex.quote(place.name)}` removes it")
            continue
        rows, first, last = made.rows_
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        line = {"rows": rows, "from": first, "to": last, "look-back": made.lookback_, "horizon": made.horizon_}
        line |= {"model": made.chosen_, "test MSE": made.scores_.loc[made.chosen_, ("test", "MSE")], "run": made.id_}
        line["MB"] = size / 1e6
        lines.append({"series": place.name} | line)
    for name in sorted(_names(options.store) - {place.name for place in places}):
        damaged.append(f"{name}: not finished; `tdlib distill` goes on, `tdlib clean {shlex.quote(name)}` removes it")
    if not lines and not damaged:
        print(f"{options.store} has no forecaster: `tdlib distill my.csv{_elsewhere(options.store)}` makes one")
    if lines:
        print(pd.DataFrame(lines).set_index("series").to_string(float_format=DIGITS))
    for line in damaged:
        print(line)


def clean(options: argparse.Namespace) -> None:
    """Remove forecasters, damaged and unfinished ones as well, and every run of their series, of earlier fits too."""
    names = _names(options.store)
    given = map(Path, sorted(names)) if options.all else options.name
    places = [_named(options.store, name) for name in given]
    require(bool(places) or options.all, "clean takes the names of series, as `tdlib list` prints them, or --all")
    for place in places:
        require(place.name in names, f"{options.store} has no forecaster {place.name}; see `tdlib list`")
    if not places:
        print(f"{options.store} has no forecaster")
    for place in places:
        store, ids = Store(options.store), _runs(options.store, place.name)
        for id in ids:
            for path in [*(options.store / "runs").glob(f"{id}.*"), *(options.store / "cache").glob(f"{id}.*")]:
                path.unlink()
            shutil.rmtree(store.outputs(id), ignore_errors=True)
        for suffix in (".csv", ".plan.json"):
            (options.store / "series" / f"{place.name}{suffix}").unlink(missing_ok=True)
        if place.exists():  # not of one that was stopped
            shutil.rmtree(place)
        print(f"{place.name}: removed, and {len(ids)} runs")
    remove_unfinished(*(options.store / part for part in ("runs", "cache", "series")))


def _runs(store: Path, name: str) -> set[str]:
    """The ids of a series' runs, by their rows, whatever folder the store was in; and by its forecaster."""
    found = set()
    for path in (store / "runs").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            dataset = Path(json.loads(path.read_bytes())["config"]["dataset"])
            if dataset.parts[-2:] == ("series", f"{name}.csv"):
                found.add(path.stem)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = json.loads((store / "forecasters" / name / STATE).read_bytes())["runs_"].values()
        found |= {id for id in kept if re.fullmatch("[0-9a-f]{16}", id)}  # it may be damaged
    return found


def _named(store: Path, name: Path) -> Path:
    """The folder of the forecaster of this name, which is a name alone, and no path to somewhere else."""
    require(str(name) == name.name != "..", f"{name} is not the name of a series, as `tdlib list` prints them")
    return store / "forecasters" / name


def _names(store: Path) -> set[str]:
    """Of all series in a store, whether or not their forecaster is finished."""
    return {place.name for place in _forecasters(store)} | {path.stem for path in (store / "series").glob("*.csv")}


def _forecasters(store: Path) -> list[Path]:
    return sorted(path.parent for path in (store / "forecasters").glob(f"*/{STATE}"))
