"""Token ids to embeddings, the first layers of most text towers."""

from dataclasses import dataclass

from keras import layers, ops

from mmkeras.escaping import say
from mmkeras.options import option
from mmkeras.towers.masked_layers import HidePadding
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.towers.word_vectors import word_matrix
from mmkeras.values import COUNT, FLAG, PATH, SHARE, or_none


@dataclass(frozen=True, kw_only=True)
class TextOptions(TowerOptions):
    """Options of every text tower.

    Args:
        units: Width of the vector and of the tokens, and of all layers.
        dropout: Share of features dropped in all layers but the embedding.
    """

    dropout: float = option(0.1, SHARE)


@dataclass(frozen=True, kw_only=True)
class TextEmbedded(TextOptions):
    """Options of text towers with an embedding of their own.

    Args:
        phrase: Tokens that a convolution over neighbours sees at once, words
            to phrases; 1 leaves it out.
        stride: Neighbouring tokens averaged to one position; divides
            `max_tokens`. Attention over 4 times fewer positions costs 16
            times less.
        embedding_dropout: Share of features of the embedding dropped.
        word_vectors: Text file of pretrained word vectors (GloVe, word2vec,
            fastText), which the embedding starts from; if they are not
            `units` wide, a dense layer follows.
        freeze_words: Whether `word_vectors` are frozen.
    """

    phrase: int = option(1, COUNT, "tokens")
    stride: int = option(1, COUNT, "tokens")
    embedding_dropout: float = option(0.1, SHARE)
    word_vectors: str | None = option(None, or_none(PATH))
    freeze_words: bool = option(False, FLAG)


def embed(token_ids, vocabulary_size, tokenizer, options, name):
    """Embeds tokens, convolves them to phrases, and averages neighbours.

    Returns:
        `(batch, positions, units)`, and the mask `(batch, positions)`.
    """
    mask = ops.cast(ops.not_equal(token_ids, 0), "float32")
    x = _look_up(token_ids, vocabulary_size, tokenizer, options, name)
    x = layers.Dropout(
        options.embedding_dropout, name=f"{name}_embedding_dropout"
    )(x)
    x = HidePadding(name=f"{name}_words")(x, mask)
    if options.phrase > 1:
        rate = options.dropout
        x = _phrases(x, mask, options.phrase, rate, f"{name}_phrases")
    if options.stride > 1:
        x, mask = _merge(x, mask, options.stride, f"{name}_merge")
    return x, mask


def _look_up(token_ids, vocabulary_size, tokenizer, options, name):
    if options.word_vectors is None:
        return layers.Embedding(
            vocabulary_size, options.units, name=f"{name}_embedding"
        )(token_ids)
    matrix = _words(name, options.word_vectors, tokenizer, vocabulary_size)
    frozen = options.freeze_words
    return _known_words(token_ids, matrix, frozen, options.units, name)


def _words(name, path, tokenizer, vocabulary_size):
    if tokenizer is None:
        raise ValueError(
            "`word_vectors` needs `tokenizer`, the JSON with "
            "the words. Received: tokenizer=None"
        )
    matrix, found = word_matrix(path, tokenizer, vocabulary_size)
    say(f"`{name}`: {path} has {found:,} of {vocabulary_size:,} tokens")
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
