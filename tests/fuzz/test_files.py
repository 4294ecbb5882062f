"""Files as people have them, drawn at random: what they hold, or one sentence; never a traceback, never other numbers.

A table is drawn and then written in one of many ways. Read, it is the same table to the last bit, or the way it was
written leaves a choice and is refused. Then bytes of the file are changed: what comes of it is a table or a sentence.
"""

import gzip

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.test_input import QUICK, clear
from tdlib import csvfile
from tdlib.csvfile import Reading, cells, parse

STEPS = ["s", "15min", "h", "D", "B", "W-SUN", "MS", "ME", "QS", "QE", "YS", pd.DateOffset(months=1)]
DAYS = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%y", "%d %b %Y", "%B %d %Y", "%Y/%m/%d"]
CLOCKS = [" %H:%M:%S", " %I:%M:%S %p"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]
FINITE = st.floats(-1e38, 1e38, allow_nan=False)
VALUES = st.one_of(FINITE, st.floats(-100, 100), st.integers(-(10**9), 10**9).map(float))
NAMES = st.one_of(
    st.sampled_from(["load", "a b", "Wärme", 'the "x"', "a,b", "m/s", "1,000 kWh", "#3", "=SUM(A1)", "ﬁ", "y"]),
    st.text(st.characters(categories=["L", "N", "P"], exclude_characters="\0"), min_size=1, max_size=8),
)


@st.composite
def frames(draw) -> pd.DataFrame:
    """A table: with a calendar or without, narrow or of 1,000 columns, its columns constant now and then."""
    rows, wide = draw(st.integers(14, 40)), draw(st.integers(0, 19)) == 0
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=lambda name: name.strip().lower()))
    values = np.array(draw(st.lists(VALUES, min_size=rows * len(names), max_size=rows * len(names))))
    values = values.reshape(rows, len(names))
    if draw(st.booleans()):
        values[:, 0] = values[0, 0]
    names = [f"x{name}" if cells.is_number(name) else name for name in names]
    frame = pd.DataFrame(values, columns=names)
    if wide:
        frame = pd.concat([frame, pd.DataFrame(np.tile(values[:, :1], 1000)).add_prefix("column ")], axis=1)
    if draw(st.booleans()):
        first = draw(st.datetimes(pd.Timestamp(1970, 1, 1), pd.Timestamp(2020, 1, 1))).replace(microsecond=0)
        step = draw(st.sampled_from(STEPS))
        midnight = step not in ("s", "15min", "h")
        start = pd.Timestamp(first).normalize() if midnight else pd.Timestamp(first)
        frame.index = pd.date_range(start, periods=rows, freq=step, name=draw(st.sampled_from(["date", "Tag", "t 1"])))
    return frame


def written(frame: pd.DataFrame, draw, packed: bool = True) -> bytes:
    """A table as text, in one of many ways."""
    dated = isinstance(frame.index, pd.DatetimeIndex)
    separator, ending = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))
    several = dated or len(frame.columns) > 1  # "a,b" above "1,5" may be one column, or two
    decimal = draw(st.sampled_from(".,")) if several and separator in ";\t" else "."
    later = dated and frame.index[-1].year > pd.Timestamp.now().year + 1  # two digits are then of the past
    form = draw(st.sampled_from([day for day in DAYS if not (later and "%y" in day)]))
    if dated and (frame.index.normalize() != frame.index).any():
        form += draw(st.sampled_from(CLOCKS))
    text = frame.to_csv(sep=separator, decimal=decimal, lineterminator=ending, date_format=form, index=dated)
    lines = text.split(ending)
    if draw(st.booleans()):
        lines[1:1] = ["# a remark"]
    if draw(st.booleans()):
        lines = [line + separator if line and not line.startswith("# a r") else line for line in lines]
    encoding = draw(st.sampled_from(ENCODINGS))
    try:
        blob = ending.join(lines).encode(encoding)
    except UnicodeEncodeError:  # what Latin-1 has no letter for
        blob = ending.join(lines).encode()
    return gzip.compress(blob) if packed and draw(st.booleans()) else blob


@settings(**QUICK, max_examples=100)
@given(st.data())
def test_a_table_comes_back_whatever_way_it_is_written(data):
    frame = data.draw(frames())
    blob = written(frame, data.draw)
    try:
        found, _ = parse(blob, "own.csv")
    except ValueError as error:
        clear(str(error))
        assert "may be" in str(error) or "in its first line" in str(error), (str(error), blob[:300])
        return
    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_index_type=False, check_freq=False)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from([b"", b",", b";", b"\n", b'"', b"x", b"\0", b"\xff", b"9" * 400, b"-", b"#"]),
    ),
    min_size=1,
    max_size=4,
)
READINGS = st.builds(
    Reading,
    dayfirst=st.sampled_from([None, True, False]),
    missing=st.sampled_from(["refuse", "interpolate"]),
    longest_gap=st.integers(1, 5),
    columns=st.sampled_from([(), (), ("load",), ("a b", "load"), ("load", "load")]),
    time=st.sampled_from(["", "", "date", "load"]),
)


@settings(**QUICK, max_examples=70)
@given(st.data(), CHANGES, READINGS)
def test_a_file_with_changed_bytes_is_a_whole_table_or_a_sentence(data, changes, how):
    blob = written(data.draw(frames()), data.draw, packed=False)
    for place, change in changes:
        at = place % len(blob)
        blob = blob[:at] + change + blob[at + 1 :]
    check(blob, how)


@settings(**QUICK, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["unique_id", "ds", "y", "Y", "date", "time", "a", "", "index", "2020"]), min_size=1, max_size=4
    ),
    st.lists(
        st.lists(
            st.sampled_from(["A", "B", "1", "2", "", "2020-01-01", "01/02/20", "7,5", "nan", "1e400"]),
            min_size=1,
            max_size=5,
        ),
        max_size=8,
    ),
    st.sampled_from(",;\t "),
    READINGS,
)
@example(["unique_id", "ds", "y"], [["A", "1", "2"], ["A", "", "2"]], ",", Reading())
@example(["unique_id", "ds", "y"], [["", "", ""]], ",", Reading())
@example(["ds", "y", "unique_id"], [["2020-01-01", "x", "A"]], ",", Reading())
@example(["date", "a"], [["2020-01-01", "1"], ["2020-01-02 00:00+01:00", "1"]], ",", Reading())
def test_cells_of_all_kinds_are_a_whole_table_or_a_sentence(names, rows, separator, how):
    check("\n".join(separator.join(row) for row in [names, *rows]).encode(), how)


def check(blob: bytes, how: Reading) -> None:
    """A whole table, which its canonical form gives again, or one sentence that names the file."""
    try:
        frame, remarks = parse(blob, "own.csv", how)
    except ValueError as error:
        clear(str(error))
        assert "own.csv" in str(error)
        return
    assert all(len(remark.splitlines()) == 1 for remark in remarks)
    assert frame.shape[0] > 0 < frame.shape[1]
    assert frame.columns.is_unique
    assert np.isfinite(frame.to_numpy()).all()
    assert not frame.index.has_duplicates
    assert frame.index.is_monotonic_increasing
    again, _ = parse(csvfile.canonical(frame), "own.csv")
    pd.testing.assert_frame_equal(again, frame, check_exact=True, check_index_type=False, check_freq=False)
