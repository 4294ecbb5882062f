"""A file as a table of cells: what its bytes are, how its columns are set apart, and their names.

    bytes --gzip, Excel, Parquet, encoding--> text --delimiter, decimal sign--> cells under the names of the header

Text may be in UTF-8, UTF-16 or Windows-1252 (which Latin-1 is read as), its columns set apart by commas, semicolons,
tabs, bars or blanks. Lines that begin with # are comments, but not a row whose first cell is #N/A, ##### or #3.
"""

import codecs
import csv
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tdlib.checks import counted, require, short
from tdlib.csvfile import dates

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
LONG = ("unique_id", "ds", "y")  # the columns of the long form: see `csvfile.panel`
NOTE = re.compile(r"^#(?![,;\t|]).*\n?", re.MULTILINE)  # but a column may be called #
EXCEL = re.compile(r"\Asep=.\n")  # a line for Excel, which names the delimiter
SNIFFED = 2**16  # characters from which the delimiter is known
NO_TEXT = [chr(code) for code in (*range(9), *range(14, 32))]  # control characters that no table has
THOUSANDS = r"\s*[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?\s*"
DECIMAL_COMMA = r"\s*[+-]?(\d*|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?\s*"


def content(path: str | Path) -> bytes:
    """The bytes of a file; ValueError where it cannot be read. A pipe or a device may never end, and is refused."""
    try:
        place = Path(path)
        if place.exists() and not place.is_dir():
            require(place.is_file(), f"cannot read {path}: it is not a regular file")
        return place.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None


