"""A CSV of your own: what its first column stands for, and every fault as one sentence that says where."""

import argparse
import hashlib
import os

import numpy as np
import pandas as pd
import pytest

from tdlib import csvfile, data


def sentence(call, *arguments) -> str:
    """The one line that a refused call says."""
    with pytest.raises(ValueError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def csv(tmp_path):
    """Writes lines as a CSV: `csv("a,b", "1,2")`."""

    def write(*lines: str):
        path = tmp_path / "own.csv"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def test_a_csv_with_time_stamps_loads_by_its_path(csv):
    path = csv("date,load,wind", "2020-01-01 00:00,1,2.5", "2020-01-01 01:00,-3e2,4")
    series = data.load(str(path))
    assert series.values.tolist() == [[1.0, 2.5], [-300.0, 4.0]]
    assert series.values.dtype == np.float64
    assert list(series.index) == [pd.Timestamp("2020-01-01 00:00"), pd.Timestamp("2020-01-01 01:00")]
    assert series.channels == ("load", "wind")
    assert series.name == "own.csv"  # never the name of a data set that the protocol splits in its own way
    assert series.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == data.checksum(str(path))


def test_a_csv_without_time_stamps_keeps_all_its_columns(csv):
    series = data.read_csv(csv("load,wind", "1,2", "3,4"))
    assert series.index is None
    assert series.channels == ("load", "wind")
    assert series.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_whole_numbers_and_truth_values_count_as_numbers(csv):
    series = data.read_csv(csv("count,open", "1,True", "2,False"))
    assert series.values.tolist() == [[1.0, 1.0], [2.0, 0.0]]


def test_what_is_written_comes_back(tmp_path):
    random = np.random.default_rng(5)
    for trial in range(10):
        rows, channels = random.integers(1, 40), random.integers(1, 6)
        values = random.normal(size=(rows, channels)) * 10.0 ** random.integers(-20, 20)
        index = pd.date_range("2021-03-01", periods=rows, freq=["s", "min", "h", "D"][trial % 4], name="when")
        names = [f"channel {c}" for c in range(channels)]
        path = tmp_path / f"trial{trial}.csv"
        pd.DataFrame(values, index, names).to_csv(path)
        series = data.read_csv(path)
        assert series.values.tolist() == values.tolist()
        assert list(series.index) == list(index)
        assert list(series.channels) == names


def test_a_missing_csv_and_a_folder_are_refused(tmp_path):
    assert sentence(data.load, str(tmp_path / "none.csv")) == f"cannot read {tmp_path}/none.csv: " + (
        "No such file or directory"
    )
    assert sentence(data.read_csv, tmp_path) == f"cannot read {tmp_path}: Is a directory"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "is not a CSV with a header line: it is empty"),
        (["", ""], "is not a CSV with a header line: it is empty"),
        (["date,a"], "has a header but no rows"),
        (["1,2", "3,4"], "has numbers in its first line, where the names of the columns belong"),
        (["0.5,-1e3", "3,4"], "has numbers in its first line, where the names of the columns belong"),
        (["a,b", "1,2", "1,2,3"], ": line 3 has 3 values, and the lines above have 2"),
        (["a,b", '1,"2', "3,4"], "is not a CSV with a header line: a quotation mark is not closed"),
        (["a,b", "1,2", "3,4", "calm,6", "7,8"], ": column 'a', row 3 is not a number: 'calm'"),
        (["a,b", "1,2", "3," + "x" * 100], ": column 'b', row 2 is not a number: '" + "x" * 59 + "…xxxxxxxxx'"),
        (["a,b", "1,2", "3"], "has 1 missing values, the first in column 'b', row 2"),
        (["date,a,b", "2020-01-01,1,2", "2020-01-02,1,calm"], ": column 'b', row 2 is not a number: 'calm'"),
        (["a,b", "1,x", "2,y"], ": column 'b', row 1 is not a number: 'x'"),
        (["a,b", "1,", "2,y"], ": column 'b', row 2 is not a number: 'y'"),
        (["a,b", '1,"1,000"'], ": column 'b', row 1 is not a number: '1,000'"),
        (["a,b", "1,2", ",4", "5,nan"], "has 2 missing values, the first in column 'a', row 2"),
        (["a,b", "1,2", "3,inf"], "has 1 infinite values, the first in column 'b', row 2"),
        (["a,b", "-inf,2", "3,inf"], "has 2 infinite values, the first in column 'a', row 1"),
        (["a,b", "1,2", "3,1e39"], "has 1 values larger than float32 holds, the first in column 'b', row 2"),
        (["a,b", "1,-1e303", "3,4"], "has 1 values larger than float32 holds, the first in column 'b', row 1"),
        (
            ["date,a", "2020-01-01,1", "2020-01-02,2", "2020-01-02,3"],
            ": the time stamp of row 3, 2020-01-02, repeats the one before it",
        ),
        (
            ["date,a", "2020-01-02,1", "2020-01-01,2", "2020-01-01,3"],
            ": the time stamp of row 2, 2020-01-01, is earlier than the one before it",
        ),
        (["date,a", "2020-01-01,1", "soon,2"], ": column 'date', row 2 is not a time stamp: 'soon'"),
        (["date,a", "2020-01-01,1", "2020-02-30,2"], ": column 'date', row 2 is not a time stamp: '2020-02-30'"),
        (["date,a", "2020-01-01,1", ",2"], ": column 'date', row 2 is not a time stamp: "),
        (["date", "2020-01-01", "2020-01-02"], "has no column of numbers"),
    ],
)
def test_each_fault_of_a_csv_is_named_with_its_place(lines, words, csv):
    path = csv(*lines)
    with pytest.raises(ValueError) as caught:
        data.read_csv(path)
    assert str(caught.value).startswith(f"{path}{words}" if words[0] == ":" else f"{path} {words}")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(b"\xff\xfe\x00\x80,1\n")
    assert sentence(data.read_csv, path).startswith(f"{path} is not a CSV with a header line")


