"""One shard: rows of the manifest to one TFRecord file and its statistics.

What a shard holds depends on its rows alone, never on which process makes it
or when; so any number of workers writes the same bytes, and a shard that is
there already need not be made again.
"""

import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np

from mmkeras.artefact import atomic, free_bytes, sha256_of, write_json
from mmkeras.data import statistics
from mmkeras.data.paths import resolve_inside
from mmkeras.data.reasons import BadSample, Reason
from mmkeras.data.records import example, write_records
from mmkeras.data.samples import Context, files_of, read_modality
from mmkeras.data.stored import stored_dtype
from mmkeras.spec import DataSpec

SHARD_SAMPLES = 1024
SHARD_BYTES = 16 * 2**20


def sample_bytes(spec: DataSpec) -> int:
    """Returns the bytes of one decoded sample, targets and id included."""
    sizes = [
        math.prod(modality.shape) * stored_dtype(modality).itemsize
        for modality in spec.modalities.values()
    ]
    for target in spec.targets.values():
        sizes.append(4 * math.prod(target.shape))
        sizes.append(4 * math.prod(target.weight_shape))
    return sum(sizes) + 32 * (len(sizes) + 2)


def samples_per_shard(spec: DataSpec) -> int:
    """Returns 1,024, or fewer where those would be more than 16 MB."""
    return max(1, min(SHARD_SAMPLES, SHARD_BYTES // sample_bytes(spec)))


def build_shard(
    context: Context, name: str, rows: list[dict], training: bool
) -> dict:
    """Writes the shard `name` and returns what is known of it.

    A shard finished before is kept if its rows and its source files (by size
    and time) are still the same.

    Args:
        context: The spec and the folders.
        name: File name of the shard.
        rows: Each with "index", "id", "cells" (column: text), "targets" and
            "weights".
        training: Whether statistics are wanted.

    Returns:
        JSON values: file, count, bytes, sha256; `bad`, the samples left out,
        and `faulty`, those that lost an optional modality, each a list of
        [row, modality, reason, detail]; `sums`, statistics by modality.
    """
    path, note = context.folder / name, context.folder / f"{name}.json"
    key = _key(context, rows)
    if note.is_file() and path.is_file():
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["key"] == key and known["sha256"] == sha256_of(path):
            return known
    found = {"key": key, "file": name, "bad": [], "faulty": [], "sums": {}}
    payloads = []
    for row in rows:
        values, faults = _decode(context, row)
        required = [f for f in faults if not _optional(context, f[0])]
        faults = [[row["index"], *fault] for fault in required or faults]
        found["bad" if required else "faulty"] += faults
        if required:
            continue
        payloads.append(_serialize(context.spec, row, values))
        if training:
            _add(context.spec, found["sums"], values)
    _write(path, payloads)
    found |= {
        "count": len(payloads),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }
    write_json(note, found)
    return found


def _write(path: Path, payloads: list[bytes]) -> None:
    try:
        with atomic(path) as temporary:
            write_records(temporary, payloads)
    except OSError as error:
        needed = sum(len(payload) + 16 for payload in payloads)
        free = free_bytes(path)
        raise OSError(
            f"`{path}` must be writable. Received: {error.strerror}; "
            f"{needed:,} bytes needed, {free:,} bytes available"
        ) from None


def _decode(context: Context, row: dict) -> tuple[dict, list]:
    """Returns the modalities that are there, and what was wrong."""
    values, faults = {}, []
    for name in context.spec.modalities:
        try:
            values[name] = read_modality(context, name, row)
        except BadSample as error:
            if error.reason == Reason.MISSING and _optional(context, name):
                continue
            faults.append([name, str(error.reason), error.detail])
    return values, faults


def _optional(context: Context, name: str) -> bool:
    return context.spec.modalities[name].optional


def _serialize(spec: DataSpec, row: dict, values: dict) -> bytes:
    features = {"sample/id": row["id"].encode()}
    for name, modality in spec.modalities.items():
        dtype = stored_dtype(modality)
        value = values.get(name, np.full(modality.shape, modality.absent))
        features[name] = value.astype(dtype).tobytes()
    if spec.optional:
        present = [name in values for name in spec.optional]
        features["present"] = np.array(present, "<f4").tobytes()
    for name, target in spec.targets.items():
        value = np.array(row["targets"][name], target.dtype)
        features[name] = value.astype(value.dtype.newbyteorder("<")).tobytes()
        weight = np.array(row["weights"][name], "<f4")
        features[f"weight/{name}"] = weight.tobytes()
    return example(features)


def _add(spec: DataSpec, sums: dict, values: dict) -> None:
    for name, value in values.items():
        one = statistics.of_sample(spec.modalities[name].kind, value)
        sums[name] = statistics.merge(sums.get(name), one)


def _key(context: Context, rows: list[dict]) -> str:
    """Hashes everything the shard's bytes follow from, files by their stamp."""
    digest = hashlib.sha256(
        json.dumps([context.spec.sha256, context.seed, rows]).encode()
    )
    for name in sorted(context.tokenizers):
        digest.update(context.tokenizers[name].to_str().encode())
    digest.update(json.dumps(context.categories).encode())
    for row in rows:
        for path in files_of(context.spec, row):
            digest.update(_stamp(context.root, path))
    for modality in context.spec.modalities.values():
        if modality.kind == "vector" and modality.file:
            digest.update(_stamp(context.root, modality.file))
    return digest.hexdigest()


def _stamp(root: str | Path, path: str) -> bytes:
    try:
        real = Path(resolve_inside(root, path)[1])
        found = [real, *sorted(real.iterdir())] if real.is_dir() else [real]
        if not real.exists():
            # A WFDB record is named without its suffixes.
            parts = [Path(f"{real}{end}") for end in (".hea", ".dat", ".mat")]
            found = [part for part in parts if part.exists()]
        stamps = [os.stat(one) for one in found]
    except (BadSample, OSError):
        return b"none;"
    values = [(status.st_size, status.st_mtime_ns) for status in stamps]
    return f"{values};".encode()
