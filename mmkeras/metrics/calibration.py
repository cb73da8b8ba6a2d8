"""Calibration error, and the class with the largest drop."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.metrics.classes import Decisions, rates
from mmkeras.metrics.figures import finite

BINS = 15


def calibration_error(seen: Decisions) -> float | None:
    """Returns the expected calibration error over 15 bins of confidence.

    The mean distance of confidence and share of right answers, each bin
    weighted by its samples. Of any number of classes, each class of each
    sample is a decision of its own. None without samples.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017
    (arXiv 1706.04599).
    """
    if not len(seen.weights):
        return None
    if seen.exclusive:
        confidence, right = seen.probabilities.max(axis=1), seen.right
        weights = seen.weights
    else:
        sure = np.maximum(seen.probabilities, 1 - seen.probabilities)
        confidence, right = sure.ravel(), (seen.truth == seen.answer).ravel()
        weights = np.repeat(seen.weights, seen.truth.shape[1])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights * (confidence - right), BINS)
    return float(np.abs(gap).sum() / weights.sum())


def worst_class(
    names: Sequence[str], before: Decisions, after: Decisions
) -> dict[str, Any] | None:
    """Returns the class that lost most, with its figures before and after.

    The figure is recall, of any number of classes F1.

    Args:
        names: Of the classes.
        before: Decisions of what is compared with.
        after: Decisions for the same samples.

    Returns:
        `{"class", "before", "after", "drop"}`; None where no class occurs in
        both.
    """
    figure = "recall" if before.exclusive else "f1"
    old, new = rates(before)[figure], rates(after)[figure]
    drops = old - new
    if not np.isfinite(drops).any():
        return None
    worst = int(np.nanargmax(drops))
    return {
        "class": names[worst],
        "before": finite(old[worst]),
        "after": finite(new[worst]),
        "drop": finite(drops[worst]),
    }
