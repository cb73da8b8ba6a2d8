"""Files that hold a table: CSV, JSON lines or Parquet, as people have them.

What a file is, is seen from its first bytes and not from its name. Where the
spec does not say how a text is written, it is found, and what was found is
told: a table read by the wrong rule would be wrong data without a word.
"""

import codecs
import csv
import gzip
import io
import itertools
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pandas as pd

from mmkeras.data.files.encodings import MARKS
from mmkeras.data.ingest.json_rows import json_array, json_lines
from mmkeras.data.ingest.table import BLOCK_ROWS
from mmkeras.spec import DataFiles

MAX_MANIFEST_BYTES = 4 * 2**30
HEAD_BYTES = 2**16
# What is read ahead of a column of a Parquet file.
BUFFER_BYTES = 2**16
SEPARATORS = (",", ";", "\t", "|")
NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


@dataclass(frozen=True)
class TableFile:
    """A table as its file holds it.

    Args:
        chunks: One row a sample, some at a time while the file is open; a
            cell is text, a number, a list or whatever else the format knows.
            What is missing is None, NaN or "".
        format: "csv", "json lines", "json" or "parquet".
        encoding: Of a text, such as "utf-8"; None for Parquet.
        separator: What stands between two cells of a CSV; None otherwise.
        said: What had to be found, in sentences.
    """

    chunks: Iterator[pd.DataFrame]
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
        ValueError: If it is no table, or not written as `settings` say; also
            when its chunks are read.
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
        lines = first == "{"
        rows = _read_json(file, encoding, lines)
        name = "json lines" if lines else "json"
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
) -> Iterator[pd.DataFrame]:
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    first = head.split("\n", 1)[0]
    gaps = first.count(f"{separator} ") == first.count(separator) > 0
    parts = pd.read_csv(
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
        chunksize=BLOCK_ROWS,
    )
    part = _next_part(parts)
    while part is not None:
        yield part.fillna("").rename(columns=str.strip)
        part = _next_part(parts)


def _next_part(parts: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    with warnings.catch_warnings():
        # A row longer than the header is a mistake, not a matter of taste.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(parts, None)


def _read_json(
    file: BinaryIO, encoding: str, lines: bool
) -> Iterator[pd.DataFrame]:
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    text = io.TextIOWrapper(file, encoding, errors)
    read = json_lines if lines else json_array
    # A key that a row leaves out is a cell that it lacks; so all rows are
    # gone through for their keys first.
    keys: dict[str, None] = {}
    for row in read(text):
        if not isinstance(row, dict):
            raise ValueError(f"not an object a row: {str(row)[:60]!r}")
        keys |= dict.fromkeys(row)
    text.seek(0)
    rows = read(text)
    while part := list(itertools.islice(rows, BLOCK_ROWS)):
        columns = {key: [row.get(key) for row in part] for key in keys}
        yield pd.DataFrame(columns, dtype=object)


def _read_parquet(
    file: BinaryIO, wanted: Sequence[str]
) -> Iterator[pd.DataFrame]:
    import pyarrow
    import pyarrow.parquet

    try:
        whole = pyarrow.parquet.ParquetFile(file, buffer_size=BUFFER_BYTES)
        names = whole.schema_arrow.names
        if not {*wanted} <= {*names}:
            # The caller says which column is missing.
            yield pd.DataFrame({name: [] for name in names})
            return
        kept = [name for name in names if name in wanted] if wanted else names
        for part in whole.iter_batches(BLOCK_ROWS, columns=kept):
            # A column of integers stays one where a cell is missing.
            rows = part.to_pandas(integer_object_nulls=True)
            yield rows.reset_index(drop=True)
    except pyarrow.ArrowException as error:
        raise ValueError(f"no Parquet file: {error}") from None
