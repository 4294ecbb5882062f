"""The command line: `python -m tdlib COMMAND --help`. Bad input is one sentence and exit code 2."""

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tdlib import data, models, profiles, rows, study
from tdlib.checks import require
from tdlib.compute import DEVICES, PRECISIONS, Compute
from tdlib.config import RunConfig
from tdlib.deploy import onnx as deploy
from tdlib.files import DISK_FULL, DiskFull, write_atomically
from tdlib.report import pages, tables
from tdlib.run import trained
from tdlib.store import Store
from tdlib.sweep import SweepFailed
from tdlib.train import window_errors
from tdlib.windows import Windows, split


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    warnings.showwarning = lambda message, *_: print(f"tdlib: {message}", file=sys.stderr)
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except ValueError as error:
        print(f"tdlib: {error}", file=sys.stderr)
        return 2
    except (SweepFailed, pages.PageFailed, DiskFull) as error:
        print(f"tdlib: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # of a page, a table or a figure: what a run writes says it with DiskFull
        if error.errno not in DISK_FULL:
            raise
        print(f"tdlib: the disk is full: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tdlib: stopped; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(f"{message} (see python -m tdlib --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m tdlib", description="TimeDistill: train, distil, analyse, forecast.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        return sub

    def profile_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--profile", default="demo", help=f"one of {', '.join(profiles.names())} (default: demo)")
        sub.add_argument("--store", type=Path, help="folder of the rows (default: build/PROFILE)")

    sub = command("reproduce", _reproduce, "train what a profile lacks, execute every page, print the results")
    profile_options(sub)
    sub = command("runs", _runs, "train what a profile lacks")
    profile_options(sub)
    sub.add_argument("--part", action="append", choices=profiles.PARTS, help="only this part; may be repeated")
    sub.add_argument("--dataset", action="append", help="only this data set; may be repeated")
    sub.add_argument("--horizon", action="append", type=int, help="only this horizon; may be repeated")
    sub.add_argument("--executor", default="process", help="process (default), dask:ADDRESS or slurm")
    sub.add_argument("--slurm", action="append", default=[], metavar="NAME=VALUE",
                     help="an option of submitit, such as partition=gpu or time=60 (minutes)")  # fmt: skip
    sub.add_argument("--threads", type=int, help="torch's threads for each run (default: measured once)")
    sub.add_argument("--device", default="auto", choices=DEVICES, help="default: the first GPU, else the CPU")
    sub.add_argument("--precision", default="auto", choices=PRECISIONS,
                     help="of matrix products (default: bfloat16 on a GPU, float32 on a CPU)")  # fmt: skip
    sub = command("pages", _pages, "execute pages from the rows that are there")
    sub.add_argument("page", nargs="*", help="such as 02_win_rate (default: all)")
    sub.add_argument("--out", type=Path, default=Path("notebooks"), help="folder for the executed pages")
    sub.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    sub = command("figures", _figures, "draw every figure and table again from the committed rows; trains nothing")
    sub.add_argument("page", nargs="*", help="such as 02_win_rate (default: all)")
    sub = command(
        "compare", _compare, "set a fresh reproduction against the committed rows; exit code 1 if they differ"
    )
    profile_options(sub)
    sub.add_argument("--committed", type=Path, default=Path("results"), help="the store to compare with")
    sub.add_argument("--tolerance", type=float, default=0.03, help="largest relative difference in MSE (default: 0.03)")
    sub = command("distill", _distill, "teacher, plain student and distilled student for a CSV of your own")
    sub.add_argument("csv", type=Path)
    sub.add_argument("--lookback", type=int, default=336)
    sub.add_argument("--horizon", type=int, default=96)
    sub.add_argument("--teacher", default="itransformer", help=f"one of {', '.join(models.names('teacher'))}")
    sub.add_argument("--student", default="mlp", help=f"one of {', '.join(models.names('student'))}")
    sub.add_argument("--seed", type=int, default=2021)
    sub.add_argument("--epochs", type=int, help="at most this many for each model (default: the protocol's)")
    sub.add_argument("--store", type=Path, default=Path("build/own"))
    sub = command("forecast", _forecast, "forecast what follows a CSV with a model that `distill` trained")
    sub.add_argument("id", help="the run, as `distill` printed it")
    sub.add_argument("csv", type=Path)
    sub.add_argument("--store", type=Path, default=Path("build/own"))
    sub.add_argument("--out", type=Path, default=Path("forecast.csv"))
    sub = command("export", _export, "write a trained model as one ONNX file that forecasts in the series' own units")
    sub.add_argument("id", help="the run, as `distill` printed it")
    sub.add_argument("--onnx", type=Path, required=True, help="the file to write")
    sub.add_argument("--int8", action="store_true", help="8-bit weights; prints what that costs in test MSE")
    sub.add_argument("--store", type=Path, default=Path("build/own"))
    sub = command("data", _data, "list the data sets, or load one and describe it")
    sub.add_argument("name", nargs="?")
    return parser


def _reproduce(options: argparse.Namespace) -> None:
    profile = profiles.Profile(options.profile)
    place = options.store or Path("build") / profile.name
    runs = study.ensure(profile.runs(), store=place)
    up = Path("..")  # pages run in notebooks/
    parameters = {
        "profile": profile.name,
        "store": str(up / place),
        "figures": str(up / place / "figures"),
        "results": str(up / place),
        "dataset": profile.datasets[0],
        "horizon": profile.horizons[0],
        "teacher": profile.teachers[0],
    }
    pages.execute_all(place / "pages", parameters)
    main = runs[runs["id"].isin([config.id for config in profile.main()])]
    table = tables.by_system(rows.with_systems(main)).reset_index().round(3)
    print(f"\nProfile {profile.name}: {len(runs)} runs; errors in scaled units, means over seeds\n")
    print(table.drop(columns="horizon" if table["horizon"].nunique() == 1 else []).to_string(index=False))
    for kind in ("pages", "figures", "tables"):
        print(f"{kind:8} {place / kind}")


def _runs(options: argparse.Namespace) -> None:
    profile = profiles.Profile(options.profile)
    for wanted, valid in ((options.dataset, profile.datasets), (options.horizon, profile.horizons)):
        for value in wanted or []:
            if value not in valid:
                raise ValueError(f"profile {profile.name} has no {value!r}; it has: {', '.join(map(str, valid))}")
    configs = [
        config
        for config in profile.runs(*options.part or ())
        if config.dataset in (options.dataset or profile.datasets)
        and config.horizon in (options.horizon or profile.horizons)
    ]
    place = options.store or Path("build") / profile.name
    if options.threads is not None and options.threads < 1:
        raise ValueError(f"--threads must be at least 1, got {options.threads}")
    compute = Compute(options.threads or 0, options.device, options.precision)
    study.ensure(configs, store=place, executor=options.executor, compute=compute, slurm=_slurm(options.slurm))
    print(f"{len(configs)} runs are in {place}")


def _slurm(given: list[str]) -> dict:
    for option in given:
        if "=" not in option:
            raise ValueError(f"--slurm takes NAME=VALUE, got {option!r}")
    return {name: _literal(value) for name, value in (option.split("=", 1) for option in given)}


def _pages(options: argparse.Namespace) -> None:
    parameters = {name: _literal(value) for name, value in options.parameter}
    for name in pages.names(options.page):
        print(pages.execute(name, options.out, parameters))
    if options.out == pages.PAGES:
        for text in ("README.md", "docs/scaling.md"):
            tables.update_text(Path(text), Path("results/tables"))


def _literal(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _figures(options: argparse.Namespace) -> None:
    pages.figures(options.page)


def _compare(options: argparse.Namespace) -> None:
    require(0 <= options.tolerance < float("inf"), f"--tolerance must be 0 or more, got {options.tolerance}")
    configs = profiles.Profile(options.profile).main()
    places = [options.committed, options.store or Path("build") / options.profile]
    both = [study.ensure(configs, store=place, train_missing=False) for place in places]
    for place, found in zip(places, both, strict=True):
        require(len(found) > 0, f"{place} must hold rows of profile {options.profile}")
    table = tables.difference(*map(rows.with_systems, both))
    print(table.round(4).to_string())
    worst = table["difference"].abs().max()
    if worst > options.tolerance:
        raise SweepFailed(f"the largest difference is {worst:.1%}, more than {options.tolerance:.1%}")
    print(f"{len(table)} systems agree within {options.tolerance:.1%}; the largest difference is {worst:.2%}")


def _distill(options: argparse.Namespace) -> None:
    data.read_csv(options.csv)  # its faults are told before anything else
    shape = {"dataset": str(options.csv), "lookback": options.lookback, "horizon": options.horizon}
    limit = {"epochs": options.epochs} if options.epochs is not None else {}
    teacher = RunConfig(**shape, model=options.teacher, seed=options.seed, **limit)
    student = {"model": options.student, "seed": options.seed, **limit}
    taught = {"teacher": options.teacher, "teacher_options": {"seed": options.seed, **limit}}
    configs = [teacher, RunConfig(**shape, **student), RunConfig(**shape, **student, **taught)]
    runs = study.ensure(configs, store=options.store)
    table = rows.with_systems(runs)[["system", "test_mse", "test_mae", "parameters", "seconds", "id"]]
    print(table.round(3).to_string(index=False))
    print(f"\nTo forecast: python -m tdlib forecast {configs[-1].id} {options.csv} --store {options.store}")


def _forecast(options: argparse.Namespace) -> None:
    store = Store(options.store)
    series = data.read_csv(options.csv)
    known = store.read_weights(options.id)
    if known and list(series.channels) != known[1]["channels"]:
        raise ValueError(f"the run knows the columns {', '.join(known[1]['channels'])}; "
                         f"{options.csv} has {', '.join(series.channels)}")  # fmt: skip
    values = study.forecast(options.id, store, series.values)
    steps = pd.RangeIndex(1, len(values) + 1, name="step")
    if series.index is not None:
        step = series.index.to_series().diff().median()
        steps = pd.DatetimeIndex(series.index[-1] + step * np.arange(1, len(values) + 1), name="date")
    text = pd.DataFrame(values, steps, series.channels).to_csv(float_format="%.6g")
    write_atomically((options.out, text.encode()))
    print(f"{len(values)} steps after row {len(series.values)} are in {options.out}")


def _export(options: argparse.Namespace) -> None:
    model, about = trained(options.id, Store(options.store))
    windows = _test_windows(about) if options.int8 else None  # its faults are told before anything is written
    difference = deploy.to_onnx(model, about, options.onnx, run=options.id, int8=options.int8)
    size = options.onnx.stat().st_size
    print(f"{options.onnx}: {size:,} bytes; its forecasts differ from torch's by at most {difference:.1e} scaled units")
    if windows is not None:
        full = window_errors(model, windows).mean(dtype=torch.float64).item()
        small = deploy.mse(options.onnx, about, windows)
        print(
            f"test MSE: {full:.5f} in float32, {small:.5f} in int8, a change of {100 * (small / full - 1):+.2f} percent"
        )


def _test_windows(about: dict) -> Windows:
    """The test windows of a run; ValueError where its series is not there any more or has changed."""
    config = about["config"]
    splits = split(data.load(config["dataset"]), config["lookback"], config["horizon"])
    scaling = np.stack([splits.mean, splits.deviation])
    if not np.array_equal(scaling, np.float32([about["mean"], about["deviation"]])):
        raise ValueError(f"{config['dataset']} is no longer the series that the run learned from: there are no test "
                         "windows to measure int8 on")  # fmt: skip
    return splits.test


def _data(options: argparse.Namespace) -> None:
    if options.name is None:
        print("\n".join(data.names()))
        return
    series = data.load(options.name)
    rows, channels = series.values.shape
    print(f"{series.name}: {rows} rows, {channels} channels, sha256 {series.sha256}")
    if series.index is not None:
        print(f"from {series.index[0]} to {series.index[-1]}")
    print(pd.DataFrame(series.values, columns=series.channels).describe().T.round(3).to_string())


if __name__ == "__main__":
    sys.exit(main())
