"""Gradient norms of several losses at the last layer they share."""

from typing import Any

import keras
from keras import ops


def gradient_norms(losses: list, weights: list) -> Any:
    """Returns the norm of each loss's gradient at the last shared layer.

    That is the last layer, in the model's order, whose weights every loss
    reaches. TensorFlow (inside a `tf.function`, as `fit` makes it) and torch.
    """
    for last in reversed(weights):
        if all(_gradients(loss, [last])[0] is not None for loss in losses):
            break
    else:
        raise ValueError(
            "`balance` 'gradnorm' needs a layer that all targets share. "
            "Received: a model without one"
        )
    layer = last.path.split("/")[0]
    shared = [w for w in weights if w.path.split("/")[0] == layer]
    norms = []
    for loss in losses:
        found = [g for g in _gradients(loss, shared) if g is not None]
        squares = [ops.sum(ops.square(ops.convert_to_tensor(g))) for g in found]
        norms.append(ops.sqrt(sum(squares)))
    return ops.stop_gradient(ops.stack(norms))


def _gradients(loss, weights):
    values = [weight.value for weight in weights]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gradients(loss, values)
    import torch

    return torch.autograd.grad(
        loss, values, retain_graph=True, allow_unused=True
    )
