"""`prepare`: decode everything once, in parallel, into sharded TFRecords."""

import hashlib
import os
from collections import Counter
from pathlib import Path

import pandas as pd

from mmkeras.arguments import check_integer
from mmkeras.data.files.reasons import write_quarantine
from mmkeras.data.files.source import SampleIO
from mmkeras.data.ingest import folder, learning
from mmkeras.data.ingest.manifest import read_manifest
from mmkeras.data.ingest.plan import (
    Plan,
    check_left,
    check_limit,
    count,
    make_plan,
    shard_jobs,
)
from mmkeras.data.ingest.shards import sample_bytes
from mmkeras.data.ingest.split import SPLITS
from mmkeras.data.ingest.targets import facts_of
from mmkeras.data.ingest.workers import build_shards
from mmkeras.data.statistics import merge_sums
from mmkeras.spec import DataSpec, Learned, load_spec

QUARANTINE = "quarantine.csv"


def prepare(
    spec: DataSpec | str | Path,
    out: str | Path,
    root: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
) -> dict:
    """Decodes the samples of a spec into shards, once.

    Writes TFRecord shards of about 16 MB or 1,024 samples, what reading takes
    from the training split, such as a tokenizer, `quarantine.csv` and
    `manifest.json`. The result does not depend on the number of workers.
    Called again for the same folder, it goes on where it was stopped, or does
    nothing if it was done.

    Args:
        spec: The spec, or the path of its TOML file.
        out: Folder to write; new, empty, or of the same spec.
        root: Folder of the data; `data.root` of the spec when left out.
        workers: Processes that decode; as many as there are processors when
            left out.
        seed: Seed of the noise a spec may ask for; integer, 0 or more.

    Returns:
        The manifest: spec, statistics, splits, quarantined and more.

    Raises:
        ValueError: If the spec does not fit the data, too many samples are
            broken, or `out` holds something else.
        OSError: If the disk is full or `out` cannot be written.

    Example:

    >>> found = prepare("data_specs/demo.toml", "demo")
    >>> sorted(found["splits"])
    ['test', 'train', 'validation']
    """
    spec = spec if isinstance(spec, DataSpec) else load_spec(spec)
    out, root = Path(out), Path(root if root is not None else spec.root)
    workers = _checked(workers, seed)
    table = read_manifest(spec, root)
    for name, modality in spec.modalities.items():
        modality.check(SampleIO(str(root), name))
    identity = _identity(spec, seed, table)
    found = folder.finished(out, identity)
    if found is not None:
        done = f"{out} is prepared already; nothing to do"
        _console().print(done, soft_wrap=True)
        return found
    plan = make_plan(spec, table)
    partial = folder.start(out, identity, sample_bytes(spec) * len(table))

    training = plan.table[plan.split == "train"]
    learned = learning.learn(spec, root, training)
    files = learning.save(spec, learned, partial)
    setup = {
        "spec": spec.to_dict(),
        "root": str(root.resolve()),
        "folder": str(partial.resolve()),
        "seed": seed,
        "facts": {name: one.facts for name, one in learned.items()},
    }
    shards = _build(setup, shard_jobs(spec, plan), workers, plan)

    try:
        check_limit(spec, plan)
        check_left(plan)
    except ValueError:
        # These data are about to change, and half of them is no result.
        folder.abandon(out)
        raise
    _write_quarantine(partial / QUARANTINE, plan)
    files = [*(shard["file"] for shard in shards), QUARANTINE, *files]
    fields = {
        "spec": spec.to_dict(),
        "statistics": _statistics(spec, learned, shards, plan),
        "splits": _splits(shards),
        "quarantined": count(plan.bad),
        "incomplete": count(plan.faulty),
    }
    notes = _notes(shards)
    if notes:
        fields["notes"] = notes
    return folder.publish(out, identity, files, fields)


def _build(
    setup: dict, jobs: list[dict], workers: int, plan: Plan
) -> list[dict]:
    """Builds the shards with a progress bar; notes faults in the plan.

    Returns:
        What is known of each shard that holds samples, in order.
    """
    from rich.progress import MofNCompleteColumn, Progress

    console = _console()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    sizes = {job["name"]: len(job["rows"]) for job in jobs}
    done = {}
    with Progress(
        *columns, console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("prepare", total=sum(sizes.values()))
        for shard in build_shards(setup, jobs, min(workers, len(jobs))):
            progress.advance(task, sizes[shard["file"]])
            plan.leave_out(shard)
            done[shard["file"]] = shard
    return [done[name] for name in sizes if done[name]["count"]]


def _write_quarantine(path: Path, plan: Plan) -> None:
    ids = plan.table["sample/id"].tolist()
    rows = sorted(plan.bad + plan.faulty)
    write_quarantine(path, [(ids[row], *rest) for row, *rest in rows])


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
    train = plan.split == "train"
    targets = facts_of(
        spec.targets,
        {name: array[train] for name, array in plan.values.items()},
        {name: array[train] for name, array in plan.weights.items()},
    )
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


def _checked(workers: int | None, seed: int) -> int:
    check_integer("seed", seed, 0)
    if workers is None:
        # Linux knows how many processors this process may use.
        allowed = getattr(os, "sched_getaffinity", None)
        return len(allowed(0)) if allowed else os.cpu_count() or 1
    if not isinstance(workers, int) or not 1 <= workers <= 1024:
        raise ValueError(
            "`workers` must be an integer from 1 to 1024. "
            f"Received: workers={workers!r}"
        )
    return workers


def _identity(spec: DataSpec, seed: int, table: pd.DataFrame) -> dict:
    """Returns what two runs must share to give the same folder."""
    digest = hashlib.sha256()
    for column in table.columns:
        for cell in (column, *table[column]):
            digest.update(cell.encode("utf-8", "surrogateescape") + b"\0")
    return {
        "spec_sha256": spec.sha256,
        "source_sha256": digest.hexdigest(),
        "seed": seed,
    }


def _console():
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False)
