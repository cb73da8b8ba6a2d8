"""Pretrained word vectors, from a text file into an embedding."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def read_word_vectors(
    path: str | Path, vocabulary: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Reads the vectors of the words of a vocabulary.

    The file is that of GloVe, word2vec or fastText as text: a word and its
    numbers a line, with blanks between, UTF-8, with or without a first line
    of two counts. The first vector of a word counts; words are compared as
    they are written.

    Args:
        path: The file.
        vocabulary: The words wanted; their ids are not looked at.

    Returns:
        `{word: (width,) float32}`, words of both alone.

    Raises:
        ValueError: If a line has too few numbers, or what is none; the message
            names it.
    """
    wanted = {word.encode(): word for word in vocabulary}
    found, width = {}, None
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip()
            blanks = line.count(b" ")
            if number == 1 and _is_header(line):
                continue
            width = width or blanks
            if not width or blanks < width:
                _refuse(
                    path, number, f"a word and {width or 'some'} numbers", line
                )
            # A word with blanks in it is none of a tokenizer's.
            word = line.split(b" ", 1)[0]
            if blanks > width or word not in wanted or wanted[word] in found:
                continue
            try:
                vector = np.array([float(n) for n in line.split(b" ")[1:]])
            except ValueError:
                _refuse(path, number, "numbers after the word", line)
            if not np.isfinite(vector).all():
                _refuse(path, number, "finite numbers", line)
            found[wanted[word]] = vector.astype("float32")
    return found


def word_matrix(
    path: str | Path, tokenizer: str | Path, vocabulary_size: int
) -> tuple[np.ndarray, int]:
    """Returns a row for each token: its vector, or a random one like those.

    Tokens without a vector are drawn with the deviation of the others (Kim
    2014, https://arxiv.org/abs/1408.5882), always the same ones.

    Args:
        path: The text file of vectors.
        tokenizer: JSON of the tokenizer.
        vocabulary_size: Rows.

    Returns:
        `(vocabulary_size, width)` float32, and how many tokens have a vector.

    Raises:
        ValueError: If the file has no vector of any token.
    """
    text = Path(tokenizer).read_text(encoding="utf-8")
    vocabulary = json.loads(text)["model"]["vocab"]
    found = read_word_vectors(path, vocabulary)
    if not found:
        raise ValueError(
            "`word_vectors` must have words of the tokenizer, letter by "
            f"letter. Received: {path}, with none of {len(vocabulary)}"
        )
    known = np.stack(list(found.values()))
    draw = np.random.default_rng(0).normal
    matrix = draw(0, known.std(), (vocabulary_size, known.shape[1]))
    for word, vector in found.items():
        matrix[vocabulary[word]] = vector
    return matrix.astype("float32"), len(found)


def _is_header(line: bytes) -> bool:
    parts = line.split()
    return len(parts) == 2 and all(part.isdigit() for part in parts)


def _refuse(path, number: int, expected: str, line: bytes) -> None:
    start = line[:60].decode(errors="replace")
    raise ValueError(
        f"`{path}`, line {number}, must hold {expected}. Received: {start!r}"
    )
