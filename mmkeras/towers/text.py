"""Text towers: token ids in, one vector and one row per position out."""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import layers, ops

from mmkeras.towers.checks import check_choice, check_sizes
from mmkeras.towers.hub import as_tower
from mmkeras.towers.sequence import (
    HidePadding,
    LearnedPosition,
    MaskedMean,
    transformer_block,
)
from mmkeras.towers.text_hub import HUB, token_backbone
from mmkeras.towers.word_vectors import word_matrix

VARIANTS = ("bag", "cnn", "gru", "lstm", "transformer", *HUB)


def text_tower(
    max_tokens: int,
    vocabulary_size: int,
    name: str = "text",
    variant: str = "transformer",
    units: int = 64,
    depth: int = 1,
    heads: int = 4,
    widths: Sequence[int] = (3, 4, 5),
    phrase: int = 1,
    stride: int = 1,
    dropout: float = 0.1,
    embedding_dropout: float = 0.1,
    bidirectional: bool = True,
    word_vectors: str | Path | None = None,
    freeze_words: bool = False,
    tokenizer: str | Path | None = None,
    pretrained: str | None = None,
) -> keras.Model:
    """Builds a tower that reads one text.

    Embedded tokens pass an optional convolution over neighbours (words to
    phrases), are optionally averaged in groups, then read by the variant. The
    vector is the mean of the tokens that are not padding (their maximum with
    "cnn"), and zeros where all are.

    | variant | good for |
    | --- | --- |
    | `"bag"` | topics; the mean of the embeddings, which knows no order |
    | `"cnn"` | phrases that decide alone (Kim 2014, arXiv 1408.5882) |
    | `"gru"`, `"lstm"` | order, in texts of up to some hundred tokens |
    | `"transformer"` | words far apart; learned positions, pre-norm blocks |
    | `"bert"`, `"distilbert"`, `"roberta"` | little data, with `pretrained` |

    Args:
        max_tokens: Tokens of a text; shorter ones are padded with id 0.
        vocabulary_size: Token ids, padding among them.
        name: Name of the modality, and of the input.
        variant: One of the table above.
        units: Width of the vector and of the tokens, and of all layers.
        depth: Transformer blocks, or recurrent layers.
        heads: Attention heads; divides `units`.
        widths: Tokens that the convolutions of "cnn" see at once; they share
            the `units`.
        phrase: Tokens that the convolution sees at once; 1 leaves it out.
        stride: Neighbouring tokens averaged to one position; divides
            `max_tokens`. Attention over 4 times fewer positions costs 16
            times less.
        dropout: Share of features dropped in all layers but the embedding.
        embedding_dropout: Share of features of the embedding dropped.
        bidirectional: Whether a GRU or LSTM reads in both directions.
        word_vectors: Text file of pretrained word vectors (GloVe, word2vec,
            fastText), which the embedding starts from; if they are not
            `units` wide, a dense layer follows. Needs `tokenizer`.
        freeze_words: Whether `word_vectors` stay as they are.
        tokenizer: JSON of the tokenizer, which knows the words of the ids.
        pretrained: Preset of keras_hub, or a local folder of one, for its
            variants; they start at random without it.

    Returns:
        Model from int32 `(batch, max_tokens)` to
        `{"vector": (batch, units), "tokens": (batch, positions, units),
        "mask": (batch, positions)}`, positions being
        `max_tokens / stride`; the mask is 1 where any token is real.

    Raises:
        ValueError: If arguments do not fit each other, or a file is no preset
            or no word vectors.

    Example:

    >>> tower = text_tower(max_tokens=8, vocabulary_size=1000)
    >>> tower(np.array([[7, 3, 0, 0, 0, 0, 0, 0]]))["vector"].shape
    TensorShape([1, 64])
    """
    check_choice("variant", variant, VARIANTS)
    check_sizes(max_tokens=max_tokens, vocabulary_size=vocabulary_size)
    check_sizes(units=units, depth=depth, heads=heads)
    check_sizes(phrase=phrase, stride=stride)
    if variant in HUB:
        _check_hub(variant, phrase, stride, word_vectors)
        sizes = (max_tokens, vocabulary_size, units, depth, heads, dropout)
        hub = token_backbone(variant, *sizes, pretrained)
        return as_tower(hub, name, units, (max_tokens,))
    if pretrained is not None:
        raise ValueError(
            f"Argument `pretrained` is for the variants {list(HUB)}. "
            f"Received: pretrained={pretrained!r} with variant={variant!r}"
        )
    if max_tokens % stride:
        raise ValueError(
            "Argument `stride` must divide `max_tokens`. Received: "
            f"stride={stride}, max_tokens={max_tokens}"
        )
    token_ids = keras.Input((max_tokens,), dtype="int32", name=name)

    mask = ops.cast(ops.not_equal(token_ids, 0), "float32")
    if word_vectors is None:
        table = layers.Embedding(
            vocabulary_size, units, name=f"{name}_embedding"
        )
        x = table(token_ids)
    else:
        matrix = _words(name, word_vectors, tokenizer, vocabulary_size)
        x = _known_words(token_ids, matrix, freeze_words, units, name)
    x = layers.Dropout(embedding_dropout, name=f"{name}_embedding_dropout")(x)
    x = HidePadding(name=f"{name}_words")(x, mask)
    if phrase > 1:
        x = _phrases(x, mask, phrase, dropout, f"{name}_phrases")
    if stride > 1:
        x, mask = _merge(x, mask, stride, f"{name}_merge")

    if variant == "cnn":
        tokens = _convolutions(x, mask, widths, dropout, name)
        # No value is below 0, and padding is 0.
        vector = layers.GlobalMaxPooling1D(name=f"{name}_vector")(tokens)
    else:
        tokens = x
        if variant == "transformer":
            tokens = _transformer(x, mask, depth, heads, dropout, name)
        elif variant != "bag":
            settings = (depth, bidirectional, dropout, name)
            tokens = _recurrent(variant, x, mask, *settings)
        vector = MaskedMean(name=f"{name}_vector")(tokens, mask)
    outputs = {"vector": vector, "tokens": tokens, "mask": mask}
    return keras.Model(token_ids, outputs, name=f"{name}_tower")


