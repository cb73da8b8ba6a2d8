"""The manifest's labels as numbers."""

import numpy as np
import pandas as pd

from mmkeras.data.reasons import BadSample, Reason
from mmkeras.spec import DataSpec, TargetSpec


def read_targets(
    spec: DataSpec, table: pd.DataFrame
) -> tuple[dict, dict, list[tuple[int, str, str, str]]]:
    """Reads every target of every row.

    Args:
        spec: The spec.
        table: The manifest.

    Returns:
        Values by target: `(rows,)` int for a category, `(rows, classes)` for
        categories, `(rows,)` float for a number. Weights by target: `(rows,)`,
        0 where the cell is empty. What is wrong, as (row, target, reason,
        detail); such a row has weight 0.
    """
    values, weights, bad = {}, {}, []
    for name, target in spec.targets.items():
        read = READERS[target.kind]
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
    return values, weights, bad


def _category(target: TargetSpec, cell: str | None) -> int:
    if cell is None:
        return 0
    if cell not in target.classes:
        raise BadSample(Reason.UNKNOWN_CLASS, repr(cell)[:80])
    return target.classes.index(cell)


def _categories(target: TargetSpec, cell: str | None) -> list[float]:
    found = [0.0] * len(target.classes)
    for part in cell.split(target.separator) if cell is not None else ():
        found[_category(target, part.strip())] = 1.0
    return found


def _number(target: TargetSpec, cell: str | None) -> float:
    try:
        value = float(cell) if cell is not None else 0.0
    except ValueError:
        raise BadSample(Reason.NOT_A_NUMBER, repr(cell)[:80]) from None
    if not np.isfinite(np.float32(value)):
        raise BadSample(Reason.NOT_FINITE, repr(cell)[:80])
    return value


READERS = {
    "category": _category, "categories": _categories, "number": _number
}  # fmt: skip
