"""Encoders of an embedded text: to tokens, and one vector."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.options import option
from mmkeras.towers.masked_layers import (
    HidePadding,
    LearnedPosition,
    MaskedMean,
    transformer_block,
)
from mmkeras.towers.text_embedding import TextEmbedded
from mmkeras.values import COUNT, FLAG


@dataclass(frozen=True, kw_only=True)
class TextBag(TextEmbedded):
    """Options of the mean of the embeddings, which knows no order."""


@dataclass(frozen=True, kw_only=True)
class TextCnn(TextEmbedded):
    """Options of convolutions of several widths (Kim 2014, arXiv 1408.5882).

    Args:
        widths: Tokens that the convolutions see at once; they share the
            `units`.
    """

    widths: Sequence[int] = option(
        (3, 4, 5), ("a list", lambda v: isinstance(v, list | tuple)), "tokens"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # A recipe has lists only; written out, the default says the same.
        object.__setattr__(self, "widths", tuple(self.widths))


@dataclass(frozen=True, kw_only=True)
class TextRecurrent(TextEmbedded):
    """Options of GRUs or LSTMs.

    Args:
        depth: Recurrent layers.
        bidirectional: Whether they read in both directions.
    """

    depth: int = option(1, COUNT)
    bidirectional: bool = option(True, FLAG)


@dataclass(frozen=True, kw_only=True)
class TextTransformer(TextEmbedded):
    """Options of pre-norm blocks with learned positions.

    Args:
        depth: Transformer blocks.
        heads: Attention heads; divides `units`.
    """

    depth: int = option(1, COUNT)
    heads: int = option(4, COUNT, role="parts")


def bag(x, mask, options, name):
    return x, _mean(x, mask, name)


def convolutions(x, mask, options, name):
    units, widths = x.shape[-1], options.widths
    if not widths or units < len(widths):
        raise ValueError(
            "`widths` must have one width or more, and no more than "
            f"`units`. Received: widths={list(widths)}, units={units}"
        )
    parts = []
    for i, width in enumerate(widths):
        check_positive(widths=width)
        share = units // len(widths) + (i < units % len(widths))
        convolution = layers.Conv1D(
            share, width, padding="same", activation="relu",
            name=f"{name}_conv_{i}",
        )  # fmt: skip
        parts.append(convolution(x))
    x = layers.Concatenate(name=f"{name}_convolutions")(parts)
    x = layers.Dropout(options.dropout, name=f"{name}_convolutions_dropout")(x)
    tokens = HidePadding(name=f"{name}_tokens")(x, mask)
    # After ReLU no value is below 0, so padding set to 0 never is the maximum.
    return tokens, layers.GlobalMaxPooling1D(name=f"{name}_vector")(tokens)


def transformer(x, mask, options, name):
    x = LearnedPosition(name=f"{name}_position")(x)
    rates = options.heads, options.dropout
    for i in range(options.depth):
        x = transformer_block(x, mask, *rates, f"{name}_block_{i}")
    norm = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_tokens")
    tokens = norm(x)
    return tokens, _mean(tokens, mask, name)


def recurrent(x, mask, options, name):
    variant, units = options.variant, x.shape[-1]
    cell = {"gru": layers.GRU, "lstm": layers.LSTM}[variant]
    for i in range(options.depth):
        prefix = f"{name}_{variant}_{i}"
        if options.bidirectional:
            one = cell(units, return_sequences=True)
            both = layers.Bidirectional(one, name=prefix)
            x = both(x, mask=ops.cast(mask, "bool"))
            x = HidePadding(name=f"{prefix}_hide_padding")(x, mask)
        else:
            # Padding is at the end, where a forward pass needs no mask.
            x = cell(units, return_sequences=True, name=prefix)(x)
        x = layers.Dropout(options.dropout, name=f"{prefix}_dropout")(x)
    tokens = layers.Dense(units, name=f"{name}_tokens")(x)
    return tokens, _mean(tokens, mask, name)


def _mean(tokens, mask, name):
    return MaskedMean(name=f"{name}_vector")(tokens, mask)
