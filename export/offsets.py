"""Where the tokens of a text are in it, as `tokenizers` tells it.

Only the bundles of targets that tell places in a text hold this file. A text
is a list of its letters, each with the place in the user's text that it came
from; what a tokenizer does to a text is done to that list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from tokenizer import SPACES, Tokenizer, pattern_of

# A letter, and the place of the character that it came from.
Letters = list[tuple[str, int]]
# What joins letters, or puts them in another order.
FORMS = ("NFC", "NFD", "NFKC")


def offsets(
    tokenizer: Tokenizer, text: str, length: int
) -> list[tuple[int, int]]:
    """Returns start and end of each token in characters of `text`.

    What stands before and after every text is nowhere, (0, 0).

    Args:
        tokenizer: That of the bundle.
        text: As the user gave it.
        length: Tokens at most, marks among them.
    """
    letters = [(char, place) for place, char in enumerate(text)]
    steps, splits = tokenizer.parts
    for part, step in zip(steps, tokenizer.steps):
        letters = _changed(letters, part, step, tokenizer)
    find = _byte_pairs if tokenizer.byte_pairs else _words
    if not tokenizer.byte_pairs:
        for part, split in zip(splits, tokenizer.splits):
            letters = _split(letters, part, split, tokenizer)
    before, after = tokenizer.before, tokenizer.after
    most = max(0, length - len(before) - len(after))
    found = []
    for run in find(letters, tokenizer):
        if len(found) == most:
            break
        found.append((run[0], run[-1] + 1))
    return [*[(0, 0)] * len(before), *found, *[(0, 0)] * len(after)]


def _text(letters: Letters) -> str:
    return "".join(char for char, _ in letters)


def _changed(
    letters: Letters, part: dict, step: Callable, tokenizer: Tokenizer
) -> Letters:
    """Returns what a step of normalization makes of the letters."""
    if part["type"] == "Replace":
        return _replaced(letters, pattern_of(part, tokenizer.path),
                         part["content"])  # fmt: skip
    if part["type"] not in FORMS:
        return [(new, place) for char, place in letters for new in step(char)]
    if _text(letters).isascii():
        return letters
    found = []
    for group in _groups(letters, step):
        made, last = step(_text(group)), len(group) - 1
        # What is joined is joined to the first of them.
        fewer = max(0, len(group) - len(made))
        found += [
            (c, group[min(i and i + fewer, last)][1])
            for i, c in enumerate(made)
        ]
    return found


def _groups(letters: Letters, form: Callable) -> Iterator[Letters]:
    """Yields letters that become others together, such as one and its marks."""
    group: Letters = []
    for letter in letters:
        if group and not unicodedata.combining(letter[0]):
            before = _text(group)
            if form(before + letter[0]) == form(before) + form(letter[0]):
                yield group
                group = []
        group.append(letter)
    if group:
        yield group


def _replaced(letters: Letters, pattern: re.Pattern, by: str) -> Letters:
    found, at = [], 0
    for match in pattern.finditer(_text(letters)):
        start, end = match.span()
        found += letters[at:start]
        # The library tells the last of the characters that were replaced.
        found += [(char, letters[end - 1][1]) for char in by]
        at = end
    return found + letters[at:]


def _split(
    letters: Letters, part: dict, split: Callable, tokenizer: Tokenizer
) -> Letters:
    """Returns the letters with blanks where a text is cut."""
    if part["type"] != "Split":
        return [(new, place) for char, place in letters for new in split(char)]
    found, at = [], 0
    for match in pattern_of(part, tokenizer.path).finditer(_text(letters)):
        start, end = match.span()
        blank = (" ", letters[start][1])
        found += [*letters[at:start], blank, *letters[start:end], blank]
        at = end
    return found + letters[at:]


def _words(letters: Letters, tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Yields the places of the letters of each token."""
    for match in re.finditer(f"[^{SPACES}]+", _text(letters)):
        at = match.start()
        for _, size in tokenizer.word(match[0]):
            yield [place for _, place in letters[at : at + size]]
            at += size


def _byte_pairs(letters: Letters, tokenizer: Tokenizer) -> Iterator[list[int]]:
    """As `_words`, of a tokenizer of bytes."""
    at = 0
    for piece in tokenizer.byte_pairs.pieces(_text(letters)):
        part = letters[at : at + len(piece)]
        places = [p for char, p in part for _ in char.encode()]
        at, start = at + len(piece), 0
        for token, size in tokenizer.byte_pairs.join(piece):
            if token is not None:
                yield places[start : start + size]
            start += size
