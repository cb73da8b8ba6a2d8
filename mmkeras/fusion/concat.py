"""Concatenation, the baseline of every fusion."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class Concat(Fusion):
    """Concatenates the vectors, then one dense layer.

    Good where every modality always adds information; hard to beat
    with few samples. Costs `M * d * units` parameters and multiply-adds for M
    modalities of width d.

    Args:
        units: Width of the output.
        activation: Activation of the dense layer.
        dropout: Dropout rate on the concatenated vectors.

    Call arguments and output shape: see `Fusion`.

    Source: the early/late fusion of Baltrusaitis et al., "Multimodal Machine
    Learning: A Survey and Taxonomy", 2017 (arXiv 1705.09406).

    Example:

    >>> fused = Concat(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, activation="relu", dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        super().__init__(units, **kwargs)
        self.activation = activation
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.dense = keras.layers.Dense(
            units, activation, name="dense", dtype=self.dtype_policy
        )

    def build_fuse(self, features_shape):
        self.dense.build((None, sum(widths_of(features_shape).values())))

    def fuse(self, features):
        vectors = [features[name]["vector"] for name in sorted(features)]
        return self.dense(self.drop(ops.concatenate(vectors, axis=-1)))

    def follow_fuse(self, follow, features):
        vectors = [features[name]["vector"] for name in sorted(features)]
        out = follow(self.dense, follow.join(vectors))
        follow.width(self, "units", follow.channels(out))
        return out
