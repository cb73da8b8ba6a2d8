"""Recall of nearest neighbours, within a set and between two."""

from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.bootstrap import measure
from mmkeras.metrics.figures import Figures, Sums, labelled, of_sums

RANKS = (1, 5, 10)
NAMES = tuple(f"recall_at_{k}" for k in RANKS)
UNDEFINED = {"value": None, "low": None, "high": None}
# Entries of a matrix of similarities that are held at once, 8 bytes each.
CHUNK = 4_000_000


def recall_within(
    identities: np.ndarray,
    embeddings: np.ndarray,
    weights: np.ndarray | None = None,
) -> Figures:
    """Returns recall at 1, 5 and 10 among the samples themselves.

    The share of the samples that have another one of their identity among
    their k nearest. Samples whose identity no other one has do not count.

    Args:
        identities: `(samples,)`; what is equal matches.
        embeddings: `(samples, units)` of length 1.
        weights: `(samples,)`; 0 is neither a query nor a match.
    """
    identities, embeddings, weights = labelled(identities, embeddings, weights)
    ranks, has_match = ranks_of(
        embeddings, embeddings, identities, identities, themselves=True
    )
    return _recall(ranks, has_match * weights)


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
    as the match, they come first, so that a constant scores 0.

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
    directions = (
        (f"{names[0]} -> {names[1]}", (one, other, ids[0], ids[1])),
        (f"{names[1]} -> {names[0]}", (other, one, ids[1], ids[0])),
    )
    return {
        name: measure(_recall(*ranks_of(*parts)), resamples, seed)
        or dict.fromkeys(NAMES, UNDEFINED)
        for name, parts in directions
    }


def _recall(ranks: np.ndarray, weights: np.ndarray) -> Figures:
    """Returns recall of queries; those that weigh 0 do not count."""
    within = {
        name: (ranks < k) * weights
        for name, k in zip(NAMES, RANKS, strict=True)
    }

    def formula(sums: Sums) -> dict[str, np.ndarray]:
        return {name: sums[name] / sums["weight"] for name in NAMES}

    part = of_sums({"weight": weights, **within}, formula)
    return Figures(len(ranks), {NAMES: part})


def ranks_of(
    queries: np.ndarray,
    items: np.ndarray,
    identities: np.ndarray,
    item_identities: np.ndarray,
    themselves: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many items precede the first match, and who has one.

    Args:
        queries: `(queries, units)`.
        items: `(items, units)`.
        identities: `(queries,)`.
        item_identities: `(items,)`.
        themselves: Whether the items are the queries, where none of them
            finds itself.
    """
    count = len(identities)
    ranks, has_match = np.zeros(count, int), np.zeros(count, bool)
    step = max(1, CHUNK // max(1, len(items)))
    for start in range(0, count, step):
        rows = np.arange(start, min(start + step, count))
        near = queries[rows].astype("float64") @ items.T
        other = rows[:, None] != np.arange(count) if themselves else True
        match = (identities[rows, None] == item_identities) & other
        ranks[rows] = (before_match(near, match) & other).sum(axis=1)
        has_match[rows] = match.any(axis=1)
    return ranks, has_match


def before_match(near: np.ndarray, match: np.ndarray) -> np.ndarray:
    """Returns which items rank before the first match.

    Ties rank before it, and so does every NaN, so that a constant and NaN
    score 0.

    Args:
        near: `(queries, items)`, how near each item is.
        match: `(queries, items)`, whether it matches the query.
    """
    best = np.where(match, near, -np.inf).max(
        axis=1, keepdims=True, initial=-np.inf
    )
    return ~match & ((near >= best) | np.isnan(best))


def nearest(embeddings: np.ndarray) -> np.ndarray:
    """Returns the place of the nearest other sample, `(samples,)`."""
    count = len(embeddings)
    found, step = np.zeros(count, int), max(1, CHUNK // max(1, count))
    for start in range(0, count, step):
        rows = np.arange(start, min(start + step, count))
        near = embeddings[rows].astype("float64") @ embeddings.T
        near[np.arange(len(rows)), rows] = -np.inf
        found[rows] = near.argmax(axis=1)
    return found
