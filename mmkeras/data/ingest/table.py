"""Columns of text that lie in a file, since a manifest may have many rows.

As Python strings a million samples take half a gigabyte. Here a column is
written some rows at a time, and read back where it is asked for.
"""

import hashlib
import itertools
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmkeras.artefact import writing

# Workers, which read samples, load no pandas.
if TYPE_CHECKING:
    import pandas as pd

# Rows that are read at once, for one of them too.
BLOCK_ROWS = 4096
# What stays in memory; a larger table goes to the folder of temporary files.
MEMORY_BYTES = 8 * 2**20
# Of a hash: two texts of a billion have one with a chance of 1e-21.
DIGEST = np.dtype("S16")


class Column(Sequence):
    """The cells of one column, read when they are asked for.

    Args:
        store: Where they lie.
        name: Of the column.
        rows: Which cells, in order; all when None.
    """

    def __init__(
        self, store: "_Store", name: str, rows: np.ndarray | None
    ) -> None:
        self._store, self._name, self._rows = store, name, rows
        # Where cells that were read last begin, since the next may be near.
        self._near: tuple[int, list[str]] = (-1, [])

    def __len__(self) -> int:
        return len(self._store) if self._rows is None else len(self._rows)

    def __getitem__(self, place):
        found = range(len(self))[place]
        if isinstance(found, range):
            return self.take(np.array(found, np.int64))
        first, cells = self._near
        if found // BLOCK_ROWS * BLOCK_ROWS != first:
            first = found // BLOCK_ROWS * BLOCK_ROWS
            end = min(first + BLOCK_ROWS, len(self))
            cells = self.take(np.arange(first, end))
            self._near = first, cells
        return cells[found - first]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.tolist(), dtype or object)

    def __iter__(self) -> Iterator[str]:
        for part in self.parts():
            yield from part

    def parts(self) -> Iterator[list[str]]:
        """Yields the cells in order, some at a time."""
        if self._rows is None:
            for block in range(self._store.count(self._name)):
                yield self._store.cells(self._name, block)
            return
        for first in range(0, len(self._rows), BLOCK_ROWS):
            part = self._rows[first : first + BLOCK_ROWS]
            yield self._store.take(self._name, part)

    def take(self, places: np.ndarray) -> list[str]:
        """Returns the cells at some places."""
        rows = places if self._rows is None else self._rows[places]
        return self._store.take(self._name, rows)

    def tolist(self) -> list[str]:
        """Returns all cells."""
        return list(self)


class Table:
    """Rows of a manifest: text in every cell.

    As of a DataFrame, `table[name]` is a column and `len(table)` counts rows.

    Example:

    >>> table = Table()
    >>> table.append({"a": ["x", "y"]})
    >>> table["a"][1], list(table.at(np.array([0]))["a"])
    ('y', ['x'])
    """

    def __init__(
        self, store: "_Store | None" = None, rows: np.ndarray | None = None
    ) -> None:
        self._store, self._rows = store or _Store(), rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._store.blocks)

    def __len__(self) -> int:
        return len(self._store) if self._rows is None else len(self._rows)

    def __getitem__(self, name: str) -> Column:
        if name not in self._store.blocks:
            raise KeyError(name)
        return Column(self._store, name, self._rows)

    def at(self, rows: np.ndarray) -> "Table":
        """Returns some rows, in this order; their cells stay where they are."""
        rows = rows if self._rows is None else self._rows[rows]
        return Table(self._store, rows)

    def append(self, columns: Mapping[str, list[str]]) -> None:
        """Adds rows below the others.

        Args:
            columns: Cells by column, the same columns each time.
        """
        size = len(next(iter(columns.values())))
        for first in range(0, size, BLOCK_ROWS):
            part = slice(first, first + BLOCK_ROWS)
            self._store.append({n: c[part] for n, c in columns.items()})

    def change(self, name: str, rule: Callable[[list[str]], list[str]]) -> None:
        """Replaces the cells of a column.

        Args:
            name: The column.
            rule: From cells to as many others, called for some at a time.
        """
        for block in range(self._store.count(name)):
            cells = self._store.cells(name, block)
            changed = rule(cells)
            if changed != cells:
                self._store.put(name, block, changed)

    def frame(self) -> "pd.DataFrame":
        """Returns the whole table in memory."""
        import pandas as pd

        # pandas' own string type cannot hold bytes that are no UTF-8.
        cells = {name: self[name].tolist() for name in self.columns}
        return pd.DataFrame(cells, dtype=object)