def table(blob: bytes, path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """The cells under the names of the header, as numbers where a column has nothing else, and remarks on them.

    Names are without the blanks around them; only the first may be empty. ValueError, which names `path`, for what
    is no table, for names that repeat or are missing, and for a package that is not installed.
    """
    frame, remarks = _cells(blob, path)
    frame.columns = [str(name).strip() for name in frame.columns]
    require(len(frame.columns) > 0, f"{path}: {' '.join(remarks) or 'it has no column'}")
    check_upright(frame.columns, path)
    headless = not blob.startswith(b"PAR1") and is_data(frame.columns[0])  # Parquet always has names
    require(not headless, f"{path} has numbers in its first line, where the names of the columns belong")
    empty = [i for i, name in enumerate(frame.columns) if name == "" and frame.iloc[:, i].isna().all()]
    frame = frame.iloc[:, [i for i in range(len(frame.columns)) if i not in empty]]  # what trailing commas leave
    require(len(frame) > 0, f"{path} has a header but no rows")
    seen = set()
    for place, name in enumerate(frame.columns, 1):
        require(name != "" or place == 1, f"{path}: column {place} has no name in the header")
        require(name not in seen, f"{path}: the header has {short(name)} more than once")
        seen.add(name)
    return frame, remarks


# --- by what the bytes are


def _cells(blob: bytes, path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    if blob.startswith(b"\x1f\x8b"):
        try:
            blob = gzip.decompress(blob)
        except (OSError, EOFError, zlib.error):
            raise ValueError(f"{path} is compressed by gzip, and damaged") from None
    if blob.startswith(b"PAR1"):
        return _packaged(_parquet, "pyarrow", "a Parquet file", blob, path)
    if blob.startswith(b"PK\x03\x04"):
        require(b"xl/workbook.xml" in blob, f"{path} is a zip archive: take the file that it holds out of it")
        return _packaged(_excel, "openpyxl", "an Excel workbook", blob, path)
    old = f"{path} is a workbook of an old Excel: save it as .xlsx or as CSV"
    require(not blob.startswith(b"\xd0\xcf\x11\xe0"), old)
    try:
        return _text_cells(blob)
    except (ValueError, OverflowError, csv.Error) as error:
        said = _plainly(error)
        table = said.startswith(("column ", "row ", "line "))
        raise ValueError(f"{path}{'' if table else ' is not a CSV with a header line'}: {said}") from None


def _packaged(read: Callable, package: str, kind: str, blob: bytes, path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """What `read` makes of bytes of a `kind` that pandas reads with a package of its own."""
    try:
        __import__(package)
    except ImportError:
        raise ValueError(f"{path} is {kind}; reading it needs {package}: pip install {package}") from None
    try:
        with warnings.catch_warnings():  # on styles and fonts
            warnings.simplefilter("ignore")
            return read(blob)
    except Exception:  # each of these packages has errors of its own, and of what it is built on
        raise ValueError(f"{path} is {kind}, and cannot be read as one") from None


def _parquet(blob: bytes) -> tuple[pd.DataFrame, list[str]]:
    frame = pd.read_parquet(io.BytesIO(blob))
    return (frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()), []


def _excel(blob: bytes) -> tuple[pd.DataFrame, list[str]]:
    sheets = pd.read_excel(io.BytesIO(blob), sheet_name=None, header=None, engine="openpyxl")  # pandas renames "a, a"
    name, raw = next(iter(sheets.items()))
    if raw.empty:
        return pd.DataFrame(), [f"its first sheet, {short(name)}, is empty"]
    raw = raw.loc[raw.first_valid_index() : raw.last_valid_index()]
    names = [int(cell) if isinstance(cell, float) and cell % 1 == 0 else cell for cell in raw.iloc[0].fillna("")]
    frame = raw.iloc[1:].infer_objects().set_axis(names, axis=1)
    if not pd.api.types.is_numeric_dtype(frame.iloc[:, 0]):  # rows of numbers alone may be steps, and an empty one too
        frame = frame.dropna(how="all")
    said = [f"the first of its {len(sheets)} sheets is read, {short(name)}"] if len(sheets) > 1 else []
    return frame.reset_index(drop=True), said


# --- text


def _text_cells(blob: bytes) -> tuple[pd.DataFrame, list[str]]:
    text, remarks = _text(blob)
    require(not any(sign in text for sign in NO_TEXT), "it is not text")
    text = EXCEL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n") + "\n"
    noted = text.startswith("#") or "\n#" in text
    separator = _delimiter((NOTE.sub("", text) if noted else text)[:SNIFFED])
    if noted:
        text, said = _without_comments(text, separator)
        remarks += said
    lines = io.StringIO(text)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    header = next((row for row in reader if any(row)), None)
    require(header is not None, "it is empty")
    start, above = lines.tell(), reader.line_num
    width = max(len(header), len(next((row for row in reader if any(row)), [])))
    names = [name.strip().lower() for name in header]
    ids = [names.index("unique_id")] if {*LONG} <= {*names} else []  # text: 007 is not 7, and NA is Namibia
    as_text = {i: lambda cell: f" {cell}" for i in ids}  # pandas takes a converted NA, too, for none

    def parsed(decimal: str, **how) -> pd.DataFrame:
        lines.seek(start)
        form = {"sep": separator, "decimal": decimal, "skipinitialspace": True, "low_memory": False}
        form |= {"converters": as_text, **how}
        form |= {"skip_blank_lines": width > 1}  # of an only column a blank line is an empty cell
        try:
            return pd.read_csv(lines, header=None, names=range(width), index_col=False, **form)
        except pd.errors.EmptyDataError:
            return pd.DataFrame(columns=range(width))
        except pd.errors.ParserError as error:
            if ragged := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
                line, found = int(ragged[2]) + above, ragged[3]
                raise ValueError(f"line {line} has {found} values, and the lines above have {ragged[1]}") from None
            raise

    frame, sign = parsed("."), "."
    points = bool((frame.select_dtypes("float") % 1 > 0).any(axis=None))
    words = frame.select_dtypes(exclude=["number", "bool"])
    if separator != "," and any(_with_commas(words[name]) for name in words):
        frame, sign = parsed(","), ","
        remarks.append("its decimal commas are read as decimal points")
        for i, column in frame.drop(columns=ids).items():
            frame[i], said = _without_thousands(column, short("".join(header[i : i + 1]).strip()))
            remarks += said
    for i in ids:
        frame[i] = frame[i].str[1:].replace("", np.nan)
    if places := _maybe_thousands(frame, separator):
        remarks += _check_sign(parsed(sign, dtype="str", usecols=places), sign, header, points)
    for i in range(len(header), width):  # a row may end in one more comma than the header, but in no more values
        beyond = frame[i].notna()
        row = int(beyond.argmax())
        require(not beyond.any(), f"row {row + 1} has {i + 1} values, and the header has {len(header)}")
    return frame.set_axis([*header, *[""] * (width - len(header))], axis=1), remarks


def _without_comments(text: str, separator: str) -> tuple[str, list[str]]:
    """A file's text without its comments, and what is said of these.

    A line below the header is none where it has as many cells as the table, unless a blank follows its #. Where
    there is no other header, it is the last comment of as many cells, as `numpy.savetxt` writes it.
    """

    def cells(line: str) -> list[str]:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])

    def is_row(line: str) -> bool:
        return not re.match(r"#\s", line) and len(cells(line)) in widths

    bare = [line for line in NOTE.sub("", text).split("\n") if line.strip()][:2] or [""]
    widths = {len(cells(line)) for line in bare}
    start = re.search(r"^(?!#(?![,;\t|])).*\S", text, re.MULTILINE)  # the first line that is none
    above, below = (text[: start.start()], text[start.start() :]) if start else ("", text)
    names = [re.sub(r"^#\s+", "", line) for line in reversed(NOTE.findall(above))]
    names = [line for line in names if len(cells(line)) in widths] if is_data("".join(cells(bare[0])[:1])) else []
    header = max(names, key=lambda line: line.startswith("#"), default="")  # a name may begin with it
    left_out = sum(not re.match(r"#\s", line) and not is_row(line) for line in NOTE.findall(below))
    said = f"{counted(left_out, 'line')} with # in front left out"
    return header + NOTE.sub(lambda line: line[0] * is_row(line[0]), below), [said] * (left_out > 0)


def _with_commas(column: pd.Series) -> bool:
    cells = column.dropna().astype("str")
    return bool(cells[cells.str.contains(",", regex=False)].str.fullmatch(DECIMAL_COMMA).any())


def _without_thousands(column: pd.Series, name: str) -> tuple[pd.Series, list[str]]:
    """A column of 1.234,5 among decimal commas as numbers, any other as it is; and what is said of its points.

    1.234 may be either: where every point of the column stands before three digits, it is taken for one between
    thousands, and beside 12.5 it has a decimal point. ValueError where such a column has decimal commas as well.
    """
    if pd.api.types.is_numeric_dtype(column):
        return column, []
    text = column.astype("str").dropna()
    pointed = text[text.str.contains(".", regex=False)]
    grouped = pointed.str.fullmatch(THOUSANDS)
    plain = (text.str.replace(".", "") if grouped.all() else text).str.replace(",", ".", n=1)
    numbers = pd.to_numeric(plain, errors="coerce")
    if pointed.empty or numbers.isna().any():
        return column, []
    if grouped.all():
        return numbers.reindex(column.index), [f"column {name} has points between thousands, which are left out"]
    commas = text[text.str.contains(",", regex=False)]
    both = f"column {name} has decimal points and decimal commas, {pointed[~grouped].iloc[0]} and {''.join(commas[:1])}"
    require(commas.empty, both)
    return column, [f"column {name} has decimal points"] if grouped.any() else []


def _maybe_thousands(frame: pd.DataFrame, separator: str) -> list[int]:
    """The places of all columns of decimals, where their sign may stand between thousands, as that of .5 cannot.

    One of these columns then has whole numbers as well, or not among commas none below 1, and none of 1000 or more.
    """
    floats = frame.select_dtypes("float")
    values = floats.to_numpy()
    with np.errstate(invalid="ignore"):  # of infinite ones
        decimal = (np.abs(values * 1000 - np.rint(values * 1000)) > 1e-4) | ((np.abs(values) < 1) & (values != 0))
        mixed = ((values % 1 == 0).any(0) | (separator != ",")) & ~(np.abs(values) >= 1000).any(0)
    return list(floats) if mixed.any() and not decimal.any() else []


def _check_sign(cells: pd.DataFrame, sign: str, header: list[str], points: bool) -> list[str]:
    """ValueError where each `sign` of the file stands before three digits, and in a column beside 1 to 999 without it.

    1.025 may then be what comes after 999, or after 1. Where another cell has 12.5, it is a decimal sign in all.
    A column in which all cells have it is remarked on, and refused where it is a comma and others have `points`.
    """
    doubt, remarks = "", []
    for i, column in cells.items():
        text = column.dropna().str.strip()
        signed = text.str.contains(sign, regex=False)
        if not text[signed].str.fullmatch(rf"[+-]?[1-9]\d{{0,2}}\{sign}\d{{3}}").all():
            return []
        if not signed.any():
            continue
        whole, first = text[~signed & (text != "0")], text[signed].iloc[0]
        plain, name = first.replace(sign, ""), short("".join(header[i : i + 1]).strip())
        if len(whole) and whole.str.fullmatch(r"[+-]?\d{1,3}").all():
            other = whole.iloc[0]
            words = f"column {name} has {other} and {first}, which may be {plain} or a decimal"
            doubt = doubt or f"{words}: write it as {plain}, or the other as {other}{sign}0"
        elif sign == "," and points:
            words = (
                f"column {name} has {first}, which may be {plain} or a decimal, and other columns have decimal points"
            )
            doubt = doubt or f"{words}: write it as {plain}"
        elif signed.all():
            remarks.append(f"column {name} has decimals: {first} is read as {first.replace(sign, '.')}, not as {plain}")
    require(not doubt, doubt)
    return remarks


def _text(blob: bytes) -> tuple[str, list[str]]:
    encoding = next((name for mark, name in MARKS.items() if blob.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in blob[:SNIFFED]:  # UTF-16 without its mark: digits have one byte of 0
        big, little = (blob[first:SNIFFED:2].count(b"\0") for first in (0, 1))
        encoding = "utf-16-le" if little > big else "utf-16-be"
    try:
        return blob.decode(encoding), []
    except UnicodeDecodeError:
        require(encoding == "utf-8", "it is not text")
    try:
        return blob.decode("cp1252"), ["it is not in UTF-8 and is read as Windows-1252"]
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8, UTF-16 or Windows-1252") from None


def _delimiter(text: str) -> str:
    """The sign that cuts all lines into equally many parts, or most of them as the first or with one comma more."""
    lines = [line for line in text.split("\n")[:100] if line.strip()]
    lines = lines[:-1] if len(text) == SNIFFED and len(lines) > 1 else lines  # the last is cut off

    def score(sign: str) -> tuple[bool, float, bool, int, bool]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=sign, skipinitialspace=True)]
        except csv.Error:
            widths = []
        if not widths or widths[0] == 1:
            # a file of one column, unless another sign cuts most of its lines; one that cuts numbers alone is a decimal
            return False, 0.5 if set(widths) == {1} else 0.4, True, 1, sign == ","
        equal = len(set(widths)) == 1
        share = sum(width - widths[0] in (0, 1) for width in widths) / len(widths)
        share = share if equal or sign != " " else 0  # a date may hold blanks, a name a comma
        return equal, share, sign != " ", widths[0], sign in ";\t|"

    scores = {sign: score(sign) for sign in DELIMITERS}
    return max(scores, key=scores.get)


def is_data(cell: str) -> bool:
    """Whether the first cell of a line is a number, a time stamp or a time of day, and so no name."""
    clock = re.fullmatch(dates.CLOCK, cell.strip()) is not None
    return clock or is_number(cell.replace(",", ".", 1)) or dates.most(pd.Series([cell.strip()])) > 0


def check_upright(names: pd.Index, path: object) -> None:
    """ValueError where most names of columns are dates: the table lies on its side."""
    words = pd.Series(
        [name for name in map(str, names) if re.search(r"\d{4}", name) and not is_number(name)], dtype="str"
    )
    lies = len(words) > 1 and 2 * dates.most(words) > len(names)
    require(not lies, f"{path} has dates in its header, where the names of the columns belong: transpose it")


def is_number(text: str) -> bool:
    """Whether a cell is one of Python's numbers, NaN and infinity among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plainly(error: Exception) -> str:
    """What the parser means; our own sentences as they are."""
    if isinstance(error, pd.errors.ParserError | csv.Error | OverflowError):
        return (
            "a quotation mark is not closed" if "EOF inside string" in str(error) else "its lines cannot be told apart"
        )
    return str(error)
