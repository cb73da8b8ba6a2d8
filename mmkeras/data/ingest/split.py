"""Which sample trains, validates or tests."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mmkeras.data.ingest.split_by_time import places_by_time
from mmkeras.data.ingest.table import (
    BLOCK_ROWS,
    Table,
    codes_in,
    codes_of,
    parts_of,
)
from mmkeras.spec import DataSpec

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
# Instead of a place in `SPLITS`.
LEFT_OUT = -1
# Share of a split's size by which it may be off before that is said.
MISSED = 0.2


def assign_splits(
    spec: DataSpec,
    table: "Table | pd.DataFrame",
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the split of each row by its name; see `draw_places`."""
    found = draw_places(spec, table, labels)
    return np.array([*SPLITS, ""], object)[found]


def draw_places(
    spec: DataSpec,
    table: "Table | pd.DataFrame",
    labels: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    together: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the split of each row: `(rows,)` int8, places in `SPLITS`.

    One rule serves all draws: units (rows, or whole groups) come in random
    order, the larger before the smaller, and each goes where it brings the
    number of samples of its classes closest to what the split should have.
    Rare classes and few groups need no exception, and the same seed gives the
    same split.

    Args:
        spec: The spec; `spec.split` decides.
        table: The manifest.
        labels: With `split.stratify`: class index a row, -1 if unlabelled.
        kept: Where rows are already, `LEFT_OUT` for a new one. They and what
            else is of their groups stay, unless a column says other; the rest
            is drawn towards the shares of all.
        together: Numbers, the same for rows that must not be parted either.

    Raises:
        ValueError: If a split that should have samples gets none, or a
            column puts one group into several.
    """
    split = spec.split
    groups = codes_of(table[split.group]) if split.group else None
    if split.method == "time":
        found = places_by_time(split, table[split.time], kept)
    elif split.method == "column":
        found = places_of(table[split.column])
        if groups is not None:
            _check_groups(split, table[split.group], groups, found)
    else:
        if groups is None:
            groups = np.arange(len(table), dtype=np.int32)
        if together is not None:
            groups = _joined(groups, together)
        found = _draw(split, groups, labels, kept)
    for place, name in enumerate(SPLITS):
        wanted = name != "validation" or (
            split.method != "column" and split.validation > 0
        )
        if wanted and not (found == place).any():
            raise ValueError(
                f"`split` must leave samples for '{name}'. Received: "
                f"{_counts(found)} of {len(table)} samples"
                + (f" in {groups.max() + 1} groups of `{split.group}`"
                   if split.group and split.method == "fractions" else "")
            )  # fmt: skip
    return found


def places_of(names: Iterable[str]) -> np.ndarray:
    """Returns names of splits as int8: places in `SPLITS`, or `LEFT_OUT`.

    Example:

    >>> places_of(["test", "elsewhere", "train"])
    array([ 2, -1,  0], dtype=int8)
    """
    known = {name: place for place, name in enumerate(SPLITS)}
    return np.fromiter((known.get(n, LEFT_OUT) for n in names), np.int8)


def shares_missed(
    spec: DataSpec, table: "Table | pd.DataFrame", found: Iterable[str]
) -> list[str]:
    """Returns a sentence if a split is far from the share it should have.

    Args:
        spec: The spec.
        table: The manifest.
        found: `(rows,)` What `assign_splits` returned for it, or
            `draw_places`.
    """
    split = spec.split
    if split.method == "column":
        return []
    found = np.asarray(found)
    found = found if found.dtype == np.int8 else places_of(found)
    rows = len(found)
    wanted = {name: getattr(split, name) * rows for name in SPLITS}
    missed = [
        abs((found == place).sum() - count) > max(1.5, MISSED * count)
        for place, count in enumerate(wanted.values())
    ]
    if not any(missed):
        return []
    should = ", ".join(f"{count:.0f}" for count in wanted.values())
    why = ""
    if split.group:
        codes = codes_of(table[split.group])
        sizes = np.bincount(codes)
        first = int(np.argmax(codes == np.argmax(sizes)))
        (largest,) = itertools.islice(table[split.group], first, first + 1)
        why = (
            f"; of {len(sizes):,} groups of `{split.group}` the largest, "
            f"{largest!r}, has {sizes.max():,}"
        )
    return [f"`split`: {_counts(found)} instead of {should} samples{why}"]


def _check_groups(
    split, names: Iterable[str], groups: np.ndarray, found: np.ndarray
) -> None:
    """Raises ValueError if a group is in several splits.

    Samples whose group is not known are no group.
    """
    sides = np.zeros(groups.max() + 1, np.int8)
    for place in range(len(SPLITS)):
        sides[groups[found == place]] |= 1 << place
    blank = {g for name, g in _named(names, groups) if not name.strip()}
    sides[[*blank]] = 0
    spread = (sides & (sides - 1)) != 0
    if not spread.any():
        return
    several = {n: sides[g] for n, g in _named(names, groups) if spread[g]}
    shown = "; ".join(
        f"{group!r} in "
        + " and ".join(
            s for i, s in enumerate(SPLITS) if several[group] >> i & 1
        )
        for group in sorted(several)[:3]
    )
    raise ValueError(
        f"`{split.column}` must put all samples of one `{split.group}` "
        f"into one split. Received: {len(several):,} of "
        f"{(sides > 0).sum():,} groups in several: {shown}"
    )


def _named(
    names: Iterable[str], groups: np.ndarray
) -> Iterator[tuple[str, int]]:
    """Yields of each row the name of its group, and the number."""
    first = 0
    for part in parts_of(names):
        numbers = groups[first : first + len(part)].tolist()
        yield from zip(part, numbers, strict=True)
        first += len(part)


def _joined(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the groups of rows that either grouping holds together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    others = codes_in(others)
    size = groups.max() + 1
    links = coo_array(
        (np.ones(len(groups)), (groups, size + others)),
        shape=(size + others.max() + 1,) * 2,
    )
    parts = connected_components(links, directed=False)[1]
    return codes_in(parts[groups])


def _draw(
    split,
    groups: np.ndarray,
    labels: np.ndarray | None,
    kept: np.ndarray | None,
) -> np.ndarray:
    strata = np.zeros(len(groups), np.int32)
    if labels is not None:
        strata += labels + 1
    names = [name for name in SPLITS if getattr(split, name) > 0]
    shares = [getattr(split, name) for name in names]
    units = _units_of(groups, strata)
    count = int(groups.max()) + 1
    # What each split still lacks, of each class and of all.
    lack = [(share * np.bincount(strata)).tolist() for share in shares]
    rest = [float(share * len(groups)) for share in shares]
    chosen = np.full(count, LEFT_OUT, np.int8)
    empty = set(range(len(names)))
    for index, name in enumerate(names if kept is not None else ()):
        chosen[groups[kept == SPLITS.index(name)]] = index
    for unit, size, mine in units(np.flatnonzero(chosen >= 0)):
        _take(chosen[unit], size, mine, lack, rest)
        empty.discard(int(chosen[unit]))
    order = np.random.default_rng(split.seed).permutation(count)
    order = order.astype(np.int32)
    if count < len(groups):
        # What is large finds room while there is some.
        sizes = np.bincount(groups)
        order = order[np.argsort(-sizes[order], kind="stable")]
    order = order[chosen[order] < 0]
    for place, (unit, size, mine) in enumerate(units(order)):
        # How much the squared lack would grow; all samples break ties.
        growth = [
            (
                round(sum([n * (n - 2 * of[i]) for i, n in mine]), 6),
                size * (size - 2 * left),
            )
            for of, left in zip(lack, rest, strict=True)
        ]
        # The last units go to splits that would stay without any.
        few = len(order) - place <= len(empty)
        best = min(sorted(empty) if few else range(len(names)),
                   key=growth.__getitem__)  # fmt: skip
        chosen[unit] = best
        _take(best, size, mine, lack, rest)
        empty.discard(best)
    # Not every split may be wanted.
    places = np.array([SPLITS.index(name) for name in names], np.int8)
    return places[chosen][groups]


def _take(
    side: int, size: int, members: list, lack: list[list], rest: list[float]
) -> None:
    """Notes that a split lacks a unit less."""
    for stratum, count in members:
        lack[side][stratum] -= count
    rest[side] -= size


def _units_of(groups: np.ndarray, strata: np.ndarray) -> Callable:
    """Returns what yields groups with their size and what is in them.

    That is `[(stratum, samples), ...]`. A table of groups and strata would be
    mostly zeros: 8 GB of them for a million samples of a thousand classes.
    """
    width = int(strata.max()) + 1
    if groups.max() + 1 == len(groups):
        # Each sample is a group of its own; none has moved.
        def singles(units: np.ndarray) -> Iterator[tuple]:
            for part in _cut(units):
                pairs = zip(part.tolist(), strata[part].tolist(), strict=True)
                for unit, stratum in pairs:
                    yield unit, 1, ((stratum, 1),)

        return singles
    keys, counts = np.unique(
        groups.astype(np.int64) * width + strata, return_counts=True
    )
    starts = np.searchsorted(keys, np.arange(groups.max() + 2) * width)
    inner = (keys % width).astype(np.int32)

    def several(units: np.ndarray) -> Iterator[tuple]:
        for unit in itertools.chain(*(p.tolist() for p in _cut(units))):
            mine = slice(starts[unit], starts[unit + 1])
            found = counts[mine].tolist()
            yield unit, sum(found), [*zip(inner[mine].tolist(), found)]

    return several


def _cut(units: np.ndarray) -> Iterator[np.ndarray]:
    """Yields some at a time: as Python numbers all would be large."""
    for first in range(0, len(units), BLOCK_ROWS):
        yield units[first : first + BLOCK_ROWS]


def _counts(found: np.ndarray) -> str:
    parts = enumerate(SPLITS)
    return ", ".join(f"{name} {(found == i).sum()}" for i, name in parts)
