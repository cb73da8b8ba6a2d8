"""What BERT and RoBERTa do with a text, id for id as `tokenizers` does it.

`tokenizer.py` imports this file where the bundle's tokenizer is one of theirs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# The library's own ranges; one of them starts 256 later than Unicode's.
CHINESE = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
    "\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b920-\U0002ceaf"
    "\U0002f800-\U0002fa1f])"
)
SHORT = re.compile("'(?:s|t|re|ve|m|ll|d)")
# Of letters, numbers, others, blanks and further spaces, a sign each.
PIECE = re.compile(r" ?L+| ?N+| ?O+|[ S]+(?![^ S])|[ S]+")


def bert_text(text: str, settings: dict) -> str:
    """Returns what a BertNormalizer makes of a text."""
    kind = unicodedata.category
    if settings["clean_text"]:
        text = "".join(
            c for c in text
            if c in "\t\n\r" or (kind(c)[0] != "C" and c != "\ufffd")
        )  # fmt: skip
    if settings["handle_chinese_chars"]:
        text = CHINESE.sub(r" \1 ", text)
    strip = settings["strip_accents"]
    if settings["lowercase"] if strip is None else strip:
        text = unicodedata.normalize("NFD", text)
        text = "".join(c for c in text if kind(c) != "Mn")
    if settings["lowercase"]:
        text = "".join(map(str.lower, text))
    return text


class BytePairs:
    """Byte-level BPE: bytes as letters, joined in the order of the merges.

    Args:
        model: That of the tokenizer's JSON.
        spaces: Pattern of one space.
    """

    def __init__(self, model: dict, spaces: re.Pattern):
        self.vocabulary, self.spaces = model["vocab"], spaces
        self.unknown = self.vocabulary.get(model["unk_token"])
        pairs = (m.split(" ") if isinstance(m, str) else m
                 for m in model["merges"])  # fmt: skip
        self.ranks = {tuple(pair): i for i, pair in enumerate(pairs)}
        plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = iter(range(256, 512))
        self.letters = [
            chr(byte if byte in plain else next(others)) for byte in range(256)
        ]

    def __call__(self, text: str) -> Iterator[int]:
        """Yields the token ids of `text`."""
        found = (i for piece in self.pieces(text) for i, _ in self.join(piece))
        return (i for i in found if i is not None)

    def pieces(self, text: str) -> Iterator[str]:
        """Yields words with the blank before them, numbers, marks, spaces."""
        signs, start = "".join(map(self._sign, text)), 0
        while start < len(text):
            found = SHORT.match(text, start) or PIECE.match(signs, start)
            yield text[start : found.end()]
            start = found.end()

    def _sign(self, char: str) -> str:
        if char == " " or self.spaces.match(char):
            return " " if char == " " else "S"
        kind = unicodedata.category(char)[0]
        return kind if kind in "LN" else "O"

    def join(self, piece: str) -> list[tuple[int | None, int]]:
        """Returns the ids of a piece, each with how many bytes it is of.

        None where the vocabulary has no id.
        """
        parts = [self.letters[byte] for byte in piece.encode()]
        while len(parts) > 1:
            pairs = [self.ranks.get(pair) for pair in zip(parts, parts[1:])]
            known = [rank for rank in pairs if rank is not None]
            if not known:
                break
            parts = self._joined(parts, pairs, min(known))
        ids = [self.vocabulary.get(part, self.unknown) for part in parts]
        return list(zip(ids, map(len, parts)))

    @staticmethod
    def _joined(parts: list, pairs: list, rank: int) -> list[str]:
        """Joins every pair of a rank at once, from the left.

        No pair that comes of it is of a lower rank: it was learned later. One
        at a time, a long word would take as long as its square.
        """
        found, at = [], 0
        while at < len(parts):
            size = 1 + (at < len(pairs) and pairs[at] == rank)
            found.append("".join(parts[at : at + size]))
            at += size
        return found
