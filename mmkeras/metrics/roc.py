"""The area under the ROC curve, of many resamples at once."""

import functools
from collections.abc import Callable

import numpy as np

from mmkeras.metrics.figures import Part, mean_where


def mean_roc_auc(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> Part:
    """Returns the mean one-vs-rest ROC-AUC as a function of draws.

    Classes without both sides, which it is not defined for, do not count.

    Args:
        truth: `(samples, classes)` of True and False.
        scores: `(samples, classes)`.
        weights: `(samples,)`.
    """
    each = roc_auc(truth, scores, weights)

    def mean(counts: np.ndarray) -> dict[str, np.ndarray]:
        values = each(counts)
        return {"roc_auc": mean_where(values, np.isfinite(values))}

    return mean


def roc_auc(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the area of each class as a function of draws.

    From `(resamples, samples)` to `(resamples, classes)`, NaN where a side is
    missing. The scores are sorted once, and not before they are needed.

    Args:
        truth: `(samples, classes)` of True and False.
        scores: `(samples, classes)`.
        weights: `(samples,)`.
    """

    @functools.cache
    def ranked() -> list[tuple[np.ndarray, np.ndarray]]:
        return [_ranks(column) for column in scores.T]

    def areas(counts: np.ndarray) -> np.ndarray:
        found = [
            _area(counts[:, order], column[order], weights[order], starts)
            for column, (order, starts) in zip(truth.T, ranked(), strict=True)
        ]
        return np.stack(found, axis=1)

    return areas


def _ranks(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the order of the scores, and where each new score begins."""
    order = np.argsort(scores, kind="stable")
    scores = scores[order]
    return order, np.flatnonzero(np.r_[True, scores[1:] > scores[:-1]])


def _area(counts, truth, weights, starts) -> np.ndarray:
    """Share of the pairs in order; pairs with one score count a half."""
    positive = np.add.reduceat(counts * (weights * truth), starts, axis=1)
    negative = np.add.reduceat(counts * (weights * ~truth), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return (positive * below).sum(axis=1) / pairs
