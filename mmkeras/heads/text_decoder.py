"""The decoder of a text: a prefix that sees itself, and letters behind it."""

import keras
import numpy as np
from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.generation import HIDDEN, KEY, VALUE
from mmkeras.heads.text_blocks import Block
from mmkeras.heads.text_writer import TextWriter


@keras.saving.register_keras_serializable(package="mmkeras")
class TextDecoder(TextWriter):
    """A transformer that writes a text behind what the towers have read.

    Its sequence is the fused vector, the tokens of the modalities, and the
    text. The prefix sees all of itself, but for padding and absent
    modalities; a letter sees the prefix and the letters before it. Blocks are
    pre-norm, positions are learned.

    What the layer returns is what a letter needs of the prefix: keys and
    values of each block. So the output follows from the modalities alone. The
    letters are read by `log_probabilities` in training, by `step_model` one
    at a time.

    Args:
        letters: The characters that are known, sorted; or a list of words.
        length: Tokens of the longest text, its end among them.
        references: Texts of a label, one after the other.
        units: Width of the blocks.
        depth: Blocks.
        heads: Attention heads of each.
        dropout: Dropout rate of the prefix in training.
        text_size: Code points of each text before its words in a label; 0
            where characters are written.

    Call arguments:
        fused: `(batch, units)`.
        tokens: `(batch, tokens, d)` of each modality, in a list.
        masks: `(batch, tokens)` of each, 1 = real.

    Output shape: `(batch, 1 + tokens, 2 * depth * units + 1)`: keys and
    values, and 0 or -30, which is added to the attention's scores.
    """

    def __init__(
        self,
        letters,
        length,
        references=1,
        units=64,
        depth=2,
        heads=4,
        dropout=0.1,
        text_size=0,
        **kwargs,
    ):
        check_positive(units=units, depth=depth, heads=heads)
        if units % heads:
            raise ValueError(
                "`heads` must divide `units`. Received: "
                f"heads={heads}, units={units}"
            )
        super().__init__(letters, length, references, text_size, **kwargs)
        self.units = units
        self.depth = depth
        self.heads = heads
        self.dropout = dropout

    def build(self, fused_shape, tokens_shape=(), masks_shape=()):
        self.prefix = 1 + sum(shape[1] for shape in tokens_shape)
        self.caches = self.depth
        self.cache_shape = (self.heads, self.units // self.heads)
        self.context = self._dense("context", fused_shape[-1])
        self.projections = [
            self._dense(f"tokens_{i}", shape[-1])
            for i, shape in enumerate(tokens_shape)
        ]
        self.embedding = layers.Embedding(
            self.size, self.units, name="letters", dtype=self.dtype_policy
        )
        self.embedding.build((None, None))
        self.prefix_positions = self._positions("prefix", self.prefix)
        self.positions = self._positions("text", self.length)
        self.blocks = [self._block(i) for i in range(self.depth)]
        self.norm = self._norm("norm")
        self.logits = self._dense("logits", self.units, self.size)
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy)

    def _dense(self, name, width, units=None, activation=None):
        dense = layers.Dense(
            units or self.units, activation, name=name, dtype=self.dtype_policy
        )
        dense.build((None, None, width))
        return dense

    def _norm(self, name):
        norm = layers.LayerNormalization(
            epsilon=1e-5, name=name, dtype=self.dtype_policy
        )
        norm.build((None, None, self.units))
        return norm

    def _positions(self, name, count):
        return self.add_weight(
            name=f"{name}_positions",
            shape=(count, self.units),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def _block(self, i):
        block = Block(
            self.units, self.heads, name=f"block_{i}", dtype=self.dtype_policy
        )
        block.build((None, None, self.units))
        return block

    def call(self, fused, tokens, masks, training=None):
        x, hidden = self.read(fused, tokens, masks, training)
        found = []
        for i, block in enumerate(self.blocks):
            q, k, v = block.project(x)
            found += [k, v]
            if i + 1 < self.depth:  # of the last, keys and values are read
                seen = block.attend(q, k, v, hidden[:, None, None])
                x = block.finish(x, seen)
        return self.pack(found, hidden)

    def read(self, fused, tokens, masks, training):
        """Returns the prefix, and what hides each of its places."""
        parts = [ops.expand_dims(self.context(fused), 1)]
        # What is hidden leaves no trace in keys and values either.
        for dense, each, mask in zip(self.projections, tokens, masks):
            parts.append(dense(each * ops.cast(mask, each.dtype)[..., None]))
        x = ops.concatenate(parts, axis=1)
        x = x + ops.cast(self.prefix_positions, x.dtype)
        x = self.drop(x, training=training)
        here = [ops.ones_like(parts[0][:, :, 0])]
        here += [ops.cast(mask, x.dtype) for mask in masks]
        return x, (1 - ops.concatenate(here, axis=1)) * HIDDEN

    def pack(self, found, hidden):
        """Returns keys, values and mask as one tensor."""
        found = [*found, ops.expand_dims(hidden, -1)]
        return ops.cast(ops.concatenate(found, axis=-1), "float32")

    def log_probabilities(self, memory, labels):
        ids = self.ids_of(labels)
        x = self.embed(ids)
        memory = ops.cast(memory, x.dtype)
        masks = ops.concatenate(
            [
                ops.repeat(memory[:, None, None, :, -1], x.shape[1], axis=2),
                ops.cast(self._causal(), x.dtype)
                * ops.ones_like(memory[:, :1, None, :1]),
            ],
            axis=-1,
        )
        for i, block in enumerate(self.blocks):
            old = memory[..., 2 * i * self.units : 2 * (i + 1) * self.units]
            q, k, v = block.project(x)
            k = ops.concatenate([old[..., : self.units], k], axis=1)
            v = ops.concatenate([old[..., self.units :], v], axis=1)
            x = block.finish(x, block.attend(q, k, v, masks))
        logits = ops.cast(self.logits(self.norm(x)), "float32")
        return ops.log_softmax(logits, axis=-1), ids

    def embed(self, ids):
        """Returns what is read to write ids, `(batch, tokens, units)`."""
        x = self.embedding(self.before(ids))
        places = ops.tile(self.positions, (self.references, 1))
        return x + ops.cast(places, x.dtype)

    def _causal(self):
        """Returns what hides other references, and letters to come."""
        size = self.references * self.length
        place, whose = np.arange(size), np.arange(size) // self.length
        seen = (whose[:, None] == whose) & (place <= place[:, None])
        return np.where(seen, 0, HIDDEN).astype("float32")[None, None]

    def step(self, tokens, input_pos, mask, caches):
        x = self.embed_one(tokens, input_pos)
        mask = ops.cast(mask, x.dtype)
        mask = ops.concatenate([mask, ops.zeros_like(mask[..., :1])], axis=-1)
        found = {}
        for i, block in enumerate(self.blocks):
            q, k, v = block.project(x)
            seen = block.attend_cached(
                q, k, v, caches[f"{KEY}{i}"], caches[f"{VALUE}{i}"], mask
            )
            x = block.finish(x, seen)
            found |= {
                f"{KEY}{i}": block.split(k),
                f"{VALUE}{i}": block.split(v),
            }
        return {"logits": self.logits(self.norm(x)), **found}

    def embed_one(self, tokens, input_pos):
        """Returns the newest token, `(batch, 1, units)`."""
        x = self.embedding(tokens)
        place = ops.take(self.positions, input_pos, axis=0)
        return x + ops.cast(ops.expand_dims(place, 1), x.dtype)

    def compute_output_shape(
        self, fused_shape, tokens_shape=(), masks_shape=()
    ):
        prefix = 1 + sum(shape[1] for shape in tokens_shape)
        return (fused_shape[0], prefix, 2 * self.depth * self.units + 1)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "depth": self.depth,
            "heads": self.heads,
            "dropout": self.dropout,
        }
