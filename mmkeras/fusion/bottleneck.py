"""Attention bottlenecks: modalities meet in a few shared tokens."""

import keras
from keras import ops

from mmkeras.arguments import check_positive
from mmkeras.fusion.transformer import (
    TokenFusion,
    for_each_sample,
    masked_mean,
)


@keras.saving.register_keras_serializable(package="mmkeras")
class Bottleneck(TokenFusion):
    """Multimodal bottleneck transformer: exchange through a few shared tokens.

    In each layer every modality has a transformer block of its own, over its
    tokens and a few shared ones; the modalities' versions of the shared tokens
    are averaged and go on to the next layer, so all exchange passes through
    them. The output is the mean of the modalities' mean tokens. Good with long
    sequences: the cost grows with the modalities, not with their pairs. Costs
    `M * (d * units + depth * 12 * units ** 2)` parameters, and
    `T * d * units + depth * (T + M * B) * 12 * units ** 2` multiply-adds, for M
    modalities of width d, T tokens together and B shared ones, beside
    `2 * units` for each pair of tokens in a block.

    Args:
        units: Width of the output and of all blocks; a multiple of
            `num_heads`.
        num_heads: Attention heads.
        depth: Layers, at least 2: what one layer writes into the shared
            tokens, the next one reads.
        bottleneck: Number of shared tokens.
        dropout: Dropout rate of the blocks.

    Call arguments and output shape: see `Fusion`.

    Source: Nagrani et al., "Attention Bottlenecks for Multimodal Fusion",
    2021 (arXiv 2107.00135), which averages class tokens at the end.

    Example:

    >>> fused = Bottleneck(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(
        self,
        units=64,
        num_heads=4,
        depth=2,
        bottleneck=4,
        dropout=0.0,
        **kwargs,
    ):
        check_positive(bottleneck=bottleneck)
        super().__init__(units, num_heads, depth, dropout, **kwargs)
        if depth < 2:
            raise ValueError(
                "`depth` must be at least 2, or nothing passes the "
                f"bottleneck. Received: {depth}"
            )
        self.bottleneck = bottleneck

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        for name in sorted(features_shape):
            for i in range(self.depth):
                self.add_block(f"{name}_block_{i}")
            self.add_norm(f"{name}_norm")
        self.shared = self.add_tokens("shared_tokens", self.bottleneck)

    def fuse(self, features):
        tokens, masks = self.read(features)
        count = self.bottleneck
        shared = for_each_sample(self.shared, next(iter(tokens.values())))
        real = ops.ones_like(shared[:, :, 0])
        for i in range(self.depth):
            versions = []
            for name in tokens:
                x = ops.concatenate([shared, tokens[name]], axis=1)
                mask = ops.concatenate([real, masks[name]], axis=1)
                x = self.parts[f"{name}_block_{i}"](x, real=mask)
                versions.append(x[:, :count])
                tokens[name] = x[:, count:]
            shared = sum(versions) / len(versions)
        means = [
            masked_mean(self.parts[f"{n}_norm"](tokens[n]), masks[n])
            for n in tokens
        ]
        return sum(means) / len(means)
