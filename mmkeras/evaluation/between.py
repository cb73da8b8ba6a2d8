"""Recall between two kinds of embeddings, such as pictures and sounds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.measure import finite
from mmkeras.evaluation.resample import CHUNK, spans
from mmkeras.evaluation.sums import RANKS, before_match


def recall_between(
    one: np.ndarray,
    other: np.ndarray,
    identities: tuple[Sequence, Sequence] | None = None,
    names: tuple[str, str] = ("one", "other"),
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Returns recall at 1, 5 and 10 in both directions, with 95 % intervals.

    Recall at k is the share of queries that have a match among their k
    nearest. Queries without any match do not count. Where others are as near
    as the match, they come first, so that a constant finds nothing.

    Args:
        one: `(queries, units)` embeddings of length 1.
        other: `(items, units)` of the same space.
        identities: Of the rows of each; what is equal matches. None where
            row i of one belongs to row i of the other, and to no other.
        names: What they are, for the result.
        resamples: Bootstrap resamples of the queries; 0 for no intervals.
        seed: Seed of the bootstrap.

    Returns:
        `{"one -> other": {"recall_at_1": {"value", "low", "high"}}}`, and the
        other direction; None where it is not defined.

    Example:

    >>> found = recall_between(pictures, sounds, names=("image", "audio"))
    >>> found["audio -> image"]["recall_at_1"]["value"]
    0.62
    """
    if identities is None:
        if len(one) != len(other):
            raise ValueError(
                "`one` and `other` must have a row for each sample, or "
                f"`identities`. Received: {len(one)} and {len(other)} rows"
            )
        identities = np.arange(len(one)), np.arange(len(other))
    ids = tuple(np.asarray(part) for part in identities)
    return {
        f"{names[0]} -> {names[1]}": _recall(
            one, other, ids[0], ids[1], resamples, seed
        ),
        f"{names[1]} -> {names[0]}": _recall(
            other, one, ids[1], ids[0], resamples, seed
        ),
    }


def _recall(queries, items, ids, item_ids, resamples, seed) -> dict[str, Any]:
    ranks, asked = ranks_of(queries, items, ids, item_ids)
    within = {f"recall_at_{k}": (ranks < k) & asked for k in RANKS}

    def metrics(counts):
        with np.errstate(invalid="ignore"):
            return {
                n: counts @ row / (counts @ asked) for n, row in within.items()
            }

    values = metrics(np.ones((1, len(ids))))
    found = spans(metrics, len(ids), resamples, seed) if asked.any() else {}
    return {
        name: {
            "value": finite(value[0]),
            "low": finite(found[name][0]) if found else None,
            "high": finite(found[name][1]) if found else None,
        }
        for name, value in values.items()
    }


def ranks_of(
    queries: np.ndarray,
    items: np.ndarray,
    ids: np.ndarray,
    item_ids: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many items come before the first match, and who has one."""
    ranks, asked = np.zeros(len(ids), int), np.zeros(len(ids), bool)
    step = max(1, CHUNK // max(1, len(items)))
    for start in range(0, len(ids), step):
        rows = slice(start, start + step)
        near = queries[rows].astype(float) @ items.T
        match = ids[rows, None] == item_ids
        ranks[rows] = before_match(near, match).sum(axis=1)
        asked[rows] = match.any(axis=1)
    return ranks, asked
