"""`Forecaster` as one of sktime's: `from tdlib.service.sktime import TimeDistill`. sktime is the extra `sktime`.

Shapes: T rows, H the farthest step of the forecasting horizon.
"""

import numpy as np
import pandas as pd

from tdlib import calendar
from tdlib.checks import require, require_extra
from tdlib.service import frames
from tdlib.service.forecaster import Forecaster
from tdlib.windows import borders

require_extra("sktime", "sktime")

from sktime.forecasting.base import BaseForecaster  # noqa: E402


class TimeDistill(BaseForecaster):
    """The model that `Forecaster` chooses, with its conformal bands; the parameters are those of `Forecaster`.

    The horizon is the farthest step that `fit` is asked for, and steps within the rows are not forecast. After `update`
    forecasts go on from the new rows, with the weights that are there.

    Of the 385 checks of sktime's `check_estimator`, made with the first of the parameters below, nine cannot pass: they
    fit series of 15 or 26 rows, too few for training, validation and test.

    Examples
    --------
    >>> from sktime.datasets import load_airline  # doctest: +SKIP
    >>> TimeDistill(minutes=1).fit(load_airline(), fh=[1, 2, 3]).predict()  # doctest: +SKIP
    """

    _tags = {  # noqa: RUF012, as sktime has them
        "y_inner_mtype": "pd.DataFrame",
        "capability:multivariate": True,
        "requires-fh-in-fit": True,
        "capability:exogenous": False,
        "capability:missing_values": False,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "authors": "tdlib",
        "python_dependencies": ["torch"],
    }

    def __init__(
        self,
        lookback: int | None = None,
        period: int | None = None,
        teacher: str = "committee",
        student: str = "mlp",
        minutes: float = 5,
        epochs: int | None = None,
        seed: int = 2021,
    ):
        self.lookback, self.period, self.teacher, self.student = lookback, period, teacher, student
        self.minutes, self.epochs, self.seed = minutes, epochs, seed
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh) -> "TimeDistill":
        names = ("period", "teacher", "student", "minutes", "epochs", "seed")
        given = {name: getattr(self, name) for name in names}
        stamps = y.index.to_timestamp() if isinstance(y.index, pd.PeriodIndex) else y.index
        known = calendar.period(stamps) if isinstance(stamps, pd.DatetimeIndex) else 1
        if self.period is None and 1 < known < borders("", len(y))[0]:
            given["period"] = known
        horizon = int(max(fh.to_relative(self.cutoff).to_numpy().max(), 1))
        self.forecaster_, self.seen_ = Forecaster(self.lookback, horizon, **given).fit(self._rows(y)), y
        return self

    def _update(self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True) -> "TimeDistill":
        self.seen_ = y.combine_first(self.seen_)[self.seen_.columns]  # in the order that was learned
        self._rows(self.seen_)
        return self

    def _rows(self, y: pd.DataFrame) -> pd.DataFrame:
        """Numbered rows: sktime keeps the time stamps itself. ValueError where a number would hide a missing row."""
        rows = pd.DataFrame(y.to_numpy(float), columns=[f"channel {place}" for place in range(y.shape[1])])
        if isinstance(y.index, pd.DatetimeIndex | pd.PeriodIndex):
            frames.wide(rows.set_axis(y.index))
        else:
            before = y.index[:-1][np.diff(y.index) != 1]
            words = f"rows are missing, the first after {before.min()}: an index of whole numbers must rise by 1"
            require(before.empty, words)
        return rows

    def _predict(self, fh, X: pd.DataFrame | None) -> pd.DataFrame:
        made = self.forecaster_.predict(self._rows(self.seen_), level=())
        return pd.DataFrame(made.to_numpy()[self._steps(fh)], self._index(fh), self.seen_.columns)

    def _predict_interval(self, fh, X: pd.DataFrame | None, coverage: list[float]) -> pd.DataFrame:
        made = self._predict(fh, X)
        columns, parts = [], []
        for place, name in enumerate(made.columns):
            for level in coverage:
                # sktime asks for the median, a quantile, as the band of level 0
                half = self.forecaster_.half_widths(100 * level)[self._steps(fh), place] if level else 0
                parts += [made.iloc[:, place] - half, made.iloc[:, place] + half]
                columns += [(name, level, "lower"), (name, level, "upper")]
        found = pd.concat(parts, axis=1)
        found.columns = pd.MultiIndex.from_tuples(columns)
        return found

    def _steps(self, fh) -> np.ndarray:
        return fh.to_relative(self.cutoff).to_numpy().astype(int) - 1

    def _index(self, fh) -> pd.Index:
        return fh.to_absolute_index(self.cutoff)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict]:
        """Small ones, for sktime's own tests."""
        return [{"lookback": 4, "epochs": 1, "teacher": "ridge", "student": "rlinear"}, {"period": 2, "epochs": 1}]
