"""The adapter to sktime, where that is installed."""

import numpy as np
import pandas as pd
import pytest
import small

small.package("sktime")

from tdlib.service.sktime import TimeDistill  # noqa: E402


@pytest.mark.filterwarnings("ignore:The default of config ``remember_data``:FutureWarning")  # of 1.3; both will do
def test_it_forecasts_at_the_steps_that_are_asked_for_with_bands():
    index = pd.period_range("2015-01", periods=96, freq="M")
    y = pd.Series(np.sin(2 * np.pi * np.arange(96) / 12) + 3, index, name="sales")
    made = TimeDistill(24, 12, "ridge", "rlinear", epochs=1).fit(y, fh=[1, 6])
    found = made.predict()
    assert found.index.equals(pd.PeriodIndex(["2023-01", "2023-06"], freq="M"))
    np.testing.assert_allclose(found, [3 + np.sin(0), 3 + np.sin(2 * np.pi * 5 / 12)], atol=0.2)
    band = made.predict_interval(coverage=0.8)
    assert (band["sales", 0.8, "lower"] <= found).all()
    assert (found <= band["sales", 0.8, "upper"]).all()
    quantiles = made.predict_quantiles(alpha=[0.1, 0.5, 0.9])["sales"]
    np.testing.assert_array_equal(quantiles[0.5], found)
    np.testing.assert_array_equal(quantiles[[0.1, 0.9]], band["sales", 0.8])
    later = pd.Series(np.sin(2 * np.pi * np.arange(96, 99) / 12) + 3, pd.period_range("2023-01", periods=3, freq="M"))
    moved = made.update(later.rename("sales")).predict()
    assert moved.index.equals(pd.PeriodIndex(["2023-04", "2023-09"], freq="M"))
    np.testing.assert_allclose(moved, [3 + np.sin(2 * np.pi * 3 / 12), 3 + np.sin(2 * np.pi * 8 / 12)], atol=0.2)


@pytest.mark.filterwarnings("ignore:The default of config ``remember_data``:FutureWarning")
def test_columns_in_another_order_and_a_calendar_are_understood():
    weeks = pd.date_range("2020-01-06", periods=152, freq="W-MON")
    noise = np.random.default_rng(0).standard_normal((152, 2))
    y = pd.DataFrame(noise + np.array([0, 100]), weeks, ["low", "high"])
    found = []
    for order in (["low", "high"], ["high", "low"]):
        made = TimeDistill(24, None, "ridge", "rlinear", epochs=1).fit(y[:150], fh=[1, 2])
        assert made.forecaster_.period_ == 52
        made.update(y[150:][order])
        found.append((made.predict()[["low", "high"]], made.predict_interval(coverage=0.8)[["low", "high"]]))
    for one, other in zip(*found, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert (found[0][1]["high"] > 50).all(axis=None)


@pytest.mark.filterwarnings("ignore:The default of config ``remember_data``:FutureWarning")
@pytest.mark.parametrize(
    ("index", "words"),
    [
        (pd.period_range("2015-01", periods=96, freq="M"), "6 rows are missing after row 80, 2021-08-01"),
        (pd.date_range("2015-01-01", periods=96, freq="h"), "6 rows are missing after row 80, 2015-01-04 07:00:00"),
        (pd.RangeIndex(96), "rows are missing, the first after 79"),
    ],
)
def test_rows_that_are_missing_are_refused(index, words):
    y = pd.Series(np.sin(2 * np.pi * np.arange(96) / 12) + 3, index, name="sales")
    with pytest.raises(ValueError, match=words):
        TimeDistill(24, 12, "ridge", "rlinear", epochs=1).fit(y.drop(index[80:86]), fh=[1])
    made = TimeDistill(24, 12, "ridge", "rlinear", epochs=1).fit(y[:80], fh=[1])
    for work in (lambda: made.update(y[86:], update_params=False), made.predict):
        with pytest.raises(ValueError, match=words):
            work()
