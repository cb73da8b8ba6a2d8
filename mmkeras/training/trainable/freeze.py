"""Which layers learn: remembered, changed for a stage, and put back."""

import keras


def trainable_flags(model: keras.Model) -> list[tuple]:
    """Returns what `restore_flags` puts back, for layers and weights."""
    # Keras has no public way to see layers inside layers of one's own.
    layers = model._flatten_layers()
    flags = [(layer, layer.trainable) for layer in layers]
    return flags + [(w, w.trainable) for w in model.weights]


def restore_flags(flags: list[tuple]) -> None:
    """Puts back what `trainable_flags` saw."""
    # A layer passes its flag on to the layers inside, which come after it.
    for owner, flag in flags:
        owner.trainable = flag
