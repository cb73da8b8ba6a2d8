"""The manifest's labels as numbers."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.files.reasons import Reason
from mmkeras.data.ingest.narrow import NarrowRows, narrow
from mmkeras.data.ingest.table import Table, parts_of
from mmkeras.data.statistics import add_sums
from mmkeras.spec import DataSpec, Label, Target

# What is wrong with a cell: sample, reason, detail.
Faults = list[tuple[int, str, str]]
# Rows whose labels are a dense table for a moment.
ENCODED_ROWS = 512


def read_targets(
    spec: DataSpec, table: Table | pd.DataFrame, sparse: bool = False
) -> tuple[dict, dict, list[tuple[int, str, str, str]]]:
    """Reads every target of every row.

    Args:
        spec: The spec.
        table: The manifest.
        sparse: Whether the values of a `sparse` kind are a
            `scipy.sparse.csr_array`: as an array they may not fit in memory.

    Returns:
        Values and weights by target, as `Target.encode` returns them, first
        axis rows; without those that are `read_with_sample`. What is wrong,
        as (row, target, reason, detail); such a row has weight 0.
    """
    values, weights, bad = {}, {}, []
    for name, target in spec.targets.items():
        if target.read_with_sample:
            continue
        found = read_target(target, table[target.column], sparse)
        values[name], weights[name] = found[:2]
        if sparse and target.sparse:
            values[name] = found[0][np.arange(len(table))]
        bad += [(row, name, *fault) for row, *fault in found[2]]
    return values, weights, bad


def read_target(
    target: Target, cells: Iterable[str], sparse: bool
) -> tuple[Any, np.ndarray, Faults]:
    """Reads one target of every row, as `Target.encode` does.

    Args:
        target: The target.
        cells: Its column.
        sparse: Whether the values of a `sparse` kind are `NarrowRows`.
    """
    if not (sparse and target.sparse):
        return target.encode(cells)
    # In parts: whole it may be larger than memory.
    values, weights, bad, first = NarrowRows(target), [], [], 0
    for part in parts_of(cells):
        for start in range(0, len(part), ENCODED_ROWS):
            found = target.encode(part[start : start + ENCODED_ROWS])
            values.append(found[0])
            weights.append(narrow(found[1]))
            bad += [(first + row, *fault) for row, *fault in found[2]]
            first += len(found[1])
    return values.whole(), np.concatenate(weights).astype(float), bad


def rows_of(values: Any, rows: np.ndarray) -> list:
    """Returns the labels of some rows, as JSON that `label_of` reads.

    Those of a `sparse` kind are pairs: where they are not 0, and what.
    """
    found = values[rows]
    if not hasattr(found, "indptr"):
        return found.tolist()
    places, there = found.indices.tolist(), found.data.tolist()
    ends = found.indptr.tolist()
    return [
        [places[first:end], there[first:end]]
        for first, end in itertools.pairwise(ends)
    ]


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
        name: facts_of_read(target, values[name], weights[name])
        if target.read_with_sample
        else target.facts(values[name], weights[name])
        for name, target in targets.items()
    }


def facts_of_read(
    target: Target, values: np.ndarray, weights: np.ndarray
) -> dict[str, Any]:
    """Returns the facts of labels that were read with their samples."""
    sums = None
    for value, weight in zip(values, weights, strict=True):
        if np.any(weight):
            sums = add_sums(sums, target.sums(Label(value, weight)))
    return target.finish(sums)


def labelled_rows(
    target: Target, table: Table | pd.DataFrame
) -> tuple[np.ndarray, Faults]:
    """Returns which rows have a label that is `read_with_sample`.

    Args:
        target: The target.
        table: The manifest.

    Returns:
        `(rows,)` of 0 and 1, and what is wrong.
    """
    columns, bad = target.manifest_columns, []
    found = np.ones(len(table))
    for row, cells in enumerate(zip(*(table[c] for c in columns))):
        try:
            there = target.has_label(dict(zip(columns, cells, strict=True)))
        except ValueError as error:
            bad.append((row, *_fault(error)))
            there = False
        found[row] = there
    return found, bad


def encode_each(
    cells: Iterable[str], read: Callable[[str], Any], empty: Any
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
    values, weights, bad, row = [], [], [], 0
    for part in parts_of(cells):
        found = []
        for row, cell in enumerate(part, row):
            try:
                found.append(read(cell) if cell.strip() else None)
            except ValueError as error:
                bad.append((row, *_fault(error)))
                found.append(None)
        row += 1
        # Numbers, since as many Python objects would be much larger.
        values.append(np.array([empty if v is None else v for v in found]))
        weights.append(np.array([float(v is not None) for v in found]))
    if not values:
        return np.array([]), np.array([]), bad
    return np.concatenate(values), np.concatenate(weights), bad


def _fault(error: ValueError) -> tuple[str, str]:
    reason = getattr(error, "reason", Reason.BAD_LABEL)
    return str(reason), getattr(error, "detail", str(error)[:80])
