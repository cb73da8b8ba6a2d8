"""Removes what compression added for training."""

import keras

from mmkeras import keras_private as private
from mmkeras.compress.kernels import kernels
from mmkeras.compress.pruning.constraints import release

QAT = "mmkeras.compress.quantization."


def strip(model: keras.Model) -> keras.Model:
    """Returns a plain model, without what compression added for training.

    A pruned or clustered model is plain already and comes back as it is, but
    for what an interrupted `fit` left on its weights. One made by
    `quantize_aware` comes back as the plain model inside it.

    Args:
        model: A model that `prune`, `cluster` or `quantize_aware` returned,
            or any other.

    Example:

    >>> plain = strip(model)
    >>> plain.save("model.keras")
    """
    for kernel in kernels(model):
        release(kernel.variable)
    # A step compiled with the constraints would go on applying them.
    model.train_function = None
    inside = private.layers_inside(model)
    if any(type(e).__module__.startswith(QAT) for e in inside):
        from mmkeras.compress.quantization.wrapping import strip_quantization

        return strip_quantization(model)
    return model
