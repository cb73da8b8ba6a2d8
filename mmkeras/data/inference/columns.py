"""Columns of a table as kinds look at them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.files.reasons import BadSample
from mmkeras.data.files.source import SampleIO
from mmkeras.data.ingest.cell_rules import COMMA
from mmkeras.data.ingest.cells import text_of
from mmkeras.spec import DataFiles, SeenColumn

# Files of a column that are opened, spread over the table.
OPENED = 20
# Between names of a list, as targets of several classes have it.
NAMES = "|"
PATH = re.compile(
    r"[^\n]{1,500}\.(?=\w*[A-Za-z])\w{1,8}|[^\s:]+[/\\][^\n]*", re.ASCII
)
DATE = re.compile(
    r"(\d{4}([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3(\d\d|\d{4}))"
    r"([T ]\d\d?:\d\d.*)?"
)


def look_at(
    name: str, values: Sequence[Any], root: Path, keep_files: bool = True
) -> SeenColumn:
    """Returns a column with some of its files opened.

    Args:
        name: The column.
        values: Its cells, of any type.
        root: Folder of the paths in it.
        keep_files: Whether cells may be paths.
    """
    objects = [v for v in values if _is_object(v)]
    cells = [v if type(v) is str else _cell(v) for v in values]
    tokens = {*DataFiles().missing_tokens}
    cells = ["" if cell.strip() in tokens else cell for cell in cells]
    known = [cell for cell in dict.fromkeys(cells) if cell.strip()]
    files, missing, arrays = {}, [], []
    if objects:
        files, arrays = _in_memory(_some(objects))
    elif keep_files and known and _may_be_paths(known):
        files, missing = _opened(_some(known), root)
    return SeenColumn(name, cells, files, missing, arrays, _decimal(known))


def _cell(value: Any) -> str:
    """Returns a value as text; several names as a manifest holds them."""
    if not _is_object(value):
        return text_of(value)
    if not _is_list(value):
        # The numbers of a picture are not its text.
        return "1"
    if len(value) and all(isinstance(one, str) for one in value):
        return NAMES.join(value)
    return text_of(value)


def are_dates(column: SeenColumn) -> bool:
    """Whether nearly all cells are dates, with a time or without."""
    found = sum(bool(DATE.fullmatch(cell)) for cell in column.known)
    return found >= 0.95 * len(column.known) > 0


def _some(values: Sequence[Any]) -> list[Any]:
    places = np.linspace(0, len(values) - 1, min(OPENED, len(values)))
    return [values[int(place)] for place in np.unique(places.astype(int))]


def _is_object(value: Any) -> bool:
    plain = isinstance(value, str | int | float | np.generic | Path)
    return not (plain or value is None or _is_missing(value))


def _is_missing(value: Any) -> bool:
    found = pd.isna(value) if not isinstance(value, Mapping) else False
    return isinstance(found, bool) and found


def _is_list(value: Any) -> bool:
    """Whether a cell is a row of numbers or names, and no medium."""
    if isinstance(value, list | tuple):
        return True
    return isinstance(value, np.ndarray) and value.ndim == 1


def _in_memory(
    objects: Sequence[Any],
) -> tuple[dict[str, bytes], list[Any]]:
    files, arrays = {}, []
    for place, value in enumerate(objects):
        if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
            files[str(value.get("path") or place)] = value["bytes"]
        elif isinstance(value, bytes):
            files[str(place)] = value
        elif hasattr(value, "save") or not _is_list(value):
            # A picture of Pillow is an array to NumPy.
            media = value if isinstance(value, Mapping) else np.asarray(value)
            arrays.append(media)
    return files, arrays


def _may_be_paths(known: Sequence[str]) -> bool:
    looked = known[:: max(1, len(known) // 200)]
    found = sum(bool(PATH.fullmatch(c.strip())) for c in looked)
    numbers = sum(_is_number(cell) for cell in looked)
    # A WFDB record is a name without a suffix.
    names = sum(" " not in c.strip() and len(c) < 200 for c in looked)
    # Records of WFDB are named 100, 101, ...
    counted = all(cell.strip().isdecimal() for cell in looked)
    if numbers >= len(looked) / 2 and not counted:
        return False
    return max(found, names) > 0.8 * len(looked)


def _opened(
    cells: Sequence[str], root: Path
) -> tuple[dict[str, bytes], list[str]]:
    io, files, missing = SampleIO(str(root)), {}, []
    for cell in cells:
        for name in (cell, f"{cell}.hea"):
            try:
                files[name] = io.bytes(name)
                break
            except (BadSample, ValueError):
                continue
        else:
            missing.append(cell)
    return files, missing


def _decimal(known: Sequence[str]) -> str:
    with_comma = [c for c in known if "," in c]
    fits = all(COMMA.fullmatch(c.strip()) for c in with_comma)
    points = any("." in c for c in known)
    return "," if with_comma and fits and not points else "."


def _is_number(cell: str) -> bool:
    try:
        return float(cell.replace(",", ".")) is not None
    except ValueError:
        return False
