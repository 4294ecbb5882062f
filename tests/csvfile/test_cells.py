"""Files by what their bytes are: delimiters, decimal commas, encodings, gzip, Excel and Parquet, names of columns."""

import gzip
import io
import sys

import numpy as np
import pandas as pd
import pytest
import small
from test_csvfile import sentence

from tdlib import data
from tdlib.csvfile import Reading, parse

DAYS = pd.date_range("2020-01-01", periods=30, name="Tag")
FRAME = pd.DataFrame({"Wärme": np.arange(30) + 0.5, "Strom": np.arange(30.0) ** 2}, DAYS)


def same(blob: bytes, *remarks: str) -> None:
    """Whether a file holds FRAME, and what is said of it."""
    frame, said = parse(blob, "own.csv")
    pd.testing.assert_frame_equal(frame, FRAME, check_index_type=False, check_freq=False)
    assert said == remarks


def refused(blob: bytes) -> str:
    return sentence(parse, blob, "own.csv")


# --- text


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_delimiters_and_encodings_are_recognised(separator, encoding):
    same(FRAME.to_csv(sep=separator).encode(encoding))


def test_latin_1_is_read_and_that_is_said():
    same(FRAME.to_csv().encode("latin-1"), "it is not in UTF-8 and is read as Windows-1252")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read_and_that_is_said(separator):
    said = "its decimal commas are read as decimal points"
    same(FRAME.to_csv(sep=separator, decimal=",").encode(), said)
    same(FRAME.to_csv(sep=separator, decimal=",", date_format="%d.%m.%Y").encode(), said)


def test_the_line_that_tells_excel_the_delimiter_is_no_header():
    same(f"sep=;\r\n{FRAME.to_csv(sep=';')}".encode("utf-8-sig"))


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (["1.000", "12.000", "-2.500.000"], [1000, 12000, -2500000], "points between thousands, which are left out"),
        (["1.234,5", "12", ""], [1234.5, 12, np.nan], "points between thousands, which are left out"),
        (["12.5", "1.234", "13.5"], [12.5, 1.234, 13.5], "decimal points"),
        (["0.567", "1.234", ""], [0.567, 1.234, np.nan], "decimal points"),  # no thousands begin with 0
        (["1.2345", "", "2"], [1.2345, np.nan, 2], None),
    ],
)
def test_what_points_mean_among_decimal_commas_is_that_of_the_whole_column(cells, numbers, said):
    lines = ["a;b", *(f"{place},5;{cell}" for place, cell in enumerate(cells)), "9,5;7"]
    frame, remarks = parse("\n".join(lines).encode(), "own.csv", Reading(missing="interpolate"))
    known = ~np.isnan(numbers)
    np.testing.assert_array_equal(frame["b"].to_numpy()[:-1][known], np.array(numbers)[known])
    assert [words for words in remarks if "points" in words][1:] == ([f"column 'b' has {said}"] if said else [])


def test_points_and_commas_that_cannot_both_be_are_refused():
    words = "column 'b' has decimal points and decimal commas, 12.5 and 3,5"
    assert words in refused(b"a;b\n1,5;12.5\n2,5;1.234\n3,5;3,5\n")


def beside(*cells: str, separator: str = ";", other: str = "7") -> bytes:
    """A file with these cells in its second column."""
    return "\n".join([f"a{separator}b", *(f"{other}{separator}{cell}" for cell in cells)]).encode()


@pytest.mark.parametrize(("separator", "sign"), [(";", "."), ("\t", "."), (",", "."), (";", ","), ("\t", ",")])
@pytest.mark.parametrize("cells", [("976", "1{}025", "1{}239", ""), ("0", "-12", "-1{}000"), ('"976"', '"1{}025"')])
def test_a_sign_before_three_digits_beside_whole_numbers_may_be_of_thousands_and_is_refused(cells, separator, sign):
    words = refused(beside(*(cell.format(sign) for cell in cells), separator=separator))
    first, plain = (f"-1{sign}000", "-1000") if "0" in cells else (f"1{sign}025", "1025")
    other = "-12" if "0" in cells else "976"
    said = f"column 'b' has {other} and {first}, which may be {plain} or a decimal"
    assert words.endswith(f"{said}: write it as {plain}, or the other as {other}{sign}0")


