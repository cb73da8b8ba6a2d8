"""Reads what is said in each sample, as ids of an alphabet."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import BadSample, Reason, check_utf8, encode_each


def encode(
    target: Any, cells: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Returns `(samples, 1 + max_symbols)` labels, weights, and faults.

    A label is how many symbols there are, and their ids from 1 on.
    """
    places = places_of(target)

    def read(cell: str) -> list[int]:
        ids, lost = ids_of(target, check_utf8(cell), places)
        if lost and target.unknown == "refuse":
            raise BadSample(Reason.OUTSIDE_ALPHABET, repr(lost[0])[:80])
        if not ids:
            raise BadSample(Reason.EMPTY, f"no symbol in {cell[:60]!r}")
        most = f"`max_symbols` is {target.max_symbols}"
        if len(ids) > target.max_symbols:
            raise BadSample(Reason.TOO_LONG, f"{len(ids)} symbols; {most}")
        frames = frames_needed(ids)
        if frames > target.steps:
            raise BadSample(
                Reason.TOO_LONG,
                f"{frames} frames needed (symbols, and a blank between two "
                f"alike); `steps` is {target.steps}",
            )
        return [len(ids), *ids, *[0] * (target.max_symbols - len(ids))]

    empty = [0] * (1 + target.max_symbols)
    return encode_each(cells, read, empty=empty)


def places_of(target: Any) -> dict[str, int]:
    """Returns the id of each symbol, from 1 on."""
    return {symbol: i for i, symbol in enumerate(target.symbols, 1)}


def frames_needed(ids: Sequence[int]) -> int:
    """Returns the frames that a transcript takes at least.

    One a symbol, and one for blank between two that are alike.
    """
    pairs = zip(ids, ids[1:], strict=False)
    return len(ids) + sum(a == b for a, b in pairs)


def ids_of(
    target: Any, text: str, places: dict[str, int]
) -> tuple[list[int], list[str]]:
    """Returns the ids of a text, and what of it is in no alphabet.

    Without a separator the longest symbol that fits is taken, and then the
    longest of the rest.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    text = text.lower() if target.lowercase else text
    ids, lost = [], []
    if target.separator:
        for part in text.split(target.separator):
            found = places.get(part.strip())
            ids += [] if found is None else [found]
            lost += [part] if found is None else []
        return ids, lost
    longest, at = max(map(len, places)), 0
    while at < len(text):
        for size in range(min(longest, len(text) - at), 0, -1):
            found = places.get(text[at : at + size])
            if found is not None:
                ids.append(found)
                at += size
                break
        else:
            lost.append(text[at])
            at += 1
    return ids, lost
