"""The `trainable` flags of layers, saved before a stage and restored after."""

import keras

from mmkeras import keras_private as private


def trainable_flags(model: keras.Model) -> list[tuple]:
    """Returns the `trainable` flags of layers and weights."""
    layers = private.layers_inside(model)
    flags = [(layer, layer.trainable) for layer in layers]
    return flags + [(w, w.trainable) for w in model.weights]


def restore_flags(flags: list[tuple]) -> None:
    """Restores what `trainable_flags` returned."""
    # A layer passes its flag on to the layers inside, which come after it.
    for owner, flag in flags:
        owner.trainable = flag
