"""Text towers: token ids in, one vector and one row per position out."""

import keras
from keras import layers, ops

from mmkeras.towers.image import check_choice, check_sizes
from mmkeras.towers.sequence import (
    HidePadding,
    LearnedPosition,
    MaskedMean,
    SelfAttention,
)

VARIANTS = ("gru", "transformer")


def text_tower(
    max_tokens: int,
    vocabulary_size: int,
    name: str = "text",
    variant: str = "transformer",
    units: int = 64,
    depth: int = 1,
    heads: int = 4,
    phrase: int = 1,
    stride: int = 1,
    dropout: float = 0.1,
    embedding_dropout: float = 0.1,
    bidirectional: bool = True,
) -> keras.Model:
    """Builds a tower that reads one text.

    Embedded tokens pass an optional convolution over neighbours (words to
    phrases), are optionally averaged in groups, then read by a transformer
    or a GRU. The vector is the mean of the tokens that are not padding, and
    zeros where all are.

    Args:
        max_tokens: Tokens of a text; shorter ones are padded with id 0.
        vocabulary_size: Token ids, padding among them.
        name: Name of the modality, and of the input.
        variant: `"transformer"` (learned positions, pre-norm blocks) or
            `"gru"`.
        units: Width of the vector and of the tokens, and of all layers.
        depth: Transformer blocks, or GRU layers.
        heads: Attention heads; divides `units`.
        phrase: Tokens that the convolution sees at once; 1 leaves it out.
        stride: Neighbouring tokens averaged to one position; divides
            `max_tokens`. Attention over 4 times fewer positions costs 16
            times less.
        dropout: Share of features dropped in all layers but the embedding.
        embedding_dropout: Share of features of the embedding dropped.
        bidirectional: Whether a GRU reads in both directions.

    Returns:
        Model from int32 `(batch, max_tokens)` to
        `{"vector": (batch, units), "tokens": (batch, positions, units),
        "mask": (batch, positions)}`, positions being
        `max_tokens / stride`; the mask is 1 where any token is real.

    Example:

    >>> tower = text_tower(max_tokens=8, vocabulary_size=1000)
    >>> tower(np.array([[7, 3, 0, 0, 0, 0, 0, 0]]))["vector"].shape
    TensorShape([1, 64])
    """
    check_choice("variant", variant, VARIANTS)
    check_sizes(max_tokens=max_tokens, vocabulary_size=vocabulary_size)
    check_sizes(units=units, depth=depth, heads=heads)
    check_sizes(phrase=phrase, stride=stride)
    if max_tokens % stride:
        raise ValueError(
            "Argument `stride` must divide `max_tokens`. Received: "
            f"stride={stride}, max_tokens={max_tokens}"
        )
    token_ids = keras.Input((max_tokens,), dtype="int32", name=name)

    mask = ops.cast(ops.not_equal(token_ids, 0), "float32")
    embed = layers.Embedding(vocabulary_size, units, name=f"{name}_embedding")
    x = embed(token_ids)
    x = layers.Dropout(embedding_dropout, name=f"{name}_embedding_dropout")(x)
    x = HidePadding(name=f"{name}_words")(x, mask)
    if phrase > 1:
        x = _phrases(x, mask, phrase, dropout, f"{name}_phrases")
    if stride > 1:
        x, mask = _merge(x, mask, stride, f"{name}_merge")

    if variant == "transformer":
        x = LearnedPosition(name=f"{name}_position")(x)
        for i in range(depth):
            x = _block(x, mask, heads, dropout, f"{name}_block_{i}")
        norm = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_tokens")
        tokens = norm(x)
    else:
        for i in range(depth):
            x = _gru(x, mask, bidirectional, f"{name}_gru_{i}")
            x = layers.Dropout(dropout, name=f"{name}_gru_{i}_dropout")(x)
        tokens = layers.Dense(units, name=f"{name}_tokens")(x)

    vector = MaskedMean(name=f"{name}_vector")(tokens, mask)
    outputs = {"vector": vector, "tokens": tokens, "mask": mask}
    return keras.Model(token_ids, outputs, name=f"{name}_tower")


def _phrases(x, mask, phrase, dropout, name):
    y = layers.Conv1D(
        x.shape[-1], phrase, padding="same", activation="relu", name=name
    )(x)
    y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    y = layers.Add(name=f"{name}_and_words")([x, y])
    return HidePadding(name=f"{name}_hide_padding")(y, mask)


def _merge(x, mask, stride, name):
    x = layers.AveragePooling1D(stride, name=name)(x)
    mask = layers.Reshape((-1, 1), name=f"{name}_column")(mask)
    mask = layers.MaxPooling1D(stride, name=f"{name}_any")(mask)
    return x, layers.Reshape((-1,), name=f"{name}_mask")(mask)


def _block(x, mask, heads, dropout, name):
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


def _gru(x, mask, bidirectional, name):
    units = x.shape[-1]
    if not bidirectional:
        # Padding is at the end, where a forward pass needs no mask.
        return layers.GRU(units, return_sequences=True, name=name)(x)
    both = layers.Bidirectional(
        layers.GRU(units, return_sequences=True), name=name
    )
    x = both(x, mask=ops.cast(mask, "bool"))
    return HidePadding(name=f"{name}_hide_padding")(x, mask)
