"""Predicting tokens of a text from a tower's outputs."""

import math
from typing import Any

import keras
from keras import layers, ops

from mmkeras import keras_private as private
from mmkeras.training.pretext.patches import patch_steps
from mmkeras.training.pretext.reconstruction import TokenError, decode


def token_prediction_loss(
    ids: Any,
    rows: Any,
    places: Any,
    there: Any,
    vocabulary_size: int,
    width: int,
    back: int = 0,
) -> dict[str, Any]:
    """Returns the loss of predicting the tokens at `places`.

    A row may cover several neighbouring tokens; the decoder gets an
    embedding of which of them is to be predicted.

    Args:
        ids: Token ids, `(batch, tokens)`.
        rows: Token outputs of the tower, `(batch, positions, d)`.
        places: Positions of tokens, `(batch, n)`.
        there: `(batch, n)`, 1 where there is a place.
        vocabulary_size: Token ids.
        width: Units of the decoder.
        back: Rows from that of a token to the one that predicts it.
    """
    length, positions = ids.shape[1], rows.shape[1]
    picked, offsets = PickRows(length, back)(rows, places)
    several = math.ceil(length / positions)
    if several > 1:
        which = layers.Embedding(several, rows.shape[-1], name="which")
        picked = layers.Add(name="asked")([picked, which(offsets)])
    logits = decode(picked, vocabulary_size, width)
    return TokenError(name="error")(ids, logits, places, there)


@keras.saving.register_keras_serializable(package="mmkeras")
class PickRows(layers.Layer):
    """Picks the rows that own tokens, or lie before them.

    Args:
        length: integer, tokens of a text.
        back: integer, rows from the owner to the one that is picked.

    Call arguments:
        rows: `(batch, positions, d)`.
        places: positions of tokens, `(batch, n)`.

    Returns:
        `(batch, n, d)`, and which of its row's tokens each is, `(batch, n)`.
    """

    def __init__(self, length, back=0, **kwargs):
        super().__init__(**kwargs)
        self.length = length
        self.back = back

    def call(self, rows, places):
        positions = rows.shape[1]
        product = places * positions
        index = ops.maximum(product // self.length - self.back, 0)
        # A product with ones and zeros: its gradient is the same every time.
        pick = ops.one_hot(index, positions, dtype=rows.dtype)
        offsets = product % self.length // positions
        return ops.matmul(pick, rows), offsets


def vocabulary_of(tower: keras.Model, vocabulary_size: int | None) -> int:
    """Returns the number of token ids: as given, or the longest table's."""
    if vocabulary_size is not None:
        return vocabulary_size
    tables = [
        layer.input_dim
        for layer in private.layers_inside(tower)
        if isinstance(layer, layers.Embedding)
    ]
    if not tables:
        raise ValueError(
            "`vocabulary_size` is needed where the tower has no layer "
            "`Embedding`. Received: vocabulary_size=None"
        )
    return max(tables)


def first_after(length: int, positions: int, rows: int) -> int:
    """Returns the first token whose owner lies `rows` rows in."""
    return int(patch_steps(length, positions)[rows, 0])
