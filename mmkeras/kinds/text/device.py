"""Texts on the device, as token ids."""

from __future__ import annotations

import functools
import itertools
import unicodedata

import numpy as np
from tokenizer import Tokenizer
from validation import refuse

# Keys of the manifest that name a file of the bundle.
FILES = ("tokenizer",)
# More than any model reads; a page has some thousands.
MAX_CHARACTERS = 1_000_000
# Python sorts them in a time that grows with their square.
MAX_MARKS = 200
# A tokenizer is large, and read once.
tokenizer_of = functools.cache(Tokenizer)


def read(text: str, entry: dict) -> np.ndarray:
    """Returns the token ids of a text, `(max_tokens,)` of int32."""
    if not text.strip():
        what = "a text; leave it out if there is none"
        refuse(f"`--{entry['name']}`", what, "")
    if len(text) > MAX_CHARACTERS:
        most = f"a text of at most {MAX_CHARACTERS:,} characters"
        refuse(f"`--{entry['name']}`", most, len(text))
    if any(map(is_half, text)):
        refuse(f"`--{entry['name']}`", "a text in UTF-8", "other bytes")
    if not text.isascii() and marks(text) > MAX_MARKS:
        most = f"a text of at most {MAX_MARKS} marks a letter"
        refuse(f"`--{entry['name']}`", most, marks(text))
    tokenizer = tokenizer_of(entry["folder"] / entry["tokenizer"])
    ids = tokenizer(text, entry["shape"][0])
    if len(ids) == len(tokenizer.before) + len(tokenizer.after):
        refuse(f"`--{entry['name']}`", "a text with a token in it",
               repr(text[:80]))  # fmt: skip
    tokens = np.zeros(entry["shape"], np.int32)
    tokens[: len(ids)] = ids
    return tokens


def place(text: str, entry: dict) -> dict:
    """Returns a text with its tokenizer, for answers that tell places in it."""
    tokenizer = tokenizer_of(entry["folder"] / entry["tokenizer"])
    length = entry["shape"][0]
    return {"text": text, "tokenizer": tokenizer, "length": length}


def is_half(char: str) -> bool:
    """Whether a character is what Python makes of bytes that are no text."""
    return "\ud800" <= char <= "\udfff"


def marks(text: str) -> int:
    """Returns the most combining marks that follow one letter."""
    runs = itertools.groupby(text, lambda c: unicodedata.combining(c) > 0)
    return max((len([*run]) for is_mark, run in runs if is_mark), default=0)


def check(value: np.ndarray, entry: dict) -> None:
    """Raises ValueError for an id that the tokenizer does not have."""
    limit = entry["vocabulary_size"]
    if value.min() < 0 or value.max() >= limit:
        refuse(f"`{entry['name']}`", f"token ids below {limit}", value)


def draw(entry: dict, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns tokens by chance, to compare machines by."""
    shape = count, *entry["shape"]
    return rng.integers(2, entry["vocabulary_size"], shape, dtype=np.int32)


def length(tokens: np.ndarray) -> int:
    """Returns the number of tokens before the padding, whose id is 0."""
    return int(np.count_nonzero(tokens))
