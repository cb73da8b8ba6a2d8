"""The last layers of towers whose positions are never masked."""

import keras
from keras import layers, ops


def finish_tower(inputs, x, units: int, dropout: float, name: str, skips=None):
    """Returns the tower from `inputs` to tokens made of `x`, and their mean.

    Args:
        inputs: Its `keras.Input`.
        x: Features `(batch, positions, d)`.
        units: Width of the tokens and of the vector.
        dropout: Share of features dropped before the last layer.
        name: Name of the modality.
        skips: Feature maps, finest first, which then are outputs too.
    """
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    tokens = layers.Dense(units, name=f"{name}_tokens")(x)
    outputs = {
        "vector": layers.GlobalAveragePooling1D(name=f"{name}_vector")(tokens),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0], dtype="float32"),
    }
    if skips is not None:
        outputs["skips"] = list(skips)
    return keras.Model(inputs, outputs, name=f"{name}_tower")
