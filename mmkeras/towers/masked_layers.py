"""Layers over a padded sequence, with an explicit mask of the real tokens."""

import keras
from keras import layers, ops

# Added to the scores of padding. Softmax makes 1e-13 of it; with the usual
# -1e9 an int8 range could not resolve the scores of real tokens.
MASKED_SCORE = -30.0


@keras.saving.register_keras_serializable(package="mmkeras")
class HidePadding(layers.Layer):
    """Zeroes the rows of padding.

    Call arguments:
        x: `(batch, tokens, units)`.
        mask: `(batch, tokens)`, 1 = real.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs, previous_mask):
        # Ends the mask that Keras attaches behind a GRU: ours is explicit.
        return None

    def call(self, x, mask):
        return x * ops.cast(ops.expand_dims(mask, -1), x.dtype)

    def follow_channels(self, follow, x, mask):
        return x


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskedMean(layers.Layer):
    """Averages the real rows; zeros where every row is padding.

    Call arguments:
        x: `(batch, tokens, units)`.
        mask: `(batch, tokens)`, 1 = real.

    Output shape: `(batch, units)`.
    """

    def call(self, x, mask):
        mask = ops.cast(ops.expand_dims(mask, -1), x.dtype)
        # Multiply and sum: the same as an einsum loses decisions in int8.
        return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)

    def follow_channels(self, follow, x, mask):
        return follow.flow((x.shape[0], x.shape[-1]), follow.channels(x))


@keras.saving.register_keras_serializable(package="mmkeras")
class LearnedPosition(layers.Layer):
    """Adds a learned vector for each position of a sequence of fixed length.

    Input and output shape: `(batch, positions, units)`.
    """

    def build(self, input_shape):
        self.position = self.add_weight(
            shape=(1, *input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="position",
        )

    def call(self, x):
        return x + self.position

    def follow_channels(self, follow, x):
        follow.tie(x, follow.weight(self.position, -1))
        return x


@keras.saving.register_keras_serializable(package="mmkeras")
class SelfAttention(layers.Layer):
    """Multi-head self-attention, padding masked.

    One dense layer makes queries, keys and values: a device runs one large
    multiplication faster than three small ones.

    Args:
        heads: integer, attention heads.
        dropout: float in [0, 1), share of attention weights dropped.
        size: integer, width of a head. By default the heads share the width
            of the input, which `heads` then has to divide.

    Call arguments:
        x: `(batch, positions, units)`, positions fixed.
        mask: `(batch, positions)`, 1 = real.

    Output shape: `(batch, positions, units)`.
    """

    def __init__(self, heads, dropout=0.0, size=None, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.dropout = dropout
        self.size = size

    def build(self, input_shape):
        _, self.positions, self.units = input_shape
        if self.size is None and self.units % self.heads:
            raise ValueError(
                "`heads` must divide the width of the input. "
                f"Received: heads={self.heads} with width {self.units}"
            )
        self.head_size = self.size or self.units // self.heads
        self.inner = self.heads * self.head_size
        self.project = layers.Dense(3 * self.inner, name="project")
        self.join = layers.Dense(self.units, name="join")
        self.drop = layers.Dropout(self.dropout, name="drop")
        self.project.build(input_shape)
        self.join.build((*input_shape[:-1], self.inner))

    def call(self, x, mask):
        size = self.head_size
        shape = (-1, self.positions, 3 * self.heads, size)
        x = ops.transpose(ops.reshape(self.project(x), shape), (0, 2, 1, 3))
        query, key, value = ops.split(x, 3, axis=1)
        key = ops.transpose(key, (0, 1, 3, 2))

        hide = ops.cast((1.0 - mask) * MASKED_SCORE, x.dtype)
        hide = ops.expand_dims(ops.expand_dims(hide, 1), 1)
        scores = ops.matmul(query * size**-0.5, key) + hide
        attended = ops.matmul(self.drop(ops.softmax(scores)), value)
        attended = ops.transpose(attended, (0, 2, 1, 3))
        return self.join(
            ops.reshape(attended, (-1, self.positions, self.inner))
        )

    def follow_channels(self, follow, x, mask):
        size = self.head_size
        projected = follow.channels(follow(self.project, x))
        query, key, value = projected.reshape(3, self.inner)
        follow.tie(query, key, value)
        # A head goes as a whole: its width sets the scale of its scores.
        for head in value.reshape(self.heads, size):
            follow.together(head)
        follow.cost(2 * self.positions**2, value)

        def edit(config, count):
            config.update(heads=count // size, size=size)

        follow.width(self, edit, value)
        shape = (*x.shape[:-1], self.inner)
        out = follow(self.join, follow.flow(shape, value))
        follow.tie(out, x)
        return out


def transformer_block(x, mask, heads, dropout, name):
    """Adds one pre-norm transformer block: attention, then a dense part.

    Args:
        x: `(batch, positions, units)`.
        mask: `(batch, positions)`, 1 = real.
        heads: Attention heads; divides `units`.
        dropout: Share of features dropped, and of attention weights.
        name: Prefix of the layers.

    Returns:
        `(batch, positions, units)`.
    """
    units = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    y = SelfAttention(heads, dropout, name=f"{name}_attention")(y, mask)
    y = layers.Dropout(dropout, name=f"{name}_attention_dropout")(y)
    x = layers.Add(name=f"{name}_attended")([x, y])

    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm_2")(x)
    y = layers.Dense(4 * units, activation="relu", name=f"{name}_wide")(y)
    y = layers.Dropout(dropout, name=f"{name}_wide_dropout")(y)
    y = layers.Dense(units, name=f"{name}_narrow")(y)
    y = layers.Dropout(dropout, name=f"{name}_narrow_dropout")(y)
    return layers.Add(name=f"{name}_out")([x, y])
