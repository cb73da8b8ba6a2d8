"""The loss and the metric of masks."""

import keras
from keras import ops

# Label of a pixel that nobody knows.
UNKNOWN = 255
# Pixels that are added to both sides of Dice: an empty mask has one too.
SMOOTH = 1.0


def known_shares(y_true, y_pred):
    """Returns labels as shares of the outputs, and which pixels are known.

    Args:
        y_true: `(batch, ...)`: 0 for the background, 1 for the first class,
            `UNKNOWN` where nobody knows.
        y_pred: `(batch, ..., classes)`; one alone is that of the class.
    """
    y_true = ops.cast(y_true, "int32")
    known = ops.cast(ops.not_equal(y_true, UNKNOWN), y_pred.dtype)
    classes = y_pred.shape[-1]
    if classes == 1:
        wanted = ops.expand_dims(ops.cast(ops.equal(y_true, 1), "int32"), -1)
    else:
        inside = ops.minimum(y_true, classes - 1)
        wanted = ops.one_hot(inside, classes)
    return ops.cast(wanted, y_pred.dtype), known


@keras.saving.register_keras_serializable(package="mmkeras")
class DiceCrossEntropy(keras.losses.Loss):
    """Cross-entropy of each pixel and soft Dice of each class, added.

    Cross-entropy learns each pixel, and Dice does not mind how small what is
    marked is. Pixels that nobody knows count in neither.

    Args:
        dice: Weight of `1 - Dice` beside the cross-entropy.

    Call arguments: see `known_shares`.

    Source: Isensee et al., "nnU-Net", 2021 (arXiv 1904.08128).
    """

    def __init__(
        self,
        dice=1.0,
        name="dice_crossentropy",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.dice = dice

    def call(self, y_true, y_pred):
        wanted, known = known_shares(y_true, y_pred)
        each = ops.clip(y_pred, 1e-6, 1 - 1e-6)
        if y_pred.shape[-1] == 1:
            own, likely = wanted[..., 0], each[..., 0]
            entropy = -own * ops.log(likely) - (1 - own) * ops.log(1 - likely)
        else:
            entropy = -ops.sum(wanted * ops.log(each), axis=-1)
        axes = tuple(range(1, len(known.shape)))
        pixels = ops.maximum(ops.sum(known, axis=axes), 1.0)
        entropy = ops.sum(entropy * known, axis=axes) / pixels
        return entropy + self.dice * (1 - self._soft(wanted, y_pred, known))

    def _soft(self, wanted, y_pred, known):
        if y_pred.shape[-1] > 1:
            # The background has most pixels, and is none of the classes.
            wanted, y_pred = wanted[..., 1:], y_pred[..., 1:]
        known = ops.expand_dims(known, -1)
        axes = tuple(range(1, len(known.shape) - 1))
        both = ops.sum(wanted * y_pred * known, axis=axes)
        total = ops.sum((wanted + y_pred) * known, axis=axes)
        return ops.mean((2 * both + SMOOTH) / (total + SMOOTH), axis=-1)

    def get_config(self):
        return {**super().get_config(), "dice": self.dice}


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskDice(keras.metrics.Mean):
    """Mean Dice of samples, of the likeliest class of each pixel.

    Over the classes that label or answer have; 1 where neither has any.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        wanted, known = known_shares(y_true, y_pred)
        classes = y_pred.shape[-1]
        if classes == 1:
            told = ops.cast(y_pred > 0.5, y_pred.dtype)
        else:
            best = ops.argmax(y_pred, axis=-1)
            told = ops.cast(ops.one_hot(best, classes), y_pred.dtype)[..., 1:]
            wanted = wanted[..., 1:]
        known = ops.expand_dims(known, -1)
        axes = tuple(range(1, len(known.shape) - 1))
        both = ops.sum(wanted * told * known, axis=axes)
        total = ops.sum((wanted + told) * known, axis=axes)
        there = ops.cast(total > 0, total.dtype)
        dice = ops.sum(2 * both / ops.maximum(total, 1.0) * there, axis=-1)
        some = ops.sum(there, axis=-1)
        dice = ops.where(some > 0, dice / ops.maximum(some, 1.0), 1.0)
        super().update_state(dice, sample_weight)
