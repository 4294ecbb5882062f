"""From a series to a forecaster in service: fit, verdict, intervals, forecasts, a folder to keep.

    frame --plan--> runs --validation--> the one to use --all rows--> weights, with the bands of its validation errors

Shapes: T rows, L look-back, H horizon, C channels.
"""

import json
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pandas as pd

from tdlib import calendar, csvfile, data, forecast, models
from tdlib.checks import one_of, require
from tdlib.compute import Compute
from tdlib.config import RunConfig
from tdlib.files import check_place, write_atomically
from tdlib.run import train_once, trained
from tdlib.service import backtest, final, frames, intervals, plan, score
from tdlib.service.progress import progress
from tdlib.store import Store
from tdlib.train import Diverged
from tdlib.windows import check_shape, split

STATE = "forecaster.json"
HISTORY = "history.csv"
ROUND = 6  # significant digits of a half width that is kept
COMMITTEE = "committee"
_PLAIN = ("name_", "lookback_", "horizon_", "period_", "channels_", "rows_", "windows_", "long_")
_PLAIN += ("runs_", "chosen_", "remarks_", "threads_")  # what `save` keeps as it is


class Forecaster:
    """A small model for a series of your own, taught by a larger one where that helps.

    lookback, horizon    steps read and forecast; None: as the length allows (`plan.find_lookback`, `find_horizon`)
    period               steps in which the series repeats itself; None: by its calendar, else by autocorrelation
    teacher              "committee" (the recipe of page 12), or a model's name
    student              a model's name
    minutes              that training may take on this machine; `epochs`, if given, takes its place
    level                of the bands, percent
    seed, compute        of the runs: threads, device, precision; None: as many threads as are faster (`plan.fastest`)
    folder               where the runs are kept, so that the next fit goes on from there; None: nowhere

    After `fit`: `lookback_`, `horizon_`, `period_`, `channels_`, `scores_` (a line a
    model, see `score.table`), `costs_`, `chosen_`, `verdict_`, `coverage_` (of each level, on test), `widths_`
    (half widths of the bands, each [H, C]), `remarks_`, `model_` and `about_` (weights and scaling in service), `runs_`
    (ids by model), `store_`.
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
        level: tuple[float, ...] = intervals.LEVELS,
        seed: int = 2021,
        compute: Compute | None = None,
        folder: str | Path | None = None,
    ):
        require(isinstance(minutes, int | float) and 0 < minutes < 1e5, f"minutes must be positive, got {minutes!r}")
        for name, value in (("lookback", lookback), ("horizon", horizon), ("period", period), ("epochs", epochs)):
            whole = value is None or (type(value) is int and value >= 1)
            require(whole, f"{name} must be a whole number of at least 1, got {value!r}")
        one_of("teacher", teacher, (COMMITTEE, *models.names()))
        one_of("student", student, models.names("student"))
        check_shape(lookback or 1, horizon or 1)
        RunConfig("synthetic", 1, 1, student, seed=seed, epochs=epochs)  # refuses what no run can have
        intervals.check_levels(level)
        self.lookback, self.horizon, self.period = lookback, horizon, period
        self.teacher, self.student = teacher, student
        self.minutes, self.epochs, self.level, self.seed = minutes, epochs, tuple(level), seed
        self.compute, self.folder = compute, folder

    def fit(self, frame: pd.DataFrame, name: str = "series") -> "Forecaster":
        """Train the models that the time allows, choose one on validation, train it again on all rows.

        `frame` is wide or long (`frames`); `name` is what its files are called. ValueError for what `frames.wide`
        refuses, and for a series that is too short.
        """
        self.long_ = isinstance(frame, pd.DataFrame) and frames.is_long(frame)
        table = frames.wide(frame)
        place = Path(self.folder or tempfile.mkdtemp(prefix="tdlib-"))
        if self.folder is None:
            weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        path = place / "series" / f"{name}.csv"
        series = frames.series(table, name)
        self.name_, self.channels_, self.table_ = name, list(table.columns), table
        self.rows_ = [len(table), str(table.index[0]), str(table.index[-1])]
        self._shape(series)
        shape = self.lookback_, self.horizon_, self.period_
        compute = self.compute or plan.fastest(series, *shape[:2])
        self.threads_ = compute.threads
        how = {"teacher": self.teacher, "student": self.student, "seed": self.seed, "compute": compute}
        how |= {"seconds": plan.PART * 60 * self.minutes, "epochs": self.epochs}
        check_place(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        csvfile.write_canonical(table, path)  # what a run learns from is a file
        made = plan.kept(path, self._asked(), lambda: plan.make(series, str(path), *shape, **how))
        self.remarks_ += made.remarks
        self.store_ = Store(place)
        with progress(made) as bar:
            self.configs_ = {}
            for title, config in made.runs.items():
                bar.begin(title)
                try:
                    train_once(config, self.store_, compute)
                except Diverged as fault:
                    self.remarks_.append(f"{title} is left out: {fault}")
                else:
                    self.configs_[title] = config
            self._score(series)
            bar.finish(self.chosen_)
            self.model_, self.about_ = final.train(self.configs_[self.chosen_], self.store_, series, compute)
        self.history_ = table.iloc[-self.lookback_ :]
        return self

    def _asked(self) -> dict:
        """What was given, as JSON."""
        names = ("lookback", "horizon", "period", "teacher", "student", "minutes", "epochs", "seed")
        return {name: getattr(self, name) for name in names}

    def _shape(self, series: data.Series) -> None:
        rows = len(series.values)
        known = calendar.period(series.index)
        self.period_ = self.period or plan.find_period(series.values[: int(0.7 * rows)], known)
        self.horizon_ = self.horizon or plan.find_horizon(rows, self.period_)
        self.lookback_ = self.lookback or plan.find_lookback(series, self.horizon_, self.period_)
        self.period_ = min(self.period_, self.lookback_)
        found = [name for name in ("lookback", "horizon", "period") if getattr(self, name) is None]
        words = {"lookback": f"look-back {self.lookback_}", "horizon": f"horizon {self.horizon_}"}
        words["period"] = f"period {self.period_}"
        self.remarks_ = [f"found from the series: {', '.join(words[name] for name in found)}"] if found else []

    def _score(self, series: data.Series) -> None:
        splits = split(series, self.lookback_, self.horizon_)
        self.runs_ = {title: config.id for title, config in self.configs_.items()}
        fitted = {title: trained(id, self.store_)[0] for title, id in self.runs_.items()}
        self.residuals_ = {title: score.residuals(model, splits) for title, model in fitted.items()}
        self.scores_ = score.table(self.residuals_, splits, self.period_)
        costs = {title: score.cost(model, self.lookback_, len(self.channels_)) for title, model in fitted.items()}
        self.costs_ = pd.DataFrame.from_dict(costs, orient="index", columns=["weights", "microseconds"])
        plain = models.title(self.student)
        distilled = f"{plain}{plan.DISTILLED}"
        self.verdict_ = score.verdict(self.scores_, self.residuals_, distilled, plain, self.horizon_)
        self.chosen_ = self.verdict_.chosen
        self.deviation_ = splits.deviation
        self.widths_ = {level: self.half_widths(level) for level in self.level}
        errors = self.residuals_[self.chosen_].test * self.deviation_
        self.coverage_ = {level: intervals.coverage(errors, width) for level, width in self.widths_.items()}
        self.windows_ = {"validation": len(splits.val), "test": len(splits.test)}

    def half_widths(self, level: float) -> np.ndarray:
        """Half widths [H, C] of a band of any level, own units, from the validation errors of the chosen model.

        A forecaster that was loaded has those of `widths_` alone.
        """
        residuals = self.residuals_[self.chosen_].val
        return intervals.half_widths(residuals, (level,))[level] * self.deviation_

    def predict(
        self,
        frame: pd.DataFrame | None = None,
        level: tuple[float, ...] | None = None,
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
        levels = tuple(self.widths_) if level is None else tuple(level)
        for each in levels:
            known = ", ".join(f"{known:g}" for known in self.widths_)
            require(each in self.widths_, f"there is no band of level {each!r}; there are: {known}")
        table = self.history_ if frame is None else frames.wide(frame)
        made = forecast.following(self.model_, self.about_, table)
        parts = {}
        for place, channel in enumerate(self.channels_):
            parts[channel] = made[channel]
            for each in levels:
                for name, sign in zip(frames.band(channel, each), (-1, 1), strict=True):
                    parts[name] = made[channel] + sign * self.widths_[each][:, place]
        found = pd.DataFrame(parts)
        found = found.clip(lower=0) if nonnegative else found
        found = found.round() if integer else found
        long = self.long_ if frame is None else frames.is_long(frame)
        return frames.stacked(found, self.channels_, levels) if long else found

    def backtest(self, cutoffs: int = 5, *, frame: pd.DataFrame | None = None, retrain: bool = False) -> pd.DataFrame:
        """Forecasts of all models from the last `cutoffs` origins of the test rows, scored: see `backtest.run`.

        `frame` are the rows of `fit`, and later ones; a forecaster that was loaded keeps none itself.
        """
        self._require_fit()
        if frame is not None:
            self.table_ = frames.wide(frame)
            same = list(self.table_.columns) == self.channels_
            require(same, f"the forecaster knows the columns {', '.join(self.channels_)}")
        rows = "a forecaster that was loaded keeps no rows and no rivals: backtest needs `frame`, and load its `store`"
        require(hasattr(self, "table_") and hasattr(self, "configs_"), rows)
        return backtest.run(self, cutoffs, retrain=retrain)

    def save(self, folder: str | Path) -> None:
        """Weights as safetensors, what describes them as JSON, and the last L rows: what `load` needs, and no more."""
        self._require_fit()
        place = Path(folder)
        check_place(place, folder=True)
        Store(place).write_weights(self.id_, self.model_.state_dict(), self.about_)
        csvfile.write_canonical(self.history_, place / HISTORY)
        write_atomically((place / STATE, json.dumps(self._state(), indent=1).encode()))

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
            for name in _PLAIN:
                setattr(made, name, state[name])
            columns = {tuple(column[:2]): column[2:] for column in state["scores"]}
            made.scores_ = pd.DataFrame(columns, index=state["models"])
            made.costs_ = pd.DataFrame(state["costs"], index=state["models"])
            made.verdict_ = score.Verdict(**state["verdict"])
            made.coverage_ = {float(level): share for level, share in state["coverage"].items()}
            made.widths_ = {float(level): _widths(kept) for level, kept in state["widths"].items()}
            made.level = tuple(made.widths_)
            shape = (made.horizon_, len(made.channels_))
            require(all(width.shape == shape for width in made.widths_.values()), "its bands have another shape")
        except (ValueError, KeyError, TypeError, IndexError) as fault:
            raise ValueError(f"{path} is damaged: {fault}") from None
        made.model_, made.about_ = trained(made.runs_[made.chosen_], Store(place))
        made.history_ = csvfile.read_frame(place / HISTORY).values
        if store is not None:
            made.store_, made.configs_ = Store(store), {}
            for title, id in made.runs_.items():
                row = made.store_.read(id)
                require(row is not None, f"{store} has no run {id} any more: fit the forecaster again")
                made.configs_[title] = RunConfig.from_dict(row["config"])
        return made

    def _require_fit(self) -> None:
        require(hasattr(self, "model_"), "this forecaster has learned nothing yet: call fit first")


def rounded(widths: np.ndarray) -> list[list[float | None]]:
    """Half widths [H, C] to ROUND significant digits; None where there is no finite one."""
    return [[float(f"{width:.{ROUND}g}") if np.isfinite(width) else None for width in step] for step in widths]


def _widths(kept: list[list[float | None]]) -> np.ndarray:
    """The inverse of `rounded`."""
    widths = np.array(kept, dtype=float)
    return np.where(np.isnan(widths), np.inf, widths)
