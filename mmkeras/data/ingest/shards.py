"""One shard: rows of the manifest to one TFRecord file and its statistics.

What a shard holds depends on its rows alone, never on which process makes it
or when; so any number of workers writes the same bytes, and a shard that is
there already need not be made again.
"""

import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.artefact import (
    atomic,
    file_stamp,
    read_hashed,
    sha256_of,
    told,
    write_hashed,
)
from mmkeras.data.files.paths import Folders
from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.records import write_records
from mmkeras.data.ingest.encoder import Encoder
from mmkeras.data.ingest.places import NOWHERE
from mmkeras.data.ingest.samples import SampleReader
from mmkeras.data.ingest.stamps import stamps_of
from mmkeras.data.statistics import add_sums, merge_sums
from mmkeras.data.stored import stored_dtype
from mmkeras.spec import DataSpec, Label, Sample

SHARD_SAMPLES = 1024
SHARD_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Context:
    """What is the same for all shards of one `prepare`.

    Args:
        reader: What reads the samples.
        folder: Folder that is written.
        rules: Hash of the code that reads, and of what it learned.
    """

    reader: SampleReader
    folder: Path
    rules: str

    @property
    def spec(self) -> DataSpec:
        """The spec."""
        return self.reader.spec


def sample_bytes(spec: DataSpec) -> int:
    """Returns the bytes of one decoded sample, targets and id included."""
    sizes = [
        math.prod(modality.shape)
        * stored_dtype(modality).itemsize
        * (1 + len(modality.variant_names))
        for modality in spec.modalities.values()
    ]
    for target in spec.targets.values():
        item = np.dtype(target.dtype).itemsize
        sizes.append(item * math.prod(target.shape))
        sizes.append(4 * math.prod(target.weight_shape))
    return sum(sizes) + 32 * (len(sizes) + 2)


