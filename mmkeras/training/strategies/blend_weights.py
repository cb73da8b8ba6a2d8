"""Weights of modalities for gradient blending, from their losses."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from mmkeras import heads as head_kinds
from mmkeras.training.stages.modality_weights import batches_of

# Overfitting below this share of the first loss is noise.
NOISE = 0.05
# The least share of the loss that any of the heads gets.
LEAST = 0.02

Losses = tuple[float, float]


def blend_weights(
    losses: Mapping[str, tuple[Losses, Losses]],
) -> dict[str, float]:
    """Returns the weight of each loss: `G / O ** 2`, to the sum 1.

    G is by how much the validation loss fell, O by how much it has moved away
    from the training loss. An O below `NOISE` of the first validation loss
    counts as that much, a G below zero as zero, and no weight is less than
    `LEAST`; where nothing generalises, all are the same.

    Args:
        losses: `((train, validation) before, (train, validation) after)` by
            name.

    Example:

    >>> weights = blend_weights({"audio": ((2.3, 2.3), (0.9, 1.8)),
    ...                          "image": ((2.3, 2.3), (0.9, 1.4))})
    >>> {name: round(weight, 2) for name, weight in weights.items()}
    {'audio': 0.15, 'image': 0.85}
    """
    values = {}
    for name, ((train, valid), (train_after, valid_after)) in losses.items():
        gain = max(0.0, valid - valid_after)
        gap = (valid_after - train_after) - (valid - train)
        values[name] = gain / max(gap, NOISE * abs(valid), 1e-9) ** 2
    total = sum(values.values())
    if not total:
        return {name: 1 / len(values) for name in values}
    shares = {name: max(LEAST, v / total) for name, v in values.items()}
    whole = sum(shares.values())
    return {name: share / whole for name, share in shares.items()}


def split_losses(
    model: keras.Model, data: Any, heads: Mapping[str, Any]
) -> Losses:
    """Returns the loss on both splits, as in inference."""
    return (
        mean_loss(model, data.train, heads),
        mean_loss(model, data.validation, heads),
    )


def mean_loss(
    model: keras.Model, dataset: Any, heads: Mapping[str, Any]
) -> float:
    """Returns the weighted sum of the targets' losses, as in inference.

    Each is a mean over the samples that count, unlike in training, where
    those without a label make it smaller.
    """
    losses = head_kinds.losses(heads, model)
    totals = {target: np.zeros(2) for target in heads}
    for x, y, weights in batches_of(dataset):
        outputs = model.predict_on_batch(x)
        for target, loss in losses.items():
            weight = (weights or {}).get(target)
            if weight is None:
                weight = np.ones(len(y[target]), "float32")
            weight = keras.ops.convert_to_numpy(weight)
            value = float(loss(y[target], outputs[target], weight))
            totals[target] += [value * weight.size, weight.sum()]
    return sum(
        heads[target].weight * float(total / max(count, 1e-9))
        for target, (total, count) in totals.items()
    )


class BlendWeights(keras.callbacks.Callback):
    """Adds the weights of the losses to every epoch's figures."""

    def __init__(self, weights: Mapping[str, float]):
        super().__init__()
        self.weights = weights

    def on_epoch_end(self, epoch, logs=None):
        for name, weight in self.weights.items():
            logs[f"blend_{name}"] = weight
