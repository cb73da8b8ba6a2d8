"""Rows of samples, some at a time, with cells of any type."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# Rows that are held at once, before their arrays are written.
CHUNK = 1024


@dataclass(frozen=True)
class Source:
    """Rows of samples, wherever they come from.

    Args:
        name: What a message calls it.
        chunks: Some rows at a time; a cell is text, a number, a list, an
            array, the bytes of a file, or None.
        root: Folder of the paths in it, where it tells.
        separator: What stood between the cells of a CSV.
        encoding: How the letters of a file were bytes.
        file: The file of a table.
        said: What had to be found to read it, in sentences.
        classes: By column, the names that whole numbers in it stand for.
        arrays: Whether its labels may be places in the spec's classes, as
            arrays hold them.
        by_name: Whether its columns may be called as the spec's modalities
            and targets, instead of as the columns of those.
    """

    name: str
    chunks: Iterable[pd.DataFrame]
    root: Path | None = None
    separator: str | None = None
    encoding: str | None = None
    file: Path | None = None
    said: tuple[str, ...] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    arrays: bool = False
    by_name: bool = False


def guarded(
    chunks: Iterable[pd.DataFrame], errors: Callable[[], AbstractContextManager]
) -> Iterator[pd.DataFrame]:
    """Yields chunks, each read inside of `errors()`, which tells what failed.

    What is done with a chunk is not.
    """
    chunks = iter(chunks)
    while True:
        with errors():
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def cut(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yields a table that is in memory, so many rows at a time."""
    for first in range(0, max(len(rows), 1), CHUNK):
        yield rows.iloc[first : first + CHUNK]


def chunked(rows: Iterable[Mapping[str, Any]]) -> Iterator[pd.DataFrame]:
    """Yields rows that are dicts, so many at a time."""
    rows = iter(rows)
    while part := list(itertools.islice(rows, CHUNK)):
        yield frame(part)


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Returns rows that are dicts; what one lacks is None."""
    names = dict.fromkeys(name for row in rows for name in row)
    return columns_frame({n: [row.get(n) for row in rows] for n in names})


def columns_frame(columns: Mapping[str, list]) -> pd.DataFrame:
    """Returns columns, of which any cell may be an array."""
    # An array is one cell, so pandas must not look into it.
    found = {}
    for name, cells in columns.items():
        column = np.empty(len(cells), object)
        for place, cell in enumerate(cells):
            column[place] = cell
        found[str(name)] = column
    return pd.DataFrame(found)