def _check_hub(variant, phrase, stride, word_vectors):
    given = {"phrase": phrase, "stride": stride, "word_vectors": word_vectors}
    usual = {"phrase": 1, "stride": 1, "word_vectors": None}
    for key in given:
        if given[key] != usual[key]:
            raise ValueError(
                f"Argument `{key}` is not for the variants {list(HUB)}. "
                f"Received: {key}={given[key]!r} with variant={variant!r}"
            )


def _words(name, path, tokenizer, vocabulary_size):
    if tokenizer is None:
        raise ValueError(
            "Argument `word_vectors` needs `tokenizer`, the JSON that knows "
            "the words. Received: tokenizer=None"
        )
    matrix, found = word_matrix(path, tokenizer, vocabulary_size)
    print(f"`{name}`: {path} has {found:,} of {vocabulary_size:,} tokens")
    return matrix


def _known_words(token_ids, matrix, freeze, units, name):
    table = layers.Embedding(*matrix.shape, name=f"{name}_embedding")
    x = table(token_ids)
    table.embeddings.assign(matrix)
    table.trainable = not freeze
    if matrix.shape[1] == units:
        return x
    return layers.Dense(units, name=f"{name}_embedding_units")(x)


def _phrases(x, mask, phrase, dropout, name):
    y = layers.Conv1D(
        x.shape[-1], phrase, padding="same", activation="relu", name=name
    )(x)
    y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    y = layers.Add(name=f"{name}_and_words")([x, y])
    return HidePadding(name=f"{name}_hide_padding")(y, mask)


def _merge(x, mask, stride, name):
    x = layers.AveragePooling1D(stride, name=name)(x)
    exact = {"dtype": "float32"}
    mask = layers.Reshape((-1, 1), name=f"{name}_column", **exact)(mask)
    mask = layers.MaxPooling1D(stride, name=f"{name}_any", **exact)(mask)
    return x, layers.Reshape((-1,), name=f"{name}_mask", **exact)(mask)


def _convolutions(x, mask, widths, dropout, name):
    units = x.shape[-1]
    if not widths or units < len(widths):
        raise ValueError(
            "Argument `widths` must have one width or more, and no more than "
            f"`units`. Received: widths={list(widths)}, units={units}"
        )
    parts = []
    for i, width in enumerate(widths):
        check_sizes(widths=width)
        share = units // len(widths) + (i < units % len(widths))
        convolution = layers.Conv1D(
            share, width, padding="same", activation="relu",
            name=f"{name}_conv_{i}",
        )  # fmt: skip
        parts.append(convolution(x))
    x = layers.Concatenate(name=f"{name}_convolutions")(parts)
    x = layers.Dropout(dropout, name=f"{name}_convolutions_dropout")(x)
    return HidePadding(name=f"{name}_tokens")(x, mask)


def _transformer(x, mask, depth, heads, dropout, name):
    x = LearnedPosition(name=f"{name}_position")(x)
    for i in range(depth):
        x = transformer_block(x, mask, heads, dropout, f"{name}_block_{i}")
    norm = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_tokens")
    return norm(x)


def _recurrent(variant, x, mask, depth, bidirectional, dropout, name):
    cell = {"gru": layers.GRU, "lstm": layers.LSTM}[variant]
    units = x.shape[-1]
    for i in range(depth):
        prefix = f"{name}_{variant}_{i}"
        if bidirectional:
            one = cell(units, return_sequences=True)
            both = layers.Bidirectional(one, name=prefix)
            x = both(x, mask=ops.cast(mask, "bool"))
            x = HidePadding(name=f"{prefix}_hide_padding")(x, mask)
        else:
            # Padding is at the end, where a forward pass needs no mask.
            x = cell(units, return_sequences=True, name=prefix)(x)
        x = layers.Dropout(dropout, name=f"{prefix}_dropout")(x)
    return layers.Dense(units, name=f"{name}_tokens")(x)
