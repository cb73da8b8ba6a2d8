"""Matches names that a spreadsheet may have changed."""

import hashlib
import os
from collections.abc import Iterable, Mapping

from mmkeras.escaping import cell

Places = list[Mapping[str, int | None]]


def spellings(names: Iterable[str]) -> Places:
    """Returns the index of each name, by the forms it may have taken.

    As a sheet has it, which no two names share; as it is; and as a spreadsheet
    may change it, where 001 becomes 1, and true becomes TRUE. A spelling that
    two names share is None.
    """
    names = list(names)
    return [_places(map(change, names)) for change in (cell, str, _loose)]


def find(places: Places, text: str) -> int | None:
    """Returns the index of the name that `text` stands for, or None."""
    wanted = (text.strip(), text, _loose(text))
    for found, key in zip(places, wanted, strict=True):
        if key in found:
            return found[key]
    return None


def is_like(name: str, text: str) -> bool:
    """Whether a spreadsheet may have made `text` of a name."""
    return _loose(text) in (_loose(name), _loose(cell(name)))


def check_of(name: str) -> str:
    """Returns what tells a name from all others, in a spreadsheet too.

    It begins with a letter, so that none takes it for a number.

    Example:

    >>> check_of("007") == check_of("7")
    False
    """
    return f"c{hashlib.sha256(os.fsencode(name)).hexdigest()[:15]}"


def _places(keys: Iterable[str]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for place, key in enumerate(keys):
        found[key] = None if key in found else place
    return found


def _loose(text: str) -> str:
    text = text.strip().casefold()
    return (text.lstrip("0") or "0") if text.isdecimal() else text
