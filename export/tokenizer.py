"""Texts as token ids: the tokenizers that `mmkeras prepare` writes."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
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
        steps = self._steps(table["normalizer"], "normalizers")
        splits = self._steps(table["pre_tokenizer"], "pretokenizers")
        known = ({"NFC", "NFD", "StripAccents", "Lowercase", "BertNormalizer"},
                 {"WhitespaceSplit", "Punctuation", "BertPreTokenizer"},
                 {"WordPiece", "WordLevel"})  # fmt: skip
        if self.model["type"] == "BPE":
            known = (set(), {"ByteLevel"}, {"BPE"})
        for parts, names in zip((steps, splits, [self.model["type"]]), known):
            if set(parts) - names:
                refuse(f"`{path}`", f"made of {sorted(names)}", parts)
        self.steps, self.splits = steps, splits
        self.before, self.after = self._marks(table.get("post_processor"))
        self.bert = self.byte_pairs = None
        # Only the bundles of such tokenizers hold `subwords.py`.
        if "BertNormalizer" in steps:
            from subwords import bert_text

            self.bert = functools.partial(
                bert_text, settings=table["normalizer"]
            )
        if self.model["type"] == "BPE":
            from subwords import BytePairs

            space = re.compile(f"[{SPACES}]")
            self.byte_pairs = BytePairs(self.model, space)

    @staticmethod
    def _marks(table: dict | None) -> tuple[list[int], list[int]]:
        """Returns the ids that stand before and after every text."""
        parts = (table or {}).get("single", [])
        ids = [part.get("SpecialToken", {}).get("id") for part in parts]
        at = ids.index(None) if parts else 0
        ids = [i and table["special_tokens"][i]["ids"] for i in ids]
        return sum(ids[:at], []), sum(ids[at + 1 :], [])

    @staticmethod
    def _steps(table: dict | None, key: str) -> list[str]:
        if table is None:
            return []
        return [part["type"] for part in table.get(key, [table])]

    def __call__(self, text: str, length: int | None = None) -> list[int]:
        """Returns the token ids of `text`, `length` of them at most."""
        ids = self.byte_pairs(text) if self.byte_pairs else self._ids(text)
        if length is not None:
            ids = ids[: length - len(self.before) - len(self.after)]
        return [*self.before, *ids, *self.after]

    def _ids(self, text: str) -> list[int]:
        if self.bert:
            text = self.bert(text)
        for form in {"NFC", "NFD"} & set(self.steps):
            text = unicodedata.normalize(form, text)
        if "StripAccents" in self.steps:
            kind = unicodedata.category
            text = "".join(c for c in text if kind(c)[0] != "M")
        if "Lowercase" in self.steps:
            # Letter by letter: str.lower() treats a final sigma specially.
            text = "".join(map(str.lower, text))
        if {"Punctuation", "BertPreTokenizer"} & set(self.splits):
            text = "".join(f" {c} " if is_mark(c) else c for c in text)
        words = re.split(f"[{SPACES}]+", text)
        return [i for word in words if word for i in self._word(word)]

    def _word(self, word: str) -> list[int]:
        vocabulary = self.model["vocab"]
        unknown = [vocabulary[self.model["unk_token"]]]
        if self.model["type"] == "WordLevel":
            return [vocabulary[word]] if word in vocabulary else unknown
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
            ids.append(vocabulary[prefix + word[start:end]])
            start = end
        return ids


def is_mark(char: str) -> bool:
    """Returns whether `tokenizers` calls `char` punctuation."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    # U+166D was punctuation until Unicode 12; the library says so still.
    return unicodedata.category(char)[0] == "P" or char == "\u166d"
