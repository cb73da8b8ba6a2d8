"""Heads: what a kind of target needs as output layer, loss and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class SparseCategoricalCrossentropy(keras.losses.Loss):
    """Cross-entropy of class indices and probabilities, with smoothing.

    Keras' own sparse cross-entropy has no label smoothing.

    Args:
        label_smoothing: Share of the target probability spread evenly over
            the classes, 0 to 1.

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
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        classes = y_pred.shape[-1]
        y_true = ops.one_hot(ops.cast(y_true, "int32"), classes)
        smooth = self.label_smoothing
        y_true = y_true * (1 - smooth) + smooth / classes
        return ops.categorical_crossentropy(y_true, y_pred)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class ScaledMeanSquaredError(keras.losses.Loss):
    """Squared error in units of the target's variance.

    A target in euros and one in millimetres weigh the same with it.

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
        return ops.mean(ops.square(error), axis=-1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="mmkeras")
class RootMeanSquaredErrorOf(keras.metrics.RootMeanSquaredError):
    """Root mean squared error of `(batch,)` labels and `(batch, 1)` outputs.

    Keras' own metric would broadcast them to `(batch, batch)`.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        super().update_state(y_true, y_pred, sample_weight)


@dataclass(frozen=True)
class Category:
    """One class of several: softmax over `classes` outputs.

    Args:
        classes: Number of classes.
        label_smoothing: See `SparseCategoricalCrossentropy`.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`. Output: `(batch, classes)`
    probabilities, float32; labels are `(batch,)` class indices.
    """

    classes: int
    label_smoothing: float = 0.0
    dropout: float = 0.0
    weight: float = 1.0

    def __call__(self, fused: Any, name: str) -> Any:
        return _output(fused, name, self.classes, "softmax", self.dropout)

    def loss(self) -> keras.losses.Loss:
        return SparseCategoricalCrossentropy(self.label_smoothing)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


@dataclass(frozen=True)
class Categories:
    """Any number of classes at once: a sigmoid each.

    Args:
        classes: Number of classes.
        label_smoothing: Moves labels from 0 and 1 towards 0.5 by this share.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`. Output: `(batch, classes)`
    probabilities, float32; labels are `(batch, classes)` of 0 and 1.
    """

    classes: int
    label_smoothing: float = 0.0
    dropout: float = 0.0
    weight: float = 1.0

    def __call__(self, fused: Any, name: str) -> Any:
        return _output(fused, name, self.classes, "sigmoid", self.dropout)

    def loss(self) -> keras.losses.Loss:
        return keras.losses.BinaryCrossentropy(
            label_smoothing=self.label_smoothing
        )

    def metrics(self) -> list[keras.metrics.Metric]:
        return [keras.metrics.BinaryAccuracy(name="accuracy")]


@dataclass(frozen=True)
class Number:
    """A number in its own unit.

    Args:
        mean: Mean of the target over the training split.
        std: Standard deviation over the training split.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`. Output: `(batch, 1)` in the
    target's unit, float32; labels are `(batch,)`.
    """

    mean: float = 0.0
    std: float = 1.0
    dropout: float = 0.0
    weight: float = 1.0

    def __call__(self, fused: Any, name: str) -> Any:
        x = _output(fused, f"{name}_standard", 1, "linear", self.dropout)
        # In the graph, so that the device answers in the target's unit.
        return keras.layers.Rescaling(
            self.std, self.mean, name=name, dtype="float32"
        )(x)

    def loss(self) -> keras.losses.Loss:
        return ScaledMeanSquaredError(self.std)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [RootMeanSquaredErrorOf(name="rmse")]


Head = Category | Categories | Number


def _output(
    fused: Any, name: str, units: int, activation: str, dropout: float
) -> Any:
    x = fused
    if dropout:
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    if activation == "linear":
        return keras.layers.Dense(units, name=name, dtype="float32")(x)
    x = keras.layers.Dense(units, name=f"{name}_logits", dtype="float32")(x)
    return keras.layers.Activation(activation, name=name, dtype="float32")(x)


def losses(heads: Mapping[str, Head]) -> dict[str, keras.losses.Loss]:
    """Returns `loss` for `model.compile`.

    Example:

    >>> model.compile("adam", loss=losses(heads),
    ...               loss_weights=loss_weights(heads),
    ...               weighted_metrics=metrics(heads))
    """
    return {name: head.loss() for name, head in sorted(heads.items())}


def loss_weights(heads: Mapping[str, Head]) -> dict[str, float]:
    """Returns `loss_weights` for `model.compile`."""
    return {name: head.weight for name, head in sorted(heads.items())}


def metrics(heads: Mapping[str, Head]) -> dict[str, list]:
    """Returns `weighted_metrics` for `model.compile`.

    Weighted, so that samples without a label do not count.
    """
    return {name: head.metrics() for name, head in sorted(heads.items())}
