"""Matches names that a spreadsheet may have changed."""

from collections.abc import Iterable, Mapping

from mmkeras.escaping import cell

Places = list[Mapping[str, int | None]]


def spellings(names: Iterable[str]) -> Places:
    """Returns the index of each name, by the forms it may have taken.

    As it is; as a sheet has it; and as a spreadsheet may change it, where 001
    becomes 1, and true becomes TRUE. A spelling that two names share is None.
    """
    names = list(names)
    return [_places(map(change, names)) for change in (str, cell, _loose)]


def find(places: Places, text: str) -> int | None:
    """Returns the index of the name that `text` stands for, or None."""
    wanted = (text, text.strip(), _loose(text))
    for found, key in zip(places, wanted, strict=True):
        if key in found:
            return found[key]
    return None


def _places(keys: Iterable[str]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for place, key in enumerate(keys):
        found[key] = None if key in found else place
    return found


def _loose(text: str) -> str:
    text = text.strip().casefold()
    return (text.lstrip("0") or "0") if text.isdecimal() else text
