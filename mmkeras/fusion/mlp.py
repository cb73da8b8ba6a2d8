"""Concatenation and hidden layers."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction, check_positive
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class MLP(Fusion):
    """Concatenates the vectors, then hidden layers and an output layer.

    Good where modalities have to be combined before they mean anything, and
    there are samples to learn it from. Costs
    `hidden * (M * d + (depth - 1) * hidden + units)` parameters and
    multiply-adds for M modalities of width d.

    Args:
        units: Width of the output.
        hidden: Width of the hidden layers.
        depth: Number of hidden layers.
        activation: Activation of every layer.
        dropout: Dropout rate before every layer.

    Call arguments and output shape: see `Fusion`.

    Source: Ngiam et al., "Multimodal Deep Learning", 2011.

    Example:

    >>> fused = MLP(32, hidden=64)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(
        self,
        units=64,
        hidden=128,
        depth=1,
        activation="relu",
        dropout=0.0,
        **kwargs,
    ):
        check_fraction("dropout", dropout)
        check_positive(hidden=hidden, depth=depth)
        super().__init__(units, **kwargs)
        self.hidden = hidden
        self.depth = depth
        self.activation = activation
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        width, self.steps = sum(widths_of(features_shape).values()), []
        for i, units in enumerate([self.hidden] * self.depth + [self.units]):
            step = keras.layers.Dense(
                units,
                self.activation,
                name=f"dense_{i}",
                dtype=self.dtype_policy,
            )
            step.build((None, width))
            self.steps.append(step)
            width = units

    def fuse(self, features):
        x = ops.concatenate(
            [features[name]["vector"] for name in sorted(features)], axis=-1
        )
        for step in self.steps:
            x = step(self.drop(x))
        return x

    def follow_fuse(self, follow, features):
        x = follow.join([features[n]["vector"] for n in sorted(features)])
        hidden = []
        for step in self.steps:
            x = follow(step, x)
            hidden.append(follow.channels(x))
        follow.tie(*hidden[:-1])
        follow.width(self, "hidden", hidden[0])
        follow.width(self, "units", hidden[-1])
        return x
