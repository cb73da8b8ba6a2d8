"""Errors of single samples, to find the worst ones."""

import numpy as np

# Probabilities of 0 and 1 are taken for this close to them.
TINY = 1e-7


def cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns the cross-entropy of each label, in the shape of the labels.

    Args:
        labels: `(samples,)` or `(samples, steps)` class indices.
        probabilities: The same with a last axis of classes.
    """
    places = np.asarray(labels)[..., None].astype(int)
    true = np.take_along_axis(_clipped(probabilities), places, axis=-1)
    return -np.log(true[..., 0])


def binary_cross_entropy(
    labels: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Returns the mean over the classes of each sample, `(samples,)`.

    Args:
        labels: `(samples, classes)` of 0 and 1.
        probabilities: `(samples, classes)`.
    """
    likely = _clipped(probabilities)
    true = np.where(np.asarray(labels) > 0.5, likely, 1 - likely)
    return -np.log(true).mean(axis=1)


def _clipped(probabilities: np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(probabilities, "float64"), TINY, 1 - TINY)
