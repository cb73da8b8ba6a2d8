"""Transformer blocks over the tokens of several modalities."""

import keras
from keras import layers, ops

from mmkeras.arguments import check_fraction, check_positive
from mmkeras.fusion.attention import MASKED, check_heads, softmax
from mmkeras.fusion.base import Fusion, widths_of


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenAttention(layers.Layer):
    """Multi-head attention of one sequence over another, padding masked.

    Args:
        num_heads: Attention heads; divides the width of the tokens.
        dropout: Share of attention weights dropped.

    Call arguments:
        x: `(batch, queries, units)`, the queries.
        context: `(batch, keys, units)`, the keys and values.
        real: `(batch, keys)`, 1 = real, 0 = padding; None where all is.

    Output shape: that of `x`.

    Source: Vaswani et al., "Attention Is All You Need", 2017
    (arXiv 1706.03762).
    """

    def __init__(self, num_heads=4, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, x_shape):
        units, dtype = x_shape[-1], self.dtype_policy
        self.ask = layers.Dense(units, name="ask", dtype=dtype)
        # Keys and values in one: a device runs one large product faster.
        self.tell = layers.Dense(2 * units, name="tell", dtype=dtype)
        self.join = layers.Dense(units, name="join", dtype=dtype)
        for part in (self.ask, self.tell, self.join):
            part.build((None, units))

    def call(self, x, context, real=None):
        count, units = x.shape[1:]
        query = self.in_heads(self.ask(x), self.num_heads)
        both = self.in_heads(self.tell(context), 2 * self.num_heads)
        key, value = ops.split(both, 2, axis=1)

        scale = (units // self.num_heads) ** -0.5
        scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
        if real is not None:
            hide = (1 - ops.cast(real, scores.dtype)) * MASKED
            scores += ops.expand_dims(ops.expand_dims(hide, 1), 1)
        result = ops.matmul(self.drop(softmax(scores)), value)
        result = ops.transpose(result, (0, 2, 1, 3))
        return self.join(ops.reshape(result, (-1, count, units)))

    def in_heads(self, x, heads):
        """`(batch, tokens, width)` to `(batch, heads, tokens, size)`."""
        x = ops.reshape(x, (-1, x.shape[1], heads, x.shape[-1] // heads))
        return ops.transpose(x, (0, 2, 1, 3))


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenBlock(layers.Layer):
    """A pre-norm transformer block, over its own tokens or over others'.

    Costs `12 * units ** 2` parameters, as many multiply-adds a token, and
    `2 * units` for each pair of tokens.

    Args:
        num_heads: Attention heads; divides the width of the tokens.
        dropout: Share of the features dropped on each way.
        cross: Whether it attends to `context` and not to `x`.

    Call arguments:
        x: `(batch, tokens, units)`.
        context: `(batch, keys, units)` with `cross`, else None.
        real: `(batch, keys)` of what is attended to, 1 = real, 0 = padding;
            None where all is.

    Output shape: that of `x`.
    """

    def __init__(self, num_heads=4, dropout=0.0, cross=False, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.cross = cross
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, x_shape):
        units, dtype = x_shape[-1], self.dtype_policy
        self.attention = TokenAttention(
            self.num_heads, self.dropout, name="attention", dtype=dtype
        )
        self.attention.build(x_shape)
        self.norm = built_norm("norm", units, dtype)
        self.norm_2 = built_norm("norm_2", units, dtype)
        self.wide = layers.Dense(4 * units, "relu", name="wide", dtype=dtype)
        self.wide.build((None, units))
        self.narrow = layers.Dense(units, name="narrow", dtype=dtype)
        self.narrow.build((None, 4 * units))
        if self.cross:
            self.context_norm = built_norm("context_norm", units, dtype)

    def call(self, x, context=None, real=None):
        y = self.norm(x)
        context = self.context_norm(context) if self.cross else y
        x = x + self.drop(self.attention(y, context, real))
        y = self.narrow(self.wide(self.norm_2(x)))
        return x + self.drop(y)


class TokenFusion(Fusion):
    """Base of the fusions made of transformer blocks.

    Args:
        units: Width of the output and of all blocks; a multiple of
            `num_heads`.
        num_heads: Attention heads.
        depth: Blocks one after the other.
        dropout: Dropout rate of the blocks.
    """

    def __init__(self, units=64, num_heads=4, depth=1, dropout=0.0, **kwargs):
        check_fraction("dropout", dropout)
        super().__init__(units, **kwargs)
        check_heads(units, num_heads)
        check_positive(depth=depth)
        self.num_heads = num_heads
        self.depth = depth
        self.dropout = dropout

    def build_fuse(self, features_shape):
        # Their biases are the embeddings that tell the modalities apart.
        widths = widths_of(features_shape)
        self.projections = self.dense_each("tokens", widths, self.units)
        self.parts = {}

    def add_block(self, name, cross=False, width=None):
        self.parts[name] = TokenBlock(
            self.num_heads,
            self.dropout,
            cross,
            name=name,
            dtype=self.dtype_policy,
        )
        self.parts[name].build((None, width or self.units))

    def add_norm(self, name, width=None):
        width = width or self.units
        self.parts[name] = built_norm(name, width, self.dtype_policy)

    def add_tokens(self, name, count):
        """Learned tokens `(1, count, units)` beside the modalities' own."""
        return self.add_weight(
            name=name,
            shape=(1, count, self.units),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def read(self, features):
        """Returns `{name: tokens}`, `units` wide, and `{name: mask}`."""
        tokens, masks = {}, {}
        for name in sorted(features):
            x = self.projections[name](features[name]["tokens"])
            masks[name] = ops.cast(features[name]["mask"], x.dtype)
            # A modality that is all padding would attend to its padding.
            tokens[name] = x * ops.expand_dims(masks[name], -1)
        return tokens, masks

    def read_all(self, features):
        """Returns the tokens and the mask of all modalities in one row."""
        return [
            ops.concatenate(list(each.values()), axis=1)
            for each in self.read(features)
        ]

    def follow_fuse(self, follow, features):
        # The blocks keep their width; the towers' widths may change.
        for name in sorted(features):
            follow(self.projections[name], features[name]["tokens"])
        return follow.flow((None, self.units))


def built_norm(name, width, dtype):
    """Returns a layer normalisation, built."""
    norm = layers.LayerNormalization(epsilon=1e-5, name=name, dtype=dtype)
    norm.build((None, width))
    return norm


def for_each_sample(learned, x):
    """Repeats `(1, tokens, units)` for every sample of `x`."""
    # In this order: Keras takes what is added to a weight for its bias if the
    # sizes allow it, and `batch` may happen to be `units`.
    return ops.zeros_like(x[:, :1, :1]) + learned


def masked_mean(x, mask):
    """Averages the real rows of `(batch, tokens, units)`."""
    mask = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)
