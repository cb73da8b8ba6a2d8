"""The decoder of a text that looks at what was read by cross-attention."""

import keras
from keras import ops

from mmkeras.generation import KEY, VALUE
from mmkeras.heads.text_blocks import CrossBlock
from mmkeras.heads.text_decoder import TextDecoder


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossTextDecoder(TextDecoder):
    """A transformer that writes a text and looks at what was read.

    As `TextDecoder`, but the text alone is its sequence: each block attends to
    the letters before, and then to the fused vector and the tokens of the
    modalities, which do not see each other. What was read costs nothing more
    in the attention of letters to letters, and the decoder may be deep.

    Keys and values of what was read come first in the caches, those of the
    letters behind; so a device runs both decoders by the same code.

    Source: Vaswani et al., "Attention Is All You Need", 2017
    (arXiv 1706.03762), with norms first.
    """

    def build(self, fused_shape, tokens_shape=(), masks_shape=()):
        super().build(fused_shape, tokens_shape, masks_shape)
        self.prefix_norm = self._norm("prefix_norm")

    def _block(self, i):
        block = CrossBlock(
            self.units, self.heads, name=f"block_{i}", dtype=self.dtype_policy
        )
        block.build((None, None, self.units))
        return block

    def call(self, fused, tokens, masks, training=None):
        x, hidden = self.read(fused, tokens, masks, training)
        x = self.prefix_norm(x)
        found = [part for block in self.blocks for part in block.remember(x)]
        return self.pack(found, hidden)

    def log_probabilities(self, memory, labels):
        ids = self.ids_of(labels)
        x = self.embed(ids)
        memory = ops.cast(memory, x.dtype)
        hidden = memory[:, None, None, :, -1]
        causal = ops.cast(self._causal(), x.dtype)
        for i, block in enumerate(self.blocks):
            old = memory[..., 2 * i * self.units : 2 * (i + 1) * self.units]
            keys, values = (block.split(p) for p in ops.split(old, 2, axis=-1))
            seen = block.attend(*block.project(x), causal)
            x = block.finish_with(x, seen, keys, values, hidden)
        logits = ops.cast(self.logits(self.norm(x)), "float32")
        return ops.log_softmax(logits, axis=-1), ids

    def step(self, tokens, input_pos, mask, caches):
        x = self.embed_one(tokens, input_pos)
        mask, at = ops.cast(mask, x.dtype), self.prefix
        here = ops.zeros_like(mask[..., :1])
        written = ops.concatenate([mask[..., at:], here], axis=-1)
        found = {}
        for i, block in enumerate(self.blocks):
            q, k, v = block.project(x)
            keys, values = caches[f"{KEY}{i}"], caches[f"{VALUE}{i}"]
            seen = block.attend_cached(
                q, k, v, keys[:, at:], values[:, at:], written
            )
            x = block.finish_with(
                x, seen, keys[:, :at], values[:, :at], mask[..., :at]
            )
            found |= {
                f"{KEY}{i}": block.split(k),
                f"{VALUE}{i}": block.split(v),
            }
        return {"logits": self.logits(self.norm(x)), **found}
