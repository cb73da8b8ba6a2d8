"""Attention over modalities, one for each group of channels."""

import keras
from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.fusion.attention import softmax
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class MultiChannelAttention(Fusion):
    """Softmax weights over the modalities, one set for each group of channels.

    Every vector is projected to `units` channels; their sum passes a narrow
    layer, from which each modality gets a score for each group of channels. A
    softmax over the modalities turns the scores into weights, and the output
    is the weighted sum of the projections. Good where modalities are strong in
    different features, at hardly more than the cost of a mean. Costs
    `M * (d * units + n * groups) + n * units` parameters and multiply-adds for
    M modalities of width d, with n = `units / reduction`.

    Args:
        units: Width of the output; a multiple of `groups`.
        groups: Groups of neighbouring channels that share a weight.
        reduction: How many times narrower the layer of the sum is.

    Call arguments and output shape: see `Fusion`.

    Source: Su et al., "MSAF: Multimodal Split Attention Fusion", 2020
    (arXiv 2012.07175), for vectors, without its batch normalisation.

    Example:

    >>> fused = MultiChannelAttention(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    reads_tokens = False

    def __init__(self, units=64, groups=8, reduction=4, **kwargs):
        super().__init__(units, **kwargs)
        check_positive(groups=groups, reduction=reduction)
        if units % groups:
            raise ValueError(
                "`units` must be a multiple of `groups`. "
                f"Received: units={units}, groups={groups}"
            )
        self.groups = groups
        self.reduction = reduction
        self.squeeze = layers.Dense(
            max(1, units // reduction),
            "relu",
            name="squeeze",
            dtype=self.dtype_policy,
        )

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.values = self.dense_each("value", widths, self.units)
        self.squeeze.build((None, self.units))
        widths = dict.fromkeys(widths, self.squeeze.units)
        self.scores = self.dense_each("score", widths, self.groups)

    def fuse(self, features):
        names = sorted(features)
        values = [self.values[n](features[n]["vector"]) for n in names]
        together = self.squeeze(sum(values))
        scores = [self.scores[n](together) for n in names]
        weights = softmax(ops.stack(scores, axis=1), axis=1)
        # (batch, modalities, groups, channels of a group)
        shape = (-1, len(names), self.groups, self.units // self.groups)
        values = ops.reshape(ops.stack(values, axis=1), shape)
        fused = ops.sum(values * ops.expand_dims(weights, -1), axis=1)
        return ops.reshape(fused, (-1, self.units))

    def follow_fuse(self, follow, features):
        for name in sorted(features):
            follow(self.values[name], features[name]["vector"])
        return follow.flow((None, self.units))
