"""The command line, `tdlib` or `python -m tdlib`: `tdlib COMMAND --help`. Bad input is one sentence and exit code 2."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

try:
    import pandas as pd

    from tdlib import __version__, csvfile, data, models, profiles, rows, study
    from tdlib.checks import require
    from tdlib.compute import DEVICES, PRECISIONS, Compute
    from tdlib.files import DISK_FULL, DiskFull, check_place
    from tdlib.report import pages, tables
    from tdlib.reproduce import reproduce
    from tdlib.service import commands as own
    from tdlib.sweep import SweepFailed
except KeyboardInterrupt:  # these imports take seconds
    sys.exit(130)

RESUMED = ("distill", "runs", "reproduce")  # commands that find what an earlier call has trained
PROGRAM = "tdlib" if Path(sys.argv[0]).stem == "tdlib" else "python -m tdlib"  # as it was called


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = argparse.Namespace(command=None)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _say(message)
        try:
            options, unknown = _parser().parse_known_args(arguments)
            call = " ".join(filter(None, (PROGRAM, options.command)))
            require(not unknown, f"unrecognized arguments: {' '.join(unknown)} (see {call} --help)")
            options.run(options)
            sys.stdout.flush()
        except ValueError as error:
            _say(error)
            return 2
        except (SweepFailed, pages.PageFailed, DiskFull) as error:
            _say(error)
            return 1
        except OSError as error:
            return _failed(error)
        except KeyboardInterrupt:
            goes_on = "; what was finished is kept, the same command goes on from there"
            _say(f"stopped{goes_on if options.command in RESUMED else ''}")
            return 130
    return 0


def _say(message: object) -> None:
    print(f"tdlib: {' '.join(str(message).split())}", file=sys.stderr)


def _failed(error: OSError) -> int:
    """The exit code for what the system refused: a page, a table, a figure, or an output whose reader has left."""
    try:
        print(flush=True)
    except OSError:  # it is the output itself
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at the end
        if isinstance(error, BrokenPipeError):  # as in `data | head -1`: it has read what it wanted
            return 0
    reason = "the disk is full" if error.errno in DISK_FULL else os.strerror(error.errno or 0).lower()
    if error.filename is None and error.errno not in DISK_FULL:
        raise error
    _say(f"{error.filename or 'the output'} cannot be written or read: {reason}")
    return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="TimeDistill: train, distil, analyse, forecast.")
    parser.add_argument("--version", action="version", version=f"tdlib {__version__}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        return sub

    def profile_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--profile", default="demo", help=f"one of {', '.join(profiles.names())} (default: demo)")
        sub.add_argument("--store", type=_path, help="folder of the rows (default: build/PROFILE)")

    def page_names(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("page", nargs="*", help="such as 02_win_rate (default: all)")

    sub = command("reproduce", _reproduce, "train what a profile lacks, execute the pages, print the results")
    profile_options(sub)
    page_names(sub)
    sub.add_argument("--committed", type=_path, default=Path("results"), help="the store to read rows from")
    sub.add_argument("--all", action="store_true", help="train every row, also those that a profile reads elsewhere")
    sub = command("runs", _runs, "train what a profile lacks")
    profile_options(sub)
    sub.add_argument(
        "--part", action="append", choices=(*profiles.PARTS, *profiles.APART), help="only this part; may be repeated"
    )
    sub.add_argument("--dataset", action="append", help="only this data set; may be repeated")
    sub.add_argument("--horizon", action="append", type=int, help="only this horizon; may be repeated")
    sub.add_argument("--executor", default="process", help="process (default), dask:ADDRESS or slurm")
    of_slurm = "an option of submitit, such as partition=gpu or time=60 (minutes)"
    sub.add_argument("--slurm", action="append", default=[], metavar="NAME=VALUE", help=of_slurm)
    sub.add_argument("--threads", type=int, default=1, help="torch's threads for each run (default: 1)")
    sub.add_argument("--device", default="auto", choices=DEVICES, help="default: the first GPU, else the CPU")
    of_products = "of matrix products (default: bfloat16 on a GPU, float32 on a CPU)"
    sub.add_argument("--precision", default="auto", choices=PRECISIONS, help=of_products)
    sub = command("pages", _pages, "execute pages from the rows that are there")
    page_names(sub)
    help = "folder for the executed pages (default: notebooks, with parameters build/pages)"
    sub.add_argument("--out", type=_path, help=help)
    sub.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    sub = command("figures", _figures, "draw every figure and table again; trains no row, but page 10 measures")
    page_names(sub)
    against = "set a fresh reproduction against the committed rows; exit code 1 if they differ"
    sub = command("compare", _compare, against)
    profile_options(sub)
    sub.add_argument("--committed", type=_path, default=Path("results"), help="the store to compare with")
    sub.add_argument("--tolerance", type=float, default=0.03, help="largest relative difference in MSE (default: 0.03)")
    _own_series(command)
    sub = command("data", _data, "list the data sets, or load one and describe it")
    sub.add_argument("name", nargs="?")
    return parser


def _own_series(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands of `service.commands`."""

    def of_store(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--store", type=_path, default=Path("build/own"), help="a folder (default: %(default)s)")

    def force(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--force", action="store_true", help="replace a file that this command has not written")

    sub = command("distill", lambda given: own.distill(given, PROGRAM), "a CSV in, a verdict and a forecaster out")
    sub.add_argument("csv", type=_path)
    for name, what in (("lookback", "steps to read"), ("horizon", "steps to forecast"), ("period", "of the series")):
        sub.add_argument(f"--{name}", type=int, metavar="STEPS", help=f"{what} (default: found from the series)")
    taught = ", ".join(models.names("teacher"))
    sub.add_argument("--teacher", default="committee", help=f"committee (default), or one of {taught}")
    sub.add_argument("--student", default="mlp", help=f"one of {', '.join(models.names('student'))}")
    sub.add_argument("--minutes", type=float, default=5.0, help="that it may take on this machine (default: 5)")
    sub.add_argument("--epochs", type=int, help="at most this many for each model, however long that takes")
    sub.add_argument("--seed", type=int, default=2021)
    threads = "torch's threads (default: one, or one a core, whichever is faster; one with --device or --precision)"
    sub.add_argument("--threads", type=int, help=threads)
    sub.add_argument("--device", default="auto", choices=DEVICES, help="default: the first GPU, else the CPU")
    sub.add_argument("--precision", default="auto", choices=PRECISIONS, help="of matrix products")
    sub.add_argument("--report", type=_path, metavar="FILE", help="the page to write (default: beside the forecaster)")
    force(sub)
    of_store(sub)
    csvfile.add_options(sub)
    sub.set_defaults(usual=sub.get_default)
    sub = command("forecast", own.forecast, "forecast what follows a CSV, with bands")
    sub.add_argument(
        "what", type=_path, nargs="+", metavar="CSV", help="the CSV; before it the id of a run, if not the chosen"
    )
    sub.add_argument("--level", type=float, nargs="+", help="of the bands, percent (default: those of `distill`)")
    sub.add_argument("--nonnegative", action="store_true", help="nothing below 0")
    sub.add_argument("--integer", action="store_true", help="whole numbers")
    sub.add_argument("--out", type=_path, default=Path("forecast.csv"), help="the file to write (default: %(default)s)")
    force(sub)
    of_store(sub)
    csvfile.add_options(sub)
    sub = command(
        "backtest", own.backtest_, "how the models of `distill` would have done from several origins in the past"
    )
    sub.add_argument("csv", type=_path)
    sub.add_argument("--cutoffs", type=int, default=5, help="how many origins, a horizon apart (default: 5)")
    sub.add_argument("--retrain", action="store_true", help="train every model again at each origin")
    of_store(sub)
    csvfile.add_options(sub)
    sub = command("export", own.export_, "the forecaster as one ONNX file in the series' own units, a card, a script")
    sub.add_argument("what", type=_path, metavar="CSV", help="that `distill` was called with, or the id of a run")
    sub.add_argument("--onnx", type=_path, required=True, help="the file to write")
    of_int8 = "8-bit weights; says what they cost in test MSE, where the rows are at hand"
    sub.add_argument("--int8", action="store_true", help=of_int8)
    force(sub)
    of_store(sub)
    of_store(command("list", own.list_, "the forecasters that are there"))
    sub = command("clean", own.clean, "remove forecasters and the runs that they were made with")
    sub.add_argument("name", type=_path, nargs="*", help="as `list` prints it")
    sub.add_argument("--all", action="store_true", help="every forecaster of the store")
    of_store(sub)


def _path(text: str) -> Path:
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"a path has at least one character, and none but printable ones; got {text!r}"
        )
    return Path(text)


def _reproduce(options: argparse.Namespace) -> None:
    pages.require_pages()  # before hours of training
    pages.names(options.page)
    profile = profiles.Profile(options.profile)
    place = options.store or Path("build") / profile.name
    reproduce(profile, place, committed=None if options.all else options.committed, chosen=options.page)


def _runs(options: argparse.Namespace) -> None:
    profile = profiles.Profile(options.profile)
    for wanted, valid in ((options.dataset, profile.datasets), (options.horizon, profile.horizons)):
        for value in wanted or []:
            if value not in valid:
                raise ValueError(f"profile {profile.name} has no {value!r}; it has: {', '.join(map(str, valid))}")
    listed = profile.runs(*options.part or ())
    configs = [
        config
        for config in listed
        if config.dataset in (options.dataset or profile.datasets)
        and config.horizon in (options.horizon or profile.horizons)
    ]
    places = ", ".join(dict.fromkeys(f"{config.dataset} at {config.horizon}" for config in listed))
    require(configs, f"no such run in profile {profile.name}; {' and '.join(options.part or ())} has: {places}")
    place = options.store or Path("build") / profile.name
    compute = Compute(options.threads, options.device, options.precision)
    how = {"executor": options.executor, "compute": compute, "slurm": _slurm(options.slurm)}
    runs = profiles.ensure(profile, configs, store=place, **how)
    print(f"{len(runs)} runs are in {place}")
    others = sum(runs["precision"] != options.precision)  # a precision makes no other run: they were there before
    if options.precision != "auto" and others:
        print(f"{others} of them were trained in another precision than {options.precision}")


def _slurm(given: list[str]) -> dict:
    for option in given:
        if "=" not in option:
            raise ValueError(f"--slurm takes NAME=VALUE, got {option!r}")
    return {name: _literal(value) for name, value in (option.split("=", 1) for option in given)}


def _pages(options: argparse.Namespace) -> None:
    parameters = {name: _literal(value) for name, value in options.parameter}
    out = options.out or (Path("build/pages") if parameters else pages.PAGES)
    committed = out.resolve() == pages.PAGES.resolve()
    words = "with parameters a page is another than the committed one: name another folder than notebooks with --out"
    require(not (committed and parameters), words)
    check_place(out, folder=True)
    for name in pages.names(options.page):
        print(pages.execute(name, out, parameters))
    if committed:
        for text in (Path("README.md"), *Path("docs").glob("*.md")):
            tables.update_text(text, Path("results/tables"))


def _literal(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or numbers and nesting without end
        return text


def _figures(options: argparse.Namespace) -> None:
    pages.figures(options.page)


def _compare(options: argparse.Namespace) -> None:
    require(0 <= options.tolerance < float("inf"), f"--tolerance must be 0 or more, got {options.tolerance}")
    profile = profiles.Profile(options.profile)
    main = set(profile.main())
    configs = [run for run in profile.anew() if run in main]
    places = [options.committed, options.store or Path("build") / options.profile]
    for place in places:
        require(place.is_dir(), f"there is no {place} here; `make reproduce` makes build/demo, in this study's folder")
    both = [study.ensure(configs, store=place, train_missing=False) for place in places]
    for place, found in zip(places, both, strict=True):
        require(len(found) > 0, f"{place} must hold rows of profile {options.profile}")
    table = tables.difference(*map(rows.with_systems, both))
    print(table.round(4).to_string())
    worst = table["difference"].abs().max()
    if not worst <= options.tolerance:  # nor is it where there is no ratio, between errors of 0
        raise SweepFailed(f"the largest difference is {worst:.1%}, more than {options.tolerance:.1%}")
    if lacking := len(set(both[0]["id"]) - set(both[1]["id"])):
        raise SweepFailed(f"{places[1]} lacks {lacking} of the {len(both[0])} runs that {places[0]} has")
    print(f"{len(table)} systems agree within {options.tolerance:.1%}; the largest difference is {worst:.2%}")


def _data(options: argparse.Namespace) -> None:
    if options.name is None:
        print("\n".join(data.names()))
        return
    series = data.load(options.name)
    count, channels = series.values.shape
    print(f"{series.name}: {count} rows, {channels} channels, sha256 {series.sha256}")
    if series.index is not None:
        print(f"from {series.index[0]} to {series.index[-1]}")
    print(pd.DataFrame(series.values, columns=series.channels).describe().T.round(3).to_string())


if __name__ == "__main__":
    sys.exit(main())