@pytest.mark.parametrize(
    "cells",
    [
        ("1.025", "1.239", "976.000"),  # all are decimals
        ("1.025", "0.239", "976"),
        ("1.025", "1.2390", "976"),
        ("1.025", "1.5", "976"),
        ("1.025", "1.239", "1976"),  # it has no sign, and would have one
        ("1.025", "1234.239", "976"),
        ("1.025", "0", "0"),
    ],
)
def test_a_sign_that_can_only_be_decimal_is_read_as_one(cells):
    for separator, sign in ((";", "."), (",", "."), (";", ",")):
        frame, _ = parse(beside(*(cell.replace(".", sign) for cell in cells), separator=separator), "own.csv")
        assert frame["b"].tolist() == [float(cell) for cell in cells]
    frame, _ = parse(beside("1.025", "976", other="12.5"), "own.csv")  # another column shows it
    assert frame["b"].tolist() == [1.025, 976]


def test_a_decimal_comma_late_in_the_file_counts():
    lines = ["a;b", *["1;2"] * 5000, "1,5;2"]
    frame, _ = parse("\n".join(lines).encode(), "own.csv")
    assert frame["a"].iloc[[0, -1]].tolist() == [1, 1.5]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_comments_blank_lines_and_trailing_commas_are_no_matter(end):
    lines = FRAME.to_csv().splitlines()
    same(end.join(lines).encode())
    same(end.join(["# measured by hand", "#", *lines[:5], "# a break", *lines[5:], ""]).encode())
    same(end.join(["", *lines[:5], "", *lines[5:], ""]).encode())
    same(end.join(f"{line}," for line in lines).encode())
    same(end.join([lines[0], *(f"{line}," for line in lines[1:])]).encode())
    same(end.join(f"{line},," for line in lines).encode())
    same(end.join(line.replace(",", ", ") for line in lines).encode())


def test_columns_set_apart_by_blanks_are_read():
    frame, _ = parse(b"load  wind\n1     2.5\n10    3\n", "own.csv")
    assert frame.to_dict("list") == {"load": [1, 10], "wind": [2.5, 3]}


def test_an_only_column_may_have_decimal_commas():
    frame, remarks = parse(b"load\n1,5\n2\n", "own.csv")
    assert frame["load"].tolist() == [1.5, 2]
    assert remarks == ("its decimal commas are read as decimal points",)


@pytest.mark.parametrize("name", ["a b", "a;b c", "load | MW"])
def test_the_name_of_an_only_column_may_hold_what_others_are_set_apart_by(name):
    assert list(parse(f"{name}\n1\n2\n3\n".encode(), "own.csv").values) == [name]


def test_names_may_hold_delimiters_quotation_marks_and_line_ends():
    frame, _ = parse(b'"load, MW;","a ""b""","two\nlines"\n1,2,3\n', "own.csv")
    assert list(frame.columns) == ["load, MW;", 'a "b"', "two\nlines"]
    assert frame.to_numpy().tolist() == [[1, 2, 3]]


def test_gzip_is_read_by_its_bytes(tmp_path):
    same(gzip.compress(FRAME.to_csv().encode()))
    (tmp_path / "own.csv.gz").write_bytes(gzip.compress(FRAME.to_csv().encode()))
    series = data.load(str(tmp_path / "own.csv.gz"))
    assert (series.name, series.values.tolist()) == ("own.csv.gz", FRAME.to_numpy().tolist())
    assert refused(gzip.compress(b"a,b\n1,2\n" * 99)[:-9]) == "own.csv is compressed by gzip, and damaged"


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"a,b,a\n1,2,3\n", "own.csv: the header has 'a' more than once"),
        (b"a, a \n1,2\n", "own.csv: the header has 'a' more than once"),
        (b"a,b\n1,\n2,\n", "own.csv: column 'b' has no value in any row"),
        (b"a,,b\n1,2,3\n", "own.csv: column 2 has no name in the header"),
        (b",b\n5,2\n4,2\n", "own.csv: column 1 has no name in the header, and is no time"),
        (b"a;b\n1;2;3\n", "own.csv: row 1 has 3 values, and the header has 2"),
        (b"a;b\n1;2\n\n1;2;3\n", "line 4 has 3 values, and the lines above have 2"),
        (b"# no header\n1;2\n3;4\n", "own.csv has numbers in its first line, where the names of the columns belong"),
        (b"\x00\x01\x02\x03", "own.csv is not a CSV with a header line: it is not text"),
        (b"\xff\xfea", "own.csv is not a CSV with a header line: it is not text"),
        (b"a\x81,b\n1,2\n", "it is not text in UTF-8, UTF-16 or Windows-1252"),
        (b'"a,b\n1,2\n', "own.csv has a header but no rows"),
        (b"PK\x03\x04own.csv", "own.csv is a zip archive: take the file that it holds out of it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "own.csv is a workbook of an old Excel: save it as .xlsx or as CSV"),
    ],
)
def test_what_is_no_table_is_one_sentence(blob, words):
    assert words in refused(blob)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("load|1|2|#N/A|4", "has 1 missing values, the first in column 'load', row 3"),
        ("a,b|1,5|#DIV/0!,6|3,7", "column 'a', row 2 is not a number: '#DIV/0!'"),
        ("date,a|2020-01-01,1|2020-01-02,2|########,3", "column 'date', row 3 is not a time stamp: '########'"),
        ("id,a|1,5|2,6|#3,7", "column 'id', row 3 is not a number: '#3'"),
        ("date,a|########,1|########,3", "column 'date', row 1 is not a time stamp: '########'"),
        ("#tag,a|#t1,3", "is not a CSV with a header line: it is empty"),
    ],
)
def test_a_row_may_begin_with_the_sign_of_a_comment(lines, words):
    assert words in refused(lines.replace("|", "\n").encode())


