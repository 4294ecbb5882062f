"""From a series to a forecaster in service: fit, verdict, intervals, forecasts, a folder to keep.

    frame --plan--> runs --validation--> the one to use --all rows--> weights, with the bands of its validation errors

Shapes: T rows, L look-back, H horizon, C channels.
"""

import io
import json
import re
import shutil
import tempfile
import warnings
import weakref
from pathlib import Path

import numpy as np
import pandas as pd

from tdlib import calendar, csvfile, data, forecast, models
from tdlib.checks import listed, one_of, require
from tdlib.compute import Compute
from tdlib.config import RunConfig
from tdlib.csvfile import dates, panel
from tdlib.deploy.onnx import Export
from tdlib.files import check_place, write_atomically
from tdlib.run import train_once, trained
from tdlib.service import backtest, final, frames, intervals, plan, score
from tdlib.service.progress import progress
from tdlib.store import Store
from tdlib.train import Diverged
from tdlib.windows import borders, check_shape, split, whole

STATE = "forecaster.json"
HISTORY = "history.csv"
ROUND = 6  # significant digits of a half width that is kept
REVISED = 0.01  # of a deviation, by which mean and deviation may move: a few rows may have been put right
COMMITTEE = "committee"
ASKED = ("lookback", "horizon", "period", "teacher", "student", "minutes", "epochs", "seed")  # of the constructor, JSON
_PLAIN = ("name_", "lookback_", "horizon_", "period_", "channels_", "rows_", "windows_", "long_")
_PLAIN += ("runs_", "chosen_", "remarks_", "threads_", "step_", "whole_")  # what `save` keeps as it is


