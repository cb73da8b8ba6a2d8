"""The version of prepared data, and what differs between two."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.data.files.records import features_of, intact_records
from mmkeras.data.ingest.learning import is_learned
from mmkeras.data.ingest.split import SPLITS
from mmkeras.data.ingest.table import DIGEST, Table, digests_of
from mmkeras.data.loading.check import check_folder
from mmkeras.spec import DataSpec

# Samples that are named for each thing that differs.
MAX_NAMES = 5
# Of a hash by which the parts of two samples are compared.
PART = np.dtype("S8")


def data_version(manifest: Mapping[str, Any]) -> str:
    """Returns the version of prepared data: 16 hexadecimal digits.

    It follows from what a model may see: the spec, the samples and their
    splits, what was learned from them, and their statistics. When and by
    whom they were prepared, and where the files lay, does not matter.

    Args:
        manifest: That of a prepared folder.
    """
    splits = {
        name: [(shard["count"], shard["sha256"]) for shard in part["shards"]]
        for name, part in manifest["splits"].items()
    }
    learned = {
        name: entry["sha256"]
        for name, entry in manifest["files"].items()
        if is_learned(name)
    }
    parts = [
        manifest["spec_sha256"], splits, learned, manifest["statistics"],
    ]  # fmt: skip
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def diff_data(first: str | Path, second: str | Path) -> dict[str, Any]:
    """Returns what differs between two prepared folders, as JSON values.

    Samples are told apart by their ids. The folders are checked first, and
    read shard by shard; shards that are the same are not read.

    Args:
        first: Folder that `prepare` wrote.
        second: Another.

    Returns:
        "versions", of both. "spec", the keys that differ, such as
        "modalities.image.height", with both values; None where one lacks it.
        "added", "removed" and "moved" (to another split), of samples, and
        "changed", of samples by modality or target: each with "count" and
        some "ids". "statistics", those that differ, as the keys of the spec.

    Raises:
        ValueError: If a folder is not whole.

    Example:

    >>> diff_data("build/before", "build/after")["added"]["count"]
    20
    """
    found = [check_folder(folder)[0] for folder in (first, second)]
    specs = [DataSpec.from_dict(one["spec"]) for one in found]
    same = _shards(found[0]) & _shards(found[1])
    old, new = (
        _Samples(Path(folder), *pair, same)
        for folder, *pair in zip((first, second), found, specs, strict=True)
    )
    after, before = _in_both(new.ids, old.ids)
    changed: dict[str, np.ndarray] = {}
    for part in sorted({*old.parts, *new.parts}):
        rows = after
        if part in old.parts and part in new.parts:
            rows = after[new.parts[part][after] != old.parts[part][before]]
        if len(rows):
            changed[part] = rows
    moves = new.splits[after] != old.splits[before]
    pairs = zip(old.splits[before][moves], new.splits[after][moves])
    where = Counter(f"{SPLITS[one]} to {SPLITS[two]}" for one, two in pairs)
    added, removed = (np.arange(len(one.ids)) for one in (new, old))
    return {
        "versions": [data_version(one) for one in found],
        "spec": _differing(*(spec.to_dict() for spec in specs)),
        "added": new.told(np.delete(added, after)),
        "removed": old.told(np.delete(removed, before)),
        "moved": {
            **new.told(after[moves]),
            "splits": dict(sorted(where.items())),
        },
        "changed": {name: new.told(rows) for name, rows in changed.items()},
        "statistics": _differing(*(one["statistics"] for one in found)),
    }


def _shards(manifest: dict) -> set[tuple[str, str]]:
    return {
        (split, shard["sha256"])
        for split, part in manifest["splits"].items()
        for shard in part["shards"]
    }


class _Samples:
    """Hashes of the samples of a folder, in order: there may be millions.

    Args:
        folder: The folder.
        manifest: Its manifest.
        spec: Its spec.
        same: Split and hash of shards that need not be read.
    """

    def __init__(
        self,
        folder: Path,
        manifest: dict,
        spec: DataSpec,
        same: set[tuple[str, str]],
    ) -> None:
        self._names, splits = Table(), [np.zeros(0, np.int8)]
        ids = [np.zeros(0, DIGEST)]
        more = ["present"] if spec.optional else []
        parts = {
            name: [np.zeros(0, PART)]
            for name in (*spec.modalities, *spec.targets, *more)
        }
        for split, part in manifest["splits"].items():
            for shard in part["shards"]:
                if (split, shard["sha256"]) in same:
                    continue
                records = intact_records(folder / shard["file"])[0]
                found = [features_of(record) for record in records]
                names = [one["sample/id"].decode() for one in found]
                self._names.append({"id": names})
                ids.append(digests_of(names))
                place = SPLITS.index(split)
                splits.append(np.full(len(names), place, np.int8))
                for name, digests in parts.items():
                    raw = b"".join(_digest(one, name) for one in found)
                    digests.append(np.frombuffer(raw, PART))
        self.ids, self.splits = np.concatenate(ids), np.concatenate(splits)
        self.parts = {n: np.concatenate(found) for n, found in parts.items()}

    def told(self, rows: np.ndarray) -> dict[str, Any]:
        """Returns how many samples those are, and the ids of some."""
        some = rows[:MAX_NAMES]
        names = self._names["id"].take(some) if len(some) else []
        return {"count": len(rows), "ids": names}


def _digest(features: dict[str, bytes], name: str) -> bytes:
    # A label and its weight are one thing to a person.
    whole = features[name] + features.get(f"weight/{name}", b"")
    return hashlib.blake2b(whole, digest_size=PART.itemsize).digest()


def _in_both(
    ones: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where what both hold is in the one, in order, and the other."""
    order = np.argsort(others)
    place = np.searchsorted(others[order], ones)
    near = order[place.clip(max=len(others) - 1)] if len(others) else place
    there = others[near] == ones if len(others) else np.zeros(len(ones), bool)
    return np.flatnonzero(there), near[there]


def _differing(first: Any, second: Any, key: str = "") -> dict[str, list]:
    """Returns the keys, with dots, whose values differ, with both values."""
    if isinstance(first, dict) and isinstance(second, dict):
        found = {}
        for name in sorted({*first, *second}):
            inner = f"{key}.{name}" if key else name
            found |= _differing(first.get(name), second.get(name), inner)
        return found
    return {} if first == second else {key: [first, second]}
