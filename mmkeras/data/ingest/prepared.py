"""What the manifest of prepared data says of them."""

import functools
from collections import Counter

from mmkeras.data.ingest.findings import lost_modalities
from mmkeras.data.ingest.manifest import Manifest
from mmkeras.data.ingest.plan import Plan, count
from mmkeras.data.ingest.split import SPLITS
from mmkeras.data.statistics import add_sums, merge_sums
from mmkeras.spec import DataSpec, Learned


def facts_of_data(
    spec: DataSpec,
    learned: dict[str, Learned],
    shards: list[dict],
    read: Manifest,
    plan: Plan,
) -> dict:
    """Returns the fields of the manifest that follow from the samples.

    Args:
        spec: The spec.
        learned: What modalities learned from the training split.
        shards: What `build_shard` returned, in order.
        read: The table the samples come from.
        plan: The samples, with all that is wrong with them.
    """
    fields = {
        "spec": spec.to_dict(),
        "statistics": _statistics(spec, learned, shards, plan),
        "splits": _splits(shards),
        "quarantined": count(plan.bad),
        "incomplete": count(plan.faulty),
    }
    more = {
        "lost": lost_modalities(spec, plan),
        "notes": _notes(shards) | _target_notes(spec, plan),
        "said": [*read.said, *plan.said],
    }
    return {**fields, **{key: value for key, value in more.items() if value}}


def _statistics(
    spec: DataSpec,
    learned: dict[str, Learned],
    shards: list[dict],
    plan: Plan,
) -> dict:
    modalities = {}
    for name, modality in spec.modalities.items():
        sums = None
        for shard in shards:
            sums = merge_sums(sums, shard["sums"].get(name))
        facts = learned[name].facts if name in learned else {}
        modalities[name] = {**modality.finish(sums), **facts}
    train = plan.rows("train")
    targets = {}
    for name, target in spec.targets.items():
        if target.read_with_sample:
            found = [shard["sums"].get(name) for shard in shards]
            targets[name] = target.finish(functools.reduce(add_sums, found))
            continue
        arrays = plan.values[name], plan.weights[name]
        targets[name] = target.facts(*(array[train] for array in arrays))
    return {"modalities": modalities, "targets": targets}


def _splits(shards: list[dict]) -> dict:
    found = {}
    for split in SPLITS:
        part = [
            {key: shard[key] for key in ("file", "count", "bytes", "sha256")}
            for shard in shards
            if shard["file"].startswith(f"{split}-")
        ]
        total = sum(shard["count"] for shard in part)
        found[split] = {"count": total, "shards": part}
    return found


def _notes(shards: list[dict]) -> dict[str, dict[str, int]]:
    """Returns what was changed in samples, counted, by modality."""
    found: dict[str, Counter] = {}
    for shard in shards:
        for name, counts in shard["notes"].items():
            found.setdefault(name, Counter()).update(counts)
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _target_notes(spec: DataSpec, plan: Plan) -> dict[str, dict[str, int]]:
    """Returns what was changed in labels, counted, by target."""
    kept = plan.table.at(plan.left)
    found = {
        name: target.notes(kept[target.column])
        for name, target in spec.targets.items()
        if not target.read_with_sample
    }
    return {name: notes for name, notes in found.items() if notes}
