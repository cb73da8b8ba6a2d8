"""What is evaluated of texts that were generated."""

import hashlib
from collections.abc import Sequence

import numpy as np

# A number of a word is told as two, since Keras makes float32 of labels.
HALF = 2**16


def code_of(word: str) -> int:
    """Returns the number that stands for a word in a label: never 0.

    It follows from the word alone, so that data that are added later agree.
    """
    digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1


def answers_of(
    ids: np.ndarray,
    chances: np.ndarray,
    letters: Sequence[str],
    true: np.ndarray | None = None,
    references: int = 1,
) -> np.ndarray:
    """Returns what is evaluated of texts that were generated.

    Args:
        ids: `(rows, tokens)`.
        chances: Their log-probabilities.
        letters: The character, or word, of each id from `FIRST` on.
        true: Log-probabilities of the labels, `(rows, references * tokens)`;
            None where they are not known.
        references: Labels of a row.

    Returns:
        `(rows, 2 + references, places)`, with places for the longest text
        that could be written: code points, 0 behind the end;
        log-probabilities; and those of the labels, 1 where unknown.
    """
    rows, size = ids.shape
    places = size * max(map(len, letters))
    pieces = ["", "", "", *letters]
    found = np.zeros((rows, 2 + references, places), np.float32)
    found[:, 2:] = 1
    for row, each in zip(found, ids, strict=True):
        text = "".join(pieces[token] for token in each)
        row[0, : len(text)] = [*map(ord, text)]
    found[:, 1, :size] = chances
    if true is not None:
        found[:, 2:, :size] = np.asarray(true).reshape(rows, references, size)
    return found