class _Store:
    """Blocks of cells in a file without a name, gone when it is closed."""

    def __init__(self) -> None:
        self.file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)
        # Workers are fed by threads.
        self.lock = threading.Lock()
        self.starts = [0]
        # Place, and bytes of the text, of each block of a column.
        self.blocks: dict[str, list[tuple[int, int]]] = {}

    def __len__(self) -> int:
        return self.starts[-1]

    def count(self, name: str) -> int:
        return len(self.blocks[name])

    def append(self, columns: Mapping[str, list[str]]) -> None:
        for name, cells in columns.items():
            self.blocks.setdefault(name, []).append(self._write(cells))
        self.starts.append(self.starts[-1] + len(cells))

    def put(self, name: str, block: int, cells: list[str]) -> None:
        self.blocks[name][block] = self._write(cells)

    def _write(self, cells: list[str]) -> tuple[int, int]:
        # Bytes that are no UTF-8 are escapes in a cell, and come back so.
        text = "".join(cells).encode("utf-8", "surrogatepass")
        sizes = np.fromiter(map(len, cells), np.uint32, len(cells))
        with self.lock, writing(tempfile.gettempdir(), "cells of a manifest"):
            place = self.file.seek(0, 2)
            self.file.write(sizes.tobytes() + text)
        return place, len(text)

    def _read(self, name: str, block: int) -> tuple[str, np.ndarray]:
        """Returns the text of a block, and where each of its cells ends."""
        place, size = self.blocks[name][block]
        rows = self.starts[block + 1] - self.starts[block]
        with self.lock:
            self.file.seek(place)
            raw = self.file.read(4 * rows + size)
        ends = np.cumsum(np.frombuffer(raw, np.uint32, rows), dtype=np.int64)
        return raw[4 * rows :].decode("utf-8", "surrogatepass"), ends

    def cells(self, name: str, block: int) -> list[str]:
        """Returns all cells of a block."""
        text, ends = self._read(name, block)
        places = itertools.pairwise([0, *ends.tolist()])
        return [text[start:end] for start, end in places]

    def take(self, name: str, rows: np.ndarray) -> list[str]:
        """Returns cells of a column; each block of them is read once."""
        blocks = np.searchsorted(self.starts, rows, "right") - 1
        if (blocks[1:] < blocks[:-1]).any():
            order = np.argsort(blocks, kind="stable")
            found = np.empty(len(rows), object)
            found[order] = self.take(name, rows[order])
            return found.tolist()
        found: list[str] = []
        cuts = np.flatnonzero(blocks[1:] != blocks[:-1]) + 1
        for part in np.split(rows, cuts) if len(rows) else ():
            block = int(blocks[len(found)])
            text, ends = self._read(name, block)
            places = part - self.starts[block]
            starts = np.concatenate([[0], ends])[places].tolist()
            pairs = zip(starts, ends[places].tolist(), strict=True)
            found += [text[start:end] for start, end in pairs]
        return found


def parts_of(cells: Iterable[str]) -> Iterator[list[str]]:
    """Yields any column in order, some cells at a time."""
    if isinstance(cells, Column):
        yield from cells.parts()
        return
    cells = iter(cells)
    while part := list(itertools.islice(cells, BLOCK_ROWS)):
        yield part


def digests_of(texts: Iterable[str]) -> np.ndarray:
    """Returns hashes of texts, the same in every process: 16 bytes each."""
    found = [np.zeros(0, DIGEST)]
    for part in parts_of(texts):
        raw = b"".join(map(digest_of, part))
        found.append(np.frombuffer(raw, DIGEST))
    return np.concatenate(found)


def digest_of(text: str) -> bytes:
    """Returns the hash of one text."""
    raw = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, digest_size=DIGEST.itemsize).digest()


def codes_of(cells: Iterable[str]) -> np.ndarray:
    """Returns numbers, the same for the same cells, in order of appearance.

    Cells are told apart by hashes: as many texts would be much larger.

    Example:

    >>> codes_of(["b", "a", "b"])
    array([0, 1, 0], dtype=int32)
    """
    return codes_in(digests_of(cells))


def codes_in(keys: np.ndarray) -> np.ndarray:
    """Returns such numbers for an array."""
    _, first, code = np.unique(keys, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), np.int32)
    ranks[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return ranks[code]
