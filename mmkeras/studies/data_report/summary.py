"""What was counted, as JSON."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mmkeras.studies.data_report.alike import Alike, Groups, find_alike
from mmkeras.studies.data_report.number_facts import (
    associations,
    constant_columns,
    numbers_of,
)
from mmkeras.studies.data_report.prepared_samples import PreparedSamples
from mmkeras.studies.data_report.raw_samples import RawSamples
from mmkeras.studies.data_report.sample_stream import SPLITS, SampleStream
from mmkeras.studies.data_report.tallies import Tallies

# Of each: examples of a fault, groups in a table.
MAX_FAULTS, MAX_GROUPS = 3, 20


def summarize(
    samples: SampleStream, tallies: Tallies, alike: Alike, wrong: dict | None
) -> dict[str, Any]:
    """Returns what `inspection.json` holds, but for the findings.

    Args:
        samples: Where the samples came from.
        tallies: What was counted.
        alike: Their hashes and fingerprints.
        wrong: What a run says of their labels; None without one.
    """
    spec = samples.spec
    report = {
        "format": 1,
        "name": spec.name,
        "source": samples.name,
        "prepared": isinstance(samples, PreparedSamples),
        "samples": tallies.splits.total(),
        "splits": {split: tallies.splits[split] for split in SPLITS},
        "targets": _targets(samples, tallies),
        "groups": _groups(samples, tallies),
        "missing": _missing(samples, tallies),
        "absent": {n: tallies.absent[n] for n in sorted(spec.optional)},
        "quarantine": _quarantine(samples),
        "changed": _changed(samples, tallies),
        "vocabulary": _vocabulary(samples),
        "numbers": numbers_of(samples, tallies),
        "constant": constant_columns(tallies),
        "associations": associations(samples, tallies),
        "alike": _alike(samples, find_alike(alike)),
        "wrong_labels": wrong,
        "said": samples.said,
        "lacking": samples.lacking,
    }
    kept = len(tallies.rows.rows)
    if kept < report["samples"]:
        report["said"].append(
            f"quantiles, charts and associations are of {kept:,} samples "
            f"drawn from {report['samples']:,}"
        )
    return report


def _targets(samples: SampleStream, tallies: Tallies) -> dict[str, Any]:
    found = {}
    for name, target in sorted(samples.spec.targets.items()):
        classes = None
        # Of labels that are read with their samples, no cell names a class.
        if target.class_names and not target.read_with_sample:
            counts = tallies.classes[name]
            classes = {
                key: {split: counts[split][key] for split in SPLITS}
                for key in target.class_names
            }
        unlabelled = tallies.unlabelled[name]
        found[name] = {
            "kind": target.kind,
            "counted": target.counted,
            "classes": classes,
            "unlabelled": {split: unlabelled[split] for split in SPLITS},
        }
    return found


def _groups(samples: SampleStream, tallies: Tallies) -> dict | None:
    """Returns how many groups there are, and which are in several splits."""
    column = samples.spec.split.group
    if not column or not tallies.groups:
        return None
    table = pd.DataFrame(
        {split: pd.Series(tallies.groups[split]) for split in SPLITS}
    )
    table = table.fillna(0).astype(int)
    # Samples whose group is not known are no group.
    table = table[table.index.str.strip() != ""]
    total = table.sum(axis=1).sort_values(ascending=False, kind="stable")
    spread = table.index[(table > 0).sum(axis=1) > 1]
    return {
        "column": column,
        "count": len(table),
        "by_split": {s: int((table[s] > 0).sum()) for s in SPLITS},
        "largest": {
            name: {split: int(table.loc[name, split]) for split in SPLITS}
            for name in total.index[:MAX_GROUPS]
        },
        "across": spread.tolist(),
    }


def _missing(samples: SampleStream, tallies: Tallies) -> dict[str, Any]:
    """Returns empty cells by column: of the table, or as shards show them."""
    if isinstance(samples, RawSamples):
        table = samples.table
        return {
            column: {
                "missing": sum(not cell.strip() for cell in table[column]),
                "of": len(table),
            }
            for column in table.columns
            if column != "sample/id"
        }
    found = {
        f"{part}/{name}": {
            "missing": tally.missing,
            "of": tally.missing + tally.count,
        }
        for (part, group, name), tally in tallies.numbers.items()
        if group in ("columns", "choices")
    }
    of = tallies.splits.total()
    for name, counts in tallies.unlabelled.items():
        found[name] = {"missing": counts.total(), "of": of}
    for name in samples.spec.optional:
        found[name] = {"missing": tallies.absent[name], "of": of}
    return found


def _quarantine(samples: SampleStream) -> list[dict[str, Any]]:
    """Returns faults by part and reason, the commonest first."""
    if isinstance(samples, PreparedSamples):
        path = samples.folder / "quarantine.csv"
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        faults = [*rows.itertuples(index=False, name=None)]
    else:
        faults = samples.faults
    by = defaultdict(list)
    for name, part, reason, detail in faults:
        by[part, reason].append({"id": name, "detail": detail})
    ordered = sorted(by.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        {
            "part": part,
            "reason": reason,
            "count": len(found),
            "examples": found[:MAX_FAULTS],
        }
        for (part, reason), found in ordered
    ]


def _changed(samples: SampleStream, tallies: Tallies) -> dict[str, list[str]]:
    """Returns what reading changed, as sentences, by part."""
    notes: Mapping[str, Mapping[str, int]] = {
        name: dict(counts) for name, counts in tallies.notes.items()
    }
    if isinstance(samples, PreparedSamples):
        notes = samples.manifest.get("notes", {})
    parts = {**samples.spec.modalities, **samples.spec.targets}
    total = tallies.splits.total()
    return {
        name: parts[name].tell(counts, total)
        for name, counts in sorted(notes.items())
        if counts
    }


def _vocabulary(samples: SampleStream) -> dict[str, dict[str, int]]:
    found = {
        name: modality.vocabulary_sizes(samples.learned.get(name))
        for name, modality in sorted(samples.spec.modalities.items())
    }
    return {name: sizes for name, sizes in found.items() if sizes}


def _alike(samples: SampleStream, found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns groups of what is alike, with ids and splits."""
    places = {
        place
        for groups in (*found["exact"].values(), *found["near"].values())
        for group in (*groups.groups, *groups.shared)
        for place in group
    }
    conflicts = {
        name: {"count": len(groups), "groups": groups[:MAX_GROUPS]}
        for name, groups in found["conflicts"].items()
    }
    places |= {
        place
        for entry in conflicts.values()
        for group in entry["groups"]
        for place in group
    }
    seen = {
        place: {"place": place, "id": name, "split": split}
        for place, (name, split) in samples.named(places).items()
    }

    def named(groups: list[list[int]]) -> list[list[dict]]:
        return [[seen[place] for place in group] for group in groups]

    def told(groups: Groups) -> dict[str, Any]:
        return {
            "samples": groups.samples,
            "count": groups.count,
            "groups": named(groups.groups),
            "across": groups.across,
            "shared": named(groups.shared),
        }

    both = {
        key: {"exact": told(found["exact"][key]), "near": told(near)}
        for key, near in found["near"].items()
    }
    return {
        "samples": both.pop(None),
        "modalities": both,
        "conflicts": {
            name: {**entry, "groups": named(entry["groups"])}
            for name, entry in conflicts.items()
        },
    }
