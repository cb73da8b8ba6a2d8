"""The one pass: everything that is counted of each sample."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmkeras.data import BadSample, to_model
from mmkeras.studies.data_report.alike import Alike
from mmkeras.studies.data_report.sample_stream import (
    SPLITS,
    SampleStream,
    Seen,
)
from mmkeras.studies.data_report.tallies import Tallies


def count_all(samples: SampleStream) -> tuple[Tallies, Alike]:
    """Reads every sample; returns counts, and what shows duplicates.

    Args:
        samples: Where they come from; what cannot be looked for is noted in
            its `said`.
    """
    spec = samples.spec
    tallies = Tallies()
    alike = Alike([*spec.modalities], [*spec.targets])
    # Modalities whose near-duplicates can be looked for.
    able = {*spec.modalities}
    for seen in samples:
        tallies.splits[seen.split] += 1
        index = SPLITS.index(seen.split)
        alike.add(seen.place, index, seen.stored, seen.labels)
        row: dict[Any, Any] = {"split": seen.split}
        for key, value in _numbers(samples, seen, tallies):
            training = seen.split == "train"
            tallies.numbers[key].add(value, seen.place, training)
            row[key] = value
        row |= _labels(samples, seen, tallies)
        tallies.rows.add(row)
        for name in {*able}:
            if name in seen.stored:
                _fingerprint(samples, seen, name, alike, able)
        group = spec.split.group
        if group and seen.cells is not None:
            tallies.groups[seen.split][seen.cells[group]] += 1
    if not tallies.splits:
        raise ValueError(
            f"`{samples.name}` must hold samples that can be read. Received: "
            f"none; the first fault is {samples.faults[:1]}"
        )
    return tallies, alike


def _numbers(
    samples: SampleStream, seen: Seen, tallies: Tallies
) -> Iterator[tuple[tuple, float]]:
    """Yields every number of a sample, by (part, group, name)."""
    for name, modality in samples.spec.modalities.items():
        if name not in seen.stored:
            tallies.absent[name] += 1
            continue
        for note, count in seen.notes.get(name, {}).items():
            tallies.notes[name][note] += count
        value = to_model(modality, seen.stored[name])
        found = modality.profile(value, samples.learned.get(name))
        if found is not None:
            for group in ("numbers", "columns", "choices"):
                for key, number in getattr(found, group).items():
                    number = math.nan if number is None else float(number)
                    yield (name, group, key), number
        for key, number in _of_source(samples, seen, name).items():
            yield (name, "source", key), float(number)


def _of_source(samples: SampleStream, seen: Seen, name: str) -> Mapping:
    """Returns what the raw file says of itself; nothing of a shard."""
    io = samples.io(name)
    if io is None or seen.cells is None:
        return {}
    try:
        found = samples.spec.modalities[name].profile_source(seen.cells, io)
    except BadSample:
        # It has been read: what changed in between is not ours to judge.
        return {}
    return found or {}


def _labels(samples: SampleStream, seen: Seen, tallies: Tallies) -> dict:
    """Counts the labels of a sample; returns those that are one number."""
    row = {}
    for name, target in samples.spec.targets.items():
        label, weight = seen.labels[name]
        if not np.any(weight > 0):
            tallies.unlabelled[name][seen.split] += 1
            continue
        if target.class_names and not target.read_with_sample:
            cell = target.label_cell(label, weight)
            for one in filter(None, target.split(cell)):
                tallies.classes[name][seen.split][one] += 1
        if target.shape == ():
            row[name, "label", ""] = float(label)
            if not target.class_names:
                tallies.numbers[name, "label", ""].add(
                    float(label), seen.place, seen.split == "train"
                )
    return row


def _fingerprint(
    samples: SampleStream, seen: Seen, name: str, alike: Alike, able: set[str]
) -> None:
    modality = samples.spec.modalities[name]
    value = to_model(modality, seen.stored[name])
    try:
        found = modality.fingerprint(value, samples.learned.get(name))
    except ModuleNotFoundError as error:
        able.discard(name)
        samples.lacking[name] = str(error.name)
        samples.said.append(
            f"near-duplicates of `{name}` were not looked for: "
            f"`{error.name}` is not installed (pip install mmkeras[report])"
        )
        return
    alike.fingerprints[name].add(seen.place, found)
