"""Texts to `(max_tokens,)` int32."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, SampleIO
from mmkeras.kinds.text import Text
from mmkeras.spec import Learned, Sample


def read(modality: Text, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the text of a cell, or of its file, as token ids."""
    text = text_of(modality, cells[modality.column], io)
    encoded = io.learned.encode(text)
    # Padding, and the marks of start and end.
    if all(encoded.special_tokens_mask):
        raise BadSample(Reason.EMPTY, "no token")
    return Sample(np.array(encoded.ids, np.int32))


def source_files(modality: Text, cells: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the file that a cell names, where it names one."""
    return (cells[modality.column],) if modality.file else ()


def open_learned(modality: Text, learned: Learned) -> Any:
    """Returns the `tokenizers.Tokenizer`."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(learned.file)


def vocabulary_of(modality: Text, learned: Learned) -> str:
    """Returns the tokenizer's JSON."""
    return learned.file


def read_file(modality: Text, name: str, io: SampleIO) -> str:
    """Returns the text of a UTF-8 file."""
    return _decode(io.bytes(name), name)


def read_value(modality: Text, value: str, io: SampleIO) -> np.ndarray:
    """Returns the token ids of a text."""
    return np.array(io.learned.encode(value).ids, np.int32)


def text_of(modality: Text, cell: str, io: SampleIO) -> str:
    """Returns the text of a cell, or of the file the cell names."""
    if not cell.strip():
        raise BadSample(Reason.MISSING)
    return read_file(modality, cell, io) if modality.file else _checked(cell)


def _decode(raw: bytes, name: str) -> str:
    try:
        return _checked(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadSample(Reason.BAD_UTF8, f"{name!r}: {error}") from None


def _checked(text: str) -> str:
    """Returns `text`; raises BadSample if it is blank or was no UTF-8."""
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise BadSample(Reason.BAD_UTF8, ascii(text[:60]))
    if not text.strip():
        raise BadSample(Reason.EMPTY, "blank text")
    return text
