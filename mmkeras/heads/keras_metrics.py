"""Metrics that Keras lacks for a head's outputs."""

import keras
from keras import ops

from mmkeras.heads.contrastive import pairs


@keras.saving.register_keras_serializable(package="mmkeras")
class RootMeanSquaredErrorOf(keras.metrics.RootMeanSquaredError):
    """Root mean squared error of `(batch,)` labels and `(batch, 1)` outputs.

    Keras' own metric would broadcast them to `(batch, batch)`.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        super().update_state(y_true, y_pred, sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class ClassAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """How often the likeliest class is the true one.

    Of labels that are shares of all classes, the one with the largest share.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = largest(y_true, y_pred)
        super().update_state(y_true, y_pred, sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class LabelAccuracy(keras.metrics.BinaryAccuracy):
    """How often a class is told rightly; there by a half is not there."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(ops.convert_to_tensor(y_true) > 0.5, self.dtype)
        super().update_state(y_true, y_pred, sample_weight)


def largest(y_true, y_pred):
    """Returns class indices of indices, or of shares of all classes."""
    if len(y_true.shape) == len(y_pred.shape):
        return ops.argmax(y_true, axis=-1)
    return y_true


def rank_of(y_pred):
    """Returns how many of the ordered classes are passed, `(batch,)` floats.

    Those with a chance above a half of lying below the true class: CORN's
    rule (Shi, Cao, Raschka, 2021, arXiv 2111.08851).
    """
    below = ops.cumsum(ops.cast(y_pred, "float32"), axis=-1)
    passed = below[..., :-1] < below[..., -1:] / 2
    return ops.sum(ops.cast(passed, "float32"), axis=-1)


@keras.saving.register_keras_serializable(package="mmkeras")
class RankAccuracy(keras.metrics.Mean):
    """How often the rank of ordered classes is the true one."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        true = ops.cast(largest(y_true, y_pred), "float32")
        right = ops.cast(rank_of(y_pred) == true, self.dtype)
        super().update_state(right, sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class ClassDistance(keras.metrics.Mean):
    """Mean distance in classes of the rank from the true class."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        true = ops.cast(largest(y_true, y_pred), "float32")
        away = ops.abs(rank_of(y_pred) - true)
        super().update_state(away, sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class NearestIsMatch(keras.metrics.Mean):
    """How often the nearest other sample of the batch has the same identity.

    Samples without a match in their batch do not count, and samples of
    weight 0 are left out. Where another sample is as near as the match it
    comes first, so that a constant output scores 0.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.cast(y_pred, self.dtype)
        match, other = pairs(y_true, self.dtype)
        if sample_weight is not None:
            # A sample of weight 0 is not a candidate either.
            there = ops.cast(ops.cast(sample_weight, "float32") > 0, self.dtype)
            match, other = match * there, other * there
        near = ops.matmul(y_pred, ops.transpose(y_pred))
        # Cosines are at least -1.
        best = ops.max(ops.where(match > 0, near, -9.0), axis=-1)
        rival = ops.max(ops.where(other > match, near, -9.0), axis=-1)
        hits = ops.cast(best > rival, self.dtype)
        counts = ops.max(match, axis=-1)
        if sample_weight is not None:
            counts = counts * ops.cast(sample_weight, self.dtype)
        super().update_state(hits, counts)
