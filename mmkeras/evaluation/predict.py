"""Predictions and labels of a whole data set, sample by sample in order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.introspection import finishers
from mmkeras.metrics import Figures

# What all outputs of a model may take together.
MAX_HELD_BYTES = 8 * 2**30
Arrays = dict[str, np.ndarray]
# Predictions, labels and weights, by target.
Predicted = tuple[Arrays, Arrays, Arrays]


def batches(dataset: Any) -> Iterator[tuple[dict, dict, dict]]:
    """Yields `(x, y, sample_weight)` as dicts of NumPy arrays.

    Args:
        dataset: An iterable of batches, or a `keras.utils.PyDataset`. Where a
            batch has no weights, every sample weighs 1.
    """
    if not isinstance(dataset, Iterable):
        dataset = (dataset[index] for index in range(len(dataset)))
    for batch in dataset:
        x, y, *rest = batch
        x, y = _arrays(x), _arrays(y)
        weights = _arrays(rest[0]) if rest and rest[0] is not None else {}
        for target, labels in y.items():
            weights.setdefault(target, np.ones(len(labels), "float32"))
        yield x, y, weights


def predict(model: Any, dataset: Any) -> Predicted:
    """Returns predictions and labels.

    Of a model that writes texts, a prediction is the likeliest text.

    Args:
        model: Keras model from `{modality: x}` to `{target: y}`.
        dataset: Batches of `({modality: x}, {target: y},
            {target: sample_weight})`; read once, in its own order.

    Returns:
        Predictions, labels and weights: dicts by target of arrays whose first
        axis is the samples.

    Raises:
        ValueError: If the data set is empty, or an output is NaN or infinite.

    Example:

    >>> predictions, labels, weights = predict(model, data.test)
    >>> predictions["digit"].shape
    (200, 10)
    """
    found: tuple[dict, dict, dict] = ({}, {}, {})
    finish, held = finishers(model), 0
    for x, y, weights in batches(dataset):
        outputs = _arrays(model.predict_on_batch(x))
        for target, written in finish.items():
            outputs[target] = written(outputs[target], y.get(target))
        held += sum(values.nbytes for values in outputs.values())
        if held > MAX_HELD_BYTES:
            name = max(outputs, key=lambda n: outputs[n].nbytes)
            raise ValueError(
                "The outputs for a split, which are held in memory, must have "
                f"at most {MAX_HELD_BYTES:,} bytes. Received: more, most of "
                f"them of `{name}`, {outputs[name].shape[1:]} a sample; a "
                "smaller size, or fewer samples in the split"
            )
        for parts, new in zip(found, (outputs, y, weights), strict=True):
            for target, values in new.items():
                parts.setdefault(target, []).append(values)
    if not found[0]:
        raise ValueError(
            "`dataset` must hold at least one sample. Received: none"
        )
    predictions, labels, weights = (
        {target: np.concatenate(values) for target, values in parts.items()}
        for parts in found
    )
    for target, values in predictions.items():
        if not np.isfinite(values).all():
            wrong = np.flatnonzero(
                ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            )
            raise ValueError(
                f"The outputs of the model must be finite. Received: NaN or "
                f"Inf in `{target}` for {len(wrong)} of {len(values)} "
                f"samples, the first at index {wrong[0]}"
            )
    return predictions, labels, weights


def _arrays(values: Mapping[str, Any]) -> Arrays:
    return {name: np.asarray(values[name]) for name in sorted(values)}


def figures_of(
    name: str,
    target: Any,
    predicted: Predicted,
    groups: Sequence[str] | None = None,
) -> Figures:
    """Returns the figures of one target of a pass over a split.

    Args:
        name: The target's name.
        target: The target.
        predicted: What `predict` returned.
        groups: Of the samples; see `Figures.grouped`.
    """
    outputs, labels, weights = (part[name] for part in predicted)
    return target.figures(labels, outputs, weights).grouped(groups, weights)
