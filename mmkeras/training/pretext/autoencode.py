"""Autoencoding: reconstruct the whole input from the vector alone.

Good for sensor rows, short series and small pictures, and wherever the vector
itself is what the fusion reads: it has to hold the whole input. Learns less of
what little energy a class hangs on; `hidden` above 0 makes it denoising, which
helps there. A text is reconstructed as a bag: which tokens it has, not their
order.

Targets are the kind's field, shrunk to at most 64 steps, 32 x 32 pixels or
16 x 16 x 16 voxels.

Cost: one pass of the tower and a decoder of `d * width + width * field`
multiply-adds a sample, thrown away afterwards.

Source: Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with
Neural Networks", 2006; Vincent et al., "Extracting and Composing Robust
Features with Denoising Autoencoders", 2008.
"""

import math
from typing import Any

import keras
from keras import layers, ops

from mmkeras.training.pretext.masked import BLOCKS, hide_patches
from mmkeras.training.pretext.masking_layers import HideTokens
from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.patches import Shrink
from mmkeras.training.pretext.random_draws import Exact
from mmkeras.training.pretext.reconstruction import (
    SquaredError,
    TokenError,
    decode,
)
from mmkeras.training.pretext.token_prediction import vocabulary_of

# Of the field, along each of one, two or three axes.
LIMITS = {1: 64, 2: 32, 3: 16}


def autoencode(
    tower: keras.Model,
    x: Any,
    facts: Unsupervised,
    fill: str = "noise",
    hidden: float = 0.0,
    width: int = 128,
    mask_id: int | None = None,
    vocabulary_size: int | None = None,
) -> dict[str, Any]:
    """Returns the outputs of a `Reconstruct` of the whole input.

    Args:
        tower: The tower.
        x: Its input, symbolic.
        facts: The `Unsupervised` of its kind.
        fill: What replaces hidden parts, as in `HidePatches`.
        hidden: Share of the input that is hidden from the tower; 0 for none.
        width: Units of the decoder.
        mask_id: Token id of hidden tokens; by default that of the kind, which
            is the mask token of a pretrained vocabulary.
        vocabulary_size: Token ids; by default those of the tower's table.
    """
    if facts.field is None:
        size = vocabulary_of(tower, vocabulary_size)
        seen = x
        if hidden:
            mask_id = facts.mask_id if mask_id is None else mask_id
            seen, _, _ = HideTokens(size, hidden, 1, mask_id, name="hide")(x)
        logits = decode(tower(seen)["vector"], size, width)
        places, there = RealPlaces(name="real")(x)
        logits = ops.expand_dims(logits, 1)
        return TokenError(name="error")(x, logits, places, there)
    values, known = facts.field(tower, x)
    if not facts.columns:
        shrink = Shrink(LIMITS[len(values.shape) - 2])
        known = shrink(known)
        # What is missing is 0 and does not count in the mean.
        values = shrink(values) / ops.maximum(known, 1e-6)
    seen = x
    if hidden:
        # The last axis is of numbers, where there is more than one.
        axes = max(1, len(x.shape) - 2)
        most = x.shape[1] if facts.columns else BLOCKS[axes]
        grid = x.shape[1 : 1 + axes]
        seen, _ = hide_patches(x, grid, hidden, fill, most)
    sizes = values.shape[1:]
    guess = decode(tower(seen)["vector"], math.prod(sizes), width)
    guess = layers.Reshape(sizes)(guess)
    return SquaredError(name="error")(values, guess, known)


@keras.saving.register_keras_serializable(package="mmkeras")
class RealPlaces(Exact):
    """Returns all positions of a text, `(batch, tokens)`, and the real ones."""

    def call(self, ids):
        places = ops.zeros_like(ids) + ops.arange(ids.shape[1], dtype=ids.dtype)
        return places, ops.cast(ids != 0, "float32")
