"""From tags of tokens to the spans they mark, and back.

It travels to the device. Of labels 0, 1, ... a token has the tag 0 where it is
in no span, `1 + 2 * label` where it begins one (B), and `2 + 2 * label` where
it is inside of one (I).
"""

import numpy as np

OUTSIDE = 0

# First token, the token behind the last one, label.
Tagged = tuple[int, int, int]


def find_spans(tags: np.ndarray) -> list[Tagged]:
    """Returns the spans of one text, from left to right.

    What goes on without having begun begins there, as in CoNLL's evaluation.

    Args:
        tags: `(tokens,)`.

    Example:

    >>> find_spans(np.array([0, 1, 2, 0, 4]))
    [(1, 3, 0), (4, 5, 1)]
    """
    found, start, label = [], 0, -1
    for place, tag in enumerate([*np.asarray(tags).astype(int), OUTSIDE]):
        goes_on = tag == 2 + 2 * label and label >= 0
        if label >= 0 and not goes_on:
            found.append((start, place, label))
            label = -1
        if tag != OUTSIDE and not goes_on:
            start, label = place, int(tag - 1) // 2
    return found


def tags_of(spans: list[Tagged], tokens: int) -> np.ndarray:
    """Returns the tags of `tokens` tokens, `(tokens,)` of int32.

    Example:

    >>> tags_of([(1, 3, 0)], 4)
    array([0, 1, 2, 0], dtype=int32)
    """
    tags = np.zeros(tokens, "int32")
    for start, end, label in spans:
        tags[start:end] = 2 + 2 * label
        tags[start] = 1 + 2 * label
    return tags


def sureness(output: np.ndarray, span: Tagged) -> float:
    """Returns the probability of the least sure token of a span.

    Args:
        output: `(tokens, tags)` probabilities.
        span: Of `find_spans`, of the likeliest tags.
    """
    return float(np.asarray(output)[span[0] : span[1]].max(axis=-1).min())
