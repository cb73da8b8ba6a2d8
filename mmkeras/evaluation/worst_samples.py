"""The samples that a model gets most wrong."""

from typing import Any

import numpy as np

from mmkeras.evaluation.predict import batches
from mmkeras.metrics import finite, has_label


def worst_samples(
    target: Any,
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray,
    count: int = 8,
) -> list[dict[str, Any]]:
    """Returns the samples with the largest error, the worst first.

    Args:
        target: The target of a spec; of a kind that has no `errors`, no
            sample is the worst.
        labels: As in a batch.
        outputs: Of the model.
        weights: As in a batch; samples with weight 0 are left out.
        count: How many samples.

    Returns:
        `{"index", "error", "label", "answer", "probability"}` each: the place
        in the data set; cross-entropy or absolute error; the label and
        the prediction; its probability.
    """
    rows = np.flatnonzero(has_label(weights))
    errors = target.errors(labels[rows], outputs[rows], weights[rows])
    if errors is None:
        return []
    order = np.argsort(-errors, kind="stable")[:count]
    return [
        {
            "index": int(rows[i]),
            "error": finite(errors[i]),
            **target.spell(labels[rows[i]], outputs[rows[i]]),
        }
        for i in order
    ]


def gather(dataset: Any, indices: set[int]) -> dict[int, dict[str, Any]]:
    """Returns the inputs `{modality: x}` of some samples, by place."""
    found, start = {}, 0
    for x, y, _ in batches(dataset):
        size = len(next(iter(y.values())))
        for index in indices:
            if start <= index < start + size:
                found[index] = {n: x[n][index - start] for n in x}
        start += size
        if len(found) == len(indices):
            break
    return found
