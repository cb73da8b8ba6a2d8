"""Words whose vectors are near each other, as a table of token ids."""

import functools
import json
from pathlib import Path

import numpy as np

from mmkeras.towers import read_word_vectors

# As many take the place of a word, each as often.
NEIGHBOURS = 5
# Below, words have little in common but how frequent they are.
MIN_COSINE = 0.5
# Rows of similarities in memory at once, beside all words.
ROWS = 512


def neighbour_table(
    path: str | Path, tokenizer: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the neighbours of each token, and which go on inside a word.

    Args:
        path: Text file of word vectors, as GloVe has it.
        tokenizer: JSON of the tokenizer.

    Returns:
        `(tokens, neighbours)` int32, where what has no neighbour has itself;
        and `(tokens,)` bool, True for a piece that does not begin a word.

    Raises:
        ValueError: If the file is none of word vectors, or has no two words
            of the tokenizer that are near each other.
    """
    status = Path(path).stat()
    stamp = status.st_size, status.st_mtime_ns
    return _table(str(path), stamp, tokenizer)


# Views and epochs ask again, and the file is large.
@functools.lru_cache(4)
def _table(
    path: str, stamp: tuple[int, int], tokenizer: str
) -> tuple[np.ndarray, np.ndarray]:
    model = json.loads(tokenizer)["model"]
    words, inside = _words(model)
    vectors = read_word_vectors(path, words)
    names = [word for word in words if word in vectors]
    ids = np.array([words[name] for name in names], np.int32)
    size = max(model["vocab"].values()) + 1
    table = np.tile(np.arange(size, dtype=np.int32)[:, None], NEIGHBOURS)
    if len(names) > 1:
        near = _nearest(np.stack([vectors[name] for name in names]))
        table[ids] = np.where(near < 0, ids[:, None], ids[near])
    if (table == np.arange(size)[:, None]).all():
        raise ValueError(
            "`word_vectors` must have words of the tokenizer that are near "
            f"each other. Received: {path}, with {len(names)} of {len(words)}"
        )
    return table, inside


def _words(model: dict) -> tuple[dict[str, int], np.ndarray]:
    """Returns the tokens that are words, and which go on inside one."""
    vocabulary = model["vocab"]
    inside = np.zeros(max(vocabulary.values()) + 1, bool)
    words = {}
    for token, number in vocabulary.items():
        if model["type"] == "BPE":
            # A byte-level piece that begins a word has the blank before it.
            starts, word = token.startswith("\u0120"), token[1:]
        else:
            prefix = model.get("continuing_subword_prefix") or ""
            starts = not (prefix and token.startswith(prefix))
            word = token
        inside[number] = not starts
        if starts and word:
            words[word] = number
    return words, inside


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """Returns rows of the nearest others by cosine, `(words, NEIGHBOURS)`.

    Where fewer are near, they are repeated; -1 where none is.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    count = min(NEIGHBOURS, len(unit) - 1)
    found = np.full((len(unit), NEIGHBOURS), -1)
    for first in range(0, len(unit), ROWS):
        cosine = unit[first : first + ROWS] @ unit.T
        rows = np.arange(len(cosine))
        cosine[rows, first + rows] = -2
        best = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        for row in rows:
            near = best[row][cosine[row, best[row]] >= MIN_COSINE]
            if len(near):
                near = near[np.argsort(-cosine[row, near], kind="stable")]
                found[first + row] = np.resize(near, NEIGHBOURS)
    return found
