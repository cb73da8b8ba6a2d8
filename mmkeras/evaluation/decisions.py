"""From probabilities to answers."""

import numpy as np


def decisions(
    kind: str, labels: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns truth and answer as `(samples, classes)` of True and False."""
    if kind == "categories":
        return labels, outputs >= 0.5
    one_of = np.eye(outputs.shape[1], dtype=bool)
    return one_of[labels], one_of[outputs.argmax(axis=1)]
