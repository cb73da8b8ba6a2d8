"""The version of prepared data, and what differs between two."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmkeras.data.files.records import features_of, intact_records
from mmkeras.data.ingest.learning import is_learned
from mmkeras.data.loading.check import check_folder
from mmkeras.spec import DataSpec

# Samples that are named for each thing that differs.
MAX_NAMES = 5
# Bytes by which the parts of two samples are compared.
DIGEST_BYTES = 8


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
        dict(_samples(Path(folder), one, same))
        for folder, one in zip((first, second), found, strict=True)
    )
    both = [name for name in new if name in old]
    changed: dict[str, list[str]] = {}
    for name in both:
        parts = {*old[name][1], *new[name][1]}
        for part in sorted(parts):
            if old[name][1].get(part) != new[name][1].get(part):
                changed.setdefault(part, []).append(name)
    moves = Counter(
        f"{old[name][0]} to {new[name][0]}"
        for name in both
        if old[name][0] != new[name][0]
    )
    moved = [name for name in both if old[name][0] != new[name][0]]
    return {
        "versions": [data_version(one) for one in found],
        "spec": _differing(*(spec.to_dict() for spec in specs)),
        "added": _told([name for name in new if name not in old]),
        "removed": _told([name for name in old if name not in new]),
        "moved": {**_told(moved), "splits": dict(sorted(moves.items()))},
        "changed": {n: _told(names) for n, names in sorted(changed.items())},
        "statistics": _differing(*(one["statistics"] for one in found)),
    }


def _shards(manifest: dict) -> set[tuple[str, str]]:
    return {
        (split, shard["sha256"])
        for split, part in manifest["splits"].items()
        for shard in part["shards"]
    }


def _samples(
    folder: Path, manifest: dict, same: set[tuple[str, str]]
) -> Iterator[tuple[str, tuple[str, dict[str, bytes]]]]:
    """Yields ids, with the split and a digest of each part."""
    for split, part in manifest["splits"].items():
        for shard in part["shards"]:
            if (split, shard["sha256"]) in same:
                continue
            for record in intact_records(folder / shard["file"])[0]:
                features = features_of(record)
                name = features.pop("sample/id").decode()
                parts: dict[str, Any] = {}
                for key, value in sorted(features.items()):
                    # A label and its weight are one thing to a person.
                    key = key.removeprefix("weight/")
                    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
                    digest.update(parts.get(key, b"") + value)
                    parts[key] = digest.digest()
                yield name, (split, parts)


def _told(names: list[str]) -> dict[str, Any]:
    return {"count": len(names), "ids": names[:MAX_NAMES]}


def _differing(first: Any, second: Any, key: str = "") -> dict[str, list]:
    """Returns the keys, with dots, whose values differ, with both values."""
    if isinstance(first, dict) and isinstance(second, dict):
        found = {}
        for name in sorted({*first, *second}):
            inner = f"{key}.{name}" if key else name
            found |= _differing(first.get(name), second.get(name), inner)
        return found
    return {} if first == second else {key: [first, second]}
