"""The manifest's labels as numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.files.reasons import Reason
from mmkeras.spec import DataSpec, Target

# What is wrong with a cell: sample, reason, detail.
Faults = list[tuple[int, str, str]]


def read_targets(
    spec: DataSpec, table: pd.DataFrame
) -> tuple[dict, dict, list[tuple[int, str, str, str]]]:
    """Reads every target of every row.

    Args:
        spec: The spec.
        table: The manifest.

    Returns:
        Values and weights by target, as `Target.encode` returns them, first
        axis rows. What is wrong, as (row, target, reason, detail); such a row
        has weight 0.
    """
    values, weights, bad = {}, {}, []
    for name, target in spec.targets.items():
        found = target.encode(table[target.column].tolist())
        values[name], weights[name] = found[:2]
        bad += [(row, name, *fault) for row, *fault in found[2]]
    return values, weights, bad


def facts_of(
    targets: Mapping[str, Target],
    values: Mapping[str, np.ndarray],
    weights: Mapping[str, np.ndarray],
) -> dict[str, dict[str, Any]]:
    """Returns what is known of each target's labels, as `Target.facts` does.

    Args:
        targets: Targets by name.
        values: Their labels, first axis samples.
        weights: Their weights; 0 where there is no label.
    """
    return {
        name: target.facts(values[name], weights[name])
        for name, target in targets.items()
    }


def encode_each(
    cells: Sequence[str], read: Callable[[str], Any], empty: Any
) -> tuple[np.ndarray, np.ndarray, Faults]:
    """Reads a column of labels cell by cell, as `Target.encode` returns it.

    Args:
        cells: The column.
        read: From a cell that is not empty to a label; raises ValueError
            where it cannot be one.
        empty: Label of a sample without.

    Example:

    >>> encode_each(["2.5", ""], float, 0.0)
    (array([2.5, 0. ]), array([1., 0.]), [])
    """
    values, weights, bad = [], [], []
    for row, cell in enumerate(cells):
        value = None
        try:
            value = read(cell) if cell.strip() else None
        except ValueError as error:
            bad.append((row, *_fault(error)))
        values.append(empty if value is None else value)
        weights.append(float(value is not None))
    return np.array(values), np.array(weights), bad


def _fault(error: ValueError) -> tuple[str, str]:
    reason = getattr(error, "reason", Reason.BAD_LABEL)
    return str(reason), getattr(error, "detail", str(error)[:80])
