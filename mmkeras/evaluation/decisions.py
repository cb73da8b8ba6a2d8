"""From probabilities to answers."""

import numpy as np


def as_category(
    kind: str, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Returns an ordinal, or each step of a sequence, as a category.

    Any other kind stays as it is.
    """
    if kind not in ("ordinal", "sequence"):
        return kind, labels, outputs, weights
    classes = outputs.shape[-1]
    return (
        "category",
        labels.reshape(-1).astype(int),
        outputs.reshape(-1, classes),
        per_step(labels, weights).reshape(-1),
    )


def per_step(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns a weight a label, also where a sample's is given once."""
    if weights.ndim == labels.ndim:
        return weights
    return np.repeat(weights[:, None], labels.shape[1], axis=1)


def decisions(
    kind: str, labels: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns truth and answer as `(samples, classes)` of True and False."""
    if kind == "categories":
        return labels, outputs >= 0.5
    one_of = np.eye(outputs.shape[1], dtype=bool)
    return one_of[labels], one_of[outputs.argmax(axis=1)]
