"""Directional cross-modal transformers."""

import keras
from keras import layers, ops

from mmkeras.fusion.transformer import TokenFusion, masked_mean


@keras.saving.register_keras_serializable(package="mmkeras")
class MulT(TokenFusion):
    """Multimodal transformer: each modality attends to each of the others.

    For each ordered pair, `depth` blocks in which the tokens of one modality
    attend to the tokens of the other. A modality's results are concatenated,
    pass a transformer block of its own and are averaged; the averages are
    concatenated and projected. A modality alone attends to itself. Good where
    sequences are not aligned and there is data for its many weights; the most
    expensive fusion here. Costs `M * d * units + P * depth * 12 * units ** 2 +
    M * 12 * (M - 1) ** 2 * units ** 2 + P * units ** 2` parameters for M
    modalities of width d and their P = M * (M - 1) ordered pairs, and for t
    tokens a modality about t times as many multiply-adds, beside
    `2 * t ** 2 * units` a block.

    Args:
        units: Width of the output and of the pairs' blocks; a multiple of
            `num_heads`.
        num_heads: Attention heads.
        depth: Blocks of each ordered pair.
        dropout: Dropout rate of the blocks.

    Call arguments and output shape: see `Fusion`. Positions are not added:
    the towers' tokens should encode them.

    Source: Tsai et al., "Multimodal Transformer for Unaligned Multimodal
    Language Sequences", 2019 (arXiv 1906.00295). Here the mean of the real
    tokens takes the place of the last one, which may be padding.

    Example:

    >>> fused = MulT(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(self, units=64, num_heads=4, depth=1, dropout=0.0, **kwargs):
        super().__init__(units, num_heads, depth, dropout, **kwargs)
        self.dense = layers.Dense(
            units, "relu", name="dense", dtype=self.dtype_policy
        )

    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        names = sorted(features_shape)
        self.asks = {n: [o for o in names if o != n] or [n] for n in names}
        for name, others in self.asks.items():
            for other in others:
                for i in range(self.depth):
                    self.add_block(f"{name}_asks_{other}_{i}", cross=True)
            width = self.units * len(others)
            self.add_block(f"{name}_block", width=width)
            self.add_norm(f"{name}_norm", width)
        self.dense.build((None, sum(map(len, self.asks.values())) * self.units))

    def fuse(self, features):
        tokens, masks = self.read(features)
        averages = []
        for name, others in self.asks.items():
            attended = [self.attend(name, n, tokens, masks) for n in others]
            x = ops.concatenate(attended, axis=-1)
            x = self.parts[f"{name}_block"](x, real=masks[name])
            x = self.parts[f"{name}_norm"](x)
            averages.append(masked_mean(x, masks[name]))
        return self.dense(ops.concatenate(averages, axis=-1))

    def attend(self, name, other, tokens, masks):
        """The tokens of `name` after attending to those of `other`."""
        x = tokens[name]
        for i in range(self.depth):
            block = self.parts[f"{name}_asks_{other}_{i}"]
            x = block(x, context=tokens[other], real=masks[other])
        return x
