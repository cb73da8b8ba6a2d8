"""Texts as token ids: the tokenizers that `mmkeras prepare` writes."""

from __future__ import annotations

import functools
import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from validation import refuse

# What Unicode calls White_Space; Python's isspace() says more.
SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


class Tokenizer:
    """A tokenizer of the library `tokenizers`: those that `prepare` writes.

    Args:
        path: Its JSON file.
    """

    def __init__(self, path: Path):
        table = json.loads(path.read_text(encoding="utf-8"))
        self.model = table["model"]
        if table["added_tokens"]:
            refuse(f"`{path}`", "without added tokens", table["added_tokens"])
        steps = self._parts(table["normalizer"], "normalizers")
        splits = self._parts(table["pre_tokenizer"], "pretokenizers")
        kinds = [[part["type"] for part in parts] for parts in (steps, splits)]
        known = NORMALIZERS, SPLITTERS, {"WordPiece", "WordLevel"}
        if self.model["type"] == "BPE":
            known = NORMALIZERS, {"ByteLevel"}, {"BPE"}
        for parts, names in zip((*kinds, [self.model["type"]]), known):
            if set(parts) - set(names):
                refuse(f"`{path}`", f"made of {sorted(names)}", parts)
        self.path, self.parts = path, (steps, splits)
        self.steps = [self._step(step, path) for step in steps]
        self.splits = [self._split(split, path) for split in splits]
        self.before, self.after = self._marks(table.get("post_processor"))
        self.byte_pairs = None
        if self.model["type"] == "BPE":
            # Only the bundles of such tokenizers hold `subwords.py`.
            from subwords import BytePairs

            space = re.compile(f"[{SPACES}]")
            self.byte_pairs = BytePairs(self.model, space)

    @staticmethod
    def _step(step: dict, path: Path) -> Callable[[str], str]:
        """Returns a function from a text to what a step makes of it."""
        if step["type"] == "BertNormalizer":
            from subwords import bert_text

            return functools.partial(bert_text, settings=step)
        if step["type"] == "Replace":
            found, by = pattern_of(step, path), step["content"]
            # A function, since in a text a backslash would mean something.
            return functools.partial(found.sub, lambda _: by)
        return NORMALIZERS[step["type"]]

    @staticmethod
    def _split(split: dict, path: Path) -> Callable[[str], str]:
        """Returns a function that puts blanks where a text is cut."""
        if split["type"] != "Split":
            return SPLITTERS.get(split["type"], str)
        if split["behavior"] != "Isolated" or split["invert"]:
            refuse(f"`{path}`", "a tokenizer that isolates what it splits",
                   split["behavior"])  # fmt: skip
        return functools.partial(pattern_of(split, path).sub, r" \g<0> ")

    @staticmethod
    def _marks(table: dict | None) -> tuple[list[int], list[int]]:
        """Returns the ids that stand before and after every text."""
        parts = (table or {}).get("single", [])
        ids = [part.get("SpecialToken", {}).get("id") for part in parts]
        at = ids.index(None) if parts else 0
        ids = [i and table["special_tokens"][i]["ids"] for i in ids]
        return sum(ids[:at], []), sum(ids[at + 1 :], [])

    @staticmethod
    def _parts(table: dict | None, key: str) -> list[dict]:
        return [] if table is None else table.get(key, [table])

    def __call__(self, text: str, length: int | None = None) -> list[int]:
        """Returns the token ids of `text`, `length` of them at most."""
        for step in self.steps:
            text = step(text)
        ids = self.byte_pairs(text) if self.byte_pairs else self._ids(text)
        if length is not None:
            # What is cut off is not looked up.
            most = length - len(self.before) - len(self.after)
            ids = itertools.islice(ids, max(0, most))
        return [*self.before, *ids, *self.after]

    def _ids(self, text: str) -> Iterator[int]:
        for split in self.splits:
            text = split(text)
        words = re.split(f"[{SPACES}]+", text)
        return (i for word in words if word for i, _ in self.word(word))

    def word(self, word: str) -> list[tuple[int, int]]:
        """Returns the ids of a word, each with how many letters it is of."""
        vocabulary = self.model["vocab"]
        unknown = [(vocabulary[self.model["unk_token"]], len(word))]
        if self.model["type"] == "WordLevel":
            known = word in vocabulary
            return [(vocabulary[word], len(word))] if known else unknown
        if len(word) > self.model["max_input_chars_per_word"]:
            return unknown
        ids, start = [], 0
        while start < len(word):
            prefix = self.model["continuing_subword_prefix"] if start else ""
            for end in range(len(word), start, -1):
                if prefix + word[start:end] in vocabulary:
                    break
            else:
                return unknown
            ids.append((vocabulary[prefix + word[start:end]], end - start))
            start = end
        return ids


def is_mark(char: str) -> bool:
    """Returns whether `tokenizers` calls `char` punctuation."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    # U+166D was punctuation until Unicode 12; the library says so still.
    return unicodedata.category(char)[0] == "P" or char == "\u166d"


def spaced(text: str) -> str:
    """Returns a text with blanks around punctuation."""
    return "".join(f" {c} " if is_mark(c) else c for c in text)


def pattern_of(part: dict, path: Path) -> re.Pattern:
    """Returns what a step looks for: a text as it is, or a pattern.

    The patterns of `prepare` mean the same to the library and to Python.
    """
    pattern = part["pattern"]
    if "String" in pattern:
        return re.compile(re.escape(pattern["String"]))
    try:
        return re.compile(pattern["Regex"])
    except (re.error, KeyError) as error:
        refuse(f"`{path}`", "a tokenizer whose patterns Python reads", error)


def unaccented(text: str) -> str:
    """Returns a text without marks, as tokenizers of older bundles want."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "M")


def lowered(text: str) -> str:
    """Returns a text without case, letter by letter.

    `str.lower` of a whole text treats a final sigma specially.
    """
    return "".join(map(str.lower, text))


# What each step of a tokenizer does; those that need settings are None.
NORMALIZERS = {
    "NFC": functools.partial(unicodedata.normalize, "NFC"),
    "NFD": functools.partial(unicodedata.normalize, "NFD"),
    "NFKC": functools.partial(unicodedata.normalize, "NFKC"),
    "StripAccents": unaccented,
    "Lowercase": lowered,
    "Replace": None,
    "BertNormalizer": None,
}
SPLITTERS = {
    "WhitespaceSplit": str,  # all words are split at spaces in the end
    "Punctuation": spaced,
    "BertPreTokenizer": spaced,
    "Split": None,
}
