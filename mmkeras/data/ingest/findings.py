"""What was lost or changed on the way into shards, counted, in sentences."""

import collections
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.arguments import hint
from mmkeras.data.files.reasons import HEADER, Reason, write_quarantine
from mmkeras.data.ingest.plan import Plan
from mmkeras.spec import DataSpec

# Wrong names of classes that are told one by one.
MAX_NAMES = 5


def unknown_classes(spec: DataSpec, plan: Plan) -> list[str]:
    """Returns each name that is no class, how often, and what is near it."""
    found: collections.Counter = collections.Counter()
    for _, name, reason, detail in plan.bad:
        if reason == Reason.UNKNOWN_CLASS:
            found[name, detail] += 1
    said = []
    for (name, detail), count in found.most_common(MAX_NAMES):
        target = spec.targets.get(name)
        near = hint(detail.strip("'\""), target.class_names) if target else ""
        said.append(f"`{name}`: {detail} is no class, {count:,} times.{near}")
    if len(found) > MAX_NAMES:
        said.append(f"{len(found) - MAX_NAMES:,} more names are no class")
    return said


def lost_modalities(spec: DataSpec, plan: Plan) -> dict[str, dict[str, Any]]:
    """Returns of each optional modality how many samples lost it, as JSON.

    `{"image": {"lost": 20, "of": 27, "reasons": {"truncated": 20}}}`, out of
    the samples whose manifest names one.
    """
    left_out = {row for row, *_ in plan.bad}
    faults: dict[str, dict[int, str]] = collections.defaultdict(dict)
    for row, name, reason, _ in plan.faulty:
        if row not in left_out:
            faults[name].setdefault(row, reason)
    found = {}
    for name in sorted(faults):
        columns = spec.modalities[name].manifest_columns
        cells = zip(*(plan.table[c] for c in columns), strict=True)
        named = sum(
            any(map(str.strip, row))
            for index, row in enumerate(cells)
            if index not in left_out
        )
        reasons = collections.Counter(faults[name].values())
        found[name] = {
            "lost": len(faults[name]),
            "of": named,
            "reasons": dict(sorted(reasons.items())),
        }
    return found


def told(spec: DataSpec, manifest: Mapping[str, Any], plan: Plan) -> list[str]:
    """Returns what a person should know of data that were read, as sentences.

    Args:
        spec: The spec.
        manifest: What `prepare` returns: "quarantined", "lost", "notes",
            "splits".
        plan: The samples, with all that is wrong with them.
    """
    said = [*plan.said, *unknown_classes(spec, plan)]
    if manifest["quarantined"]:
        total = sum(manifest["quarantined"].values())
        said.append(
            f"quarantined: {total:,} ({_told(manifest['quarantined'])})"
        )
    for name, entry in manifest.get("lost", {}).items():
        said.append(
            f"`{name}`: {entry['lost']:,} of {entry['of']:,} lost "
            f"({_told(entry['reasons'])}); these samples go on without"
        )
    samples = sum(part["count"] for part in manifest["splits"].values())
    parts = {**spec.modalities, **spec.targets}
    for name, notes in manifest.get("notes", {}).items():
        sentences = parts[name].tell(notes, samples)
        said += [f"`{name}`: {sentence}" for sentence in sentences]
    return said


def keep_list(out: Path, plan: Plan) -> Path:
    """Writes every fault beside a folder that is not written; returns where.

    A file of somebody else is left alone, and another name is taken.
    """
    number, header, out = 1, ",".join(HEADER), out.absolute()
    while True:
        more = f"-{number}" if number > 1 else ""
        path = out.absolute().with_name(
            f"{out.absolute().name}.quarantine{more}.csv"
        )
        if not path.exists() or _first_line(path) == header:
            break
        number += 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_list(path, plan)
    return path


def write_list(path: Path, plan: Plan) -> None:
    """Writes every fault of every sample as a CSV."""
    rows = sorted(plan.bad + plan.faulty)
    places = np.array([row for row, *_ in rows], int)
    ids = plan.table["sample/id"].take(places)
    found = zip(ids, rows, strict=True)
    write_quarantine(path, [(name, *rest) for name, (_, *rest) in found])


def _first_line(path: Path) -> str:
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        return file.readline(200).decode("utf-8", "replace").strip()


def _told(counts: Mapping[str, int]) -> str:
    ordered: Iterable = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered)
