"""Which labels are transcripts."""

import unicodedata

from mmkeras.spec import Guess, SeenColumn

MIN_TEXTS, MAX_LETTERS, MAX_WORDS, MAX_LENGTH = 12, 200, 60, 1000
# Texts differ, and of few words each comes often.
DIFFERENT, OFTEN = 0.4, 8
ASKS = {
    "modality": "whose sound or picture tells what is said",
    "steps": "frames of that modality, more than a text has symbols",
}


def recognise(column: SeenColumn) -> Guess | None:
    """Looks at texts that differ, written with few letters or few words."""
    texts = column.known
    if (
        not column.in_text
        or column.numbers is not None
        or len(texts) < MIN_TEXTS
        or len(column.counts) < DIFFERENT * len(texts)
        or max(map(len, texts)) > MAX_LENGTH
    ):
        return None
    words = [unicodedata.normalize("NFC", text).split() for text in texts]
    if sum(len(row) > 1 for row in words) < len(words) / 2:
        return None
    known = {word for row in words for word in row}
    if len(known) <= MAX_WORDS and sum(map(len, words)) >= OFTEN * len(known):
        longest = max(map(len, words))
        keys = {
            "alphabet": sorted(known),
            "separator": " ",
            "max_symbols": longest,
        }
        why = f"texts of 1 to {longest} words, {len(known)} different ones"
        return Guess(keys, why, 0.6, asks=ASKS)
    spaced = [" ".join(row) for row in words]
    letters = sorted({letter for text in spaced for letter in text})
    if len(letters) > MAX_LETTERS:
        return None
    longest = max(map(len, spaced))
    keys = {"alphabet": "".join(letters), "max_symbols": longest}
    why = f"texts of up to {longest} characters, {len(letters)} different ones"
    return Guess(keys, why, 0.35, asks=ASKS)
