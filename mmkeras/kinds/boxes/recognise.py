"""Which columns hold boxes."""

import json
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from mmkeras.spec import Guess, SeenColumn

NUMBER = r"\s*-?\d+(?:\.\d+)?\s*"
ONE = rf"[^;]+:{NUMBER},{NUMBER},{NUMBER},{NUMBER}"
WRITTEN = re.compile(rf";|{ONE}(?:;{ONE})*;?")
MAX_CLASSES = 1000


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for `name:x,y,width,height;...`, or opens Pascal VOC files."""
    if column.are_files:
        return _files(column)
    cells = column.known
    if not column.in_text or not cells:
        return None
    if all(cell.lstrip().startswith("[") for cell in cells):
        return _json(cells)
    if not all(WRITTEN.fullmatch(cell) for cell in cells):
        return None
    names = {
        part.rpartition(":")[0].strip()
        for cell in cells
        for part in cell.split(";")
        if part.strip()
    }
    return _guess(names, f"boxes written in all {len(cells)} cells")


def _json(cells: Sequence[str]) -> Guess | None:
    """Looks for `[["name", left, top, right, bottom], ...]` in each cell."""
    names = set()
    for cell in cells:
        try:
            rows = json.loads(cell)
        except ValueError:
            return None
        for row in rows:
            if not (
                isinstance(row, list)
                and len(row) == 5
                and isinstance(row[0], str)
                and all(type(n) in (int, float) for n in row[1:])
            ):
                return None
            names.add(row[0].strip())
    return _guess(names, f"boxes written as JSON in all {len(cells)} cells")


def _files(column: SeenColumn) -> Guess | None:
    names, read = set(), 0
    for raw in column.files.values():
        if b"<annotation" not in raw or b"<!" in raw:
            continue
        try:
            root = ElementTree.fromstring(raw)
        except ElementTree.ParseError:
            continue
        read += root.tag == "annotation"
        names |= {
            (one.findtext("name") or "").strip() for one in root.iter("object")
        }
    if 2 * read <= len(column.files):
        return None
    why = f"{read} of {len(column.files)} opened are Pascal VOC"
    return _guess(names, why)


def _guess(names: set[str], why: str) -> Guess | None:
    if not 1 <= len(names) <= MAX_CLASSES or "" in names:
        return None
    return Guess(
        {"classes": sorted(names)},
        why,
        0.95,
        {"classes": "of what was looked at; others may be in the rest"},
        asks={"modality": "the picture that the boxes lie in"},
    )
