"""The decoder of a text: a prefix that sees itself, and letters behind it."""

import keras
import numpy as np
from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.generation import (
    FIRST,
    GREEDY,
    HIDDEN,
    KEY,
    UNKNOWN,
    VALUE,
    Decoder,
    answers_of,
    generate,
)
from mmkeras.heads.text_blocks import Block, Step


@keras.saving.register_keras_serializable(package="mmkeras")
class TextDecoder(layers.Layer):
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
        letters: The characters that are known, sorted.
        length: Characters of the longest text, its end among them.
        references: Texts of a label, one after the other.
        units: Width of the blocks.
        depth: Blocks.
        heads: Attention heads of each.
        dropout: Dropout rate of the prefix in training.

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
        **kwargs,
    ):
        check_positive(
            length=length, references=references, units=units, depth=depth,
            heads=heads,
        )  # fmt: skip
        if units % heads:
            raise ValueError(
                "`heads` must divide `units`. Received: "
                f"heads={heads}, units={units}"
            )
        super().__init__(**kwargs)
        self.letters = letters
        self.length = length
        self.references = references
        self.units = units
        self.depth = depth
        self.heads = heads
        self.dropout = dropout

    def build(self, fused_shape, tokens_shape, masks_shape=None):
        self.prefix = 1 + sum(shape[1] for shape in tokens_shape)
        size = FIRST + len(self.letters)
        self.context = self._dense("context", fused_shape[-1])
        self.projections = [
            self._dense(f"tokens_{i}", shape[-1])
            for i, shape in enumerate(tokens_shape)
        ]
        self.embedding = layers.Embedding(
            size, self.units, name="letters", dtype=self.dtype_policy
        )
        self.embedding.build((None, None))
        self.prefix_positions = self._positions("prefix", self.prefix)
        self.positions = self._positions("text", self.length)
        self.blocks = [self._block(i) for i in range(self.depth)]
        self.norm = self._norm("norm")
        self.logits = self._dense("logits", self.units, size)
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
        parts = [ops.expand_dims(self.context(fused), 1)]
        # What is hidden leaves no trace in keys and values either.
        for dense, each, mask in zip(self.projections, tokens, masks):
            parts.append(dense(each * ops.cast(mask, each.dtype)[..., None]))
        x = ops.concatenate(parts, axis=1)
        x = x + ops.cast(self.prefix_positions, x.dtype)
        x = self.drop(x, training=training)
        here = [ops.ones_like(parts[0][:, :, 0])]
        here += [ops.cast(mask, x.dtype) for mask in masks]
        hidden = (1 - ops.concatenate(here, axis=1)) * HIDDEN
        found = []
        for i, block in enumerate(self.blocks):
            q, k, v = block.project(x)
            found += [k, v]
            if i + 1 < self.depth:  # of the last, keys and values are read
                seen = block.attend(q, k, v, hidden[:, None, None])
                x = block.finish(x, seen)
        found.append(ops.expand_dims(hidden, -1))
        return ops.cast(ops.concatenate(found, axis=-1), "float32")

    def log_probabilities(self, memory, codes):
        """Returns log-probabilities of the next token, where each is known.

        Args:
            memory: What the layer returned.
            codes: Labels: code points, 0 from the end on,
                `(batch, references * length)`.

        Returns:
            `(batch, references * length, tokens)`, and the ids of the labels.
        """
        ids = self.ids_of(codes)
        split = (-1, self.references, self.length)
        before = ops.reshape(ids, split)[:, :, :-1]
        start = ops.ones_like(ops.reshape(ids, split)[:, :, :1])
        before = ops.reshape(
            ops.concatenate([start, before], axis=-1), (-1, ids.shape[1])
        )
        places = ops.tile(self.positions, (self.references, 1))
        x = self.embedding(before)
        x = x + ops.cast(places, x.dtype)
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

    def _causal(self):
        """Returns what hides other references, and letters to come."""
        size = self.references * self.length
        place, whose = np.arange(size), np.arange(size) // self.length
        seen = (whose[:, None] == whose) & (place <= place[:, None])
        return np.where(seen, 0, HIDDEN).astype("float32")[None, None]

    def ids_of(self, codes):
        """Returns the ids of code points; 0 is the end."""
        codes = ops.cast(codes, "int32")
        known = np.array([*map(ord, self.letters)], "int32")
        # Each is one of them, or none.
        same = ops.cast(ops.equal(codes[..., None], known), "int32")
        places = np.arange(FIRST - UNKNOWN, FIRST - UNKNOWN + len(known))
        ids = UNKNOWN + ops.sum(same * places.astype("int32"), axis=-1)
        return ops.where(ops.equal(codes, 0), 0, ids)

    def step(self, tokens, input_pos, mask, caches):
        """Reads one more token.

        Args:
            tokens: `(batch, 1)` ids.
            input_pos: `(batch,)`, its place in the text.
            mask: `(batch, 1, 1, places)`, added to the scores of the caches.
            caches: Key and value of each block, `(batch, places, heads, d)`.

        Returns:
            Logits `(batch, 1, tokens)`, and the new keys and values,
            `(batch, 1, heads, d)`.
        """
        x = self.embedding(tokens)
        place = ops.take(self.positions, input_pos, axis=0)
        x = x + ops.cast(ops.expand_dims(place, 1), x.dtype)
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

    def step_model(self):
        """Returns `step` as a model, whose inputs have LiteRT-LM's names."""
        places = self.prefix + self.length
        shape = (places, self.heads, self.units // self.heads)
        inputs = {
            "tokens": keras.Input((1,), dtype="int32", name="tokens"),
            "input_pos": keras.Input((), dtype="int32", name="input_pos"),
            "mask": keras.Input((1, 1, places), name="mask"),
        }
        for i in range(self.depth):
            for name in (f"{KEY}{i}", f"{VALUE}{i}"):
                inputs[name] = keras.Input(shape, name=name)
        outputs = Step(self, name=f"{self.name}_step")(inputs)
        return keras.Model(inputs, outputs, name=f"{self.name}_decoder")

    def decoder(self):
        """Returns what a text is written with."""
        if not hasattr(self, "_writer"):
            model = self.step_model()
            model.compile(jit_compile=False)
            # Past Keras, to which it would be a part of this layer.
            object.__setattr__(self, "_writer", model)
        return Decoder(
            self._writer.predict_on_batch,
            self.letters,
            self.prefix + self.length,
            self.depth,
            self.heads,
        )

    def finish_outputs(self, outputs, labels=None):
        """Returns what is evaluated: the texts that are written.

        Args:
            outputs: What the layer returned.
            labels: As in a batch, for their probabilities; None where there
                are none.
        """
        decoder = self.decoder()
        ids, chances = generate(np.asarray(outputs), decoder, GREEDY)
        if labels is None:
            return answers_of(ids, chances, self.letters)
        likely, true = self.log_probabilities(outputs, labels)
        true = ops.expand_dims(true, -1)
        true = ops.take_along_axis(likely, true, axis=-1)[..., 0]
        true = ops.convert_to_numpy(true)
        return answers_of(ids, chances, self.letters, true, self.references)

    def compute_output_shape(self, fused_shape, tokens_shape, masks_shape=None):
        prefix = 1 + sum(shape[1] for shape in tokens_shape)
        return (fused_shape[0], prefix, 2 * self.depth * self.units + 1)

    def get_config(self):
        return {
            **super().get_config(),
            "letters": self.letters,
            "length": self.length,
            "references": self.references,
            "units": self.units,
            "depth": self.depth,
            "heads": self.heads,
            "dropout": self.dropout,
        }
