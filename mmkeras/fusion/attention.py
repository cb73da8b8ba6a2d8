"""Attention over the tokens of all modalities."""

import keras
from keras import ops

from mmkeras.fusion.base import Fusion, check_rate

# Large enough to silence a token, small enough to leave int8 its resolution.
MASKED = -30.0


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossAttention(Fusion):
    """Each modality asks all the others' tokens, then the answers are joined.

    Each modality's vector, projected to `units`, is a query over the tokens
    of every other modality; the answer is added to it, normalised, and the
    results are concatenated and projected. A modality alone asks its own
    tokens. Good where parts of one modality explain parts of another. Costs
    `M * (6 * d * units)` parameters, and `units` multiply-adds for each pair of
    query and token beside the projections.

    Args:
        units: Width of the output and of the attention; a multiple of
            `num_heads`.
        num_heads: Number of attention heads.
        dropout: Dropout rate on the answers.

    Call arguments and output shape: see `Fusion`.

    Source: Tsai et al., "Multimodal Transformer for Unaligned Multimodal
    Language Sequences", 2019 (arXiv 1906.00295), with one query a modality.

    Example:

    >>> fused = CrossAttention(32)({"a": tower_a(x), "b": tower_b(y)})
    """

    def __init__(self, units=64, num_heads=4, dropout=0.0, **kwargs):
        check_rate("dropout", dropout)
        super().__init__(units, **kwargs)
        if num_heads <= 0 or units % num_heads:
            raise ValueError(
                "`units` must be a multiple of `num_heads`. "
                f"Received: units={units}, num_heads={num_heads}"
            )
        self.num_heads = num_heads
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout)
        self.dense = keras.layers.Dense(units, "relu", name="dense")

    def build_fuse(self, features_shape):
        self.parts = {}
        for name in sorted(features_shape):
            width = features_shape[name]["vector"][-1]
            for role in ("self", "query", "key", "value"):
                part = keras.layers.Dense(self.units, name=f"{name}_{role}")
                part.build((None, self.units if role == "query" else width))
                self.parts[part.name] = part
            norm = keras.layers.LayerNormalization(name=f"{name}_norm")
            norm.build((None, self.units))
            self.parts[norm.name] = norm
        self.dense.build((None, self.units * len(features_shape)))

    def fuse(self, features):
        names = sorted(features)
        keys = {n: self.parts[f"{n}_key"](features[n]["tokens"]) for n in names}
        values = {
            n: self.parts[f"{n}_value"](features[n]["tokens"]) for n in names
        }
        answers = []
        for name in names:
            others = [n for n in names if n != name] or [name]
            own = self.parts[f"{name}_self"](features[name]["vector"])
            answer = self.attend(
                self.parts[f"{name}_query"](own),
                ops.concatenate([keys[n] for n in others], axis=1),
                ops.concatenate([values[n] for n in others], axis=1),
                ops.concatenate([features[n]["mask"] for n in others], axis=1),
            )
            answers.append(self.parts[f"{name}_norm"](own + self.drop(answer)))
        return self.dense(ops.concatenate(answers, axis=-1))

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
        weights = ops.softmax(scores + (1 - mask) * MASKED, axis=1)
        answer = ops.sum(values * ops.expand_dims(weights, -1), axis=1)
        return ops.reshape(answer, (-1, self.units))

    def follow_fuse(self, follow, features):
        # Normalised over all units, which therefore stay; the towers' widths
        # may change.
        names = sorted(features)
        tokens = {n: features[n]["tokens"].shape[1] for n in names}
        for name in names:
            own = follow(self.parts[f"{name}_self"], features[name]["vector"])
            follow(self.parts[f"{name}_query"], own)
            for role in ("key", "value"):
                follow(self.parts[f"{name}_{role}"], features[name]["tokens"])
            seen = sum(tokens[n] for n in names if n != name) or tokens[name]
            follow.cost(2 * seen, self.units)
        joined = follow.flow((None, self.units * len(names)))
        return follow(self.dense, joined)
