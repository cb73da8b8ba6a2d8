"""What a detector learns from: heatmaps, and how well boxes overlap."""

import keras
from keras import ops

# A box belongs to the level of which it is about so many cells wide.
CELLS_WIDE = 4.0
# The heat around a centre fades over this share of the box, or of the cell.
SPREAD, LEAST_SPREAD = 0.1, 0.4
# So many cells around a centre, each way, learn the box.
NEAR = 1.5
# Of the focal loss: what is easy counts little, and what is near a centre
# counts little as background.
FOCUS, FADE = 2, 4


def sorted_out(y_true, y_pred):
    """Returns what each cell has to do with each box.

    Args:
        y_true: `(batch, boxes, 5)`, class -1 where there is no box.
        y_pred: `(batch, cells, 8 + classes)`.

    Returns:
        `(batch, cells, boxes)` each: the heat of a box, 1 in the cell of its
        centre; and whether the cell is near enough to learn it.
    """
    box = ops.expand_dims(y_true[..., :4], 1)
    cell = ops.expand_dims(y_pred[..., 4:8], 2)
    real = ops.expand_dims(y_true[..., 4] >= 0, 1)
    size = ops.maximum(box[..., 2:] - box[..., :2], 1e-6)
    step = cell[..., 2:]
    # How far the centres are from each other, in cells.
    middle = (box[..., :2] + box[..., 2:]) / 2
    away = (cell[..., :2] - middle) / step
    ratio = ops.sqrt(
        ops.prod(size, axis=-1) / ops.prod(CELLS_WIDE * step, axis=-1)
    )
    fits = ops.abs(ops.log(ratio))
    level = (fits <= ops.min(fits, axis=1, keepdims=True) + 1e-3) & real
    spread = ops.maximum(SPREAD * size / step, LEAST_SPREAD)
    heat = ops.exp(-ops.sum(ops.square(away / spread), axis=-1) / 2)
    # A centre between two cells is in one of them.
    centre = ops.all((away > -0.5) & (away <= 0.5), axis=-1)
    # A centre on the picture's far border is in its last cell.
    heat = ops.where(centre, 1.0, ops.minimum(heat, 0.999))
    inside = (cell[..., :2] > box[..., :2]) & (cell[..., :2] < box[..., 2:])
    near = ops.all((ops.abs(away) <= NEAR) & inside, axis=-1) | centre
    return heat * ops.cast(level, heat.dtype), near & level


def nearest_box(y_true, y_pred):
    """Returns the box that each cell learns, `(batch, cells, 4)`; and if any.

    Of several it is the one whose centre is nearest, by the heat.
    """
    heat, near = sorted_out(y_true, y_pred)
    heat = heat * ops.cast(near, heat.dtype)
    best = ops.argmax(heat, axis=-1)
    wanted = ops.take_along_axis(
        y_true[..., :4], ops.expand_dims(best, -1), axis=1
    )
    return wanted, ops.cast(ops.any(near, axis=-1), heat.dtype)


def overlap(one, other, general=False):
    """Returns intersection over union of boxes `(..., 4)`, pair by pair.

    Args:
        one: Left, top, right, bottom.
        other: Likewise.
        general: Whether boxes that do not touch are told how far apart they
            are, by numbers below 0.

    Source: Rezatofighi et al., "Generalized Intersection over Union", 2019
    (arXiv 1902.09630).
    """
    shared = _area(
        ops.maximum(one[..., :2], other[..., :2]),
        ops.minimum(one[..., 2:], other[..., 2:]),
    )
    union = _area(one[..., :2], one[..., 2:]) - shared
    union = ops.maximum(union + _area(other[..., :2], other[..., 2:]), 1e-12)
    found = shared / union
    if not general:
        return found
    around = _area(
        ops.minimum(one[..., :2], other[..., :2]),
        ops.maximum(one[..., 2:], other[..., 2:]),
    )
    return found - (around - union) / ops.maximum(around, 1e-12)


def _area(low, high):
    sides = ops.maximum(high - low, 0.0)
    return sides[..., 0] * sides[..., 1]


@keras.saving.register_keras_serializable(package="mmkeras")
class BoxLoss(keras.losses.Loss):
    """Where boxes are, of which class, and how large.

    Centres are a heatmap for each class, learned by a focal loss; a cell near
    a centre learns the box, by its generalized overlap. Both are shared out
    over the boxes of the picture.

    Args:
        size_weight: Weight of the overlap against that of the heatmaps.

    Source: Zhou et al., "Objects as Points", 2019 (arXiv 1904.07850), with
    sides as in Tian et al., "FCOS", 2019 (arXiv 1904.01355).
    """

    def __init__(
        self,
        size_weight=2.0,
        name="box_loss",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.size_weight = size_weight

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        heat, _ = sorted_out(y_true, y_pred)
        there = ops.cast(y_true[..., 4] >= 0, y_pred.dtype)
        count = ops.maximum(ops.sum(there, axis=-1), 1.0)
        classes = y_pred.shape[-1] - 8
        spent = 0.0
        for index in range(classes):
            mine = ops.cast(y_true[..., 4] == index, heat.dtype)
            wanted = ops.max(heat * ops.expand_dims(mine, 1), axis=-1)
            spent += self._focal(wanted, y_pred[..., 8 + index])
        wanted, near = nearest_box(y_true, y_pred)
        missed = 1 - overlap(y_pred[..., :4], wanted, general=True)
        cells = ops.maximum(ops.sum(near, axis=-1), 1.0)
        sizes = ops.sum(missed * near, axis=-1) / cells
        return spent / count + self.size_weight * sizes

    def _focal(self, wanted, found):
        found = ops.clip(found, 1e-5, 1 - 1e-5)
        centre = ops.cast(wanted >= 1, found.dtype)
        hit = -ops.log(found) * (1 - found) ** FOCUS
        miss = -ops.log(1 - found) * found**FOCUS * (1 - wanted) ** FADE
        return ops.sum(centre * hit + (1 - centre) * miss, axis=-1)

    def get_config(self):
        return {**super().get_config(), "size_weight": self.size_weight}


@keras.saving.register_keras_serializable(package="mmkeras")
class BoxOverlap(keras.metrics.Mean):
    """Mean overlap of boxes with what the cells near their centres say."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.cast(y_pred, self.dtype)
        y_true = ops.cast(y_true, self.dtype)
        wanted, near = nearest_box(y_true, y_pred)
        if sample_weight is not None:
            near = near * ops.cast(sample_weight, self.dtype)[:, None]
        super().update_state(overlap(y_pred[..., :4], wanted), near)