def test_a_row_that_is_too_long_is_one_line(csv):
    assert "line 3" in sentence(data.read_csv, csv("a,b", "1,2", "1,2,3"))


@pytest.mark.parametrize("rows", [("1,2,3", "4,5,6"), ("2020-01-01,1,2", "2020-01-02,3,4")])
def test_rows_with_one_more_value_than_the_header_are_refused(rows, csv):
    with pytest.raises(ValueError, match=r"own\.csv"):
        data.read_csv(csv("a,b", *rows))


@pytest.mark.parametrize("first", ["0.5,0.5", "0.0,0.0,1.25", "2020-01-01,1,2", "2020-01-01 00:00:00,0.5,0.5"])
def test_a_first_line_of_numbers_is_no_header_whatever_else_it_holds(first, csv):
    second = first.replace("2020-01-01", "2020-01-02")
    with pytest.raises(ValueError, match="in its first line"):
        data.read_csv(csv(first, second))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["date,a", "yesterday,1", "2020-01-01,2"], "column 'date', row 1 is not a time stamp: 'yesterday'"),
        (["a,b", "calm,1", "2,2"], "column 'a', row 1 is not a time stamp: 'calm'"),
    ],
)
def test_a_bad_time_stamp_in_the_first_row_is_named_without_a_warning(lines, words, csv):
    assert words in sentence(data.read_csv, csv(*lines))


def test_time_stamps_of_several_offsets_are_read_as_utc_which_is_said(csv):
    frame, remarks = csvfile.read_frame(csv("date,a", "2020-03-29 01:00+01:00,1", "2020-03-29 03:00+02:00,2"))
    assert list(frame.index) == list(pd.date_range("2020-03-29 00:00", periods=2, freq="h", tz="UTC"))
    assert remarks == ("its time stamps, of several offsets, are read as UTC",)