class Forecaster:
    """A small model for a series of your own, taught by a larger one where that helps.

    lookback, horizon    steps read and forecast; None: as the length allows (`plan.find_lookback`, `find_horizon`)
    period               steps in which the series repeats itself; None: by its calendar, else by autocorrelation
    teacher              "committee" (the recipe of page 12), or a model's name
    student              a model's name
    minutes              that training may take on this machine; `epochs`, if given, takes its place
    level                of the bands, percent: one, or several
    seed, compute        of the runs: threads, device, precision; None: as many threads as are faster (`plan.fastest`)
    folder               where the runs are kept, so that the next fit goes on from there; None: nowhere

    After `fit`: `lookback_`, `horizon_`, `period_`, `channels_`, `step_` (of the time stamps, see `calendar.parsed`),
    `scores_` (a line a model, see `score.table`), `costs_`, `chosen_`, `verdict_`, `coverage_` (of each level, on
    test), `shares_` (the same by step, each [H]; not kept by `save`), `widths_` (half widths of the bands, each
    [H, C]), `remarks_`, `model_` and `about_` (weights and scaling in service), `whole_` (whether those are of all
    rows), `baseline_` (what skill is over), `runs_` (ids by model), `store_`.
    """

    def __init__(
        self,
        lookback: int | None = None,
        horizon: int | None = None,
        *,
        period: int | None = None,
        teacher: str = COMMITTEE,
        student: str = "mlp",
        minutes: float = 5,
        epochs: int | None = None,
        level: float | tuple[float, ...] = intervals.LEVELS,
        seed: int = 2021,
        compute: Compute | None = None,
        folder: str | Path | None = None,
    ):
        require(
            isinstance(minutes, int | float) and 0 < minutes < 1e5,
            f"minutes must be above 0 and below 100,000, got {minutes!r}",
        )
        lookback, horizon, period, epochs, seed = (
            int(value) if isinstance(value, np.integer) else value
            for value in (lookback, horizon, period, epochs, seed)
        )
        for name, value in (("lookback", lookback), ("horizon", horizon), ("period", period), ("epochs", epochs)):
            fits = value is None or (type(value) is int and value >= 1)
            require(fits, f"{name} must be a whole number of at least 1, got {value!r}")
        if teacher not in models.names():  # any model may teach; what is named is what is made for it
            one_of("teacher", teacher, (COMMITTEE, *models.names("teacher")))
        one_of("student", student, models.names("student"))
        check_shape(lookback or 1, horizon or 1)
        RunConfig("synthetic", 1, 1, student, seed=seed, epochs=epochs)  # refuses what no run can have
        level = _levels(level)
        intervals.check_levels(level)
        own = compute is None or isinstance(compute, Compute)
        require(own, f"compute must be a tdlib.compute.Compute, such as Compute(device='cuda'), got {compute!r}")
        self.lookback, self.horizon, self.period = lookback, horizon, period
        self.teacher, self.student = teacher, student
        self.minutes, self.epochs, self.level, self.seed = minutes, epochs, level, seed
        self.compute, self.folder = compute, folder

    def fit(self, frame: pd.DataFrame, name: str = "series") -> "Forecaster":
        """Train the models that the time allows, choose one on validation, train it again on all rows.

        `frame` is wide or long (`frames`); `name` is what its files are called. ValueError for what `frames.wide`
        refuses, and for a series that is too short.
        """
        self.long_ = panel.is_long(frame)
        table, said = frames.wide(frame)
        place = Path(self.folder or tempfile.mkdtemp(prefix="tdlib-"))
        if self.folder is None:
            weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        path = _series_path(place, name)
        series = frames.series(table, name)
        frames.check_names(list(table.columns), self.level)
        frames.check_scale(table)
        self.name_, self.channels_, self.table_ = name, list(table.columns), table
        self.rows_ = [len(table), str(table.index[0]), str(table.index[-1])]
        self.step_ = calendar.spelled(calendar.frequency(series.index))
        self._shape(series)
        shape = self.lookback_, self.horizon_, self.period_
        compute = self.compute or plan.fastest(series, *shape[:2])
        self.threads_ = compute.threads
        how = {"teacher": self.teacher, "student": self.student, "seed": self.seed, "compute": compute}
        how |= {"seconds": plan.PART * 60 * self.minutes, "epochs": self.epochs}
        check_place(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        csvfile.write_canonical(table, path)  # what a run learns from is a file
        self._written = data.checksum(str(path))
        made = plan.kept(path, self._asked(), lambda: plan.make(series, str(path), *shape, **how))
        self.remarks_ = [*said, *self.remarks_, *made.remarks]
        self.store_ = Store(place)
        self.whole_ = True
        with progress(made) as bar:
            self.configs_, self.runs_ = {}, {}
            for title, config in made.runs.items():
                bar.begin(title)
                try:
                    self.runs_[title] = self._run(config, made.ids.get(title), compute)
                except Diverged as fault:
                    self.remarks_.append(f"{title} is left out: {fault}")
                else:
                    self.configs_[title] = config
            self._score(series)
            bar.finish(self.chosen_)
            config = self.configs_[self.chosen_]
            try:
                self.model_, self.about_ = final.train(config, self.store_, series, compute, self.ids_)
            except Diverged as fault:  # all that was trained before is good
                self.model_, self.about_ = trained(self.runs_[self.chosen_], self.store_)
                self.remarks_.append(f"{self.chosen_} keeps its weights of the training rows: on all rows, {fault}")
                self.whole_ = False
        for id in {run.id for config in self.configs_.values() for run in config.needed}:
            shutil.rmtree(self.store_.outputs(id), ignore_errors=True)  # large, and nobody learns from them any more
        self.history_ = table.iloc[-self.lookback_ :]
        return self

    def _run(self, config: RunConfig, known: str | None, compute: Compute) -> str:
        """The id of a run's row, trained where it is not there; `known` is what it was called before a move."""
        with warnings.catch_warnings():  # of what was made of the file: `remarks_` say it
            warnings.filterwarnings("ignore", re.escape(f"{config.dataset}: "), UserWarning)
            if not known or self.store_.read(known) is None or self.store_.read_weights(known) is None:
                train_once(config, self.store_, compute)
                known = config.id
            same = data.checksum(config.dataset) == self._written
        require(same, f"{config.dataset} was changed while it was fitted: only one fit of a name at a time")
        return known

    @property
    def ids_(self) -> dict[RunConfig, str]:
        """The ids of the runs by their configs."""
        return {config: self.runs_[title] for title, config in self.configs_.items()}

    def _asked(self) -> dict:
        """What was given, as JSON."""
        return {name: getattr(self, name) for name in ASKED}

    def _shape(self, series: data.Series) -> None:
        rows = len(series.values)
        learned = borders(series.name, rows)[0]
        few = f"a period of {self.period} steps is too long: of {rows} rows the models learn from {learned}"
        require(self.period is None or self.period < learned, few)
        known = calendar.period(series.index)
        known = known if known < learned else 1  # one that never comes round is as good as none
        self.period_ = self.period or plan.find_period(series.values[:learned], known)
        self.horizon_ = self.horizon or plan.find_horizon(rows, self.period_)
        self.lookback_ = self.lookback or plan.find_lookback(series, self.horizon_, self.period_)
        found = [name for name in ("lookback", "horizon", "period") if getattr(self, name) is None]
        words = {"lookback": f"look-back {self.lookback_}", "horizon": f"horizon {self.horizon_}"}
        words["period"] = f"period {self.period_}"
        self.remarks_ = [f"found from the series: {', '.join(words[name] for name in found)}"] if found else []
        if self.baseline_ != score.SEASONAL:
            short = f"the look-back of {self.lookback_} steps is shorter than the period of {self.period_}"
            self.remarks_.append(f"{short}, so that skill is over the naive forecast, of the last value")
        if (series.values[:learned] == series.values[0]).all():
            self.remarks_.append("the training rows all hold the same values: there is nothing to learn from them")

    def _score(self, series: data.Series) -> None:
        splits = split(series, self.lookback_, self.horizon_)
        plain = models.title(self.student)
        distilled = f"{plain}{plan.DISTILLED}"
        shown = {distilled, self.baseline_, models.title("ridge")}  # beside the chosen one, in the report
        lines, costs, self.errors_, self.residuals_ = {}, {}, {}, {}
        scale = score.naive_scale(splits, self.period_)
        for title, id in self.runs_.items():
            model, _ = trained(id, self.store_)
            own = score.residuals(model, splits)
            lines[title], self.errors_[title] = score.line(own, splits, scale), score.by_window(own.test)
            costs[title] = score.cost(model, self.lookback_, len(self.channels_))
            best = min(lines, key=lambda name: lines[name]["val", "MSE"])
            known = self.residuals_ | {title: own}  # of many channels all models' would fill the memory
            self.residuals_ = {name: known[name] for name in known if name in {*shown, best}}
        self.scores_ = score.table(lines, self.baseline_)
        self.costs_ = pd.DataFrame.from_dict(costs, orient="index", columns=["weights", "microseconds"])
        block = self.lookback_ + self.horizon_  # windows that are farther apart share no row
        self.verdict_ = score.verdict(
            self.scores_, self.errors_, len(splits.val), distilled, plain, block, self.baseline_
        )
        self.chosen_ = self.verdict_.chosen
        self.deviation_, own, still = splits.deviation, self.residuals_[self.chosen_], splits.constant
        widths = intervals.half_widths(own.val, self.level)
        self.widths_ = {level: width * self.deviation_ for level, width in widths.items()}
        self.shares_ = {level: intervals.coverage(own.test, width, still) for level, width in widths.items()}
        self.coverage_ = {level: float(share.mean()) for level, share in self.shares_.items()}
        if still.any() and not still.all():
            names = listed([name for name, never in zip(self.channels_, still, strict=True) if never])
            self.remarks_.append(f"{names} never changed on the training rows: its errors count, its bands do not")
        self.windows_ = {"validation": len(splits.val), "test": len(splits.test)}

    def half_widths(self, level: float) -> np.ndarray:
        """Half widths [H, C] of a band of any level, own units, from the validation errors of the chosen model.

        ValueError before `fit`, and for a forecaster that was loaded: it has those of `widths_` alone.
        """
        words = "bands of any level need the errors that `fit` finds: a forecaster that was loaded has only `widths_`"
        require(hasattr(self, "residuals_"), words)
        residuals = self.residuals_[self.chosen_].val
        return intervals.half_widths(residuals, (level,))[level] * self.deviation_

    def predict(
        self,
        frame: pd.DataFrame | None = None,
        level: float | tuple[float, ...] | None = None,
        *,
        nonnegative: bool = False,
        integer: bool = False,
    ) -> pd.DataFrame:
        """What follows `frame`, or the series of `fit`, with bands: columns "load", "load-lo-80", "load-hi-80", ...

        Indexed by the time stamps that follow, or by steps from 1; a long frame is answered by a long one. `level` are
        some of those of the constructor. With `nonnegative` nothing is below 0, with `integer` all is rounded.
        ValueError before `fit`, for a level that is not there, and for what `forecast.forecast` refuses.
        """
        self._require_fit()
        levels = tuple(self.widths_) if level is None else _levels(level)
        for each in levels:
            known = ", ".join(f"{known:g}" for known in self.widths_)
            require(each in self.widths_, f"there is no band of level {each!r}; there are: {known}")
        table, step = self.history_, calendar.parsed(self.step_)
        if frame is not None:
            table = frames.wide(frame, step).values
            forecast.check_step(table.index, self.about_, step)
        made = forecast.following(self.model_, self.about_, table, step)
        parts = {}
        for place, channel in enumerate(self.channels_):
            parts[channel] = made[channel]
            for each in levels:
                for name, sign in zip(frames.band(channel, each), (-1, 1), strict=True):
                    parts[name] = made[channel] + sign * self.widths_[each][:, place]
        found = frames.bounded(pd.DataFrame(parts), nonnegative=nonnegative, integer=integer)
        long = self.long_ if frame is None else panel.is_long(frame)
        return frames.stacked(found, self.channels_, levels) if long else found

    def backtest(self, frame: pd.DataFrame | None = None, cutoffs: int = 5, *, retrain: bool = False) -> pd.DataFrame:
        """Forecasts of all models from the last `cutoffs` origins of the test rows, scored: see `backtest.run`.

        `frame` are the rows of `fit`, and later ones; a forecaster that was loaded keeps none itself. ValueError for
        others: what was learned from may lie among their test rows.
        """
        self._require_fit()
        if frame is not None:
            table = frames.wide(frame, calendar.parsed(self.step_)).values
            forecast.check_columns(list(table.columns), self.channels_)
            rows, first, last = self.rows_
            words = f"backtest needs the {rows} rows of fit, from {first} to {last}, and later ones"
            require(self._begins_as_in_fit(table), f"{words}, and these are others: fit the forecaster to them")
        else:
            table = getattr(self, "table_", None)
        rows = "a forecaster that was loaded keeps no rows and no rivals: backtest needs `frame`, and load its `store`"
        require(table is not None and hasattr(self, "configs_"), rows)
        return backtest.run(self, table, cutoffs, retrain=retrain)

    def _begins_as_in_fit(self, table: pd.DataFrame) -> bool:
        """Whether a table has the number of rows, the first and last stamp, the history and the scaling of `fit`."""
        rows, *ends = self.rows_
        if len(table) < rows:
            return False
        found = table.index[[0, rows - 1]].map(str)
        if isinstance(table.index, pd.DatetimeIndex):  # with later rows the zone may have become UTC
            if table.index.tz is None:  # as of days, whose offset has changed since: they are read by their clock
                ends = [re.sub(r"[+-]\d\d:\d\d$", "", end) for end in ends]
            how = {"utc": True, "format": "ISO8601", "errors": "coerce"}
            ends, found = (pd.to_datetime(stamps, **how) for stamps in (ends, found))
        here = table.iloc[rows - len(self.history_) : rows].to_numpy()
        if list(ends) != list(found) or not np.allclose(here, self.history_, rtol=1e-9, atol=0):
            return False
        series, scaled = frames.series(table.iloc[:rows], self.name_), whole if self.whole_ else split
        splits = scaled(series, self.lookback_, self.horizon_)
        mean, deviation = (np.array(self.about_[name]) for name in ("mean", "deviation"))
        off = np.abs([splits.mean - mean, splits.deviation - deviation]) / deviation
        return bool((off < REVISED).all())

    def save(self, folder: str | Path) -> None:
        """Weights as safetensors, what describes them as JSON, and the last L rows: what `load` needs, and no more.

        ValueError for the folder of its runs, where the weights of the training rows have the same name.
        """
        self._require_fit()
        place = Path(folder)
        apart = not hasattr(self, "store_") or place.resolve() != self.store_.place.resolve()
        require(apart, f"{place} holds this forecaster's runs, whose weights it would replace: name another folder")
        check_place(place, folder=True)
        Store(place).write_weights(self.id_, self.model_.state_dict(), self.about_)
        state = json.dumps(self._state(), indent=1).encode()
        write_atomically((place / HISTORY, csvfile.canonical(self.history_)), (place / STATE, state))

    def to_onnx(self, path: str | Path, *, int8: bool = False) -> Export:
        """An ONNX file with its card and its script: see `export.write`."""
        from tdlib.service import export  # which imports this class

        self._require_fit()
        return export.write(self, path, int8=int8)

    @property
    def baseline_(self) -> str:
        """The model that skill is over."""
        return score.baseline(self.period_, self.lookback_)

    @property
    def id_(self) -> str:
        """The run whose choices the model in service has."""
        self._require_fit()
        return self.runs_[self.chosen_]

    def _state(self) -> dict:
        widths = {f"{level:g}": rounded(width) for level, width in self.widths_.items()}
        state = {name: getattr(self, name) for name in _PLAIN}
        scores = [[*column, *self.scores_[column].tolist()] for column in self.scores_]
        state |= {"models": list(self.scores_.index), "scores": scores, "costs": self.costs_.to_dict("list")}
        state |= {"coverage": {f"{level:g}": share for level, share in self.coverage_.items()}, "widths": widths}
        given = {name: getattr(self, name) for name in ("teacher", "student", "minutes", "epochs", "seed")}
        return state | {"verdict": self.verdict_._asdict(), "given": given}

    @classmethod
    def load(cls, folder: str | Path, store: str | Path | None = None) -> "Forecaster":
        """A forecaster that `save` has written; with `store`, the folder of its runs, it can be tested again.

        ValueError where the folder holds none, or a damaged one.
        """
        place = Path(folder)
        path = place / STATE
        require(path.is_file(), f"{place} holds no forecaster: there is no {STATE} in it")
        try:
            state = json.loads(path.read_bytes())
            given = state["given"]
            made = cls(state["lookback_"], state["horizon_"], period=state["period_"], **given)
            state = {"step_": "", "whole_": True} | state  # earlier folders do not say
            for name in _PLAIN:
                setattr(made, name, state[name])
            calendar.parsed(made.step_)
            columns = {tuple(column[:2]): column[2:] for column in state["scores"]}
            made.scores_ = pd.DataFrame(columns, index=state["models"])
            made.costs_ = pd.DataFrame(state["costs"], index=state["models"])
            made.verdict_ = score.Verdict(**state["verdict"])
            made.coverage_ = {float(level): share for level, share in state["coverage"].items()}
            made.widths_ = {float(level): _widths(kept) for level, kept in state["widths"].items()}
            made.level = tuple(made.widths_)
            shape = (made.horizon_, len(made.channels_))
            require(all(width.shape == shape for width in made.widths_.values()), "its bands have another shape")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as fault:
            raise ValueError(f"{path} is damaged: {fault}") from None
        made.model_, made.about_ = trained(made.runs_[made.chosen_], Store(place))
        made.history_ = _history(place / HISTORY, made.channels_)
        if store is not None:
            made.store_, made.configs_ = Store(store), {}
            for title, id in made.runs_.items():
                row = made.store_.read(id)
                require(row is not None, f"{store} has no run {id} any more: fit the forecaster again")
                here = {"dataset": str(_series_path(Path(store), made.name_))}  # it may have been moved
                made.configs_[title] = RunConfig.from_dict(row["config"] | here)
        return made

    def _require_fit(self) -> None:
        require(hasattr(self, "model_"), "this forecaster has learned nothing yet: call fit first")


def _levels(level: float | tuple[float, ...]) -> tuple[float, ...]:
    """One level, or several, as a tuple."""
    if isinstance(level, int | float):
        return (level,)
    require(isinstance(level, list | tuple), f"level must be a percentage, or several of them, got {level!r}")
    return tuple(level)


def _series_path(store: Path, name: str) -> Path:
    return store / "series" / f"{name}.csv"


def _history(path: Path, channels: list[str]) -> pd.DataFrame:
    """The last rows [L, C] as `save` wrote them: whose step they have is known, and need not show in so few."""
    blob = csvfile.content(path)
    try:
        cells = pd.read_csv(io.BytesIO(blob), dtype="str")  # numbers as text, which Python reads to the last digit
        first, *_ = cells.columns
        values = cells.iloc[:, -len(channels) :].astype(float).set_axis(channels, axis=1)
        if len(cells.columns) > len(channels) and not cells[first].str.isdigit().all():
            name = None if first == "Unnamed: 0" else first
            values.index = pd.DatetimeIndex(dates.iso(cells[first])[0], name=name)
            require(not values.index.hasnans, "it has a row without a time stamp")
        require(bool(np.isfinite(values).all(axis=None)), "it has a value that is no finite number")
        return values
    except ValueError as fault:
        raise ValueError(f"{path} is damaged: {fault}") from None


def rounded(widths: np.ndarray) -> list[list[float | None]]:
    """Half widths [H, C] to ROUND significant digits; None where there is no finite one."""
    return [[float(f"{width:.{ROUND}g}") if np.isfinite(width) else None for width in step] for step in widths]


def _widths(kept: list[list[float | None]]) -> np.ndarray:
    """The inverse of `rounded`."""
    widths = np.array(kept, dtype=float)
    return np.where(np.isnan(widths), np.inf, widths)
