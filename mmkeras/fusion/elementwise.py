"""Element-wise fusions: projections to one width, then mean, max or sum."""

from functools import reduce

import keras
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of


class Projected(Fusion):
    """Base of fusions that project each modality to `units` first.

    A subclass implements `join(vectors)`, from the projections by name to
    `(batch, units)`.
    """

    reads_tokens = False

    def __init__(self, units=64, activation="relu", dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        super().__init__(units, **kwargs)
        self.activation = activation
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        self.projections = self.dense_each(
            "value", widths_of(features_shape), self.units, self.activation
        )

    def fuse(self, features):
        return self.join(
            {
                name: self.projections[name](self.drop(feature["vector"]))
                for name, feature in sorted(features.items())
            }
        )

    def follow_fuse(self, follow, features):
        out = follow.same(
            *(
                follow(self.projections[name], feature["vector"])
                for name, feature in sorted(features.items())
            )
        )
        follow.width(self, "units", follow.channels(out))
        return out


@keras.saving.register_keras_serializable(package="mmkeras")
class Mean(Projected):
    """Mean of the modalities, each projected to the same width.

    Good as the smallest fusion that takes any number of modalities. Costs
    `M * d * units` parameters and multiply-adds for M modalities of width d.

    Args:
        units: Width of the output.
        activation: Activation of the projections.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: the joint representations of Baltrusaitis et al., "Multimodal
    Machine Learning: A Survey and Taxonomy", 2017 (arXiv 1705.09406).

    Example:

    >>> fused = Mean(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def join(self, vectors):
        return sum(vectors.values()) / len(vectors)


@keras.saving.register_keras_serializable(package="mmkeras")
class WeightedMean(Projected):
    """Mean of the projected modalities with a learned weight for each.

    The weights are a softmax, the same for every sample: good where one
    modality is better than another throughout, and they can be read. Costs
    `M * d * units + M` parameters and `M * (d + 1) * units` multiply-adds for
    M modalities of width d.

    Args:
        units: Width of the output.
        activation: Activation of the projections.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: the scalar mix of Peters et al., "Deep contextualized word
    representations", 2018 (arXiv 1802.05365), over modalities.

    Example:

    >>> fused = WeightedMean(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        self.logits = self.add_weight(
            name="weights", shape=(len(features_shape),), initializer="zeros"
        )

    def join(self, vectors):
        # Keras warns of a softmax over one.
        weights = ops.exp(self.logits - ops.logsumexp(self.logits))
        weights = ops.split(weights, len(vectors))
        return sum(w * v for w, v in zip(weights, vectors.values()))


@keras.saving.register_keras_serializable(package="mmkeras")
class Max(Projected):
    """Largest of the projected modalities, unit by unit.

    Good where any one modality suffices to detect something.
    Costs `M * d * units` parameters and multiply-adds for M modalities of
    width d.

    Args:
        units: Width of the output.
        activation: Activation of the projections.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: the view pooling of Su et al., "Multi-view Convolutional Neural
    Networks", 2015 (arXiv 1505.00880), over modalities.

    Example:

    >>> fused = Max(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def join(self, vectors):
        return reduce(ops.maximum, vectors.values())


@keras.saving.register_keras_serializable(package="mmkeras")
class Projection(Projected):
    """A common space: each modality projected there, normalised, and added.

    Good where modalities carry the same information at different scales, and
    where their vectors are compared. Costs `M * (d + 2) * units`
    parameters and multiply-adds for M modalities of width d.

    Args:
        units: Width of the output.
        activation: Activation of the projections; None by default.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: the linear common space of Kiros et al., "Unifying Visual-Semantic
    Embeddings", 2014 (arXiv 1411.2539), with layer normalisation for length.

    Example:

    >>> fused = Projection(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(self, units=64, activation=None, dropout=0.0, **kwargs):
        super().__init__(units, activation, dropout, **kwargs)

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        self.norms = {}
        for name in sorted(features_shape):
            self.norms[name] = keras.layers.LayerNormalization(
                name=f"{name}_norm", dtype=self.dtype_policy
            )
            self.norms[name].build((None, self.units))

    def join(self, vectors):
        return sum(self.norms[name](v) for name, v in vectors.items())

    def follow_fuse(self, follow, features):
        # Normalised over all units, which therefore stay.
        for name in sorted(features):
            follow(self.projections[name], features[name]["vector"])
        return follow.flow((None, self.units))
