"""Masked reconstruction: predict hidden parts of the input from the rest.

Good where neighbours predict much of what is missing: speech, text, sensor
series, pictures with a transformer. The tower reads the input with random
blocks hidden; the token of a hidden part has to predict it.
Only hidden places count; padding and missing cells do not.

Targets are the kind's field, for texts the token ids (cross entropy). A tower
of one token, and that of a row of columns, predicts from its vector.

Cost: one pass of the tower, as in supervised training, and a decoder of
`t * (d * width + width * patch)` multiply-adds a sample; for a text
`places * width * vocabulary_size`. The decoder is thrown away.

Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", 2021
(arXiv 2111.06377), here with the input masked and not shortened, so that any
tower will do; Devlin et al., "BERT", 2018 (arXiv
1810.04805); Yoon et al., "VIME", 2020, for tables.
"""

from typing import Any

import keras
from keras import layers, ops

from mmkeras.training.pretext.masking_layers import HidePatches, HideTokens
from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.patches import Cut, Spread, grid_of
from mmkeras.training.pretext.reconstruction import (
    SquaredError,
    check_tokens,
    decode,
)
from mmkeras.training.pretext.reconstruction_targets import Repeat, patches_of
from mmkeras.training.pretext.token_prediction import (
    token_prediction_loss,
    vocabulary_of,
)

# Blocks along an axis: smaller ones could be interpolated from their borders.
BLOCKS = {1: 8, 2: 7, 3: 4}


def masked(
    tower: keras.Model,
    x: Any,
    facts: Unsupervised,
    fill: str = "noise",
    fraction: float | None = None,
    blocks: int | None = None,
    width: int = 128,
    places: int = 16,
    mask_id: int | None = None,
    vocabulary_size: int | None = None,
) -> dict[str, Any]:
    """Returns the outputs of a `Reconstruct` of what is hidden.

    Args:
        tower: The tower.
        x: Its input, symbolic.
        facts: The `Unsupervised` of its kind.
        fill: What replaces hidden parts, as in `HidePatches`.
        fraction: Share that is hidden; by default what suits the kind.
        blocks: Blocks along each axis, at most one a token. Defaults to 8
            along one axis, 7 along two, 4 along three.
        width: Units of the decoder.
        places: Hidden tokens of a text that are predicted, at most: each costs
            a softmax over the vocabulary.
        mask_id: Token id of hidden tokens; by default that of the kind, which
            is the mask token of a pretrained vocabulary.
        vocabulary_size: Token ids; by default those of the tower's table.
    """
    fraction = facts.fraction if fraction is None else fraction
    if facts.field is None:
        check_tokens(tower, "masked")
        size = vocabulary_of(tower, vocabulary_size)
        mask_id = facts.mask_id if mask_id is None else mask_id
        hide = HideTokens(size, fraction, places, mask_id, name="hide")
        hidden, where, there = hide(x)
        rows = tower(hidden)["tokens"]
        return token_prediction_loss(x, rows, where, there, size, width)
    if facts.columns:
        return _cells(tower, x, facts, fraction, fill, width)
    return _patches(tower, x, facts, fraction, fill, blocks, width)


def _patches(tower, x, facts, fraction, fill, blocks, width):
    values, known = facts.field(tower, x)
    sizes = values.shape[1:-1]
    most = blocks or BLOCKS[len(sizes)]
    tokens = tower.output["tokens"].shape[1]
    if tokens == 1:
        grid, beside = tuple(min(size, most) for size in sizes), 0
    else:
        grid, beside = grid_of(sizes, tokens)
    hidden, flags = hide_patches(x, grid, fraction, fill, most)
    found = tower(hidden)
    patches = patches_of(values, grid, facts.even_patches)
    count, numbers = patches.shape[1:]
    if tokens == 1:
        guess = decode(found["vector"], count * numbers, width)
        guess = layers.Reshape((count, numbers))(guess)
    else:
        guess = decode(found["tokens"][:, beside:], numbers, width)
    places = Cut(grid)(ops.expand_dims(Spread(sizes)(flags), -1) * known)
    return SquaredError(name="error")(patches, guess, places)


def _cells(tower, x, facts, fraction, fill, width):
    columns = x.shape[-1]
    values, known = facts.field(tower, x)
    hidden, flags = hide_patches(x, (columns,), fraction, fill, columns)
    guess = decode(tower(hidden)["vector"], values.shape[1], width)
    repeated = Repeat(facts.columns(tower, x))(flags)
    places = ops.expand_dims(repeated, -1) * known
    guess = ops.expand_dims(guess, -1)
    return SquaredError(name="error")(values, guess, places)


def hide_patches(x, grid, fraction, fill, most):
    """Hides blocks of a grid, at most `most` along an axis.

    Returns what is left of `x`, and `(batch, *grid)`, 1 where a token's part
    is hidden.
    """
    blocks = [min(parts, most) for parts in grid]
    return HidePatches(grid, blocks, fraction, fill, name="hide")(x)
