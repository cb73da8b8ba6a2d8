"""Files that hold a table: CSV, JSON lines or Parquet, as people have them.

What a file is, is seen from its first bytes and not from its name. Where the
spec does not say how a text is written, it is found, and what was found is
told: a table read by the wrong rule would be wrong data without a word.
"""

import codecs
import csv
import gzip
import io
import json
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pandas as pd

from mmkeras.data.files.encodings import MARKS
from mmkeras.spec import DataFiles

MAX_MANIFEST_BYTES = 4 * 2**30
HEAD_BYTES = 2**16
SEPARATORS = (",", ";", "\t", "|")
NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


@dataclass(frozen=True)
class TableFile:
    """A table as its file holds it.

    Args:
        rows: One row a sample; a cell is text, a number, a list or whatever
            else the format knows. What is missing is None, NaN or "".
        format: "csv", "json lines", "json" or "parquet".
        encoding: Of a text, such as "utf-8"; None for Parquet.
        separator: What stands between two cells of a CSV; None otherwise.
        said: What had to be found, in sentences.
    """

    rows: pd.DataFrame
    format: str
    encoding: str | None = None
    separator: str | None = None
    said: tuple[str, ...] = ()


def read_table_file(
    file: BinaryIO, settings: DataFiles, wanted: Sequence[str]
) -> TableFile:
    """Reads a table, whatever its name says.

    Args:
        file: Open for reading, at its start, and seekable.
        settings: How it is written, as far as the spec says.
        wanted: Columns that it should have; they tell which separator is
            right, and others are not read where the format allows it. All are
            read where none is named.

    Raises:
        ValueError: If it is no table, or not written as `settings` say.
    """
    file = _unpacked(file)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head.startswith(b"PAR1"):
        return TableFile(_read_parquet(file, wanted), "parquet")
    encoding, said = settings.encoding, []
    if encoding is None:
        encoding = _encoding_of(head)
        if encoding != "utf-8":
            said.append(f"read as {encoding.upper()} (`data.encoding`)")
    text = head.decode(encoding, "replace").lstrip("\ufeff")
    first = text.lstrip()[:1]
    if first in ("{", "["):
        rows, name = _read_json(file, encoding, first == "{")
        return TableFile(rows, name, encoding, None, tuple(said))
    separator = settings.separator
    if separator is None:
        separator = _separator_of(text, wanted)
        if separator != ",":
            found = NAMES.get(separator, separator)
            said.append(f"{found} between cells (`data.separator`)")
    rows = _read_csv(file, encoding, separator, text)
    return TableFile(rows, "csv", encoding, separator, tuple(said))


def _unpacked(file: BinaryIO) -> BinaryIO:
    """Returns the file, or what a gzip file holds, of a bounded size."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not packed:
        return file
    whole = tempfile.TemporaryFile()
    try:
        with gzip.open(file) as inside:
            while part := inside.read(2**20):
                whole.write(part)
                if whole.tell() > MAX_MANIFEST_BYTES:
                    raise ValueError(
                        f"more than {MAX_MANIFEST_BYTES:,} bytes when unpacked"
                    )
    except (EOFError, zlib.error) as error:
        raise ValueError(f"a damaged gzip file: {error}") from None
    whole.seek(0)
    return whole


def _encoding_of(head: bytes) -> str:
    for mark, encoding in {codecs.BOM_UTF8: "utf-8", **MARKS}.items():
        if head.startswith(mark):
            return encoding
    # Without a mark, every second byte of plain letters in UTF-16 is 0.
    even, odd = head[0:4096:2].count(0), head[1:4096:2].count(0)
    if max(even, odd) * 5 > min(len(head), 4096) // 2 and min(even, odd) == 0:
        return "utf-16-le" if odd else "utf-16-be"
    return "utf-8"


def _separator_of(text: str, wanted: Sequence[str]) -> str:
    """Returns what parts the header into the wanted columns.

    The names in a spec tell it better than any count: a cell may hold a list
    with bars or a text with commas.
    """

    def fitness(separator: str) -> tuple[int, int]:
        header = _header(text, separator)
        return len({*header} & {*wanted}), len(header)

    return max(SEPARATORS, key=fitness)


def _header(text: str, separator: str) -> list[str]:
    try:
        header = next(csv.reader(io.StringIO(text), delimiter=separator), [])
    except csv.Error:
        return []
    return [name.strip().strip('"') for name in header]


def _read_csv(
    file: BinaryIO, encoding: str, separator: str, head: str
) -> pd.DataFrame:
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    first = head.split("\n", 1)[0]
    gaps = first.count(f"{separator} ") == first.count(separator) > 0
    with warnings.catch_warnings():
        # A row longer than the header is a mistake, not a matter of taste.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            file,
            sep=separator,
            dtype=object,
            keep_default_na=False,
            index_col=False,
            # `a, b` with a blank after each comma, in the header too.
            skipinitialspace=gaps and separator != "\t",
            encoding="utf-8-sig" if utf8 else encoding,
            # A byte that is no UTF-8 must cost one sample, not the whole
            # manifest; pandas' own string type cannot hold its escape, so
            # dtype is object.
            encoding_errors="surrogateescape" if utf8 else "strict",
        )
    return table.fillna("").rename(columns=str.strip)


def _read_json(
    file: BinaryIO, encoding: str, lines: bool
) -> tuple[pd.DataFrame, str]:
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    text = io.TextIOWrapper(file, encoding, errors)
    rows = list(_json_lines(text)) if lines else _loads(text.read())
    if not all(isinstance(row, dict) for row in rows):
        wrong = next(row for row in rows if not isinstance(row, dict))
        raise ValueError(f"not an object a row: {str(wrong)[:60]!r}")
    # A key that a row leaves out is a cell that it lacks.
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: [row.get(key) for row in rows] for key in keys}
    return pd.DataFrame(
        columns, dtype=object
    ), "json lines" if lines else "json"


def _json_lines(text: Iterator[str]) -> Iterator[Any]:
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                yield _loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON: {error}") from None


def _loads(text: str) -> Any:
    # A number stays as it is written: 007 digits, 0.10 cents, long ids.
    return json.loads(
        text, parse_float=str, parse_int=str, parse_constant=lambda _: None
    )


def _read_parquet(file: BinaryIO, wanted: Sequence[str]) -> pd.DataFrame:
    import pyarrow
    import pyarrow.parquet

    try:
        whole = pyarrow.parquet.ParquetFile(file)
        names = whole.schema_arrow.names
        if not {*wanted} <= {*names}:
            # The caller says which column is missing.
            return pd.DataFrame({name: [] for name in names})
        kept = [name for name in names if name in wanted] if wanted else names
        table = whole.read(columns=kept)
        # A column of integers stays one where a cell is missing.
        return table.to_pandas(integer_object_nulls=True).reset_index(drop=True)
    except pyarrow.ArrowException as error:
        raise ValueError(f"no Parquet file: {error}") from None
