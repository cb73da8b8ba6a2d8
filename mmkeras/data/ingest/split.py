"""Which sample trains, validates or tests."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from mmkeras.spec import DataSpec

SPLITS = ("train", "validation", "test")
# Share of a split's size by which it may be off before that is said.
MISSED = 0.2


def assign_splits(
    spec: DataSpec,
    table: pd.DataFrame,
    labels: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    together: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the split of each row: `(rows,)` of "train", ...

    One rule serves all draws: units (rows, or whole groups) come in random
    order, the larger before the smaller, and each goes where it brings the
    number of samples of its classes closest to what the split should have.
    Rare classes and few groups need no exception, and the same seed gives the
    same split.

    Args:
        spec: The spec; `spec.split` decides.
        table: The manifest.
        labels: With `split.stratify`: class index a row, -1 if unlabelled.
        kept: Where rows are already, "" for a new one. They and what else is
            of their groups stay, unless a column says other; the rest is
            drawn towards the shares of all.
        together: Numbers, the same for rows that must not be parted either.

    Raises:
        ValueError: If a split that should have samples gets none, or a
            column puts one group into several.
    """
    split = spec.split
    if split.method == "column":
        found = table[split.column].to_numpy(object)
        if split.group:
            _check_groups(split, table[split.group].to_numpy(object), found)
    else:
        groups = (
            pd.factorize(table[split.group])[0]
            if split.group
            else np.arange(len(table))
        )
        if together is not None:
            groups = _joined(groups, together)
        found = _draw(split, groups, labels, kept)
    for name in SPLITS:
        wanted = name != "validation" or (
            split.method == "fractions" and split.validation > 0
        )
        if wanted and not (found == name).any():
            raise ValueError(
                f"`split` must leave samples for '{name}'. Received: "
                f"{_counts(found)} of {len(table)} samples"
                + (f" in {groups.max() + 1} groups of `{split.group}`"
                   if split.group and split.method == "fractions" else "")
            )  # fmt: skip
    return found


def shares_missed(spec: DataSpec, table: pd.DataFrame, found) -> list[str]:
    """Returns a sentence if a split is far from the share it should have.

    Args:
        spec: The spec.
        table: The manifest.
        found: `(rows,)` What `assign_splits` returned for it.
    """
    split = spec.split
    if split.method == "column":
        return []
    rows = len(found)
    wanted = {name: getattr(split, name) * rows for name in SPLITS}
    missed = [
        abs((found == name).sum() - count) > max(1.5, MISSED * count)
        for name, count in wanted.items()
    ]
    if not any(missed):
        return []
    should = ", ".join(f"{count:.0f}" for count in wanted.values())
    why = ""
    if split.group:
        groups = table[split.group].value_counts()
        why = (
            f"; of {len(groups):,} groups of `{split.group}` the largest, "
            f"{groups.index[0]!r}, has {groups.iloc[0]:,}"
        )
    return [f"`split`: {_counts(found)} instead of {should} samples{why}"]


def _check_groups(split, groups: np.ndarray, found: np.ndarray) -> None:
    """Raises ValueError if a group is in several splits.

    Samples whose group is not known are no group.
    """
    pairs = pd.DataFrame({"group": groups, "split": found}).drop_duplicates()
    pairs = pairs[pairs["group"].str.strip() != ""]
    parts = pairs.groupby("group")["split"].agg(set)
    spread = parts[parts.map(len) > 1]
    if len(spread):
        shown = "; ".join(
            f"{group!r} in {' and '.join(s for s in SPLITS if s in names)}"
            for group, names in spread.head(3).items()
        )
        raise ValueError(
            f"`{split.column}` must put all samples of one `{split.group}` "
            f"into one split. Received: {len(spread):,} of {len(parts):,} "
            f"groups in several: {shown}"
        )


def _joined(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the groups of rows that either grouping holds together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    others = pd.factorize(others)[0]
    size = groups.max() + 1
    links = coo_array(
        (np.ones(len(groups)), (groups, size + others)),
        shape=(size + others.max() + 1,) * 2,
    )
    parts = connected_components(links, directed=False)[1]
    return pd.factorize(parts[groups])[0]


def _draw(
    split,
    groups: np.ndarray,
    labels: np.ndarray | None,
    kept: np.ndarray | None,
) -> np.ndarray:
    strata = np.zeros(len(groups), int) if labels is None else labels + 1
    names = [name for name in SPLITS if getattr(split, name) > 0]
    shares = [getattr(split, name) for name in names]
    members = _members(groups, strata)
    sizes = np.bincount(groups)
    # What each split still lacks, of each class and of all.
    lack = [(share * np.bincount(strata)).tolist() for share in shares]
    rest = [float(share * len(groups)) for share in shares]
    chosen = np.full(len(sizes), -1)
    empty = set(range(len(names)))
    for index, name in enumerate(names if kept is not None else ()):
        chosen[groups[kept == name]] = index
    for unit in np.flatnonzero(chosen >= 0).tolist():
        _take(chosen[unit], sizes[unit], members(unit), lack, rest)
        empty.discard(int(chosen[unit]))
    order = np.random.default_rng(split.seed).permutation(len(sizes))
    # What is large finds room while there is some.
    order = order[np.argsort(-sizes[order], kind="stable")]
    order = order[chosen[order] < 0]
    sizes = sizes.tolist()
    for place, unit in enumerate(order.tolist()):
        size, mine = sizes[unit], members(unit)
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
    return np.array(names, object)[chosen][groups]


def _take(
    side: int, size: int, members: list, lack: list[list], rest: list[float]
) -> None:
    """Notes that a split lacks a unit less."""
    for stratum, count in members:
        lack[side][stratum] -= count
    rest[side] -= size


def _members(groups: np.ndarray, strata: np.ndarray) -> Callable:
    """Returns a function from a group to its `[(stratum, samples), ...]`.

    A table of groups and strata would be mostly zeros: 8 GB of them for a
    million samples of a thousand classes.
    """
    width = int(strata.max()) + 1
    if groups.max() + 1 == len(groups):
        # Each sample is a group of its own.
        return lambda group: ((int(strata[group]), 1),)
    keys, counts = np.unique(groups * width + strata, return_counts=True)
    ends = np.searchsorted(keys, (np.arange(groups.max() + 1) + 1) * width)
    starts = np.concatenate([[0], ends[:-1]]).tolist()
    found = list(zip((keys % width).tolist(), counts.tolist(), strict=True))
    ends = ends.tolist()
    return lambda group: found[starts[group] : ends[group]]


def _counts(found: np.ndarray) -> str:
    return ", ".join(f"{name} {(found == name).sum()}" for name in SPLITS)
