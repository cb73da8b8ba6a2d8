"""Self-attention over the tokens of all modalities."""

import keras
from keras import ops

from mmkeras.arguments import check_choice
from mmkeras.fusion.transformer import (
    TokenFusion,
    for_each_sample,
    masked_mean,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class SelfAttentionFusion(TokenFusion):
    """One transformer over the tokens of all modalities together.

    Tokens are projected to `units`, each modality by a layer of its own, and
    pass `depth` blocks in which every token sees every other. The output
    is the mean of the real tokens, or a learned token that attends to them
    all. Good
    with many samples, and where any part of any modality may matter to any
    other. Costs `M * d * units + depth * 12 * units ** 2` parameters, and
    `T * (d * units + depth * (12 * units ** 2 + 2 * T * units))` multiply-adds
    for M modalities of width d and T tokens together.

    Args:
        units: Width of the output and of all blocks; a multiple of
            `num_heads`.
        num_heads: Attention heads.
        depth: Transformer blocks.
        pool: `"mean"` of the real tokens, or a learned `"token"`.
        dropout: Dropout rate of the blocks.

    Call arguments and output shape: see `Fusion`. Positions are not added:
    the towers' tokens should encode them.

    Source: Kim et al., "ViLT", 2021 (arXiv 2102.03334), for any modalities.

    Example:

    >>> fused = SelfAttentionFusion(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(
        self,
        units=64,
        num_heads=4,
        depth=1,
        pool="mean",
        dropout=0.0,
        **kwargs,
    ):
        check_choice("pool", pool, ("mean", "token"))
        super().__init__(units, num_heads, depth, dropout, **kwargs)
        self.pool = pool

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        for i in range(self.depth):
            self.add_block(f"block_{i}")
        self.add_norm("norm")
        if self.pool == "token":
            self.token = self.add_tokens("token", 1)

    def fuse(self, features):
        x, mask = self.read_all(features)
        if self.pool == "token":
            x = ops.concatenate([for_each_sample(self.token, x), x], axis=1)
            mask = ops.concatenate([ops.ones_like(mask[:, :1]), mask], axis=1)
        for i in range(self.depth):
            x = self.parts[f"block_{i}"](x, real=mask)
        if self.pool == "token":
            return self.parts["norm"](x[:, 0])
        return masked_mean(self.parts["norm"](x), mask)
