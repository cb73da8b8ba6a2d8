"""Labels of many samples, in the smallest types that hold their numbers."""

from typing import Any

import numpy as np

from mmkeras.spec import Target

# Rows that are taken at once.
PART_ROWS = 2**14


class Narrow:
    """An array whose rows come out as they went in.

    Example:

    >>> found = Narrow(np.array([1.0, 0.0, 1.0]))
    >>> found[np.array([0, 1])], found.held.dtype
    (array([1., 0.]), dtype('int8'))
    """

    def __init__(self, array: np.ndarray) -> None:
        self.dtype, self.held = array.dtype, narrow(array)

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.held[rows].astype(self.dtype)


class NarrowRows:
    """Rows that are nearly all 0: where they are not, and what stands there.

    Args:
        target: Whose labels they are.
    """

    def __init__(self, target: Target) -> None:
        self.width, self.dtype = target.shape[0], np.dtype(target.dtype)
        self._places: Any = []
        self._there: Any = []
        self._sizes: Any = []

    def append(self, rows: np.ndarray) -> None:
        """Adds a table of labels below the others."""
        row, place = np.nonzero(rows)
        self._places.append(place.astype(np.min_scalar_type(self.width)))
        self._there.append(narrow(rows[row, place].astype(self.dtype)))
        self._sizes.append(narrow(np.bincount(row, minlength=len(rows))))

    def whole(self) -> "NarrowRows":
        """Returns these rows, after the last is there."""
        self._places = np.concatenate(self._places)
        self._there = np.concatenate(self._there)
        self._sizes = np.concatenate(self._sizes)
        count = np.min_scalar_type(len(self._places))
        self._ends = np.cumsum(self._sizes, dtype=count)
        return self

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, rows: np.ndarray) -> Any:
        """Returns rows as a `scipy.sparse.csr_array`."""
        import scipy.sparse

        ends = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(self._sizes[rows], out=ends[1:])
        there = np.empty(ends[-1], self.dtype)
        places = np.empty(ends[-1], np.int32)
        for first in range(0, len(rows), PART_ROWS):
            part = rows[first : first + PART_ROWS]
            index = self._index(part)
            start = ends[first]
            there[start : start + len(index)] = self._there[index]
            places[start : start + len(index)] = self._places[index]
        if ends[-1] < 2**31:
            ends = ends.astype(np.int32)
        shape = (len(rows), self.width)
        return scipy.sparse.csr_array((there, places, ends), shape=shape)

    def _index(self, rows: np.ndarray) -> np.ndarray:
        """Returns, of each number of some rows, its place among all."""
        sizes = self._sizes[rows].astype(np.int64)
        ends = np.cumsum(sizes)
        starts = self._ends[rows].astype(np.int64) - ends
        return np.repeat(starts, sizes) + np.arange(ends[-1])


def narrow(array: np.ndarray) -> np.ndarray:
    """Returns an array of the smallest type that holds the same numbers."""
    if array.dtype.kind in "iu" and array.size:
        low, high = array.min(), array.max()
        small = np.promote_types(
            np.min_scalar_type(low), np.min_scalar_type(high)
        )
        return array.astype(small)
    if array.dtype.kind == "f":
        # Most floats here are weights, 0 or 1.
        there = ((array == 0) | (array == 1)) & ~np.signbit(array)
        return array.astype(np.int8) if there.all() else array
    return array
