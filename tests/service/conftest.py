"""One small forecaster, fitted once for all tests of the service."""

import pandas as pd
import pytest

from tdlib import data
from tdlib.service import Forecaster


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    series = data.synthetic(rows=400, channels=2)
    return pd.DataFrame(series.values.astype(float), series.index.rename("when"), ["load", "wind"])


@pytest.fixture(scope="session")
def fitted(frame, tmp_path_factory) -> Forecaster:
    folder = tmp_path_factory.mktemp("fitted")
    return Forecaster(48, 8, epochs=1, folder=folder).fit(frame, "own")
