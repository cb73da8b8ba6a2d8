"""Learned latents that attend to the tokens of all modalities."""

import keras
from keras import ops

from mmkeras.arguments import check_positive
from mmkeras.fusion.transformer import (
    TokenFusion,
    for_each_sample,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class Perceiver(TokenFusion):
    """Perceiver: a few learned latents attend to the tokens of all modalities.

    In each of `depth` rounds the latents attend to all tokens, then to each
    other; the output is their mean. Good with many tokens, since the cost is
    linear in them. Costs `M * d * units + depth * 24 * units ** 2` parameters,
    and `T * d * units + depth * ((2 * T + 22 * L) * units ** 2 +
    2 * L * (T + L) * units)` multiply-adds for M modalities of width d, T
    tokens together and L latents.

    Args:
        units: Width of the output and of the latents; a multiple of
            `num_heads`.
        num_heads: Attention heads.
        depth: Rounds of cross- and self-attention, each with its own weights.
        latents: Number of latents.
        dropout: Dropout rate of the blocks.

    Call arguments and output shape: see `Fusion`. Positions are not added:
    the towers' tokens should encode them.

    Source: Jaegle et al., "Perceiver: General Perception with Iterative
    Attention", 2021 (arXiv 2103.03206).

    Example:

    >>> fused = Perceiver(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(
        self,
        units=64,
        num_heads=4,
        depth=1,
        latents=8,
        dropout=0.0,
        **kwargs,
    ):
        check_positive(latents=latents)
        super().__init__(units, num_heads, depth, dropout, **kwargs)
        self.latents = latents

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        for i in range(self.depth):
            self.add_block(f"reads_{i}", cross=True)
            self.add_block(f"thinks_{i}")
        self.add_norm("norm")
        self.latent = self.add_tokens("latent_tokens", self.latents)

    def fuse(self, features):
        tokens, mask = self.read_all(features)
        x = for_each_sample(self.latent, tokens)
        for i in range(self.depth):
            x = self.parts[f"reads_{i}"](x, context=tokens, real=mask)
            x = self.parts[f"thinks_{i}"](x)
        return ops.mean(self.parts["norm"](x), axis=1)
