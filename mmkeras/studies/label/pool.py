"""The samples that may be labelled, and their cells of the manifest."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleReader,
    keep_in_memory,
    open_learned,
    open_rows,
    read_manifest,
    read_targets,
    to_model,
)
from mmkeras.escaping import say
from mmkeras.spec import DataSpec, load_spec

BATCH = 32


@dataclass(frozen=True)
class Pool:
    """Samples with and without labels.

    Args:
        spec: The spec.
        ids: Of the samples, in order.
        values: Labels by target, first axis samples.
        weights: Their weights; 0 where there is no label.
        batches: Called, yields `(rows, {name: x})`: which samples, and their
            inputs. Samples that cannot be read are left out.
        cells: What the manifest says of each sample: column to text.
    """

    spec: DataSpec
    ids: list[str]
    values: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    batches: Any
    cells: list[dict[str, str]]


def pool_of(source: Any, data: Any, split: str, arrays: Path) -> Pool:
    """Returns the samples of a prepared folder, or of rows of any origin.

    Args:
        source: A TOML spec, whose files are decoded as they are, so that new
            samples need not be prepared; or what `prepare` takes with the
            spec of the run: a DataFrame, a table, a folder of class folders,
            arrays; None for a split of `data`.
        data: The data of the run: their vocabularies are used.
        split: "train", "validation" or "test", for `data`.
        arrays: Folder for samples from memory, while the pool is read.

    Raises:
        ValueError: If the spec's modalities or targets are not the run's.
    """
    if source is None:
        return _of_split(data, split)
    if not isinstance(source, Path) or source.suffix != ".toml":
        return _of_rows(data.spec, data, source, arrays)
    spec = load_spec(source)
    check_fits(spec, data.spec)
    return _of_rows(spec, data, None, arrays)


def check_fits(spec: DataSpec, wanted: DataSpec) -> None:
    """Raises ValueError unless a model of `wanted` can read `spec`."""
    for part in ("modalities", "targets"):
        ours, theirs = getattr(wanted, part), getattr(spec, part)
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                raise ValueError(
                    f"`{part}.{name}` must be as in the spec of the run. "
                    f"Received: {theirs.get(name)!r} instead of "
                    f"{ours.get(name)!r}"
                )


def _of_split(data: Any, split: str) -> Pool:
    values: dict[str, list] = {name: [] for name in data.spec.targets}
    weights: dict[str, list] = {name: [] for name in data.spec.targets}
    for _, y, w in data.ordered(split):
        for name in values:
            values[name].append(np.asarray(y[name]))
            weights[name].append(np.asarray(w[name]))
    ids = data.ids(split)

    def batches():
        start = 0
        for x, _, _ in data.ordered(split):
            size = len(next(iter(x.values())))
            yield np.arange(start, start + size), x
            start += size

    return Pool(
        data.spec,
        ids,
        {name: np.concatenate(parts) for name, parts in values.items()},
        {name: np.concatenate(parts) for name, parts in weights.items()},
        batches,
        _cells(data.spec, ids),
    )


def _cells(spec: DataSpec, ids: list[str]) -> list[dict[str, str]]:
    """Returns the manifest's rows, where it still lies where it was."""
    try:
        table = read_manifest(spec, spec.root)
    except (ValueError, OSError):
        return [{} for _ in ids]
    rows = dict(zip(table["sample/id"], table.to_dict("records"), strict=True))
    return [rows.get(name, {}) for name in ids]


def _of_rows(spec: DataSpec, data: Any, source: Any, arrays: Path) -> Pool:
    """Returns the rows of a source; None: those of the spec's manifest."""
    keep = keep_in_memory(arrays)
    read, called, root = open_rows(spec, source, None, keep)
    table = read.table
    values, weights, bad = read_targets(spec, table)
    if bad:
        row, name, reason, detail = bad[0]
        raise ValueError(
            f"The labels that `{called}` has must be valid. "
            f"Received: {reason} ({detail}) in `{name}` of the sample "
            f"{table['sample/id'].iloc[row]!r}"
        )
    reader = SampleReader(
        spec,
        str(root.resolve()),
        learned=open_learned(spec, data.learned),
        arrays=str(arrays),
    )
    cells = table.to_dict("records")
    ids = table["sample/id"].tolist()
    return Pool(
        spec, ids, values, weights, lambda: _decoded(reader, ids, cells), cells
    )


def _decoded(reader: SampleReader, ids: list[str], cells: list[dict]):
    """Yields batches of readable samples; prints those left out."""
    reasons: Counter[str] = Counter()
    rows, found = [], []
    for row, name in enumerate(ids):
        try:
            found.append(_inputs(reader, {"id": name, "cells": cells[row]}))
            rows.append(row)
        except BadSample as error:
            reasons[str(error.reason)] += 1
        if len(rows) == BATCH or (rows and row == len(ids) - 1):
            yield np.array(rows), _stacked(found)
            rows, found = [], []
    for reason, count in sorted(reasons.items()):
        say(f"left out: {count} samples, {reason}")


def _stacked(found: list[dict]) -> dict[str, np.ndarray]:
    return {name: np.stack([x[name] for x in found]) for name in found[0]}


def _inputs(reader: SampleReader, row: dict) -> dict[str, np.ndarray]:
    """Returns one sample as it enters the model."""
    spec, x, there = reader.spec, {}, {}
    for name, modality in spec.modalities.items():
        try:
            sample = reader.read(name, row)
            x[name] = to_model(modality, sample.value)
            there[name] = 1.0
        except BadSample as error:
            if not modality.optional:
                raise
            if error.reason != Reason.MISSING:
                say(f"{row['id']!r}: `{name}` is absent ({error.reason})")
            x[name], there[name] = None, 0.0
    for name, value in x.items():
        if value is None:
            x[name] = absent(spec.modalities[name])
    if spec.optional:
        x["present"] = np.array([there[n] for n in spec.optional], "float32")
    return x


def absent(modality: Any) -> np.ndarray:
    """Returns the input of an absent modality."""
    return np.full(modality.shape, modality.absent, modality.dtype)
