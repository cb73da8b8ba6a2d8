"""Losses of numbers, in standard deviations."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class ScaledMeanSquaredError(keras.losses.Loss):
    """Squared error in units of the target's variance.

    It makes losses of targets in different units comparable.

    Args:
        scale: Standard deviation of the target over the training split, in
            the target's unit.
    """

    def __init__(
        self,
        scale=1.0,
        name="scaled_mean_squared_error",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.scale = scale

    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        error = (y_true - y_pred) / self.scale
        return ops.mean(self.of(error), axis=-1)

    def of(self, error):
        """Returns the loss of an error in standard deviations."""
        return ops.square(error)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="mmkeras")
class ScaledHuber(ScaledMeanSquaredError):
    """Huber's loss in standard deviations: an outlier pulls no harder.

    Half the squared error up to `delta`, a straight line beyond.

    Args:
        scale: Standard deviation of the target over the training split.
        delta: Error, in standard deviations, from where the loss is linear.

    Source: Huber, "Robust Estimation of a Location Parameter", 1964.

    Example:

    >>> loss = ScaledHuber(scale=2.0, delta=1.0)
    >>> float(loss(np.array([0.0]), np.array([[6.0]])))
    2.5
    """

    def __init__(
        self,
        scale=1.0,
        delta=1.0,
        name="scaled_huber",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(scale, name, reduction, dtype)
        self.delta = delta

    def of(self, error):
        size = ops.abs(error)
        near = ops.minimum(size, self.delta)
        return near * (size - near / 2)

    def get_config(self):
        return {**super().get_config(), "delta": self.delta}
