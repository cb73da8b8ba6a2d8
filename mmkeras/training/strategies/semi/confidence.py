"""Which predictions are confident enough to become pseudo-labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def class_thresholds(
    probabilities: np.ndarray,
    confidence: float | Sequence[float],
    adaptive: bool,
) -> np.ndarray:
    """Returns the least probability at which each class becomes a pseudo-label.

    With `adaptive`, a class that is learned less than the best one has a
    lower threshold, as in FlexMatch: `c * b / (2 - b)`, where c is the
    confidence and b the number of predictions of this class at or above it,
    divided by that of the most frequent class, or by the number of
    predictions below it if that is more. It is never below half of c.

    Args:
        probabilities: `(samples, classes)`, or of steps, `(..., classes)`.
        confidence: A number for all classes, or one for each.
        adaptive: Whether the thresholds follow the predictions.

    Source: Zhang et al., "FlexMatch: Boosting Semi-Supervised Learning with
    Curriculum Pseudo Labeling", 2021 (arXiv 2110.08263); the floor is ours.

    Example:

    >>> sure = np.eye(2)[[0, 0, 0, 0, 1, 1]]
    >>> class_thresholds(sure, 0.9, adaptive=True)
    array([0.9, 0.45])
    """
    classes = probabilities.shape[-1]
    probabilities = probabilities.reshape(-1, classes)
    limits = np.broadcast_to(np.asarray(confidence, float), (classes,))
    if not adaptive or not len(probabilities):
        return limits.copy()
    found = probabilities.argmax(axis=-1)
    sure = probabilities.max(axis=-1) >= limits[found]
    learned = np.bincount(found[sure], minlength=classes)
    unused = len(found) - learned.sum()
    share = learned / max(1, learned.max(), unused)
    return np.maximum(limits * share / (2 - share), limits / 2)


def confident_classes(
    probabilities: np.ndarray,
    candidates: np.ndarray,
    thresholds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the likeliest class of each sample, and which are confident.

    Args:
        probabilities: `(samples, classes)`, or of steps, `(..., classes)`.
        candidates: `(samples,)` or `(...)`, which samples may get a
            pseudo-label.
        thresholds: `(classes,)`.
    """
    found = probabilities.argmax(axis=-1)
    return found, candidates & (probabilities.max(axis=-1) >= thresholds[found])


def agreed_classes(
    predictions: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the class on which all confident models agree, and where they do.

    Args:
        predictions: What `confident_classes` returned, for each model.
    """
    found, sure = (np.stack(part) for part in zip(*predictions, strict=True))
    first = np.argmax(sure, axis=0)[None]
    chosen = np.take_along_axis(found, first, axis=0)[0]
    against = (sure & (found != chosen)).any(axis=0)
    return chosen, sure.any(axis=0) & ~against


def balanced_weights(
    found: np.ndarray, sure: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Returns a weight for each pseudo-label, so that no class dominates.

    A class that has a larger share among the pseudo-labels than among the
    labels is weighed down to that share; none is weighed up.

    Args:
        found: `(samples,)` or `(...)` classes.
        sure: Which of them are pseudo-labels.
        counts: `(classes,)`, the labelled samples of each class.
    """
    taken = np.bincount(found[sure], minlength=len(counts))
    wanted = taken.sum() * counts / max(1, counts.sum())
    factor = np.minimum(1.0, wanted / np.maximum(taken, 1))
    return np.where(sure, factor[found], 0.0)


def confidences(
    confidence: Any, heads: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Returns the confidence of each class of each target that has classes.

    Args:
        confidence: A number, or `{target: a number, or one a class}`; targets
            that are not named are not labelled.
        heads: Heads by target.

    Raises:
        ValueError: If a target is unknown or has no classes, or a number is
            missing or not above 0 and at most 1.
    """
    known = {
        name: head.classes
        for name, head in sorted(heads.items())
        if getattr(head, "activation", "") == "softmax"
    }
    table = confidence
    if not isinstance(confidence, Mapping):
        table = dict.fromkeys(known, confidence)
    if not table or set(table) - set(known):
        raise ValueError(
            "`confidence` must be of targets that have one class of several: "
            f"{', '.join(known) or 'this model has none'}. "
            f"Received: {', '.join(sorted(table)) or 'none'}"
        )
    found = {}
    for name, value in sorted(table.items()):
        values = np.asarray(value, float)
        fits = values.shape in ((), (known[name],))
        if not fits or not np.all((values > 0) & (values <= 1)):
            raise ValueError(
                f"`confidence` of `{name}` must be a number above 0 and at "
                f"most 1, or one for each of its {known[name]} classes. "
                f"Received: {value!r}"
            )
        found[name] = np.broadcast_to(values, (known[name],))
    return found
