"""Feature-wise linear modulation: modalities that scale and shift others."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class FiLM(Fusion):
    """Each modality is scaled and shifted by functions of the others.

    `fused = relu(sum_m (S_m c_m + s_m) * (U_m v_m) + T_m c_m)`, where the
    context c_m is the vector of `by`, or else all the other modalities', and
    s_m starts at 1, so that nothing is scaled at first. Good where one modality
    conditions another, as a question does an image.
    Costs `M * (2 * M - 1) * d * units` parameters and multiply-adds for M
    modalities of width d, and `3 * (M - 1) * d * units` with `by`.

    Args:
        units: Width of the output.
        by: The modality that scales and shifts all others, and is not itself
            part of the sum; None lets all others do it for each. A modality
            alone is its own context.
        dropout: Dropout rate on the vectors.

    Call arguments and output shape: see `Fusion`.

    Raises:
        ValueError: If there is no modality `by`.

    Source: Perez et al., "FiLM: Visual Reasoning with a General Conditioning
    Layer", 2018 (arXiv 1709.07871).

    Example:

    >>> fused = FiLM(32, by="b")({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, by=None, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        super().__init__(units, **kwargs)
        self.by = by
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        if self.by is not None and self.by not in widths:
            raise ValueError(
                "`by` must be a modality, or None. Received: "
                f"by={self.by!r}. Choices: {', '.join(widths)}"
            )
        contexts = self.contexts(widths)
        around = {
            name: sum(widths[other] for other in others)
            for name, others in contexts.items()
        }
        own = {name: widths[name] for name in contexts}
        self.values = self.dense_each("value", own, self.units)
        self.scales = self.dense_each(
            "scale", around, self.units, bias_initializer="ones"
        )
        self.shifts = self.dense_each("shift", around, self.units)

    def contexts(self, names):
        """Returns, for each modality of the sum, those it is read by."""
        names = sorted(names)
        if self.by is not None:
            return {n: [self.by] for n in names if n != self.by} or {
                self.by: [self.by]
            }
        return {n: [o for o in names if o != n] or [n] for n in names}

    def fuse(self, features):
        vectors = {n: self.drop(features[n]["vector"]) for n in features}
        parts = []
        for name, others in self.contexts(vectors).items():
            around = ops.concatenate([vectors[o] for o in others], axis=-1)
            value = self.values[name](vectors[name])
            scale, shift = self.scales[name](around), self.shifts[name](around)
            parts.append(value * scale + shift)
        return ops.relu(sum(parts))

    def follow_fuse(self, follow, features):
        parts = []
        for name, others in self.contexts(features).items():
            around = follow.join([features[o]["vector"] for o in others])
            parts.append(follow(self.values[name], features[name]["vector"]))
            parts.append(follow(self.scales[name], around))
            parts.append(follow(self.shifts[name], around))
        out = follow.same(*parts)
        follow.width(self, "units", follow.channels(out))
        return out