def test_what_is_left_out_behind_a_sign_of_a_comment_is_told_unless_a_blank_says_what_it_is():
    frame, remarks = parse(b"# by hand\n#by hand, too\na,b,c\n1,2,3\n# 4,5,6\n#see below\n#\n7,8,9\n", "own.csv")
    assert frame.to_numpy().tolist() == [[1, 2, 3], [7, 8, 9]]
    assert remarks == ("1 line with # in front left out",)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("# by hand|# date,a|2020-01-01,1|2020-01-02,2", ["a"]),
        ("# a b|1.5 2|2 3", ["a", "b"]),  # as numpy.savetxt writes it
        ("#a,b|# a remark, too|1,2|3,4", ["#a", "b"]),
        ("# x,y|a,b|1,2|3,4", ["a", "b"]),
    ],
)
def test_a_comment_is_the_header_where_there_is_no_other(lines, names):
    frame, _ = parse(lines.replace("|", "\n").encode(), "own.csv")
    assert (list(frame.columns), len(frame)) == (names, 2)


@pytest.mark.parametrize(
    "line",
    [
        "2020-01-01 00:00,1.5,NA",
        "2020-01-01,-",
        "2020-01-01,True",
        "2020-01-01,00:00,5",
        "2020-01-01 00:00 5",
        "1.1.2020;1,5",
        "1,5;2,5",
        "Jan 2020;err",
        "00:00,5,err",
    ],
)
def test_a_first_line_that_begins_with_a_number_or_a_date_is_no_header(line):
    assert refused(f"{line}\n{line}\n".encode()).startswith("own.csv has numbers in its first line")


@pytest.mark.parametrize(
    ("header", "names"),
    [("date,773869,767541", ["773869", "767541"]), (",0,1", ["0", "1"]), ("date,2020,2021", ["2020", "2021"])],
)
def test_columns_may_be_called_by_numbers(header, names):
    frame, _ = parse(f"{header}\n2020-01-01,1,2\n2020-01-02,3,4\n".encode(), "own.csv")
    assert (list(frame.columns), frame.to_numpy().tolist()) == (names, [[1, 2], [3, 4]])


@pytest.mark.parametrize("first", ["id,", ""])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%b %Y"])
def test_a_table_that_lies_on_its_side_is_refused(first, form):
    months = ",".join(pd.date_range("2020-01-01", periods=5, freq="MS").strftime(form))
    words = "own.csv has dates in its header, where the names of the columns belong: transpose it"
    assert refused(f"{first}{months}\n{first and '7,'}1,2,3,4,5\n".encode()) == words


def test_a_semicolon_in_every_line_goes_before_a_comma_in_every_line():
    frame, _ = parse(b"Date;Load, MW\n2020-01-01;1,5\n2020-01-02;2,5\n", "own.csv")
    assert (list(frame.columns), frame["Load, MW"].tolist()) == (["Load, MW"], [1.5, 2.5])


def test_points_between_thousands_and_a_decimal_comma_in_every_cell_are_read():
    frame, _ = parse(b"date;a\n2020-01-01;1.234,56\n2020-01-02;-1.300.000,25\n", "own.csv")
    assert frame["a"].tolist() == [1234.56, -1300000.25]


def test_a_comma_goes_before_the_blanks_of_dates_and_names():
    hours = [f"01/13/2015 {hour:02}:00 AM,{hour}" for hour in range(1, 8)]
    frame, _ = parse("\n".join(["Time,Load in MW", *hours]).encode(), "own.csv")
    assert list(frame.columns) == ["Load in MW"]
    assert (frame.index[0], frame.index.freqstr) == (pd.Timestamp("2015-01-13 01:00"), "h")


# --- packaged


