"""Gated fusion: modalities weighted sample by sample."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class Gated(Fusion):
    """Gated multimodal unit: a sum of projections, each scaled by a gate.

    `fused = sum_m sigmoid(W_m [v_1 .. v_M]) * tanh(U_m v_m)`. Good where the
    modalities differ in quality from sample to sample. Costs
    `M * (M + 1) * d * units` parameters and multiply-adds for M modalities of
    width d.

    Args:
        units: Width of the output.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Source: Arevalo et al., "Gated Multimodal Units for Information Fusion",
    2017 (arXiv 1702.01992).

    Example:

    >>> fused = Gated(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        super().__init__(units, **kwargs)
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        widths_in = dict.fromkeys(widths, sum(widths.values()))
        self.gates = self.dense_each("gate", widths_in, self.units, "sigmoid")
        self.projections = self.dense_each("value", widths, self.units, "tanh")

    def fuse(self, features):
        vectors = {n: self.drop(features[n]["vector"]) for n in features}
        together = ops.concatenate([vectors[n] for n in sorted(vectors)], -1)
        # A sum of products, not an einsum: einsum weighting loses decisions
        # in int8.
        return sum(
            self.gates[n](together) * self.projections[n](vectors[n])
            for n in sorted(vectors)
        )

    def follow_fuse(self, follow, features):
        vectors = {n: features[n]["vector"] for n in sorted(features)}
        together = follow.join(list(vectors.values()))
        gates = [follow(self.gates[n], together) for n in vectors]
        values = [follow(self.projections[n], vectors[n]) for n in vectors]
        out = follow.same(*gates, *values)
        follow.width(self, "units", follow.channels(out))
        return out