@pytest.mark.parametrize("step", ["D", "W-MON", "MS"])
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S%:z"])
def test_days_of_several_offsets_are_read_by_their_clock_which_is_said(step, form, csv):
    index = pd.date_range("2021-01-01 06:00", periods=100, freq=step, tz="Europe/Berlin")
    cells = [stamp.strftime(form) if "%:z" not in form else stamp.isoformat() for stamp in index]
    frame, remarks = csvfile.read_frame(csv("date,load", *(f"{cell},{row % 7}" for row, cell in enumerate(cells))))
    assert list(frame.index) == list(index.tz_localize(None))
    assert frame.index.freqstr == step
    assert remarks == ("its time stamps, of several offsets, are read as local time",)


# --- a first column of numbers that is no channel


@pytest.mark.parametrize("name", ["", "index", "Unnamed: 0", "step", "ID", "row", "time", "date", " Index "])
@pytest.mark.parametrize("first", [0, 1, 500])
def test_the_number_of_a_row_is_left_out_and_that_is_said(name, first, csv):
    lines = [f"{first + i},{value}" for i, value in enumerate((5, 3, 4))]
    with pytest.warns(UserWarning, match=r"own\.csv: the first column counts the rows .* is left out$"):
        series = data.read_csv(csv(f"{name},load", *lines))
    assert (series.channels, series.index) == (("load",), None)
    assert series.values.tolist() == [[5.0], [3.0], [4.0]]


def test_what_pandas_writes_with_its_index_comes_back_without_it(tmp_path):
    values = data.synthetic(rows=50, channels=3).values.astype(float)
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    for part in (frame, frame.tail(20), frame.drop(index=7)):
        part.to_csv(tmp_path / "own.csv")
        with pytest.warns(UserWarning, match="counts the rows"):
            series = data.load(str(tmp_path / "own.csv"))
        assert series.channels == ("a", "b", "c")
        assert series.values.tolist() == part.to_numpy().tolist()


HOURS = pd.date_range("2021-03-01", periods=4, freq="h")
UNIX = HOURS.astype("datetime64[ns]").astype("int64")


@pytest.mark.parametrize("name", ["", "time", "Timestamp", "ts", "date", "unix"])
@pytest.mark.parametrize("size", [1, 10**3, 10**6, 10**9])
def test_unix_time_becomes_the_index_whatever_its_unit(name, size, csv):
    lines = [f"{stamp // size},{value}" for stamp, value in zip(UNIX, (5, 3, 8, 1), strict=True)]
    words = r"the first column is read as time stamps, from 2021-03-01 00:00:00 to 2021-03-01 03:00:00$"
    with pytest.warns(UserWarning, match=words):
        series = data.read_csv(csv(f"{name},load", *lines))
    assert list(series.index) == list(HOURS)
    assert series.channels == ("load",)


@pytest.mark.parametrize(
    ("stamps", "last"),
    [
        (["20200131", "20200201"], "2020-02-01"),
        (["2020013123", "2020020100"], "2020-02-01"),  # as seconds of unix time these would lie in 2034
        (["202001312359", "202002010000"], "2020-02-01"),
        (["20200131235959", "20200201000000"], "2020-02-01"),
    ],
)
def test_dates_without_signs_become_the_index(stamps, last, csv):
    with pytest.warns(UserWarning, match="read as time stamps, from 2020-01-31"):
        series = data.read_csv(csv("date,load", *(f"{stamp},1" for stamp in stamps)))
    assert series.index[-1] == pd.Timestamp(last)


@pytest.mark.parametrize(
    "lines",
    [
        ["load,wind", "1,5", "2,6", "3,7"],  # rising, but a measurement by its name
        ["index,wind", "100,5", "103,6", "110,7"],  # of prices, say
        ["ts,wind", "0.5,5", "1.5,6", "2.5,7"],  # no whole numbers
        ["load,wind", "1600000000,5", "1600003600,6", "1600007200,7"],
        ["time", "1600000000", "1600003600"],  # nothing else would be left
        ["wind,index", "5,0", "6,1", "7,2"],  # not in first place
    ],
)
def test_any_other_column_of_numbers_stays_a_channel(lines, csv):
    series = data.read_csv(csv(*lines))
    assert series.channels == tuple(lines[0].split(","))
    assert series.index is None


