"""Bilinear fusions: products of modalities, two at a time."""

from itertools import combinations

import keras
from keras import ops

from mmkeras.arguments import check_positive
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class Bilinear(Fusion):
    """Products of every pair of modalities, summed over several factors.

    `fused = sum_k sum_(m < n) (W_mk v_m + b_mk) * (W_nk v_n + b_nk)`. Good
    where modalities explain each other in pairs, as a question and an image
    do. A modality alone is paired with itself. Costs `M * d * factors * units`
    parameters and multiply-adds for M modalities of width d.

    Args:
        units: Width of the output.
        factors: Number of products that are summed for each unit; 1 is MLB.
        normalise: Whether a signed square root and division by the length
            follow, as in MFB. They cost int8 more than the rest.

    Call arguments and output shape: see `Fusion`.

    Source: Yu et al., "Multi-modal Factorized Bilinear Pooling", 2017 (arXiv
    1708.01471), and with one factor Kim et al., "Hadamard Product for Low-rank
    Bilinear Pooling", 2016 (arXiv 1610.04325). The biases start at 1, so that
    each modality counts alone too.

    Example:

    >>> fused = Bilinear(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, factors=4, normalise=False, **kwargs):
        check_positive(factors=factors)
        super().__init__(units, **kwargs)
        self.factors = factors
        self.normalise = normalise

    def build_fuse(self, features_shape):
        self.values = self.dense_each(
            "value",
            widths_of(features_shape),
            self.factors * self.units,
            bias_initializer="ones",
        )

    def fuse(self, features):
        values = [
            self.values[n](features[n]["vector"]) for n in sorted(features)
        ]
        pairs = list(combinations(values, 2)) or [values * 2]
        product = sum(a * b for a, b in pairs)
        x = ops.sum(
            ops.reshape(product, (-1, self.factors, self.units)), axis=1
        )
        if not self.normalise:
            return x
        # The square root has an infinite gradient at 0.
        x = x / ops.sqrt(ops.abs(x) + 1e-3)
        return x / ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True) + 1e-3)

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.values[name], features[name]["vector"])
        return follow.flow((None, self.units))


@keras.saving.register_keras_serializable(package="mmkeras")
class MultiplicativeInteraction(Fusion):
    """Each modality is projected by weights that depend on the others.

    `fused = sum_m (A_m + sum_k c_mk B_mk) v_m + T_m c_m`, where the context c_m
    is `width` numbers from all the other modalities. Good where the meaning
    of one modality depends on another; the general form of which gating and
    FiLM are the diagonal. Costs `M * (width + 1) * d * units` parameters and
    multiply-adds for M modalities of width d, and
    `M * ((M - 1) * d + units) * width` for the contexts and their shifts.

    Args:
        units: Width of the output.
        width: Numbers the others are projected to. A modality alone is its
            own context.

    Call arguments and output shape: see `Fusion`.

    Source: Jayakumar et al., "Multiplicative Interactions and Where to Find
    Them", 2020 (ICLR); the context projected by tanh, against its size.

    Example:

    >>> layer = MultiplicativeInteraction(32)
    >>> fused = layer({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, width=8, **kwargs):
        check_positive(width=width)
        super().__init__(units, **kwargs)
        self.width = width

    def build_fuse(self, features_shape):
        widths, width = widths_of(features_shape), self.width
        around = {
            n: sum(widths[o] for o in others_of(n, widths)) for n in widths
        }
        self.contexts = self.dense_each("context", around, width, "tanh")
        self.shifts = self.dense_each(
            "shift", dict.fromkeys(widths, width), self.units
        )
        self.values = self.dense_each(
            "value", widths, (width + 1) * self.units, use_bias=False
        )

    def fuse(self, features):
        vectors = {n: features[n]["vector"] for n in sorted(features)}
        parts = []
        for name, vector in vectors.items():
            around = [vectors[o] for o in others_of(name, vectors)]
            context = self.contexts[name](ops.concatenate(around, axis=-1))
            values = ops.reshape(
                self.values[name](vector), (-1, self.width + 1, self.units)
            )
            scale = ops.concatenate(
                [context, ops.ones_like(context[:, :1])], axis=-1
            )
            parts.append(ops.sum(values * ops.expand_dims(scale, -1), axis=1))
            parts.append(self.shifts[name](context))
        return sum(parts)

    def follow_fuse(self, follow, features):
        vectors = {n: features[n]["vector"] for n in sorted(features)}
        for name, vector in vectors.items():
            around = [vectors[o] for o in others_of(name, vectors)]
            follow(self.contexts[name], follow.join(around))
            follow(self.shifts[name], follow.flow((None, self.width)))
            follow(self.values[name], vector)
        return follow.flow((None, self.units))


def others_of(name, names):
    """Returns all other names, sorted; a name alone is its own other."""
    return [n for n in sorted(names) if n != name] or [name]
