"""Columns of a table as numbers, whatever they are written as."""

from collections.abc import Iterator

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason


def numbers_of(
    column, decimal: str | None, place: int, notes: dict[str, int], name: str
) -> np.ndarray:
    """Returns a column as `(rows,)` float64, NaN where a cell is empty.

    Args:
        column: A `pyarrow.ChunkedArray`.
        decimal: "." or ","; None: found, and noted.
        place: Where it stands in the file, for messages.
        notes: Where what was found is counted.
        name: The file, for messages.

    Raises:
        BadSample: If it holds more than numbers.
    """
    found = _cast(column, decimal, notes)
    if found is None:
        # What stands in the file is not told.
        raise BadSample(
            Reason.NOT_A_NUMBER,
            f"{name!r}: column {place + 1} holds more than numbers",
        )
    return found.astype(np.float64)


def texts_or_numbers(
    column, decimal: str | None, notes: dict[str, int]
) -> np.ndarray:
    """Returns a column of times as numbers, datetime64 or texts."""
    import pyarrow

    if pyarrow.types.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("ns")).to_numpy()
    if pyarrow.types.is_date(column.type):
        return column.cast(pyarrow.timestamp("ns")).to_numpy()
    found = _cast(column, decimal, notes, whole=True)
    return column.to_numpy().astype(object) if found is None else found


def is_number(cell: str | None, decimal: str | None) -> bool:
    """Whether a cell, or its absence, could stand among numbers."""
    if cell is None:
        return True
    cell = cell.strip()
    if decimal != "." and "." not in cell:
        cell = cell.replace(",", ".")
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _cast(column, decimal, notes, whole: bool = False) -> np.ndarray | None:
    """Returns numbers, whole ones where all are and it is asked; else None."""
    import pyarrow

    column = _plain(column)
    if column is None:
        return None
    kinds = [pyarrow.int64()] if whole and not column.null_count else []
    for number, one in enumerate(_writings(column, decimal)):
        for kind in (*kinds, pyarrow.float64()):
            try:
                found = one.cast(kind).to_numpy()
            except pyarrow.ArrowInvalid:
                continue
            if number and decimal is None:
                notes["decimal_comma"] = 1
            return found
    return None


def _writings(column, decimal: str | None) -> Iterator:
    """Yields a column as numbers may be written, points before commas."""
    import pyarrow
    from pyarrow import compute

    if not pyarrow.types.is_string(column.type):
        yield column
        return
    column = compute.utf8_trim_whitespace(column)
    if decimal != "," or not _any(column, "."):
        yield column
    if decimal != "." and not _any(column, "."):
        yield compute.replace_substring(column, ",", ".")


def _any(column, letter: str) -> bool:
    from pyarrow import compute

    return bool(compute.any(compute.match_substring(column, letter)).as_py())


def _plain(column):
    """Returns numbers, truths or texts as a plain type; others as None."""
    import pyarrow

    kinds = pyarrow.types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kinds.is_boolean(column.type):
        return column.cast(pyarrow.uint8())
    if kinds.is_large_string(column.type):
        return column.cast(pyarrow.string())
    known = (
        kinds.is_string,
        kinds.is_integer,
        kinds.is_floating,
        kinds.is_decimal,
    )
    return column if any(kind(column.type) for kind in known) else None
