"""From where tokens are in a text to where the spans they mark are.

What labels are cut to and what the device answers come from this file; it
needs Python's library alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# Start, and the place behind the end, in characters of a text.
Place = tuple[int, int]


def settled(text: str, offsets: Sequence[Place]) -> list[Place]:
    """Returns where tokens are, without blanks and with their accents.

    A tokenizer tells a blank before a word as a part of it, and of a letter
    that it made of two, or took the accent from, the first alone.

    Args:
        text: As the user gave it.
        offsets: Start and end of each token; (0, 0) for what is nowhere.

    Example:

    >>> settled("a cafe\\u0301", [(0, 1), (1, 6)])
    [(0, 1), (2, 7)]
    """
    found = []
    for start, end in offsets:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        while start < end < len(text) and _joins(text[start:end], text[end]):
            end += 1
        found.append((start, end) if start < end else (0, 0))
    return found


def _joins(before: str, char: str) -> bool:
    """Whether a character is a part of the letter before it."""
    if char.isascii():
        return False
    form = unicodedata.normalize
    apart = form("NFC", before) + form("NFC", char)
    together = form("NFC", before + char) != apart
    return together or unicodedata.combining(char) > 0


def place_of(places: Sequence[Place], first: int, behind: int) -> Place | None:
    """Returns where tokens from `first` to the one before `behind` are.

    None where they are nowhere, as marks of start and end.
    """
    there = [each for each in places[first:behind] if each[1]]
    if not there:
        return None
    return min(s for s, _ in there), max(e for _, e in there)
