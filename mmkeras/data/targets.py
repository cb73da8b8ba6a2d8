"""The manifest's labels as numbers."""

import numpy as np
import pandas as pd

from mmkeras.data.reasons import BadSample, Reason
from mmkeras.spec import DataSpec, Target

# Class of a step, and identity of a sample, that nobody has told.
UNKNOWN = -1


def read_targets(
    spec: DataSpec, table: pd.DataFrame
) -> tuple[dict, dict, list[tuple[int, str, str, str]]]:
    """Reads every target of every row.

    Args:
        spec: The spec.
        table: The manifest.

    Returns:
        Values by target: `(rows,)` int for a category or an ordinal, `(rows,
        classes)` for categories, `(rows,)` float for a number, `(rows,
        steps)` int for a sequence, `(rows,)` int for an embedding, -1 where
        unknown. Weights by target: `(rows,)`, or `(rows, steps)`, 0 where the
        cell, or the step, is empty. What is wrong, as (row, target, reason,
        detail); such a row has weight 0.
    """
    values, weights, bad = {}, {}, []
    for name, target in spec.targets.items():
        one_by_one = target.kind != "embedding"
        read = READERS[target.kind] if one_by_one else _identities()
        empty = read(target, None)
        found = []
        for index, cell in enumerate(table[target.column]):
            try:
                found.append(read(target, cell) if cell.strip() else None)
            except BadSample as error:
                bad.append((index, name, str(error.reason), error.detail))
                found.append(None)
        weights[name] = np.array([float(v is not None) for v in found])
        values[name] = np.array([empty if v is None else v for v in found])
        if target.kind == "sequence":
            weights[name] = (values[name] != UNKNOWN).astype(float)
            values[name] = np.maximum(values[name], 0)
    return values, weights, bad


def _category(target: Target, cell: str | None) -> int:
    if cell is None:
        return 0
    if cell not in target.classes:
        raise BadSample(Reason.UNKNOWN_CLASS, repr(cell)[:80])
    return target.classes.index(cell)


def _categories(target: Target, cell: str | None) -> list[float]:
    found = [0.0] * len(target.classes)
    for part in cell.split(target.separator) if cell is not None else ():
        found[_category(target, part.strip())] = 1.0
    return found


def _sequence(target: Target, cell: str | None) -> list[int]:
    if cell is None:
        return [UNKNOWN] * target.steps
    parts = [part.strip() for part in cell.split(target.separator)]
    if len(parts) != target.steps:
        detail = f"{len(parts)} steps instead of {target.steps}"
        raise BadSample(Reason.WRONG_SIZE, detail)
    return [_category(target, part) if part else UNKNOWN for part in parts]


def _identities():
    """Returns a reader that numbers identities as they come."""
    numbers: dict[str, int] = {}

    def read(target: Target, cell: str | None) -> int:
        if cell is None:
            return UNKNOWN
        return numbers.setdefault(cell.strip(), len(numbers))

    return read


def _number(target: Target, cell: str | None) -> float:
    try:
        value = float(cell) if cell is not None else 0.0
    except ValueError:
        raise BadSample(Reason.NOT_A_NUMBER, repr(cell)[:80]) from None
    if not np.isfinite(np.float32(value)):
        raise BadSample(Reason.NOT_FINITE, repr(cell)[:80])
    return value


READERS = {
    "category": _category,
    "categories": _categories,
    "ordinal": _category,
    "sequence": _sequence,
    "number": _number,
}
