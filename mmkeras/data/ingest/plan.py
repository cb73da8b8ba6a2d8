"""What is decided before a file is opened: labels, splits, shards."""

import collections
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mmkeras.data.files.reasons import Reason
from mmkeras.data.ingest.narrow import Narrow, NarrowRows
from mmkeras.data.ingest.places import KnownSplits
from mmkeras.data.ingest.shards import samples_per_shard
from mmkeras.data.ingest.split import (
    LEFT_OUT,
    SPLITS,
    draw_places,
    places_of,
    shares_missed,
)
from mmkeras.data.ingest.split_by_time import bad_times
from mmkeras.data.ingest.stamps import read_columns
from mmkeras.data.ingest.table import Table
from mmkeras.data.ingest.targets import labelled_rows, read_target, rows_of
from mmkeras.spec import DataSpec


@dataclass
class Plan:
    """What is known of every sample.

    Args:
        table: The manifest.
        split: `(rows,)` int8, places in `SPLITS`, or `LEFT_OUT` if left out.
        values: Labels by target; `[rows]` gives those of some rows, as
            `Target.encode` or, of a `sparse` kind, `Target.facts` has them;
            without targets that are `read_with_sample`.
        weights: Their weights, alike; 0 where the label is missing, 1 where
            one will be read with its sample.
        bad: Samples left out: (row, modality or target, reason, detail).
        faulty: Samples that lost an optional modality, in the same form.
        said: What a person should know of the splits, in sentences.
        together: `(rows,)` of numbers, the same for samples that must not
            be parted; None where none are.
    """

    table: Table
    split: np.ndarray
    values: dict[str, Narrow | NarrowRows]
    weights: dict[str, Narrow]
    bad: list[tuple]
    faulty: list[tuple]
    said: list[str] = field(default_factory=list)
    together: np.ndarray | None = None

    def rows(self, split: str) -> np.ndarray:
        """Returns the manifest's rows of a split, in order."""
        found = np.flatnonzero(self.split == SPLITS.index(split))
        return found.astype(np.int32)

    @property
    def training(self) -> Table:
        """The manifest of the training split."""
        return self.table.at(self.rows("train"))

    @property
    def left(self) -> np.ndarray:
        """The manifest's rows that are in any split, in order."""
        return np.flatnonzero(self.split != LEFT_OUT).astype(np.int32)

    def names(self, rows: np.ndarray) -> list[str]:
        """Returns the splits of rows, "" for one that is left out."""
        return [
            SPLITS[place] if place >= 0 else "" for place in self.split[rows]
        ]

    def leave_out(self, shard: dict) -> None:
        """Notes what was found while the shard was built."""
        self.bad += map(tuple, shard["bad"])
        self.faulty += map(tuple, shard["faulty"])
        self.split[[row for row, *_ in shard["bad"]]] = LEFT_OUT


def make_plan(spec: DataSpec, table: Table) -> Plan:
    """Reads the labels; `draw_splits` then fills in the splits.

    Args:
        spec: The spec.
        table: The manifest.
    """
    values, weights, bad = {}, {}, []
    for name, target in spec.targets.items():
        if target.read_with_sample:
            found = labelled_rows(target, table)
            weights[name] = Narrow(found[0])
            bad += [(row, name, *fault) for row, *fault in found[1]]
            continue
        found = read_target(target, table[target.column], sparse=True)
        values[name] = found[0] if target.sparse else Narrow(found[0])
        weights[name] = Narrow(found[1])
        bad += [(row, name, *fault) for row, *fault in found[2]]
    if spec.split.method == "time":
        bad += bad_times(table[spec.split.time])
    if spec.split.method == "column":
        for row, cell in enumerate(table[spec.split.column]):
            if cell not in SPLITS:
                fault = (str(Reason.UNKNOWN_SPLIT), repr(cell)[:80])
                bad.append((row, "split", *fault))
    split = np.full(len(table), LEFT_OUT, np.int8)
    return Plan(table, split, values, weights, bad, [])


def draw_splits(
    spec: DataSpec, plan: Plan, known: KnownSplits | None = None
) -> None:
    """Puts every sample whose labels are right into a split.

    Args:
        spec: The spec.
        plan: What is filled in.
        known: Splits of samples that stay where they are.

    Raises:
        ValueError: If a split would be empty, or a group in several.
    """
    there = np.ones(len(plan.table), bool)
    there[[row for row, *_ in plan.bad]] = False
    good = np.flatnonzero(there).astype(np.int32)
    if not len(good):
        return
    table, labels, kept = plan.table.at(good), None, None
    if spec.split.stratify:
        name = spec.split.stratify
        labelled = plan.weights[name][good] > 0
        labels = np.where(labelled, plan.values[name][good], -1)
        labels = labels.astype(np.int32)
    if known is not None:
        kept = known.of(table["sample/id"])
    together = None if plan.together is None else plan.together[good]
    found = draw_places(spec, table, labels, kept, together)
    if kept is not None and (moved := (kept >= 0) & (found != kept)).any():
        plan.said.append(
            f"`split`: {moved.sum():,} samples moved to another split, "
            "where their column or their group is now"
        )
    plan.split[good] = found
    plan.said += shares_missed(spec, table, found)


def given_splits(spec: DataSpec, plan: Plan) -> None:
    """Puts samples where a column says, though that may part a group.

    Args:
        spec: The spec, whose splits a column decides.
        plan: What is filled in.
    """
    plan.split[:] = places_of(plan.table[spec.split.column])
    plan.split[[row for row, *_ in plan.bad]] = LEFT_OUT


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
        columns = read_columns(spec)
        part = plan.table.at(self.rows)
        cells = [part[column].tolist() for column in columns]
        ids = part["sample/id"].tolist()
        group = spec.split.group
        groups = part[group].tolist() if group else None
        targets, weights = [
            {name: rows_of(arrays[name], self.rows) for name in plan.values}
            for arrays in (plan.values, plan.weights)
        ]
        rows = [
            {
                "index": row,
                "id": ids[place],
                **({} if groups is None else {"group": groups[place]}),
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
        rows = plan.rows(split)
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
            f"the first is sample {plan.table['sample/id'][row]!r}, "
            f"`{part}`: {detail}"
        )


def check_left(plan: Plan) -> None:
    """Raises ValueError if no sample is left to train or to test."""
    for split in ("train", "test"):
        if not (plan.split == SPLITS.index(split)).any():
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
