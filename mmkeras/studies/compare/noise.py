"""Noise on one modality of the test batches, at levels with a unit.

Like a worse sensor or a noisy room; the model gets no sign of it. Every arm
of a seed gets the same noise.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mmkeras.evaluation.predict import batches


def noisy(
    dataset: Any,
    name: str,
    modality: Any,
    level: int,
    seed: int = 0,
    known: dict | None = None,
) -> Iterator[tuple[dict, dict, dict]]:
    """Yields the batches of `dataset` with noise on one modality.

    Args:
        dataset: Batches in a fixed order.
        name: The modality.
        modality: Its spec, of a kind that has a `corruption`.
        level: Index of one of its levels.
        seed: Seed; a batch's noise follows from seed, level and index.
        known: Statistics of the modality in the training split.

    Example:

    >>> worse = noisy(data.test, "image", data.spec.modalities["image"], 0)
    >>> predictions, labels, weights = predict(model, worse)
    """
    corruption = modality.corruption()
    value = corruption.levels[level]
    for index, (x, y, weights) in enumerate(batches(dataset)):
        draw = np.random.default_rng((seed, level, index))
        changed = corruption.change(draw, x[name], value, known or {})
        yield {**x, name: changed.astype(x[name].dtype)}, y, weights
