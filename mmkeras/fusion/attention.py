"""Attention over the tokens of all modalities."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of

# Added to the score of padding: large enough for a softmax weight of about 0,
# small enough that an int8 range still resolves the other scores.
MASKED = -30.0


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossAttention(Fusion):
    """Each modality attends to the others' tokens; the results are fused.

    The query of a modality is its vector, projected to `units`, over the
    tokens of every other modality. The result is added to it and normalised;
    the results are concatenated and projected. A modality alone attends to
    its own tokens. Good where parts of one modality explain parts
    of another. Costs `M * (3 * d * units + 2 * units ** 2)` parameters, and
    `2 * T * d * units + M * (d * units + 2 * units ** 2 + 2 * T * units)`
    multiply-adds for M modalities of width d and T tokens together. With one
    `query` it has `(2 * M - 1) * d * units + 2 * units ** 2` parameters, and
    pays the part in brackets once.

    Args:
        units: Width of the output and of the attention; a multiple of
            `num_heads`.
        num_heads: Number of attention heads.
        dropout: Dropout rate on the results of attention.
        query: The one modality that attends to all others; by default each.

    Call arguments and output shape: see `Fusion`.

    Source: Tsai et al., "Multimodal Transformer for Unaligned Multimodal
    Language Sequences", 2019 (arXiv 1906.00295), with one query a modality.

    Example:

    >>> fused = CrossAttention(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(
        self, units=64, num_heads=4, dropout=0.0, query=None, **kwargs
    ):
        check_fraction("dropout", dropout)
        super().__init__(units, **kwargs)
        check_heads(units, num_heads)
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = query
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.dense = keras.layers.Dense(
            units, "relu", name="dense", dtype=self.dtype_policy
        )

    def build_fuse(self, features_shape):
        widths = widths_of(features_shape)
        self.asks = self.key_modalities(list(widths))
        queries = {n: widths[n] for n in self.asks}
        keys = {n: widths[n] for q in self.asks for n in self.asks[q]}
        roles = {
            "self": queries,
            "query": dict.fromkeys(queries, self.units),
            "key": keys,
            "value": keys,
        }
        parts = {}
        for role, widths in roles.items():
            for name, part in self.dense_each(role, widths, self.units).items():
                parts[f"{name}_{role}"] = part
        for name in queries:
            norm = keras.layers.LayerNormalization(
                name=f"{name}_norm", dtype=self.dtype_policy
            )
            norm.build((None, self.units))
            parts[norm.name] = norm
        self.parts = parts
        self.dense.build((None, self.units * len(queries)))

    def key_modalities(self, names):
        """Returns `{modality: [modalities it attends to]}`."""
        if self.query not in (None, *names):
            raise ValueError(
                "`query` must be one of the modalities, or None. "
                f"Received: {self.query!r}. Choices: {names}"
            )
        queries = names if self.query is None else [self.query]
        return {q: [n for n in names if n != q] or [q] for q in queries}

    def fuse(self, features):
        key_names = [n for n in sorted(features) if f"{n}_key" in self.parts]
        keys, values = (
            {
                name: self.parts[f"{name}_{role}"](features[name]["tokens"])
                for name in key_names
            }
            for role in ("key", "value")
        )
        attended = []
        for name, others in self.asks.items():
            own = self.parts[f"{name}_self"](features[name]["vector"])
            result = self.attend(
                self.parts[f"{name}_query"](own),
                ops.concatenate([keys[n] for n in others], axis=1),
                ops.concatenate([values[n] for n in others], axis=1),
                ops.concatenate([features[n]["mask"] for n in others], axis=1),
            )
            attended.append(self.parts[f"{name}_norm"](own + self.drop(result)))
        return self.dense(ops.concatenate(attended, axis=-1))

    def attend(self, query, keys, values, mask):
        """One query `(batch, units)` over `(batch, t, units)`."""
        tokens, heads = keys.shape[1], self.num_heads
        width = self.units // heads
        # The weighting is a broadcast product and a sum: with one query it
        # costs what a matrix product would, and it survives int8.
        query = ops.reshape(query, (-1, 1, heads, width))
        keys = ops.reshape(keys, (-1, tokens, heads, width))
        values = ops.reshape(values, (-1, tokens, heads, width))
        scores = ops.sum(query * keys, axis=-1) / width**0.5
        mask = ops.expand_dims(ops.cast(mask, scores.dtype), -1)
        # Replaced, not only lowered: a large enough score would survive the
        # sum. And where all is padding, the softmax alone would average it.
        scores = scores * mask + (1 - mask) * MASKED
        weights = softmax(scores, axis=1) * mask
        result = ops.sum(values * ops.expand_dims(weights, -1), axis=1)
        return ops.reshape(result, (-1, self.units))

    def follow_fuse(self, follow, features):
        # Normalised over all units, which therefore stay; the towers' widths
        # may change.
        for name in sorted(features):
            for part in (f"{name}_key", f"{name}_value"):
                if part in self.parts:
                    follow(self.parts[part], features[name]["tokens"])
        for name, others in self.asks.items():
            own = follow(self.parts[f"{name}_self"], features[name]["vector"])
            follow(self.parts[f"{name}_query"], own)
            seen = sum(features[n]["tokens"].shape[1] for n in others)
            follow.cost(2 * seen, self.units)
        concatenated = follow.flow((None, self.units * len(self.asks)))
        return follow(self.dense, concatenated)


def softmax(scores, axis=-1):
    """Softmax, also of a single score, where Keras' own would warn."""
    if scores.shape[axis] > 1:
        return ops.softmax(scores, axis=axis)
    # Not ones: the layer that made the score would get no gradient.
    return scores * 0 + 1


def check_heads(units, num_heads):
    """Raises ValueError unless the heads share the units evenly."""
    if num_heads <= 0 or units % num_heads:
        raise ValueError(
            "`units` must be a multiple of `num_heads`. "
            f"Received: units={units}, num_heads={num_heads}"
        )
