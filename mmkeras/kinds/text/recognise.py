"""Which columns are texts."""

import re

import numpy as np

from mmkeras.data import BadSample, decode_utf8
from mmkeras.spec import Guess, SeenColumn, most, spread

# A character each where a script has no spaces between words.
TOKEN = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+|[^\w\s]"
)
# Parts of a word, in the mean, that a tokenizer of 8,000 makes.
PARTS = 1.3
LOOKED_AT, MAX_TOKENS = 2000, 512


def recognise(column: SeenColumn) -> Guess | None:
    """Looks at lengths and letters, of cells or of text files."""
    texts = column.known
    if column.are_files:
        try:
            texts = [decode_utf8(raw, n) for n, raw in column.files.items()]
        except BadSample:
            return None
        if not all(_is_prose(text) for text in texts):
            return None
    elif not column.in_text or column.numbers is not None or not texts:
        return None
    looked = texts[:: max(1, len(texts) // LOOKED_AT)]
    counts = [len(TOKEN.findall(text)) for text in looked]
    spaced = np.mean([len(text.split()) for text in looked])
    letters = np.mean([sum(map(str.isalpha, text)) for text in looked])
    signs = np.mean([len(text) - text.count(" ") for text in looked])
    distinct = len(column.counts) / max(1, len(column.known))
    # A name of a class is short, and comes again and again; a date or a code
    # is not of letters.
    if not column.are_files and (
        np.mean(counts) < 3 or distinct < 0.3 or 2 * letters < signs
    ):
        return None
    wanted = max(8, -(-int(most(counts) * PARTS) // 8) * 8)
    keys = {"max_tokens": min(wanted, MAX_TOKENS)}
    if column.are_files:
        keys["file"] = True
    cut = "" if wanted <= MAX_TOKENS else f"; limited to {MAX_TOKENS}"
    notes = {"max_tokens": f"95 % are no longer; words: {spread(counts)}{cut}"}
    script = f"{spaced:.0f} words in the mean"
    if spaced * 3 < np.mean(counts):
        script = "no spaces between words"
    why = f"{script}, {distinct:.0%} of them differ"
    return Guess(keys, why, 0.7, notes)


def _is_prose(text: str) -> bool:
    shown = sum(c.isalpha() or c.isspace() for c in text[:4096])
    return bool(text.strip()) and shown > 0.7 * len(text[:4096])
