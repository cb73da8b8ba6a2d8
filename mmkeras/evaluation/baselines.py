"""What anyone can do: the majority class, the mean, and what they score."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def constant_outputs(
    kind: str,
    samples: int,
    statistics: Mapping[str, Any],
    classes: list[str] | None = None,
    train_samples: int | None = None,
) -> np.ndarray | None:
    """Returns the same output for every sample, as a model would give it.

    Args:
        kind: "category", "ordinal" and "sequence": the share of each class in
            the training split, so the answer is the majority class.
            "categories": the same, class by class. "number": the mean of the
            training split. "embedding": nothing.
        samples: How many samples.
        statistics: `{"counts": {class: count}}`, or `{"mean": ...}`, of the
            target in the training split.
        classes: The classes in the order of the model's output.
        train_samples: Size of the training split; needed for "categories".

    Returns:
        `(samples, classes)`, for a sequence each step of it, or `(samples,
        1)`; None where the statistics do not say enough.
    """
    if kind == "number":
        if "mean" not in statistics:
            return None
        return np.full((samples, 1), float(statistics["mean"]))
    if "counts" not in statistics:
        return None
    counts = np.array([statistics["counts"].get(c, 0) for c in classes or []])
    total = train_samples if kind == "categories" else counts.sum()
    if not total:
        return None
    return np.tile(counts / total, (samples, 1))
