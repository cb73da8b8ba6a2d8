"""Figures of boxes: average precision as COCO defines it."""

from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.detections import find_boxes, overlaps
from mmkeras.metrics.figures import Figures, labelled, weighted_share

# Intersections over union from which a box counts as found.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
# From where a box is told to a person, and counts in `box_errors`.
SURE = 0.3
# Rows of counts at a time: each has a number a detection.
CHUNK = 50


def average_precision(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None = None,
    classes: Sequence[str] = (),
) -> Figures:
    """Returns AP, AP50 and the AP50 of each class.

    AP is the mean over overlaps of .5 to .95, AP50 that of .5; both are means
    over the classes that have boxes. They are those of COCO, where no box is
    a crowd and the surest 100 of a picture count. A picture that is drawn
    twice counts twice, with its boxes and with what was found in it.

    Args:
        labels: `(samples, boxes, 5)`: left, top, right, bottom in shares of
            the picture, and the class; -1 where there is no box.
        outputs: `(samples, cells, 8 + classes)` of the model.
        weights: `(samples,)`; 0 is left out.
        classes: Names of the classes.

    Source: Lin et al., "Microsoft COCO: Common Objects in Context", 2014
    (arXiv 1405.0312), as its pycocotools compute it.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    truths = [label[label[:, 4] >= 0] for label in labels]
    found = [find_boxes(output) for output in outputs]
    matched = [
        _Matched(truths, found, index, weights) for index in range(len(classes))
    ]
    names = [f"ap50_{name}" for name in classes]

    def part(counts):
        # (classes, thresholds, resamples)
        each = np.array([one(counts) for one in matched])
        with np.errstate(invalid="ignore"):
            known = np.isfinite(each)
            total = np.where(known, each, 0).sum(axis=0) / known.sum(axis=0)
        figures = {"ap": total.mean(axis=0), "ap50": total[0]}
        return figures | dict(zip(names, each[:, 0], strict=True))

    return Figures(len(labels), {("ap", "ap50", *names): part})


class _Matched:
    """What was found of one class, and which of it is there."""

    def __init__(self, truths, found, index, weights):
        truths = [each[each[:, 4] == index] for each in truths]
        found = [each[each[:, 5] == index] for each in found]
        hits = [
            match(overlaps(f, t), THRESHOLDS)
            for f, t in zip(found, truths, strict=True)
        ]
        picture = np.repeat(np.arange(len(found)), [len(f) for f in found])
        scores = np.concatenate([np.zeros(0), *(f[:, 4] for f in found)])
        order = np.argsort(-scores, kind="stable")
        self.weights = weights
        self.there = np.array([len(t) for t in truths], float)
        self.picture = picture[order]
        none = np.zeros((len(THRESHOLDS), 0), bool)
        self.hits = np.concatenate([none, *hits], axis=1)[:, order]

    def __call__(self, counts):
        """Returns average precision, `(thresholds, resamples)`."""
        counts = np.asarray(counts, float) * self.weights
        parts = [
            self._of(counts[start : start + CHUNK])
            for start in range(0, len(counts), CHUNK)
        ]
        return np.concatenate(parts, axis=1)

    def _of(self, counts):
        there = counts @ self.there
        drawn = counts[:, self.picture]
        told = np.cumsum(drawn, axis=1)
        found = np.full((len(THRESHOLDS), len(counts)), np.nan)
        for row, hits in enumerate(self.hits):
            right = np.cumsum(drawn * hits, axis=1)
            precision = right / np.maximum(told, 1e-12)
            # The best that is reached with this recall or more.
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            for i in np.flatnonzero(there > 0):
                found[row, i] = _mean(right[i] / there[i], best[i])
        return found


def _mean(recall, precision):
    """Returns the mean precision over the recalls of COCO."""
    # Fractions that add up to all may miss it by their last bit.
    places = np.searchsorted(np.round(recall, 12), RECALLS, side="left")
    return np.append(precision, 0.0)[places].mean()


def match(shared: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Returns which boxes found are there, `(thresholds, found)`.

    The surest first takes the true box that it overlaps most with, of those
    that are left.

    Args:
        shared: `(found, true)` overlaps, the surest first.
        thresholds: From which overlap it counts.
    """
    hits = np.zeros((len(thresholds), len(shared)), bool)
    if not shared.size:
        return hits
    for row, least in enumerate(thresholds):
        left = np.ones(shared.shape[1], bool)
        for i, each in enumerate(shared):
            best = np.where(left, each, -1).argmax()
            if left[best] and each[best] >= least:
                hits[row, i], left[best] = True, False
    return hits


def box_errors(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Returns 1 - F1 of each picture, of what is told for sure, `(samples,)`.

    0 where nothing is there, and nothing is told.
    """
    return np.array(
        [
            1 - _agree(label[label[:, 4] >= 0], find_boxes(output, SURE))
            for label, output in zip(labels, outputs, strict=True)
        ]
    )


def same_boxes(
    one: np.ndarray, other: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Returns how far two outputs tell the same boxes, as F1, 0 to 1."""
    each = [
        _agree(find_boxes(a, SURE)[:, [0, 1, 2, 3, 5]], find_boxes(b, SURE))
        for a, b in zip(one, other, strict=True)
    ]
    return weighted_share(np.array(each), weights)


def _agree(truth: np.ndarray, found: np.ndarray) -> float:
    """Returns F1 of boxes that are found, at an overlap of a half."""
    if not len(truth) + len(found):
        return 1.0
    hits = sum(
        match(
            overlaps(found[found[:, 5] == c], truth[truth[:, 4] == c]),
            THRESHOLDS[:1],
        ).sum()
        for c in np.unique(truth[:, 4])
    )
    return float(2 * hits / (len(truth) + len(found)))
