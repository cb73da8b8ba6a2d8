"""Splits by time: what trains came before what tests."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import numpy as np

from mmkeras.data.files.reasons import Reason
from mmkeras.data.ingest.table import parts_of
from mmkeras.spec.tables import Split


def times_of(cells: Iterable[str]) -> np.ndarray:
    """Returns `(rows,)` seconds of numbers or ISO 8601 dates; NaN of neither.

    A date without a zone is one of UTC.
    """
    return np.fromiter(
        (_time(cell) for part in parts_of(cells) for cell in part), float
    )


def _time(cell: str) -> float:
    cell = cell.strip()
    try:
        number = float(cell)
    except ValueError:
        pass
    else:
        return number if math.isfinite(number) else math.nan
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        return math.nan
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def bad_times(cells: Iterable[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yields what is wrong: (row, "split", reason, detail)."""
    row = 0
    for part in parts_of(cells):
        for row, cell in enumerate(part, row):
            if math.isnan(_time(cell)):
                reason = Reason.NOT_A_NUMBER if cell.strip() else Reason.MISSING
                yield row, "split", str(reason), repr(cell)[:80]
        row += 1


def places_by_time(
    split: Split,
    cells: Iterable[str],
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """Returns `(rows,)` int8: the earliest train, the latest test.

    Rows of one time are never parted.

    Args:
        split: The shares of training and validation.
        cells: When each row was.
        kept: Where rows are already, below 0 for a new one: a new one goes
            where those of its time are.
    """
    times = times_of(cells)
    old = kept is not None and (kept >= 0).any()
    if old:
        ends = [
            max(times[(kept >= 0) & (kept <= place)], default=-math.inf)
            for place in (0, 1)
        ]
        found = np.searchsorted(ends, times, side="left").astype(np.int8)
        return np.where(kept >= 0, kept, found)
    shares = split.train, split.train + split.validation
    firsts = [round(share * len(times)) for share in shares]
    # Of rows of one time, the place of the first.
    rank = np.searchsorted(np.sort(times), times, side="left")
    return np.searchsorted(firsts, rank, side="right").astype(np.int8)