@pytest.mark.parametrize(
    ("start", "kind", "package"),
    [(b"PK\x03\x04", "an Excel workbook", "openpyxl"), (b"PAR1", "a Parquet file", "pyarrow")],
)
def test_what_needs_a_package_names_it(start, kind, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert (
        refused(start + b"xl/workbook.xml") == f"own.csv is {kind}; reading it needs {package}: pip install {package}"
    )


def packed(write: str, package: str, frame: pd.DataFrame, **how) -> bytes:
    small.package(package)
    buffer = io.BytesIO()
    getattr(frame, write)(buffer, **how)
    return buffer.getvalue()


def test_parquet_is_read_with_its_index_or_a_column_of_dates():
    small.package("pyarrow")
    same(packed("to_parquet", "pyarrow", FRAME))
    same(packed("to_parquet", "pyarrow", FRAME.reset_index()))
    numbered = packed("to_parquet", "pyarrow", FRAME.reset_index(drop=True))
    assert parse(numbered, "own.parquet").values.to_numpy().tolist() == FRAME.to_numpy().tolist()
    assert refused(numbered[:-20]) == "own.csv is a Parquet file, and cannot be read as one"
    called = packed("to_parquet", "pyarrow", FRAME.reset_index(drop=True).set_axis(["0", "1"], axis=1))
    assert list(parse(called, "own.parquet").values.columns) == ["0", "1"]


def test_excel_is_read_as_its_first_sheet():
    small.package("openpyxl")
    same(packed("to_excel", "openpyxl", FRAME))
    same(packed("to_excel", "openpyxl", FRAME.reset_index(), index=False))
    blob = packed("to_excel", "openpyxl", pd.DataFrame([["a", "a"], [1, 2]]), index=False, header=False)
    assert refused(blob) == "own.csv: the header has 'a' more than once"
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as book:
        FRAME.to_excel(book, sheet_name="data")
        FRAME.to_excel(book, sheet_name="copy")
    same(buffer.getvalue(), "the first of its 2 sheets is read, 'data'")
    assert refused(blob[:-20]) == "own.csv is an Excel workbook, and cannot be read as one"
    called = packed("to_excel", "openpyxl", FRAME.set_axis([2020, 2021], axis=1))
    assert list(parse(called, "own.xlsx").values.columns) == ["2020", "2021"]
    blank = packed("to_excel", "openpyxl", pd.DataFrame(), sheet_name="blank")
    assert refused(blank) == "own.csv: its first sheet, 'blank', is empty"


@pytest.mark.parametrize("empty", ["", " ", '""'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_blank_line_of_an_only_column_is_a_step_without_value(empty, end):
    blob = end.join(["load", "1", "2", empty, "4", "5", "", ""]).encode()
    assert "has 1 missing values, the first in column 'load', row 3" in refused(blob)
    frame, _ = parse(blob, "own.csv", Reading(missing="interpolate"))
    assert frame["load"].tolist() == [1, 2, 3, 4, 5]


def test_an_empty_row_of_a_workbook_is_a_step_where_no_dates_tell_that_it_is_none():
    frame = FRAME.reset_index(drop=True)
    frame.iloc[3] = np.nan
    assert "has 2 missing values" in refused(packed("to_excel", "openpyxl", frame, index=False))
    dated = FRAME.reset_index()
    dated = pd.concat([dated[:3], pd.DataFrame({name: [None] for name in dated}), dated[3:]])
    same(packed("to_excel", "openpyxl", dated, index=False))


def test_a_day_and_a_time_of_day_in_two_columns_of_a_workbook_are_one():
    hours = pd.date_range("2020-01-01", periods=50, freq="h")
    frame = pd.DataFrame({"day": hours.date, "clock": hours.time, "a": np.arange(50) % 7})
    found, _ = parse(packed("to_excel", "openpyxl", frame, index=False), "own.csv")
    assert (list(found.index), list(found.columns)) == (list(hours), ["a"])


def test_durations_are_no_numbers():
    frame = FRAME.assign(Strom=pd.to_timedelta(FRAME["Strom"], "s"))
    words = "own.csv: column 'Strom' holds durations, and no numbers; --columns leaves it out"
    assert refused(packed("to_parquet", "pyarrow", frame)) == words


@pytest.mark.parametrize("sign", [".", ","])
def test_decimals_that_may_all_be_thousands_are_told(sign):
    frame, said = parse(beside(f"1{sign}200", f"12{sign}100", f"3{sign}000"), "own.csv")
    assert frame["b"].tolist() == [1.2, 12.1, 3]
    assert said[-1] == f"column 'b' has decimals: 1{sign}200 is read as 1.200, not as 1200"
    assert parse(beside(f"1{sign}200", f"12{sign}5"), "own.csv").remarks == said[:-1]


def test_commas_before_three_digits_beside_decimal_points_are_refused():
    words = (
        "column 'b' has 2,000, which may be 2000 or a decimal, and other columns have decimal points: write it as 2000"
    )
    assert words in refused(beside("2,000", "12,100", other="96.4"))
