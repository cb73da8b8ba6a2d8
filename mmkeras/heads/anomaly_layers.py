"""Layers and loss of a distance from what is normal."""

import keras
from keras import ops

# In standard deviations; beyond it a value is as strange as it gets.
LIMIT = 10.0
# Logarithm of how many times as far as others a value may usually be off.
MAX_SPREAD = 4.0


@keras.saving.register_keras_serializable(package="mmkeras")
class Standardised(keras.layers.Layer):
    """Values of a modality in standard deviations, gaps 0.

    Args:
        mean: One number, or one a channel of the last axis.
        std: Standard deviations, alike; 0 for a constant.
        centred: Whether each channel is about its mean in the sample.

    Call arguments:
        x: `(batch, ..., channels)`, of any numbers; NaN in gaps.
        about: Where the mean is from, `x` by default: as many channels, of
            any length.

    Output: float32 of the shape of `x`.
    """

    def __init__(self, mean, std, centred=False, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.mean, self.std = list(mean), list(std)
        self.centred = centred

    def call(self, x, about=None):
        x, known = self._scaled(x)
        axes = tuple(range(1, len(x.shape) - 1))
        if self.centred and axes:
            about, there = (x, known) if about is None else self._scaled(about)
            count = ops.maximum(ops.sum(there, axes, keepdims=True), 1.0)
            x = (x - ops.sum(about, axes, keepdims=True) / count) * known
        return ops.minimum(ops.maximum(x, -LIMIT), LIMIT)

    def _scaled(self, x):
        """Returns values in standard deviations, and where one is known."""
        x = ops.cast(x, "float32")
        known = 1 - ops.cast(ops.isnan(x), "float32")
        mean = ops.convert_to_tensor(self.mean, "float32")
        scale = ops.convert_to_tensor([1 / s if s else 1.0 for s in self.std])
        x = (x - mean) * ops.cast(scale, "float32")
        return ops.where(ops.isnan(x), ops.zeros_like(x), x), known

    def compute_output_shape(self, x_shape, about_shape=None):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "mean": self.mean,
            "std": self.std,
            "centred": self.centred,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class KnownCells(keras.layers.Layer):
    """1 where a value is known, 0 in a gap; float32 of the same shape."""

    def call(self, x):
        x = ops.cast(x, "float32")
        return 1 - ops.cast(ops.isnan(x), "float32")

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable(package="mmkeras")
class FrozenUnit(keras.layers.Layer):
    """Features of about unit size through which no gradient goes.

    Else a tower would learn to answer nothing, which is easily rebuilt.
    """

    def call(self, x):
        x = ops.stop_gradient(ops.cast(x, "float32"))
        size = ops.mean(ops.square(x), axis=-1, keepdims=True)
        return x / ops.sqrt(size + 1e-6)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable(package="mmkeras")
class MeanSquare(keras.layers.Layer):
    """Mean squared difference over what is known.

    Call arguments:
        wanted: `(batch, n)`.
        guess: `(batch, n)`.
        known: `(batch, n)`, 0 in gaps.

    Output shape: `(batch, 1)`; 0 where nothing is known.
    """

    def call(self, wanted, guess, known):
        square = ops.square(wanted - guess) * known
        total = ops.maximum(ops.sum(known, axis=-1, keepdims=True), 1.0)
        return ops.sum(square, axis=-1, keepdims=True) / total


@keras.saving.register_keras_serializable(package="mmkeras")
class WeighedSquare(keras.layers.Layer):
    """Mean squared difference, each by what is usual for it.

    By the squared spread of each value, whose geometric mean is made 1: so
    the spread says where a sample may differ, and not how much in all. The
    logarithm of what comes out is, but for a constant, the least negative
    log-likelihood of a normal distribution of such spread and of any scale.

    Call arguments:
        wanted: `(batch, n)`.
        guess: `(batch, n)`.
        known: `(batch, n)`, 0 in gaps.
        spread: `(batch, n)`, logarithms.

    Output shape: `(batch, 1)`; 0 where nothing is known.
    """

    def call(self, wanted, guess, known, spread):
        total = ops.maximum(ops.sum(known, axis=-1, keepdims=True), 1.0)
        spread = ops.minimum(ops.maximum(spread, -MAX_SPREAD), MAX_SPREAD)
        mean = ops.sum(spread * known, axis=-1, keepdims=True) / total
        each = ops.square(wanted - guess) * ops.exp(-2 * spread) * known
        return ops.sum(each, axis=-1, keepdims=True) / total * ops.exp(2 * mean)


@keras.saving.register_keras_serializable(package="mmkeras")
class AnomalyScore(keras.layers.Layer):
    """One score of the errors of several modalities; above 1 is an anomaly.

    The mean, over the modalities that are there, of each error by what is
    usual for it, by the threshold. Neither is changed by a gradient: they
    are chosen on held-out samples, and are 1 before.

    Call arguments: a list of the errors `(batch, 1)`, one a modality, and,
    after all of them, of whether the modality is there, `(batch, 1)`.

    Output shape: `(batch, 1)`; 0 where no modality is there.
    """

    def build(self, shapes):
        count = len(shapes) // 2

        def one(name, shape):
            return self.add_weight(
                shape=shape, initializer="ones", trainable=False, name=name
            )

        self.usual = one("usual", (count,))
        self.threshold = one("threshold", (1,))

    def call(self, x):
        count = len(x) // 2
        errors = ops.concatenate(x[:count], axis=-1)
        there = ops.concatenate(x[count:], axis=-1)
        each = errors * there / self.usual
        total = ops.maximum(ops.sum(there, axis=-1, keepdims=True), 1.0)
        score = ops.sum(each, axis=-1, keepdims=True) / total
        return score / self.threshold

    def compute_output_shape(self, shapes):
        return shapes[0]


@keras.saving.register_keras_serializable(package="mmkeras")
class NormalScore(keras.losses.Loss):
    """Mean score of the samples that are not known to be abnormal.

    Args:
        logarithm: Whether it is the mean of the scores' logarithms.

    Labels: above 0 abnormal, 0 normal, below 0 unknown.

    Example:

    >>> loss = NormalScore()
    >>> float(loss(np.array([0, -1, 1]), np.array([[1.0], [3.0], [50.0]])))
    2.0
    """

    def __init__(
        self,
        logarithm=False,
        name="normal_score",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.logarithm = logarithm

    def call(self, y_true, y_pred):
        score, usable = scores_of_normal(y_true, y_pred)
        if self.logarithm:
            score = ops.log(ops.maximum(score, 1e-6))
        # A mean over all would be less the more are abnormal.
        share = ops.maximum(ops.mean(usable), 1e-6)
        return score * usable / share

    def get_config(self):
        return {**super().get_config(), "logarithm": self.logarithm}


@keras.saving.register_keras_serializable(package="mmkeras")
class MeanNormalScore(keras.metrics.Mean):
    """The same, over all batches."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        score, usable = scores_of_normal(y_true, y_pred)
        if sample_weight is not None:
            usable = usable * ops.cast(sample_weight, usable.dtype)
        super().update_state(score, usable)


def scores_of_normal(y_true, y_pred):
    """Returns `(batch,)` scores, and 1 where a sample may be normal."""
    score = ops.reshape(y_pred, (-1,))
    labels = ops.reshape(ops.cast(y_true, score.dtype), (-1,))
    return score, ops.cast(labels < 0.5, score.dtype)
