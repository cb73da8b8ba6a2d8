"""Heads for classes: one of several, any number, one of a scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers

from mmkeras.heads import class_losses
from mmkeras.heads import keras_metrics as figures
from mmkeras.heads.layers import ConditionalsToLogits, drop
from mmkeras.introspection import options_of

# Facts of the spec and of the data, beside the options of a recipe.
FACTS = ("classes", "weight")


@dataclass(frozen=True)
class Category:
    """One class of several: softmax over `classes` outputs.

    Args:
        classes: Number of classes.
        label_smoothing: See `SparseCategoricalCrossentropy`.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.
        class_weights: A weight a class; see `SparseCategoricalCrossentropy`.
            A recipe may say "balanced": every class counts the same.
        focal_gamma: Above 0, the loss is `Focal` with this power; it has no
            label smoothing.

    Call arguments: fused `(batch, units)`. Output: `(batch, classes)`
    probabilities, float32; labels are `(batch,)` class indices.
    """

    classes: int
    label_smoothing: float = 0.0
    dropout: float = 0.0
    weight: float = 1.0
    class_weights: Sequence[float] | None = None
    focal_gamma: float = 0.0
    activation: ClassVar[str] = "softmax"

    def __post_init__(self) -> None:
        weights = self.class_weights
        if weights is not None and (
            isinstance(weights, str) or len(weights) != self.classes
        ):
            raise ValueError(
                f"`class_weights` must be a number for each of the "
                f"{self.classes} classes. Received: {weights!r}"
            )
        if self.focal_gamma < 0 or (self.focal_gamma and self.label_smoothing):
            raise ValueError(
                "`focal_gamma` must be at least 0, and goes without "
                f"`label_smoothing`. Received: {self.focal_gamma} with "
                f"label_smoothing={self.label_smoothing}"
            )

    @property
    def outputs(self) -> int:
        """Width of the output."""
        return self.classes

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        x = drop(fused, name, self.dropout)
        x = layers.Dense(self.outputs, name=f"{name}_logits", dtype="float32")(
            x
        )
        return layers.Activation(self.activation, name=name, dtype="float32")(x)

    def finish(self, output: Any, name: str) -> Any:
        """Names the output of a late fusion, which needs no further layer."""
        return layers.Identity(name=name, dtype="float32")(output)

    def loss(self) -> keras.losses.Loss:
        if self.focal_gamma:
            return class_losses.Focal(
                self.focal_gamma, class_weights=self.class_weights
            )
        return class_losses.SparseCategoricalCrossentropy(
            self.label_smoothing, class_weights=self.class_weights
        )

    def metrics(self) -> list[keras.metrics.Metric]:
        return [figures.ClassAccuracy(name="accuracy")]


@dataclass(frozen=True)
class Categories(Category):
    """Any number of classes at once: a sigmoid each.

    Args:
        classes: Number of classes.
        label_smoothing: Moves labels from 0 and 1 towards 0.5 by this share.
        dropout: Dropout rate before the output layer.
        weight: Weight of the loss among several targets.
        class_weights: See `WeightedBinaryCrossentropy`.
        focal_gamma: Above 0, the loss is the focal one with this power.

    Call arguments: fused `(batch, units)`. Output: `(batch, classes)`
    probabilities, float32; labels are `(batch, classes)` of 0 and 1.
    """

    activation: ClassVar[str] = "sigmoid"

    def loss(self) -> keras.losses.Loss:
        if self.class_weights is None and not self.focal_gamma:
            return keras.losses.BinaryCrossentropy(
                label_smoothing=self.label_smoothing
            )
        return class_losses.WeightedBinaryCrossentropy(
            self.label_smoothing, self.class_weights, self.focal_gamma
        )

    def metrics(self) -> list[keras.metrics.Metric]:
        return [figures.LabelAccuracy(name="accuracy")]


@dataclass(frozen=True)
class Ordinal(Category):
    """One of several classes that have an order, such as a grade (CORN).

    The layer has `classes - 1` outputs, the conditional probabilities
    P(y > k | y >= k), whose products are the probabilities of the classes.
    CORN's loss, the cross-entropy of each conditional over the samples with
    y >= k, adds up for each sample to minus the log-probability of its class:
    so loss, output, exported file and device are those of `Category`.

    The answer is the rank, how many classes are passed with a chance above a
    half: the median of the classes, not the likeliest one.

    A late fusion takes the place of this layer: its classes have no order,
    only the answer and the metrics have.

    Args: Those of `Category`.

    Call arguments: fused `(batch, units)`. Output: `(batch, classes)`
    probabilities, float32; labels are `(batch,)` class indices in order.

    Source: Shi, Cao, Raschka, "Deep Neural Networks for Rank-Consistent
    Ordinal Regression Based On Conditional Probabilities", 2021 (arXiv
    2111.08851). Their loss is divided by the conditionals in a batch, ours by
    its samples.
    """

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        x = drop(fused, name, self.dropout)
        x = layers.Dense(
            self.classes - 1, name=f"{name}_conditionals", dtype="float32"
        )(x)
        x = ConditionalsToLogits(name=f"{name}_logits", dtype="float32")(x)
        return layers.Activation("softmax", name=name, dtype="float32")(x)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [
            figures.RankAccuracy(name="accuracy"),
            figures.ClassDistance(name="mae"),
        ]


CategoryOptions = options_of(Category, FACTS)
CategoriesOptions = options_of(Categories, FACTS)
OrdinalOptions = options_of(Ordinal, FACTS)
