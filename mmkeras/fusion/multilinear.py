"""Multilinear fusions: products of all modalities."""

from functools import reduce

import keras
from keras import ops

from mmkeras.arguments import check_positive
from mmkeras.fusion.base import Fusion, widths_of

# Most weights of a tensor fusion; beyond it `LowRank` is cheaper.
MAX_WEIGHTS = 1_000_000


@keras.saving.register_keras_serializable(package="mmkeras")
class TensorFusion(Fusion):
    """Outer product of all modalities, then one dense layer.

    Each modality is projected to `width` numbers and a 1, so that the product
    holds every modality alone, every pair, and all together. Good where what
    matters is which things occur together, with few modalities. Costs
    `M * d * width + (width + 1) ** M * units` parameters and multiply-adds
    for M modalities of width d.

    Args:
        units: Width of the output.
        width: Numbers a modality is projected to.

    Call arguments and output shape: see `Fusion`.

    Raises:
        ValueError: If the dense layer would have more than a million weights.

    Source: Zadeh et al., "Tensor Fusion Network for Multimodal Sentiment
    Analysis", 2017 (arXiv 1707.07250); projections by tanh, so that the
    product stays within -1 and 1.

    Example:

    >>> fused = TensorFusion(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, width=8, **kwargs):
        check_positive(width=width)
        super().__init__(units, **kwargs)
        self.width = width
        self.dense = keras.layers.Dense(
            units, "relu", name="dense", dtype=self.dtype_policy
        )

    def build_fuse(self, features_shape):
        size = (self.width + 1) ** len(features_shape)
        if size * self.units > MAX_WEIGHTS:
            raise ValueError(
                "`width` must make `(width + 1) ** M * units` at most "
                f"{MAX_WEIGHTS:,} weights for M modalities. Received: "
                f"width={self.width}, units={self.units} and "
                f"{len(features_shape)} modalities, {size * self.units:,} "
                "weights. Choices: a smaller `width`, or `LowRank`"
            )
        widths = widths_of(features_shape)
        self.values = self.dense_each("value", widths, self.width, "tanh")
        self.dense.build((None, size))

    def fuse(self, features):
        return self.dense(reduce(outer, self.factors(features)))

    def factors(self, features):
        """Returns each modality's `(batch, width + 1)`, a 1 at its end."""
        values = [
            self.values[n](features[n]["vector"]) for n in sorted(features)
        ]
        return [
            ops.concatenate([v, ops.ones_like(v[:, :1])], axis=-1)
            for v in values
        ]

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.values[name], features[name]["vector"])
        size = (self.width + 1) ** len(features)
        return follow(self.dense, follow.flow((None, size)))


def outer(a, b):
    """Outer product of `(batch, m)` and `(batch, n)`, `(batch, m * n)`."""
    size = a.shape[-1] * b.shape[-1]
    product = ops.expand_dims(a, -1) * ops.expand_dims(b, 1)
    return ops.reshape(product, (-1, size))


@keras.saving.register_keras_serializable(package="mmkeras")
class LowRank(Fusion):
    """Tensor fusion without the tensor: a sum of products of projections.

    `fused = sum_r prod_m (W_mr v_m + b_mr)`, which is what a tensor fusion of
    rank `rank` computes. Good where all modalities matter together and there
    are more than two or three. Costs `M * d * rank * units` parameters and
    multiply-adds for M modalities of width d.

    Args:
        units: Width of the output.
        rank: Number of products that are summed.

    Call arguments and output shape: see `Fusion`.

    Source: Liu et al., "Efficient Low-rank Multimodal Fusion with
    Modality-Specific Factors", 2018 (arXiv 1806.00064). The biases, their
    appended 1, start at 1, so that each modality counts from the beginning.

    Example:

    >>> fused = LowRank(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, rank=4, **kwargs):
        check_positive(rank=rank)
        super().__init__(units, **kwargs)
        self.rank = rank

    def build_fuse(self, features_shape):
        self.factors = self.dense_each(
            "factor",
            widths_of(features_shape),
            self.rank * self.units,
            bias_initializer="ones",
        )

    def fuse(self, features):
        product = reduce(
            ops.multiply,
            [self.factors[n](features[n]["vector"]) for n in sorted(features)],
        )
        return ops.sum(
            ops.reshape(product, (-1, self.rank, self.units)), axis=1
        )

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.factors[name], features[name]["vector"])
        return follow.flow((None, self.units))
