"""Texts to `(max_tokens,)` int32."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    check_utf8,
    decode_utf8,
)
from mmkeras.kinds.text import Text
from mmkeras.kinds.text.normalization import stripped
from mmkeras.kinds.text.vocabulary import unknown_id
from mmkeras.spec import Learned, Sample

# What `tell` says of a count of tokens, and of what was left out before.
TOLD = {"unknown_tokens": "unknown", "cut_tokens": "cut off"}
STRIPPED = {
    "stripped_tags": "tags of HTML left out",
    "stripped_links": "links left out",
    "stop_words": "stop words left out",
}


def read(modality: Text, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the text of a cell, or of its file, as token ids."""
    text = text_of(modality, cells[modality.column], io)
    encoded = io.learned.encode(text)
    ids = encoded.ids
    notes = token_notes(encoded, ids, unknown_id(io.learned))
    # There may be marks of start and end alone, and padding.
    if not notes["tokens"]:
        raise BadSample(Reason.EMPTY, "no token")
    notes |= stripped(modality, io.learned, text)
    value = np.array(ids, np.int32)
    notes = {key: n for key, n in notes.items() if n}
    return Sample(value, notes, TokenGeometry(text, encoded))


class TokenGeometry:
    """Where the tokens of a text are in it, for targets that tell places.

    Args:
        text: As it was read.
        encoded: Its `tokenizers.Encoding`.
    """

    def __init__(self, text: str, encoded: Any):
        self.text, self._encoded = text, encoded

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Start and end of each token, in characters; (0, 0) of padding."""
        return self._encoded.offsets

    @property
    def cut_offsets(self) -> list[tuple[int, int]]:
        """Those of the tokens that were cut off."""
        parts = self._encoded.overflowing
        return [place for part in parts for place in part.offsets]


def token_notes(
    encoded: Any, ids: list[int], unknown: int | None
) -> dict[str, int]:
    """Returns how many tokens a text has, are unknown, and were cut off.

    Args:
        encoded: The `tokenizers.Encoding` of a text, cut to its length.
        ids: Of the encoding, which makes its lists anew when asked.
        unknown: Id of what stands for all that is unknown.
    """
    kept = encoded.special_tokens_mask.count(0)
    more = encoded.overflowing
    cut = sum(part.special_tokens_mask.count(0) for part in more)
    lost = ids.count(unknown) + sum(part.ids.count(unknown) for part in more)
    return {
        "tokens": kept + cut,
        "unknown_tokens": lost,
        "cut_tokens": cut,
        "cut_texts": int(cut > 0),
    }


def tell(modality: Text, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns which share of the tokens was unknown or cut, as sentences."""
    tokens = notes.get("tokens", 0)
    said = []
    for key, what in TOLD.items():
        if count := notes.get(key, 0):
            share = f"{count / max(tokens, 1):.2%} of {tokens:,} tokens {what}"
            said.append(f"{share} ({count:,})")
    if texts := notes.get("cut_texts", 0):
        said.append(
            f"{texts:,} of {samples:,} texts have more than `max_tokens` = "
            f"{modality.max_tokens} tokens"
        )
    said += [
        f"{what}: {notes[key]:,}" for key, what in STRIPPED.items()
        if key in notes
    ]  # fmt: skip
    return said


def source_files(modality: Text, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file that a cell names, and that of the stop words."""
    files = (cells[modality.column],) if modality.file else ()
    words = modality.stop_words_file
    return (*files, words) if words else files


def open_learned(modality: Text, learned: Learned) -> Any:
    """Returns the `tokenizers.Tokenizer`."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(learned.file)


def vocabulary_of(modality: Text, learned: Learned) -> str:
    """Returns the tokenizer's JSON."""
    return learned.file


def read_file(modality: Text, name: str, io: SampleIO) -> str:
    """Returns the text of a UTF-8 file."""
    return _filled(decode_utf8(io.bytes(name), name))


def read_value(modality: Text, value: str, io: SampleIO) -> np.ndarray:
    """Returns the token ids of a text."""
    return np.array(io.learned.encode(value).ids, np.int32)


def text_of(modality: Text, cell: str, io: SampleIO) -> str:
    """Returns the text of a cell, or of the file the cell names."""
    if not cell.strip():
        raise BadSample(Reason.MISSING)
    if modality.file:
        return read_file(modality, cell, io)
    return _filled(check_utf8(cell))


def _filled(text: str) -> str:
    if not text.strip():
        raise BadSample(Reason.EMPTY, "blank text")
    return text
