"""Texts on the device, as token ids."""

from __future__ import annotations

import functools

import numpy as np
from tokenizer import Tokenizer
from validation import refuse

# Keys of the manifest that name a file of the bundle.
FILES = ("tokenizer",)
# A tokenizer is large, and read once.
tokenizer_of = functools.cache(Tokenizer)


def read(text: str, entry: dict) -> np.ndarray:
    """Returns the token ids of a text, `(max_tokens,)` of int32."""
    if not text.strip():
        what = "a text; leave it out if there is none"
        refuse(f"`--{entry['name']}`", what, "")
    tokenizer = tokenizer_of(entry["folder"] / entry["tokenizer"])
    ids = tokenizer(text, entry["shape"][0])
    if len(ids) == len(tokenizer.before) + len(tokenizer.after):
        refuse(f"`--{entry['name']}`", "a text with a token in it", repr(text))
    tokens = np.zeros(entry["shape"], np.int32)
    tokens[: len(ids)] = ids
    return tokens


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
