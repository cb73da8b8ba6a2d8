"""Figures of masks: how much of what is marked is the same.

A sample is counted class by class first, so that what the figures and their
resamples hold does not grow with the pixels.
"""

from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.figures import Figures, Part, labelled, of_sums

# Label of a pixel that nobody knows; it counts nowhere.
UNKNOWN = 255
# Figures of single classes are told of so many.
MAX_CLASSES = 26


def classes_of(outputs: np.ndarray) -> np.ndarray:
    """Returns the class of each pixel; 0 is the background.

    Args:
        outputs: `(..., classes)` probabilities: one alone is that of the
            class, and several are those of the background and the classes.
    """
    outputs = np.asarray(outputs)
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0.5).astype(np.uint8)
    return outputs.argmax(axis=-1).astype(np.uint8)


def mask_counts(
    labels: np.ndarray, answers: np.ndarray, classes: int
) -> dict[str, np.ndarray]:
    """Returns pixels by sample and class, each `(samples, classes)`.

    Args:
        labels: `(samples, ...)`, 0 for the background, 1 for the first class,
            `UNKNOWN` where nobody knows.
        answers: The same, always known.
        classes: How many there are, without the background.
    """
    shape = (len(labels), classes)
    found = {key: np.zeros(shape) for key in ("both", "true", "answered")}
    for place, (label, answer) in enumerate(zip(labels, answers, strict=True)):
        known = label != UNKNOWN
        # Kept by class in one pass: large masks have few classes.
        for number in range(classes):
            true = (label == number + 1) & known
            told = (answer == number + 1) & known
            found["both"][place, number] = np.count_nonzero(true & told)
            found["true"][place, number] = np.count_nonzero(true)
            found["answered"][place, number] = np.count_nonzero(told)
    return found


def dice_of(counts: dict[str, np.ndarray]) -> np.ndarray:
    """Returns Dice by sample and class; NaN where neither has the class."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * counts["both"] / (counts["true"] + counts["answered"])


def sample_dice(counts: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the mean Dice of each sample over the classes it has.

    1 where neither label nor answer has any.
    """
    dice = dice_of(counts)
    there = ~np.isnan(dice)
    total = np.where(there, dice, 0).sum(axis=1)
    return np.where(there.any(axis=1), total / np.maximum(there.sum(1), 1), 1.0)


def overlap(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None = None,
    names: Sequence[str] = ("class",),
) -> Figures:
    """Returns Dice, intersection over union, the worst sample, each class.

    Dice and IoU are means over samples of the mean over the classes that
    label or answer have; a sample where neither has any counts as 1. Of a
    single class it is the mean over the samples in which either has it. The
    worst Dice is that of the worst sample among those drawn.

    Args:
        labels: See `mask_counts`.
        outputs: See `classes_of`.
        weights: `(samples,)`; 0 is left out.
        names: Of the classes, without the background.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    counts = mask_counts(labels, classes_of(outputs), len(names))
    dice = sample_dice(counts)
    each = dice_of(counts)
    union = each / (2 - each)
    there = ~np.isnan(each)
    iou = np.where(there, union, 0).sum(1) / np.maximum(there.sum(1), 1)
    iou = np.where(there.any(axis=1), iou, 1.0)
    rows = {"weight": weights, "dice": weights * dice, "iou": weights * iou}

    def mean(sums):
        return {key: sums[key] / sums["weight"] for key in ("dice", "iou")}

    parts = {
        ("dice", "iou"): of_sums(rows, mean),
        ("worst_dice",): _worst(dice),
    }
    if 1 < len(names) <= MAX_CLASSES:
        keys = tuple(f"dice_{name}" for name in names)
        parts[keys] = _by_class(keys, each, weights)
    return Figures(len(labels), parts)


def _worst(dice: np.ndarray) -> Part:
    order = np.argsort(dice)

    def part(counts):
        drawn = counts[:, order] > 0
        found = dice[order][drawn.argmax(axis=1)] if len(dice) else np.nan
        return {"worst_dice": np.where(drawn.any(axis=1), found, np.nan)}

    return part


def _by_class(keys: Sequence[str], each: np.ndarray, weights: np.ndarray):
    there = ~np.isnan(each)
    rows = {
        "weight": weights[:, None] * there,
        "dice": weights[:, None] * np.where(there, each, 0),
    }

    def mean(sums):
        found = sums["dice"] / sums["weight"]
        return {key: found[:, place] for place, key in enumerate(keys)}

    return of_sums(rows, mean)