def samples_per_shard(spec: DataSpec) -> int:
    """Returns 1,024, or fewer where those would be more than 16 MB."""
    return max(1, min(SHARD_SAMPLES, SHARD_BYTES // sample_bytes(spec)))


def build_shard(
    context: Context,
    name: str,
    rows: list[dict],
    training: bool,
    dry: bool = False,
) -> dict:
    """Writes the shard `name` and returns what is known of it.

    A shard finished before is kept if its rows and its source files (by size
    and time) are still the same.

    Args:
        context: What reads, and where to.
        name: File name of the shard.
        rows: Each with "index", "id", "cells" (column: text), "targets" and
            "weights", and "group" where the spec has `split.group`.
        training: Whether statistics are wanted.
        dry: Whether samples are read and counted only; nothing is written.

    Returns:
        JSON values: file, count, bytes, sha256; `bad`, the samples left out,
        and `faulty`, those that lost an optional modality, each a list of
        [row, modality, reason, detail]; `notes`, by modality, what was
        changed, counted; `samples`, of each row the id and what
        `write_records` returned, or `NOWHERE`; `sums`, statistics by
        modality and by target that is read with its sample; `stamps`, of the
        source files by path; `written`, the `file_stamp` of the shard;
        `said`, sentences for a person.
    """
    path, note = context.folder / name, context.folder / f"{name}.json"
    said: list[str] = []
    # Before a file is read, so that no change in between is missed.
    cells = (row["cells"] for row in rows)
    stamps = stamps_of(context.spec, context.reader.root, cells)
    key = _key(context, rows, stamps)
    if not dry and note.is_file() and path.is_file():
        known, said = _noted(note)
        passing = {"stamps": stamps, "written": file_stamp(path)}
        if known.get("key") == key and known["sha256"] == sha256_of(path):
            return {**known, **passing, "said": said}
    found = {"key": key, "file": name, "bad": [], "faulty": [], "sums": {}}
    encoder = None if dry else Encoder(context.spec, rows)
    payloads, kept, read, notes = [], [], 0, {}
    with Folders() as folders:
        for place, row in enumerate(rows):
            samples, faults = _read(context, row, folders)
            labels = {}
            if not any(not _optional(context, f[0]) for f in faults):
                labels, more = _labels(context, row, samples, folders)
                faults += more
            required = [f for f in faults if not _optional(context, f[0])]
            faults = [[row["index"], *fault] for fault in required or faults]
            found["bad" if required else "faulty"] += faults
            if required:
                continue
            values = {name: sample.value for name, sample in samples.items()}
            read += 1
            if encoder:
                variants = {}
                if training:
                    variants = _variants(context, row, values, folders)
                payloads.append(encoder(place, values, variants, labels))
                kept.append(row["id"])
            _count(notes, {**samples, **labels})
            if training:
                _add(context.spec, found["sums"], values, labels)
    found["notes"] = _sorted(notes)
    if dry:
        more = {"count": read, "bytes": 0, "sha256": "", "stamps": stamps}
        return {**found, **more, "said": said}
    # Of what is written, not of what can be read again.
    digest = hashlib.sha256()
    places = _write(path, payloads, context.spec.data.compression, digest)
    written = file_stamp(path)
    there = dict(zip(kept, places, strict=True))
    found["samples"] = [
        [row["id"], *there.get(row["id"], NOWHERE)] for row in rows
    ]
    found |= {
        "count": len(payloads),
        "bytes": written[0],
        "sha256": digest.hexdigest(),
    }
    write_note(note, found)
    return {**found, "stamps": stamps, "written": written, "said": said}


def write_note(note: Path, shard: dict) -> None:
    """Notes what is known of a shard, where the next run looks for it."""
    write_hashed(note, {"shard": shard})


def _noted(note: Path) -> tuple[dict, list[str]]:
    """Returns what a note says of its shard, and what is wrong with it."""
    try:
        return dict(read_hashed(note)["shard"]), []
    except (ValueError, KeyError, TypeError) as error:
        return {}, [f"the shard of {note} is made anew: {error}"]


def _write(
    path: Path, payloads: list[bytes], compression: str, digest: Any
) -> list[tuple[int, int, int]]:
    needed = sum(len(payload) + 16 for payload in payloads)
    with atomic(path) as temporary, told(path, temporary, needed):
        return write_records(temporary, payloads, compression, digest)


def _read(
    context: Context, row: dict, folders: Folders
) -> tuple[dict[str, Sample], list]:
    """Returns the modalities that are there, and what was wrong."""
    samples, faults = {}, []
    for name in context.spec.modalities:
        try:
            samples[name] = context.reader.read(name, row, folders)
        except BadSample as error:
            if error.reason == Reason.MISSING and _optional(context, name):
                continue
            faults.append([name, str(error.reason), error.detail])
    return samples, faults


def _variants(
    context: Context, row: dict, values: dict, folders: Folders
) -> dict[str, list]:
    """Returns what else a training sample is stored as, by modality."""
    found = {}
    for name, modality in context.spec.modalities.items():
        count = len(modality.variant_names)
        if count and name in values:
            found[name] = context.reader.variants(name, row, folders)
        elif count:
            found[name] = [np.full(modality.shape, modality.absent)] * count
    return found


def _labels(
    context: Context, row: dict, samples: dict, folders: Folders
) -> tuple[dict[str, Label], list]:
    """Returns the labels that are read with their samples, and faults."""
    labels, faults = {}, []
    for name, target in context.spec.targets.items():
        if not target.read_with_sample:
            continue
        try:
            labels[name] = context.reader.label(name, row, samples, folders)
        except BadSample as error:
            faults.append([name, str(error.reason), error.detail])
    return labels, faults


def _optional(context: Context, name: str) -> bool:
    """Whether a sample goes on without; one with a wrong label does not."""
    return name in context.spec.optional


def _count(notes: dict[str, Counter], samples: dict) -> None:
    for name, sample in samples.items():
        if sample.notes:
            notes.setdefault(name, Counter()).update(sample.notes)


def _sorted(notes: dict[str, Counter]) -> dict[str, dict[str, int]]:
    """Returns what was changed, without what was not."""
    return {
        name: {note: n for note, n in sorted(counts.items()) if n > 0}
        for name, counts in notes.items()
    }


def _add(spec: DataSpec, sums: dict, values: dict, labels: dict) -> None:
    for name, value in values.items():
        one = spec.modalities[name].sums(value)
        sums[name] = merge_sums(sums.get(name), one)
    for name, label in labels.items():
        if np.any(label.weight):
            one = spec.targets[name].sums(label)
            sums[name] = add_sums(sums.get(name), one)


def _key(context: Context, rows: list[dict], stamps: dict[str, str]) -> str:
    """Hashes everything the shard's bytes follow from, files by their stamp."""
    reader = context.reader
    parts = [context.rules, reader.spec.sha256, reader.seed, rows]
    parts.append(list(stamps.values()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
