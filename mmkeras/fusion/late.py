"""Late fusion: each modality predicts the target; predictions are combined."""

from functools import reduce

import keras
from keras import ops

from mmkeras.arguments import check_choice, check_fraction
from mmkeras.fusion.base import Fusion, widths_of

ACTIVATIONS = ("softmax", "sigmoid", "linear")


class Late(Fusion):
    """Base of late fusions: one dense layer a modality predicts the target.

    An absent modality has weight 0; where all are absent, all have weight 1.
    The output is the prediction itself, in float32, so the layer serves one
    target and takes the place of the dense layer of its head. A subclass
    implements `combine(logits, present)`, from `{modality: (batch, units)}`
    before the activation, and `{modality: (batch, 1)}` of 0 or 1.

    Args:
        units: Outputs of the target: its number of classes, or 1.
        activation: "softmax" for one class of several, "sigmoid" for any of
            them, "linear" for a number.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.
    """

    reads_tokens = False
    decides = True

    def __init__(self, units, activation="softmax", dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        check_choice("activation", activation, ACTIVATIONS)
        super().__init__(units, **kwargs)
        self.activation = activation
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.activate = keras.activations.get(activation)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.answers = self.dense_each(
            "answer", widths, self.units, dtype="float32"
        )

    def fuse(self, features):
        return self.combine(self.logits(features), self.presence(features))

    def logits(self, features):
        """Returns each modality's `(batch, units)` before the activation."""
        return {
            name: self.answers[name](self.drop(features[name]["vector"]))
            for name in sorted(features)
        }

    def alone(self, features):
        """Returns the prediction `(batch, units)` of each modality alone."""
        logits = self.logits(features)
        return {name: self.activate(x) for name, x in logits.items()}

    def presence(self, features):
        """Returns 1 for each modality that is present, or where none is."""
        present = {
            name: ops.cast(features[name]["present"], "float32")
            for name in sorted(features)
        }
        none = 1 - reduce(ops.maximum, present.values())
        return {name: here + none for name, here in present.items()}

    def combine(self, logits, present):
        raise NotImplementedError(
            f"{type(self).__name__} must implement `combine(logits, present)`."
        )

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.answers[name], features[name]["vector"])
        return follow.flow((None, self.units))


def mean_of(values, weights):
    """Mean of `{name: (batch, units)}` weighted by `{name: (batch, 1)}`."""
    total = sum(weights.values())
    return sum(values[name] * (weights[name] / total) for name in values)


@keras.saving.register_keras_serializable(package="mmkeras")
class Average(Late):
    """Mean of the predictions of the modalities that are present.

    Good where modalities are trained separately, may be absent, or where
    each one's own prediction is wanted. Costs `M * d * units` parameters and
    multiply-adds for M modalities of width d.

    Args:
        units: Outputs of the target: its number of classes, or 1.
        activation: "softmax", "sigmoid" or "linear"; see `Late`.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: the sum rule of Kittler et al., "On Combining Classifiers", 1998.

    Example:

    >>> answer = Average(10)({"a": tower_a(x), "b": tower_b(y)})
    """

    def combine(self, logits, present):
        outputs = {name: self.activate(x) for name, x in logits.items()}
        return mean_of(outputs, present)


@keras.saving.register_keras_serializable(package="mmkeras")
class WeightedAverage(Late):
    """Mean of the predictions, weighted by how well each does alone.

    The weights are not trained: `set_modality_weights` sets them, and in
    training the callback `ModalityWeightsFromValidation` does so from the
    validation split. Good where one modality is worse than the others and
    should count less. Costs `M * (d * units + 1)` parameters, and multiply-adds
    as `Average`.

    Args:
        units: Outputs of the target: its number of classes, or 1.
        activation: "softmax", "sigmoid" or "linear"; see `Late`.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: Perrone and Cooper, "When Networks Disagree", 1993, for the
    weights, there of squared errors.

    Example:

    >>> layer = WeightedAverage(10)
    >>> answer = layer({"a": tower_a(x), "b": tower_b(y)})
    >>> layer.set_modality_weights({"a": 0.9, "b": 0.6})
    """

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        self.shares = {
            name: self.add_weight(
                name=f"{name}_share",
                shape=(),
                initializer=keras.initializers.Constant(
                    1 / len(features_shape)
                ),
                trainable=False,
                dtype="float32",
            )
            for name in sorted(features_shape)
        }

    def set_modality_weights(self, weights):
        """Sets the weight of each modality's prediction; only ratios matter.

        Args:
            weights: A positive number for each modality, by name.
        """
        if not self.built:
            raise ValueError(
                "`set_modality_weights` must come after the layer was built, "
                f"when it knows its modalities. Received: {dict(weights)}"
            )
        if set(weights) != set(self.shares) or not all(
            0 < float(each) < float("inf") for each in weights.values()
        ):
            raise ValueError(
                "`weights` must be a positive number for each of "
                f"{', '.join(self.shares)}. Received: {dict(weights)}"
            )
        total = sum(weights.values())
        for name, share in self.shares.items():
            # Above 0: it may be the only modality that a sample has.
            share.assign(max(weights[name] / total, 1e-6))

    # The name of earlier versions.
    set_votes = set_modality_weights

    def combine(self, logits, present):
        outputs = {name: self.activate(x) for name, x in logits.items()}
        weights = {
            name: here * ops.cast(self.shares[name], "float32")
            for name, here in present.items()
        }
        return mean_of(outputs, weights)
