"""The blocks that a decoder of texts is made of."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mmkeras")
class Block(layers.Layer):
    """A pre-norm transformer block in parts, so that keys can be kept.

    Args:
        units: Width.
        heads: Attention heads, which divide it.
    """

    def __init__(self, units, heads, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.heads = heads

    def build(self, input_shape):
        units = self.units
        self.norm = self._norm("norm")
        self.norm_wide = self._norm("norm_wide")
        self.query, self.key, self.value, self.out = (
            self._dense(name, units, units)
            for name in ("query", "key", "value", "out")
        )
        self.wide = self._dense("wide", 4 * units, units, "relu")
        self.narrow = self._dense("narrow", units, 4 * units)

    def _dense(self, name, units, width, activation=None):
        layer = layers.Dense(
            units, activation, name=name, dtype=self.dtype_policy
        )
        layer.build((None, None, width))
        return layer

    def _norm(self, name):
        layer = layers.LayerNormalization(
            epsilon=1e-5, name=name, dtype=self.dtype_policy
        )
        layer.build((None, None, self.units))
        return layer

    def project(self, x):
        """Returns query, key and value, `(batch, tokens, units)`."""
        x = self.norm(x)
        return self.query(x), self.key(x), self.value(x)

    def split(self, x):
        """Returns `(batch, tokens, heads, units / heads)`."""
        each = self.units // self.heads
        return ops.reshape(x, (-1, x.shape[1], self.heads, each))

    def attend(self, q, k, v, mask):
        """Returns what each query sees.

        Args:
            q, k, v: `(batch, tokens, units)`.
            mask: Added to the scores, `(batch, 1, 1 or queries, keys)`.
        """
        return self._attend(
            self.split(q), self.split(k), self.split(v), mask, q.shape[1]
        )

    def attend_cached(self, q, k, v, keys, values, mask):
        """As `attend`, with keys and values before those of this token."""
        k = ops.concatenate([keys, self.split(k)], axis=1)
        v = ops.concatenate([values, self.split(v)], axis=1)
        return self._attend(self.split(q), k, v, mask, q.shape[1])

    def _attend(self, q, k, v, mask, count):
        q = ops.transpose(q, (0, 2, 1, 3))
        k = ops.transpose(k, (0, 2, 3, 1))
        v = ops.transpose(v, (0, 2, 1, 3))
        scores = ops.matmul(q, k) / math.sqrt(self.units // self.heads)
        # Keras takes some tensors with one axis for a bias of another one.
        mask = ops.broadcast_to(mask, ops.shape(scores))
        seen = ops.matmul(ops.softmax(scores + mask, axis=-1), v)
        seen = ops.transpose(seen, (0, 2, 1, 3))
        return ops.reshape(seen, (-1, count, self.units))

    def finish(self, x, seen):
        """Returns the output of the block."""
        x = x + self.out(seen)
        return x + self.narrow(self.wide(self.norm_wide(x)))

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossBlock(Block):
    """A block that also looks at something else, by cross-attention."""

    def build(self, input_shape):
        super().build(input_shape)
        self.cross_norm = self._norm("cross_norm")
        self.cross_query, self.cross_key, self.cross_value, self.cross_out = (
            self._dense(f"cross_{name}", self.units, self.units)
            for name in ("query", "key", "value", "out")
        )

    def remember(self, x):
        """Returns keys and values of what is looked at."""
        return self.cross_key(x), self.cross_value(x)

    def finish_with(self, x, seen, keys, values, mask):
        """As `finish`, with a look at `(batch, places, heads, d)`."""
        x = x + self.out(seen)
        q = self.split(self.cross_query(self.cross_norm(x)))
        seen = self._attend(q, keys, values, mask, x.shape[1])
        x = x + self.cross_out(seen)
        return x + self.narrow(self.wide(self.norm_wide(x)))


class Step(layers.Layer):
    """Calls a decoder for one token; see `TextDecoder.step_model`."""

    def __init__(self, decoder, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder

    def call(self, inputs):
        caches = dict(inputs)
        first = [caches.pop(n) for n in ("tokens", "input_pos", "mask")]
        return self.decoder.step(*first, caches)
