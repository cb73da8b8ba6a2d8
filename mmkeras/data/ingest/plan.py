"""What is decided before a file is opened: labels, splits, shards."""

import collections
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mmkeras.data.files.reasons import Reason
from mmkeras.data.ingest.shards import samples_per_shard
from mmkeras.data.ingest.split import (
    SPLITS,
    assign_splits,
    shares_missed,
)
from mmkeras.data.ingest.targets import read_targets, rows_of
from mmkeras.spec import DataSpec


@dataclass
class Plan:
    """What is known of every sample.

    Args:
        table: The manifest.
        split: `(rows,)` of "train", "validation", "test", or "" if left out.
        values: Target values by name, first axis rows.
        weights: `(rows,)` a target; 0 where the label is missing.
        bad: Samples left out: (row, modality or target, reason, detail).
        faulty: Samples that lost an optional modality, in the same form.
        said: What a person should know of the splits, in sentences.
        together: `(rows,)` of numbers, the same for samples that must not
            be parted; None where none are.
    """

    table: pd.DataFrame
    split: np.ndarray
    values: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    bad: list[tuple]
    faulty: list[tuple]
    said: list[str] = field(default_factory=list)
    together: np.ndarray | None = None

    @property
    def training(self) -> pd.DataFrame:
        """The manifest's rows of the training split."""
        return self.table[self.split == "train"]

    def leave_out(self, shard: dict) -> None:
        """Notes what was found while the shard was built."""
        self.bad += map(tuple, shard["bad"])
        self.faulty += map(tuple, shard["faulty"])
        self.split[[row for row, *_ in shard["bad"]]] = ""


def make_plan(spec: DataSpec, table: pd.DataFrame) -> Plan:
    """Reads the labels; `draw_splits` then fills in the splits.

    Args:
        spec: The spec.
        table: The manifest.
    """
    values, weights, bad = read_targets(spec, table, sparse=True)
    if spec.split.method == "column":
        for row, cell in enumerate(table[spec.split.column]):
            if cell not in SPLITS:
                fault = (str(Reason.UNKNOWN_SPLIT), repr(cell)[:80])
                bad.append((row, "split", *fault))
    split = np.full(len(table), "", object)
    return Plan(table, split, values, weights, bad, [])


def draw_splits(
    spec: DataSpec, plan: Plan, known: Mapping[str, str] | None = None
) -> None:
    """Puts every sample whose labels are right into a split.

    Args:
        spec: The spec.
        plan: What is filled in.
        known: Splits by id, of samples that stay where they are.

    Raises:
        ValueError: If a split would be empty, or a group in several.
    """
    table, split = plan.table, plan.split
    good = np.setdiff1d(np.arange(len(table)), [row for row, *_ in plan.bad])
    labels = None
    if spec.split.stratify:
        name = spec.split.stratify
        labelled = plan.weights[name] > 0
        labels = np.where(labelled, plan.values[name], -1)[good]
    if len(good):
        kept = None
        if known:
            ids = table["sample/id"].iloc[good]
            kept = np.array([known.get(name, "") for name in ids], object)
        together = None if plan.together is None else plan.together[good]
        found = assign_splits(spec, table.iloc[good], labels, kept, together)
        if kept is not None and (moved := (kept != "") & (found != kept)).any():
            plan.said.append(
                f"`split`: {moved.sum():,} samples moved to another split, "
                "where their column or their group is now"
            )
        split[good] = found
        plan.said += shares_missed(spec, table.iloc[good], found)


@dataclass(frozen=True)
class ShardJob:
    """A shard that is to be built.

    Args:
        name: File name of the shard.
        rows: Indices of its samples in the manifest.
        training: Whether they are of the training split.
    """

    name: str
    rows: np.ndarray
    training: bool

    def arguments(self, spec: DataSpec, plan: Plan) -> dict:
        """Returns those of `build_shard`, JSON values alone.

        Made when a worker takes the job: those of all jobs at once would be
        many times the manifest.
        """
        columns = sorted(
            {c for m in spec.modalities.values() for c in m.manifest_columns}
        )
        # Lists, since a cell of a table costs a hundred times as much.
        part = plan.table.iloc[self.rows]
        cells = [part[column].tolist() for column in columns]
        ids = part["sample/id"].tolist()
        targets, weights = [
            {name: rows_of(array, self.rows) for name, array in arrays.items()}
            for arrays in (plan.values, plan.weights)
        ]
        rows = [
            {
                "index": row,
                "id": ids[place],
                "cells": {c: cells[i][place] for i, c in enumerate(columns)},
                "targets": {n: found[place] for n, found in targets.items()},
                "weights": {n: found[place] for n, found in weights.items()},
            }
            for place, row in enumerate(self.rows.tolist())
        ]
        return {"name": self.name, "training": self.training, "rows": rows}


def shard_jobs(spec: DataSpec, plan: Plan) -> list[ShardJob]:
    """Returns a job for each shard, in order."""
    size, jobs = samples_per_shard(spec), []
    for split in SPLITS:
        rows = np.flatnonzero(plan.split == split)
        for number, first in enumerate(range(0, len(rows), size)):
            name = f"{split}-{number:05d}.tfrecord"
            part = rows[first : first + size]
            jobs.append(ShardJob(name, part, split == "train"))
    return jobs


def check_limit(spec: DataSpec, plan: Plan) -> None:
    """Raises ValueError if too many samples have a fault."""
    # A copy that is left out is whole.
    found = [
        fault
        for fault in plan.bad + plan.faulty
        if fault[2] != Reason.DUPLICATE
    ]
    broken = len({row for row, *_ in found})
    limit = spec.data.max_bad_fraction
    if broken > limit * len(plan.table):
        reasons = ", ".join(f"{n} {r}" for r, n in count(found).items())
        row, part, _, detail = min(found)
        raise ValueError(
            f"At most `data.max_bad_fraction` = {limit:g} of the samples may "
            f"be broken. Received: {broken} of {len(plan.table)} ({reasons}); "
            f"the first is sample {plan.table['sample/id'].iloc[row]!r}, "
            f"`{part}`: {detail}"
        )


def check_left(plan: Plan) -> None:
    """Raises ValueError if no sample is left to train or to test."""
    for split in ("train", "test"):
        if not (plan.split == split).any():
            raise ValueError(
                f"`split` must leave samples for '{split}'. Received: all of "
                f"them broken ({count(plan.bad)})"
            )


def count(faults: Iterable[tuple]) -> dict[str, int]:
    """Returns how many samples each reason cost, by their first fault."""
    reasons = {}
    for row, _, reason, _ in faults:
        reasons.setdefault(row, reason)
    return dict(sorted(collections.Counter(reasons.values()).items()))
