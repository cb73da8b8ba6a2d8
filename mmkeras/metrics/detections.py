"""From a detector's output to the boxes it finds.

It travels to the device. An output has a row a cell, `(cells, 8 + classes)`,
in shares of the picture: a box as left, top, right, bottom; the cell it was
found from as centre x, centre y, width, height; a probability for each class.
"""

import numpy as np

BOX, SCORES = slice(0, 4), slice(8, None)
# Boxes of one class that overlap by more are one.
OVERLAP = 0.6
# Less sure is not told at all; figures need the unsure ones too.
LEAST_SCORE = 0.02
# Most boxes of a picture.
MOST = 100
# How many candidates are looked at, whatever the picture.
CANDIDATES = 500


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns intersection over union, `(n, m)`.

    Args:
        one: `(n, 4)`: left, top, right, bottom.
        other: `(m, 4)`.
    """
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:4], other[None, :, 2:4])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(each[:, 2:4] - each[:, :2], axis=-1)
             for each in (one, other)]  # fmt: skip
    union = areas[0][:, None] + areas[1] - shared
    return shared / np.maximum(union, 1e-12)


def suppress(
    boxes: np.ndarray, scores: np.ndarray, overlap: float = OVERLAP
) -> np.ndarray:
    """Returns which boxes stay where those near a surer one go.

    Args:
        boxes: `(n, 4)`.
        scores: `(n,)`.
        overlap: Intersection over union from which two are one.

    Returns:
        Indices, the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    near = overlaps(boxes[order], boxes[order]) > overlap
    stays = np.ones(len(order), bool)
    for i in range(len(order)):
        if stays[i]:
            stays[i + 1 :] &= ~near[i, i + 1 :]
    return order[stays]


def find_boxes(
    output: np.ndarray, least: float = LEAST_SCORE, most: int = MOST
) -> np.ndarray:
    """Returns the boxes of one picture, the surest first.

    Args:
        output: `(cells, 8 + classes)` of the model.
        least: Probability from which a box is told.
        most: How many are told at most.

    Returns:
        `(n, 6)`: left, top, right, bottom, inside the picture, in shares of
        it; probability; class.
    """
    output = np.asarray(output, "float64")
    cells, classes = np.nonzero(output[:, SCORES] >= least)
    scores = output[:, SCORES][cells, classes]
    first = np.argsort(-scores, kind="stable")[:CANDIDATES]
    cells, classes, scores = cells[first], classes[first], scores[first]
    boxes = np.clip(output[cells, BOX], 0, 1)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, classes, scores = boxes[solid], classes[solid], scores[solid]
    # Boxes of other classes are put elsewhere, so that they do not overlap.
    apart = boxes + 2.0 * classes[:, None]
    rows = suppress(apart, scores)[:most]
    return np.column_stack([boxes[rows], scores[rows], classes[rows]])
