"""What a column looks like, and what a kind takes it for."""

import collections
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SeenColumn:
    """A column of a table, as a kind looks at it to know its own.

    Args:
        name: Its name.
        cells: All of it as text; what is missing is "".
        files: Bytes of some of the files that its cells name, by path.
        missing_files: Paths that were looked for, and are no file.
        arrays: Some of its cells that are arrays in memory.
        decimal: What stands before the fraction of its numbers.
    """

    name: str
    cells: Sequence[str]
    files: dict[str, bytes] = field(default_factory=dict)
    missing_files: Sequence[str] = ()
    arrays: Sequence[Any] = ()
    decimal: str = "."

    @functools.cached_property
    def known(self) -> list[str]:
        """The cells that are not empty."""
        return [cell.strip() for cell in self.cells if cell.strip()]

    @functools.cached_property
    def counts(self) -> collections.Counter:
        """How often each of them occurs."""
        return collections.Counter(self.known)

    @functools.cached_property
    def numbers(self) -> np.ndarray | None:
        """The cells as numbers; None where one is none."""
        point = str.maketrans(self.decimal, ".")
        try:
            cells = self.known
            if any("_" in cell for cell in cells):
                return None
            found = np.array([float(cell.translate(point)) for cell in cells])
        except ValueError:
            return None
        return found if len(found) else None

    @property
    def are_files(self) -> bool:
        """Whether its cells name files, nearly all of which are there."""
        return len(self.files) > len(self.missing_files)

    @property
    def in_text(self) -> bool:
        """Whether all there is of it is its text."""
        return not self.are_files and not len(self.arrays)


@dataclass(frozen=True)
class Guess:
    """What a kind takes a column for.

    Args:
        keys: Keys of its table beside `kind`, `column` and `optional`.
        why: What was seen, for a person.
        score: How sure it is, up to 1; the surest kind has the column.
        notes: By key, what its value follows from.
        merges: Whether several columns make one modality, whose lists are
            then put together; `keys` name the column.
        asks: Keys that nobody can see and a person has to say, with why.
    """

    keys: dict[str, Any]
    why: str
    score: float
    notes: dict[str, str] = field(default_factory=dict)
    merges: bool = False
    asks: dict[str, str] = field(default_factory=dict)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Returns least, middle and largest of some numbers, to be read.

    Example:

    >>> spread([1, 2, 9])
    '1 to 9, half of them up to 2'
    """
    low, middle, high = (round(float(q), digits) for q in
                         np.quantile(values, [0, 0.5, 1]))  # fmt: skip
    if low == high:
        return f"{low:g} each"
    return f"{low:g} to {high:g}, half of them up to {middle:g}"


def most(values: Sequence[float], share: float = 0.95) -> float:
    """Returns what so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
