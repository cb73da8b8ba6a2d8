"""Tables of text: .csv and the like, by any separator and decimal sign."""

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.signals.columns import (
    is_number,
    numbers_of,
    texts_or_numbers,
)
from mmkeras.data.files.signals.recording import Signals, places
from mmkeras.data.files.signals.units import plain_unit

MAX_HEADER_BYTES = 2**16
MAX_COLUMNS = 4096
# Instruments write what they are above the names of the columns.
MAX_LINES_BEFORE = 50
MAX_UNIT_ROWS = 2
# A blank stands for any number of them, and is tried last.
SEPARATORS = (",", ";", "\t", "|", " ")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MISSING = ["None", "none", "?", "-", "--"]


@dataclass(frozen=True)
class Head:
    """Where a table starts, and how it is written."""

    names: list[str]
    separator: str
    start: int
    lines: int


def read_text(
    raw: bytes,
    name: str,
    channels: Sequence[str],
    time: str | None,
    separator: str | None,
    decimal: str | None,
) -> tuple[Signals, np.ndarray | None, str | None]:
    """Reads channels of a table, and its times.

    Args:
        raw: The file's bytes.
        name: Its name, for messages.
        channels: Names of their columns.
        time: Name of the column of times; None: there is none.
        separator: What stands between two cells; None: found.
        decimal: "." or ","; None: found.

    Returns:
        The channels, the times as they are written, and the unit of times,
        where a row under the names says it.
    """
    raw, notes = _utf8(raw)
    wanted = [*channels, *([time] if time else [])]
    head = _head(raw, name, wanted, separator)
    if head.lines > 1:
        notes["lines_before_names"] = head.lines - 1
    check_size(raw.count(b"\n") * len(channels), name)
    at = places(head.names, wanted, name)
    table = _table(raw, head, at, name)
    units, rows = _unit_rows(table, len(channels), decimal)
    if rows:
        notes["unit_rows"] = rows
        table = table.slice(rows)
    values = [
        numbers_of(table.column(i), decimal, at[i], notes, name)
        for i in range(len(channels))
    ]
    times = None
    if time:
        times = texts_or_numbers(table.column(len(channels)), decimal, notes)
    found = np.stack(values, axis=1)
    stated = tuple(units[: len(channels)]) if rows else ()
    time_unit = units[-1] if rows and time else None
    return Signals(found, units=stated, notes=notes), times, time_unit


def units_of_text(
    raw: bytes,
    name: str,
    channels: Sequence[str],
    separator: str | None,
    decimal: str | None,
) -> list:
    """Returns the units in a row under the names of columns; None: none.

    Args:
        raw: The start of the file.
        name: Its name, for messages.
        channels: Names of the columns.
        separator: What stands between two cells; None: found.
        decimal: "." or ","; None: found.
    """
    raw, _ = _utf8(raw)
    head = _head(raw, name, channels, separator)
    at = places(head.names, channels, name)
    lines = raw[head.start :].split(b"\n", MAX_UNIT_ROWS)[:MAX_UNIT_ROWS]
    for line in lines:
        cells = _cells(line, head.separator)
        if len(cells) <= max(at):
            break
        found = [cells[place] or None for place in at]
        if not _is_unit_row(found, decimal):
            break
        return [plain_unit(cell) for cell in found]
    return [None] * len(channels)


def _utf8(raw: bytes) -> tuple[bytes, dict[str, int]]:
    """Returns text as UTF-8 without a mark; what it was is noted."""
    if raw.startswith(UTF16):
        return raw.decode("utf-16", "replace").encode(), {}
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if not raw.isascii():
        try:
            # The start of a file may end within a letter.
            codecs.getincrementaldecoder("utf-8")().decode(raw)
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace").encode(), {"latin_1": 1}
    return raw, {}


def _head(
    raw: bytes, name: str, wanted: Sequence[str], separator: str | None
) -> Head:
    start = raw[:MAX_HEADER_BYTES]
    if b"\0" in start:
        raise BadSample(
            Reason.WRONG_FORMAT, f"{name!r} is of no format that is read"
        )
    place, first = 0, None
    for number, line in enumerate(start.split(b"\n")[: MAX_LINES_BEFORE + 1]):
        place += len(line) + 1
        if place > MAX_HEADER_BYTES:
            raise BadSample(Reason.BAD_HEADER, f"{name!r}: too many columns")
        for one in [separator] if separator else SEPARATORS:
            if line.count(one.encode()) >= MAX_COLUMNS:
                raise BadSample(
                    Reason.BAD_HEADER, f"{name!r}: too many columns"
                )
            names = _cells(line, one)
            if set(wanted) <= set(names):
                return Head(names, one, place, number + 1)
            if first is None or (number == 0 and len(names) > len(first)):
                first = names
    lacking = next(one for one in wanted if one not in (first or []))
    raise BadSample(Reason.BAD_HEADER, f"{name!r}: no column {lacking[:80]!r}")


def _cells(line: bytes, separator: str) -> list[str]:
    text = line.decode("utf-8", "replace").strip("\r\n")
    if separator == " ":
        return text.split()
    try:
        cells = next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return []
    # PhysioNet quotes names with apostrophes.
    return [cell.strip(" \t'\"") for cell in cells]


def _table(raw: bytes, head: Head, at: list[int], name: str):
    """Returns the wanted columns as texts."""
    import pyarrow
    from pyarrow import csv as arrow

    names = [str(i) for i in range(len(head.names))]
    wanted = [str(place) for place in at]
    missing = arrow.ConvertOptions().null_values
    body, separator = raw[head.start :], head.separator
    if separator == " ":
        lines = body.splitlines()
        body, separator = b"\n".join(b"\t".join(x.split()) for x in lines), "\t"
    try:
        return arrow.read_csv(
            BytesIO(body),
            arrow.ReadOptions(use_threads=False, column_names=names),
            arrow.ParseOptions(
                delimiter=separator,
                # An empty line of a lone column is a gap.
                ignore_empty_lines=len(names) > 1,
            ),
            arrow.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pyarrow.string()),
                null_values=[*missing, *MISSING],
                strings_can_be_null=True,
            ),
        )
    except pyarrow.ArrowInvalid as error:
        # It may quote the file, and so whatever is in it: its words are ours.
        row = re.search(r"Row #(\d+)", str(error))
        where = f" in row {int(row[1]) + head.lines}" if row else ""
        raise BadSample(
            Reason.EMPTY if str(error) == "Empty CSV file" else Reason.CORRUPT,
            f"{name!r}: no table of so many columns{where}",
        ) from None


def _unit_rows(
    table, channels: int, decimal: str | None
) -> tuple[list[str | None], int]:
    """Returns units, and how many rows under the names hold no number."""
    units, rows = [], 0
    for row in table.slice(0, MAX_UNIT_ROWS).to_pylist():
        cells = list(row.values())
        if not _is_unit_row(cells[:channels], decimal):
            break
        units = units or [plain_unit(cell) for cell in cells]
        rows += 1
    return units, rows


def _is_unit_row(cells: list[str | None], decimal: str | None) -> bool:
    """Whether no cell of the channels is a number, and one is a text."""
    texts = [cell for cell in cells if cell is not None]
    return bool(texts) and not any(is_number(cell, decimal) for cell in texts)
