"""Texts of a training batch, with words unknown, left out, moved or replaced.

In the graph of `tf.data`, and for any tokenizer: what its ids mean stands in
its JSON. Padding, and marks of start and end, stay where they are.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmkeras.kinds.text import Text
from mmkeras.kinds.text.vocabulary import SpecialIds, special_ids
from mmkeras.spec import Learned

# Of a tokenizer that mmkeras trained.
TRAINED = SpecialIds(unknown=1, marks=())
# In the order of their seeds: a new one comes last, or all others would draw
# anew.
KEYS = ("token_dropout", "deletion", "swap", "replacement", "replacement_of")


def augment(
    modality: Text, settings: Mapping[str, Any], learned: Learned | None = None
) -> Callable:
    """Returns a function for `(batch, max_tokens)` int32.

    Args:
        modality: The kind of tokenizer.
        settings: A value for each of `Text.augmentations`.
        learned: The tokenizer; may be left out for one that was trained.

    Raises:
        ValueError: If there is no tokenizer, no unknown token, or no word
            vectors where they are needed.
    """
    known = learned and learned.file
    if modality.vocabulary and not known:
        raise ValueError(
            "Texts for a pretrained model need its tokenizer to be "
            "augmented. Received: none"
        )
    special = special_ids(known) if known else TRAINED
    if settings["token_dropout"] and special.unknown is None:
        raise ValueError(
            "`token_dropout` needs a tokenizer with an unknown token. "
            "Received: one without"
        )
    table = _neighbours(settings, known)

    def change(ids, seeds):
        import tensorflow as tf

        shape = tf.shape(ids)
        drawn = {
            key: tf.random.stateless_uniform(shape, next(seeds)) for key in KEYS
        }
        if settings["replacement"]:
            chosen = drawn["replacement"] < settings["replacement"]
            ids = _replaced(ids, chosen & _words(ids, special), drawn, *table)
        if settings["swap"]:
            ids = _swapped(ids, _words(ids, special), drawn, settings)
        if settings["token_dropout"]:
            chosen = drawn["token_dropout"] < settings["token_dropout"]
            chosen &= _words(ids, special)
            ids = tf.where(chosen, tf.cast(special.unknown, ids.dtype), ids)
        if settings["deletion"]:
            ids = _shortened(ids, _words(ids, special), drawn, settings)
        return ids

    return change


def _words(ids, special: SpecialIds):
    """Tells tokens from padding and marks, `(batch, max_tokens)`."""
    found = ids > 0
    for mark in special.marks:
        found &= ids != mark
    return found


def _shortened(ids, words, drawn: Mapping, settings: Mapping):
    """Leaves tokens out; the others close up, and padding follows."""
    import tensorflow as tf

    # A text keeps a token: none at all is another question.
    values = tf.where(words, drawn["deletion"], -1)
    last = values >= tf.reduce_max(values, axis=1, keepdims=True)
    keep = ~words | last | (values >= settings["deletion"])
    order = tf.argsort(tf.cast(~keep, tf.int32), axis=1, stable=True)
    return tf.gather(tf.where(keep, ids, 0), order, batch_dims=1)


def _swapped(ids, words, drawn: Mapping, settings: Mapping):
    """Lets neighbours change places, in pairs that do not overlap."""
    import tensorflow as tf

    count = tf.shape(ids)[1]
    place = tf.range(count)[None]
    # Pairs begin at an even token in one half of the texts.
    odd = tf.cast(drawn["swap"][:, :1] < 0.5, tf.int32)
    first = place - (place + odd) % 2
    other = first + tf.where(place == first, 1, 0)
    both = tf.maximum(first, 0), tf.minimum(first + 1, count - 1)
    whole = (first >= 0) & (first + 1 < count)
    for one in both:
        whole &= tf.gather(words, one, batch_dims=1)
    # The second draw of the pair, as the first tells odd from even.
    value = tf.gather(drawn["swap"], both[1], batch_dims=1)
    moved = whole & (value < settings["swap"])
    return tf.gather(ids, tf.where(moved, other, place), batch_dims=1)


def _replaced(ids, chosen, drawn: Mapping, table, inside):
    """Looks up neighbours of whole words; a word without any stays."""
    import tensorflow as tf

    neighbours, inside = tf.constant(table), tf.constant(inside)
    follows = tf.gather(inside, tf.concat([ids[:, 1:], ids[:, :1] * 0], 1))
    column = tf.cast(drawn["replacement_of"] * neighbours.shape[1], tf.int32)
    found = tf.gather_nd(neighbours, tf.stack([ids, column], -1))
    # What goes on in the next token is a part of a word.
    return tf.where(chosen & ~follows, found, ids)


def _neighbours(
    settings: Mapping[str, Any], text: str | None
) -> tuple[np.ndarray, np.ndarray] | None:
    if not settings["replacement"]:
        return None
    path = settings["word_vectors"]
    if path is None or text is None:
        raise ValueError(
            "`replacement` needs `word_vectors`, the text file of word "
            "vectors whose neighbours take the place of words, and the "
            f"tokenizer. Received: word_vectors={path!r}"
        )
    from mmkeras.kinds.text.neighbours import neighbour_table

    return neighbour_table(path, text)