def test_a_first_column_that_is_left_out_makes_another_series_of_the_same_bytes(csv):
    path = csv(",load", "0,5", "1,3")
    assert data.checksum(str(path)) != hashlib.sha256(path.read_bytes()).hexdigest()  # as it was named when it counted
    path = csv("wind,load", "0,5", "1,3")
    assert data.checksum(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_no_regular_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")  # reading it would wait for ever
    for place in (tmp_path / "pipe.csv", "/dev/zero"):
        assert sentence(data.read_csv, place) == f"cannot read {place}: it is not a regular file"
    assert "File name too long" in sentence(data.read_csv, tmp_path / ("x" * 300))


def test_a_long_file_with_text_at_its_end_is_named_without_a_warning(csv):
    words = sentence(data.read_csv, csv("a,b", *["1,2"] * 300_000, "calm,3"))
    assert words.endswith("column 'a', row 300001 is not a number: 'calm'")


# --- frames, and the one form that they are written in


def written(tmp_path, frame):
    """A frame through the canonical file and back."""
    csvfile.write_canonical(frame, tmp_path / "canonical.csv")
    return csvfile.read_frame(tmp_path / "canonical.csv").values


@pytest.mark.parametrize("step", ["17s", "h", "D", "B", "W-TUE", "MS", "ME", "QE", "YS", pd.DateOffset(months=1)])
@pytest.mark.parametrize("name", ["date", "Wann, genau?", None])
def test_a_frame_comes_back_from_its_canonical_form_exactly(step, name, tmp_path):
    index = pd.date_range("2015-03-04", periods=30, freq=step, name=name)
    values = np.random.default_rng(0).normal(1e9, 1, (30, 2))
    frame = pd.DataFrame(values, index, ["load, MW", 'a "b"'])
    pd.testing.assert_frame_equal(written(tmp_path, frame), frame, check_exact=True, check_index_type=False)
    assert written(tmp_path, frame).index.freq == index.freq


@pytest.mark.parametrize("first", ["load", "index", "time", "#", "0", "2020", "00:00"])
def test_a_frame_without_dates_comes_back_whatever_its_first_column_is_called(first, tmp_path):
    frame = pd.DataFrame({first: np.arange(30.0), "wind": np.arange(30.0) / 3})
    pd.testing.assert_frame_equal(written(tmp_path, frame), frame, check_exact=True)


def test_a_frame_with_dates_comes_back_whatever_its_index_is_called(tmp_path):
    frame = pd.DataFrame({"load": np.arange(30.0)}, pd.date_range("2020", periods=30, name=0))
    pd.testing.assert_frame_equal(written(tmp_path, frame), frame.rename_axis(None), check_exact=True)


def test_a_frame_has_its_calendar_and_the_name_of_its_column(csv):
    frame, remarks = csvfile.read_frame(csv("Month,load", *(f"2015-{month:02}-04,1.5" for month in range(1, 13))))
    assert (frame.index.name, frame.index.freq, remarks) == ("Month", pd.DateOffset(months=1), ())
    assert frame.to_numpy().dtype == np.float64
    frame, remarks = csvfile.read_frame(csv("load", "1", "2"))
    assert isinstance(frame.index, pd.RangeIndex)


def test_the_options_of_a_command_are_a_reading():
    parser = argparse.ArgumentParser()
    csvfile.add_options(parser)
    assert csvfile.given(parser.parse_args([])) == csvfile.Reading()
    words = "--no-dayfirst --missing interpolate --longest-gap 3 --columns b,a --time when"
    expected = csvfile.Reading(False, "interpolate", 3, ("b", "a"), "when")
    assert csvfile.given(parser.parse_args(words.split())) == expected
    wrong = parser.parse_args(["--columns", ","])
    assert sentence(csvfile.given, wrong) == "--columns ',' names no column"
    wrong = parser.parse_args(["--longest-gap", "0"])
    assert sentence(csvfile.given, wrong) == "the longest gap must be at least 1 row, got 0"


# --- what is said of values


CODES = [-9999, 9999, -99, 99999.9, -999.25, 32767, 1e20, -3.4028235e38, -8888, -7777, 6553.5, 3276.7, -3276.8, -127]


@pytest.mark.parametrize("value", CODES)
def test_a_value_that_stands_for_a_missing_one_is_told(value, tmp_path):
    wind = np.random.default_rng(0).normal(8, 2, 300).round(1)
    wind[[20, 21, 200, *range(30, 40)]] = value  # 4% of the rows
    pd.DataFrame({"wind": wind, "b": np.arange(300) % 7}).to_csv(path := tmp_path / "own.csv", index=False)
    empty = "far from its other values: if it stands for a missing one, leave it empty"
    assert csvfile.read_frame(path).remarks == (f"column 'wind' has {value} in 13 rows, {empty}",)
    assert csvfile.parse(path.read_bytes(), path).remarks == ()  # which are part of a run's id
    wind[19] = np.nan  # and interpolated between 8 and -9999
    pd.DataFrame({"wind": wind}).to_csv(path, index=False)
    assert empty in csvfile.read_frame(path, csvfile.Reading(missing="interpolate")).remarks[1]


@pytest.mark.parametrize(
    ("states", "told"), [((0, 1, 2, -9999), True), ((5, -999), True), ((0, 999), False), ((-97, -98, -99), False)]
)
def test_a_code_is_told_beside_a_few_states(states, told, tmp_path):
    pd.DataFrame({"a": np.resize(states, 100), "b": np.arange(100) % 13}).to_csv(path := tmp_path / "own.csv")
    assert [f"column 'a' has {states[-1]} in " in remark for remark in csvfile.read_frame(path).remarks[1:]] == [
        True
    ] * told


@pytest.mark.parametrize("others", [(9999,), (5000,), (100000,), (-5000, 9999), (100000, 99999)])
def test_a_code_is_told_beside_other_values_that_are_far(others, tmp_path):
    wind = np.random.default_rng(0).normal(8, 2, 300).round(1)
    wind[20] = -9999
    wind[40 : 40 + len(others)] = others
    pd.DataFrame({"wind": wind}).to_csv(path := tmp_path / "own.csv", index=False)
    remarks = csvfile.read_frame(path).remarks
    assert len(remarks) == 1 + len(others)
    assert remarks[0] == (
        "column 'wind' has -9999 in 1 row, far from its other values: if it stands for a missing one, leave it empty"
    )


def test_a_value_far_from_all_others_is_told_as_an_error_and_no_more_than_three_are(tmp_path):
    wind = np.random.default_rng(0).normal(8, 2, 400).round(1)
    wind[20] = 5000
    pd.DataFrame({"wind": wind}).to_csv(path := tmp_path / "own.csv", index=False)
    told = "column 'wind' has 5000 in 1 row, far from its other values: if it is an error, leave it empty"
    assert csvfile.read_frame(path).remarks == (told,)
    wind[21:25] = [5001, 6000, -7000, 8000]
    pd.DataFrame({"wind": wind}).to_csv(path, index=False)
    assert len(csvfile.read_frame(path).remarks) == 3


def test_honest_extremes_are_not_told(tmp_path):
    random = np.random.default_rng(0)
    rain = np.where(random.random(2000) < 0.9, 0, random.exponential(5, 2000) ** 3).round(1)
    heating = np.where(random.random(2000) < 0.1, 2000, random.normal(5, 1, 2000))
    columns = {"rain": rain, "gain": random.standard_cauchy(2000), "heating": heating, "state": rain.astype(bool) * 999}
    columns |= {f"weather {i}": column for i, column in enumerate(data.load("nyc_weather").values[:2000].T)}
    pd.DataFrame(columns).to_csv(tmp_path / "own.csv", index=False)
    assert csvfile.read_frame(tmp_path / "own.csv").remarks == ()
