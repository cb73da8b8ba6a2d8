"""Layers that hide parts of an input, and return which."""

import keras
from keras import ops

from mmkeras.training.pretext.modality_support import UNKNOWN
from mmkeras.training.pretext.patches import spread
from mmkeras.training.pretext.random_draws import (
    Drawing,
    as_before,
    known_statistics,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class HidePatches(Drawing):
    """Hides random blocks of a field.

    What is hidden becomes noise with the mean and the deviation of the
    sample's own channel: the statistics of a batch normalisation behind it
    stay about those of whole samples. Cells of a series or a row become NaN,
    which is how a tower gets missing cells.

    Args:
        grid: sequence of integers, tokens along each axis.
        blocks: sequence of integers, blocks along each axis; at most `grid`.
        fraction: float, probability that a block is hidden.
        fill: `"noise"`, `"nan"`, or `"zero"` for a tower that takes no NaN.

    Call arguments: `(batch, *sizes, ...)`.

    Returns:
        The like, and `(batch, *grid)`, 1 where a token's steps are hidden.
    """

    def __init__(self, grid, blocks, fraction, fill="noise", **kwargs):
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        self.blocks = tuple(blocks)
        self.fraction = fraction
        self.fill = fill

    def call(self, x):
        drawn = self.uniform(x, *self.blocks) < self.fraction
        flags = spread(ops.cast(drawn, "float32"), self.grid)
        axes = len(self.grid)
        hidden = spread(flags, x.shape[1 : 1 + axes])
        for _ in x.shape[1 + axes :]:
            hidden = ops.expand_dims(hidden, -1)
        y = ops.cast(x, "float32")
        y = ops.where(hidden > 0, self._fill(y), y)
        return as_before(y, x), flags

    def _fill(self, x):
        if self.fill != "noise":
            value = float("nan") if self.fill == "nan" else 0.0
            return ops.full_like(x, value)
        axes = tuple(range(1, max(2, len(x.shape) - 1)))
        _, _, mean, deviation = known_statistics(x, axes)
        return mean + deviation * self.normal(x)


@keras.saving.register_keras_serializable(package="mmkeras")
class HideTokens(Drawing):
    """Hides random tokens of a text, as BERT does.

    Of those chosen, 80 % become `mask_id`, 10 % any other token, and 10 %
    stay what they are, so that a tower learns to read real tokens too.

    Args:
        vocabulary_size: integer, token ids.
        fraction: float, share of a text's tokens; at least one token.
        places: integer, how many of the hidden ones are to be predicted at
            most.
        mask_id: integer; by default that of an unknown token.

    Call arguments: token ids `(batch, tokens)`, 0 = padding.

    Returns:
        The like, positions `(batch, places)` of hidden tokens, and
        `(batch, places)`, 1 where there is one.

    Source: Devlin et al., "BERT", 2018 (arXiv 1810.04805).
    """

    def __init__(
        self, vocabulary_size, fraction, places, mask_id=UNKNOWN, **kwargs
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.fraction = fraction
        self.places = places
        self.mask_id = mask_id

    def call(self, ids):
        length = ids.shape[1]
        order, count = shuffled_places(self, ids, 0)
        wanted = ops.maximum(ops.round(self.fraction * count), 1.0)
        wanted = ops.expand_dims(ops.minimum(wanted, count), -1)
        rank = ops.cast(ops.argsort(order, axis=1), "float32")
        other = self.uniform(ids, length, low=2.0, high=self.vocabulary_size)
        other = ops.cast(ops.floor(other), ids.dtype)
        way = self.uniform(ids, length)
        new = ops.where(way < 0.8, ops.full_like(ids, self.mask_id), other)
        changed = ops.logical_and(rank < wanted, way < 0.9)
        places = order[:, : self.places]
        there = ops.arange(places.shape[1], dtype="float32") < wanted
        return ops.where(changed, new, ids), places, ops.cast(there, "float32")


@keras.saving.register_keras_serializable(package="mmkeras")
class DrawPlaces(Drawing):
    """Draws positions of real tokens.

    Args:
        places: integer, how many at most.
        first: integer, the first position that may be drawn.

    Call arguments: token ids `(batch, tokens)`, 0 = padding.

    Returns:
        Positions `(batch, places)`, and as many numbers, 1 where there is one.
    """

    def __init__(self, places, first=0, **kwargs):
        super().__init__(**kwargs)
        self.places = places
        self.first = first

    def call(self, ids):
        order, count = shuffled_places(self, ids, self.first)
        places = order[:, : self.places]
        there = ops.arange(places.shape[1], dtype="float32")
        there = there < ops.expand_dims(count, -1)
        return places, ops.cast(there, "float32")


def shuffled_places(layer: Drawing, ids, first: int):
    """Returns all positions, real tokens from `first` on in front, shuffled.

    And the number `(batch,)` of such tokens.
    """
    length = ids.shape[1]
    late = ops.expand_dims(ops.arange(length) >= first, 0)
    real = ops.cast(ops.logical_and(ids != 0, late), "float32")
    order = ops.argsort(layer.uniform(ids, length) + 2.0 * (1.0 - real), axis=1)
    return ops.cast(order, "int32"), ops.sum(real, axis=1)
