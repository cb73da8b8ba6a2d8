"""What heads choose once a model is trained, on samples held out."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from mmkeras.training.stages.modality_weights import batches_of


def settle(
    model: keras.Model, data: Any, heads: Mapping[str, Any]
) -> dict[str, Any]:
    """Lets heads choose what is no weight, such as a threshold.

    A head that has something to choose has a method `settle`. It is chosen on
    the validation split, or on the training split where there is none, and
    kept in the model, so that every file of it decides by it.

    Args:
        model: The trained model, which is changed.
        data: Has `train` and `validation`.
        heads: The heads of the model, by target.

    Returns:
        What was chosen by target, as JSON.
    """
    held = data.train if data.validation is None else data.validation
    return {
        name: dict(head.settle(model, name, lambda: _batches(held)))
        for name, head in sorted(heads.items())
        if hasattr(head, "settle")
    }


def _batches(dataset: Any) -> Iterator[tuple[dict, dict, dict]]:
    """Yields `(x, y, sample_weight)`; where none is there, all weigh 1."""
    for x, y, weights in batches_of(dataset):
        ones = {n: np.ones(np.shape(labels)) for n, labels in y.items()}
        yield x, y, {**ones, **(weights or {})}
