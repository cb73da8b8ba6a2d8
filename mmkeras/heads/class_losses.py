"""Losses of classes, from the probabilities that a head gives."""

import keras
from keras import ops

# Probabilities are clipped here, so that a logarithm stays finite.
TINY = 1e-7


@keras.saving.register_keras_serializable(package="mmkeras")
class SparseCategoricalCrossentropy(keras.losses.Loss):
    """Cross-entropy of class indices, with smoothing and class weights.

    Keras' own sparse cross-entropy has neither. The probabilities may have
    axes between batch and classes, such as the steps of a sequence.

    Labels may also be shares of all classes, in one more axis, as MixUp makes
    them.

    Args:
        label_smoothing: Share of the target probability spread evenly over
            the classes, 0 to 1.
        class_weights: A weight a class, which multiplies the loss of the
            samples of that class; all 1 by default.

    Example:

    >>> loss = SparseCategoricalCrossentropy(label_smoothing=0.1)
    >>> float(loss(np.array([0]), np.array([[0.5, 0.5]])))
    0.693...
    """

    def __init__(
        self,
        label_smoothing=0.0,
        name="crossentropy",
        reduction="sum_over_batch_size",
        dtype=None,
        class_weights=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing = label_smoothing
        self.class_weights = plain(class_weights)

    def call(self, y_true, y_pred):
        classes = y_pred.shape[-1]
        wanted = shares_of(y_true, y_pred)
        even = self.label_smoothing / classes
        if self.class_weights is not None:
            wanted = wanted * ops.convert_to_tensor(
                self.class_weights, wanted.dtype
            )
            even = even * ops.sum(wanted, axis=-1, keepdims=True)
        wanted = wanted * (1 - self.label_smoothing) + even
        return ops.categorical_crossentropy(wanted, y_pred)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class Focal(SparseCategoricalCrossentropy):
    """Focal loss of class indices: confident samples have less weight.

    `(1 - p) ** gamma` times the cross-entropy, p the probability of the true
    class. Good where most samples are of a class that is easy to classify.

    Args:
        gamma: 0 is the plain cross-entropy; the paper's best is 2.
        class_weights: See `SparseCategoricalCrossentropy`; the paper's alpha.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017
    (arXiv 1708.02002).

    Example:

    >>> loss = Focal(gamma=2.0)
    >>> float(loss(np.array([0]), np.array([[0.5, 0.5]])))
    0.173...
    """

    def __init__(
        self,
        gamma=2.0,
        name="focal",
        reduction="sum_over_batch_size",
        dtype=None,
        class_weights=None,
    ):
        super().__init__(0.0, name, reduction, dtype, class_weights)
        if gamma < 0:
            raise ValueError(
                f"`gamma` must be at least 0. Received: gamma={gamma}"
            )
        self.gamma = gamma

    def call(self, y_true, y_pred):
        true = shares_of(y_true, y_pred)
        wrong = 1 - ops.sum(true * y_pred, axis=-1)
        # A power below 1 has no gradient at 0.
        hard = ops.maximum(wrong, TINY) ** self.gamma
        return hard * super().call(y_true, y_pred)

    def get_config(self):
        config = super().get_config()
        del config["label_smoothing"]
        return {**config, "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="mmkeras")
class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy a class, with class weights and focus.

    Args:
        label_smoothing: Moves labels from 0 and 1 towards 0.5 by this share.
        class_weights: A weight a class for the samples that have it; all 1
            by default. Those that lack it always count once.
        gamma: Power of the focal loss, see `Focal`; 0 for none.

    Example:

    >>> loss = WeightedBinaryCrossentropy(class_weights=[3.0, 1.0])
    >>> float(loss(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])))
    1.386...
    """

    def __init__(
        self,
        label_smoothing=0.0,
        class_weights=None,
        gamma=0.0,
        name="crossentropy",
        reduction="sum_over_batch_size",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing = label_smoothing
        self.class_weights = plain(class_weights)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        smooth = self.label_smoothing
        loss = ops.binary_crossentropy(
            y_true * (1 - smooth) + smooth / 2, y_pred
        )
        if self.gamma:
            wrong = ops.maximum(ops.abs(y_true - y_pred), TINY)
            loss = loss * wrong**self.gamma
        if self.class_weights is not None:
            weights = ops.convert_to_tensor(self.class_weights, loss.dtype)
            loss = loss * (1 + y_true * (weights - 1))
        return ops.mean(loss, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
            "gamma": self.gamma,
        }


def shares_of(y_true, y_pred):
    """Returns `(batch, ..., classes)` shares of class indices, or of shares.

    Args:
        y_true: Class indices; or shares of all classes, in the shape of
            `y_pred`.
        y_pred: Probabilities.
    """
    if len(y_true.shape) == len(y_pred.shape):
        return ops.cast(y_true, y_pred.dtype)
    return ops.one_hot(
        ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype
    )


def plain(weights):
    """Returns class weights as a configuration can hold them."""
    return None if weights is None else [float(weight) for weight in weights]


def balanced(counts):
    """Returns a weight a class so that every class counts the same.

    Samples divided by classes and by the samples of the class, as
    scikit-learn does; 1 for a class without samples.

    Args:
        counts: Training samples of each class.

    Example:

    >>> balanced([30, 10])
    [0.666..., 2.0]
    """
    known = [count for count in counts if count]
    even = sum(known) / max(1, len(known))
    return [even / count if count else 1.0 for count in counts]
