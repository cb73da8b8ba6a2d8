"""Which sample trains, validates or tests."""

import numpy as np
import pandas as pd

from mmkeras.spec import DataSpec

SPLITS = ("train", "validation", "test")


def assign_splits(
    spec: DataSpec, table: pd.DataFrame, labels: np.ndarray | None = None
) -> np.ndarray:
    """Returns the split of each row: `(rows,)` of "train", ...

    One rule serves all draws: units (rows, or whole groups) come in random
    order, and each goes where it brings the number of samples of its classes
    closest to what the split should have. Rare classes and few groups need
    no exception, and the same seed gives the same split.

    Args:
        spec: The spec; `spec.split` decides.
        table: The manifest.
        labels: With `split.stratify`: class index a row, -1 if unlabelled.

    Raises:
        ValueError: If a split that should have samples gets none.
    """
    split = spec.split
    if split.method == "column":
        found = table[split.column].to_numpy(object)
    else:
        groups = (
            pd.factorize(table[split.group])[0]
            if split.group
            else np.arange(len(table))
        )
        found = _draw(split, groups, labels)
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


def _draw(split, groups: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    strata = np.zeros(len(groups), int) if labels is None else labels + 1
    members = np.zeros((groups.max() + 1, strata.max() + 1), int)
    np.add.at(members, (groups, strata), 1)
    names = [name for name in SPLITS if getattr(split, name) > 0]
    shares = np.array([getattr(split, name) for name in names])
    # What each split still lacks: classes in columns, all samples in the last.
    members = np.column_stack([members, members.sum(axis=1)])
    lack = shares[:, None] * members.sum(axis=0)
    chosen = np.empty(len(members), int)
    empty = set(range(len(names)))
    order = np.random.default_rng(split.seed).permutation(len(members))
    for place, unit in enumerate(order):
        size = members[unit]
        # How much the squared lack would grow; all samples break ties.
        growth = size * (size - 2 * lack)
        ranks = [
            (round(float(row[:-1].sum()), 6), float(row[-1])) for row in growth
        ]
        # The last units go to splits that would stay without any.
        few = len(order) - place <= len(empty)
        best = min(sorted(empty) if few else range(len(names)),
                   key=ranks.__getitem__)  # fmt: skip
        chosen[unit] = best
        lack[best] -= size
        empty.discard(best)
    return np.array(names, object)[chosen][groups]


def _counts(found: np.ndarray) -> str:
    return ", ".join(f"{name} {(found == name).sum()}" for name in SPLITS)
