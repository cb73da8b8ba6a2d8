"""Attention over the tokens of all modalities."""

import keras
from keras import ops

from mmkeras.arguments import check_fraction
from mmkeras.fusion.base import Fusion, widths_of

# Large enough to silence a token, small enough to leave int8 its resolution.
MASKED = -30.0


@keras.saving.register_keras_serializable(package="mmkeras")
class CrossAttention(Fusion):
    """Each modality asks the others' tokens, then the answers are joined.

    A modality that asks does so with its vector, projected to `units`: one
    query over the tokens of every other modality. The answer is added to it
    and normalised; the answers are concatenated and projected. A modality
    alone asks its own tokens. Good where parts of one modality explain parts
    of another. Costs `M * (3 * d * units + 2 * units ** 2)` parameters, and
    `2 * T * d * units + M * (d * units + 2 * units ** 2 + 2 * T * units)`
    multiply-adds for M modalities of width d and T tokens together. With one
    `query` it has `(2 * M - 1) * d * units + 2 * units ** 2` parameters, and
    pays the part in brackets once.

    Args:
        units: Width of the output and of the attention; a multiple of
            `num_heads`.
        num_heads: Number of attention heads.
        dropout: Dropout rate on the answers.
        query: The one modality that asks all others; by default each asks.

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
        self.asks = self.who_asks(list(widths))
        askers = {n: widths[n] for n in self.asks}
        asked = {n: widths[n] for a in self.asks for n in self.asks[a]}
        roles = {
            "self": askers,
            "query": dict.fromkeys(askers, self.units),
            "key": asked,
            "value": asked,
        }
        parts = {}
        for role, widths in roles.items():
            for name, part in self.dense_each(role, widths, self.units).items():
                parts[f"{name}_{role}"] = part
        for name in askers:
            norm = keras.layers.LayerNormalization(
                name=f"{name}_norm", dtype=self.dtype_policy
            )
            norm.build((None, self.units))
            parts[norm.name] = norm
        self.parts = parts
        self.dense.build((None, self.units * len(askers)))

    def who_asks(self, names):
        """Returns `{modality: [modalities it asks]}`."""
        if self.query not in (None, *names):
            raise ValueError(
                "`query` must be one of the modalities, or None. "
                f"Received: {self.query!r}. Choices: {names}"
            )
        askers = names if self.query is None else [self.query]
        return {a: [n for n in names if n != a] or [a] for a in askers}

    def fuse(self, features):
        asked = [n for n in sorted(features) if f"{n}_key" in self.parts]
        keys, values = (
            {n: self.parts[n + role](features[n]["tokens"]) for n in asked}
            for role in ("_key", "_value")
        )
        answers = []
        for name, others in self.asks.items():
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
        # Not the sum alone: a large enough score would still be heard, and
        # where all is padding, the softmax would look at it.
        scores = scores * mask + (1 - mask) * MASKED
        weights = softmax(scores, axis=1) * mask
        answer = ops.sum(values * ops.expand_dims(weights, -1), axis=1)
        return ops.reshape(answer, (-1, self.units))

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
        joined = follow.flow((None, self.units * len(self.asks)))
        return follow(self.dense, joined)


def softmax(scores, axis=-1):
    """Softmax, also of a single score, where Keras' own would warn."""
    if scores.shape[axis] > 1:
        return ops.softmax(scores, axis=axis)
    # Not ones: who made the score would be left without a gradient.
    return scores * 0 + 1


def check_heads(units, num_heads):
    """Raises ValueError unless the heads share the units evenly."""
    if num_heads <= 0 or units % num_heads:
        raise ValueError(
            "`units` must be a multiple of `num_heads`. "
            f"Received: units={units}, num_heads={num_heads}"
        )
