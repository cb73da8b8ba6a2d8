"""`prepare`: decode everything once, in parallel, into sharded TFRecords."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkeras.artefact import MANIFEST, write_json
from mmkeras.data.files.source import SampleIO
from mmkeras.data.ingest import folder, learning, update
from mmkeras.data.ingest.call import arguments_of, check_modes, workers_of
from mmkeras.data.ingest.duplicates import settle_duplicates
from mmkeras.data.ingest.findings import (
    keep_list,
    told,
    unknown_classes,
    write_list,
)
from mmkeras.data.ingest.manifest import Manifest, open_rows
from mmkeras.data.ingest.places import PlaceLog
from mmkeras.data.ingest.plan import (
    Plan,
    ShardJob,
    check_left,
    check_limit,
    draw_splits,
    make_plan,
    shard_jobs,
)
from mmkeras.data.ingest.prepared import facts_of_data
from mmkeras.data.ingest.shards import sample_bytes
from mmkeras.data.ingest.split import SPLITS
from mmkeras.data.ingest.stamps import StampLog
from mmkeras.data.ingest.workers import Workers
from mmkeras.escaping import printable
from mmkeras.spec import DataSpec, Learned

QUARANTINE = "quarantine.csv"


def prepare(
    source: Any = None,
    spec: DataSpec | str | Path | None = None,
    out: str | Path | None = None,
    root: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    dry_run: bool = False,
    restart: bool = False,
    append: bool = False,
) -> dict:
    """Decodes the samples of a spec into shards, once.

    Writes TFRecord shards of about 16 MB or 1,024 samples, what reading takes
    from the training split, such as a tokenizer, `quarantine.csv` and
    `manifest.json`. The result does not depend on the number of workers.
    Called again for the same folder, it goes on where it was stopped. If it
    was done, shards whose source files have changed since, by size or time,
    are made anew; the folder stays as it was until all of them are there.
    Where the data are refused, nothing is written but the list of all faults,
    beside `out`, which the error names.

    Args:
        source: Where the samples are: a pandas DataFrame; the path of a CSV,
            JSON lines or Parquet file, or of a folder of class folders;
            arrays by column; rows as dicts; a `tf.data.Dataset`; a data set
            of TFDS or Hugging Face. Left out, as in `prepare(spec, out)`, it
            is the manifest that the spec names.
        spec: The spec, or the path of its TOML file.
        out: Folder to write; new, empty, or of the same spec.
        root: Folder of the files that samples name; where left out, that of
            a table or folder, else `data.root` of the spec.
        workers: Processes that decode; as many as there are processors when
            left out.
        seed: Seed of the noise a spec may ask for; integer, 0 or more.
        dry_run: Whether all samples are read, but only the list of faults and
            a report of counts are written, beside `out`.
        restart: Whether all samples are read again, whatever prepared data
            `out` holds; those stay until the new ones are there.
        append: Whether the manifest may have other rows than those of `out`:
            samples known by their ids stay in their splits, what was learned
            from the training split stays too.

    Returns:
        The manifest: spec, statistics, splits, quarantined and more. Of a dry
        run, what it would be, without shards.

    Raises:
        ValueError: If the spec does not fit the data, too many samples are
            broken, or `out` holds something else.
        OSError: If the disk is full or `out` cannot be written.

    Example:

    >>> found = prepare("data_specs/demo.toml", "demo")
    >>> sorted(found["splits"])
    ['test', 'train', 'validation']
    >>> frame = pd.DataFrame({"a": a, "b": b, "kind": kind})
    >>> found = prepare(frame, spec, "table")
    """
    source, spec, out, root = arguments_of(source, spec, out, root)
    workers = workers_of(workers, seed)
    check_modes(dry_run=dry_run, restart=restart, append=append)
    with (
        folder.in_memory(out, dry_run) as keep,
        Workers(spec, workers) as crew,
    ):
        # Data that are prepared already may need none.
        if dry_run or restart or not (out / MANIFEST).is_file():
            crew.start(len(SPLITS))
        read, name, root = open_rows(spec, source, root, keep)
        job = Job(
            spec, root, out, crew, seed, str(keep.folder.resolve()), restart,
            append,
        )  # fmt: skip
        return _prepared(job, read, name, dry_run)


@dataclass(frozen=True)
class Job:
    """What one `prepare` was asked for.

    Args:
        spec: The spec.
        root: Folder of the data.
        out: Folder to write.
        workers: Processes that decode.
        seed: Seed of the noise a spec may ask for.
        arrays: Folder of samples that were in memory.
        restart: Whether all is read again, whatever there is.
        append: Whether there may be other rows than before.
    """

    spec: DataSpec
    root: Path
    out: Path
    workers: Workers
    seed: int
    arrays: str
    restart: bool
    append: bool

    def setup(self, written: Path, learned: dict[str, Learned]) -> dict:
        """Returns what a worker has to know, as JSON."""
        return {
            "root": str(self.root.resolve()),
            "folder": str(written.resolve()),
            "seed": self.seed,
            "facts": {name: one.facts for name, one in learned.items()},
            "arrays": self.arrays,
        }


def _prepared(job: Job, read: Manifest, name: str, dry_run: bool) -> dict:
    spec, out = job.spec, job.out
    for key, modality in spec.modalities.items():
        modality.check(SampleIO(str(job.root), key))
    identity = folder.identity_of(spec, job.seed, read.rows)
    before = None
    if not dry_run:
        found = folder.finished(out, identity, job.restart, job.append)
        if found is not None and not job.restart:
            if found["source_sha256"] != identity["source_sha256"]:
                before = update.grow(spec, out, found, read.rows["sample/id"])
            else:
                before = update.look(spec, job.root, out, found, read.rows)
            _say(before.said)
            if not before.needed:
                folder.leave(out)
                return found
    _say(f"{name}: {said}" for said in read.said)
    plan = make_plan(spec, read.rows)
    io = SampleIO(str(job.root), arrays=job.arrays)
    settle_duplicates(spec, io, plan)
    with _listed(spec, out, plan):
        if not dry_run:
            check_limit(spec, plan)
        draw_splits(spec, plan, before.splits if before else None)
    if dry_run:
        return _rehearsed(job, read, plan)
    # First, since data that it refuses should leave nothing behind.
    learned = before.learned if before else None
    if learned is None:
        learned = learning.learn(spec, job.root, plan.training)
    partial = folder.start(out, identity, sample_bytes(spec), len(plan.table))
    if before:
        before.noted.lend(out, partial)
    files = learning.save(spec, learned, partial)
    setup = job.setup(partial, learned)
    places, stamps = PlaceLog(), StampLog()
    built = _build(spec, setup, job.workers, plan, (places, stamps))
    _say(said for shard in built for said in shard["said"])
    shards = [shard for shard in built if shard["count"]]
    try:
        with _listed(spec, out, plan):
            check_limit(spec, plan)
            check_left(plan)
    except ValueError:
        # These data are about to change, and half of them is no result.
        folder.abandon(out)
        raise
    write_list(partial / QUARANTINE, plan)
    seen = stamps.text(spec, read.rows)
    files.append(update.note(partial, spec, seen, learned, built))
    files += [QUARANTINE, places.write(partial, built)]
    files += [shard["file"] for shard in shards]
    fields = facts_of_data(spec, learned, shards, read, plan)
    _say(told(spec, fields, plan))
    if before:
        _say([before.told(built)])
        fields |= before.fields
    return folder.publish(out, identity, files, shards, fields)


def _rehearsed(job: Job, read: Manifest, plan: Plan) -> dict:
    """Reads all samples and writes none: what `dry_run` does."""
    spec = job.spec
    with tempfile.TemporaryDirectory() as scratch:
        learned = learning.learn(spec, job.root, plan.training)
        learning.save(spec, learned, Path(scratch))
        setup = job.setup(Path(scratch), learned)
        shards = _build(spec, setup, job.workers, plan)
        shards = [shard for shard in shards if shard["count"]]
    fields = facts_of_data(spec, learned, shards, read, plan)
    for part in fields["splits"].values():
        del part["shards"]
    listed = keep_list(job.out, plan)
    report = listed.with_name(listed.name.replace("quarantine", "dry_run"))
    report = report.with_suffix(".json")
    write_json(report, fields)
    _say(told(spec, fields, plan))
    _say([f"nothing prepared; every fault is in {listed}, counts in {report}"])
    check_limit(spec, plan)
    check_left(plan)
    return fields


@contextlib.contextmanager
def _listed(spec: DataSpec, out: Path, plan: Plan) -> Iterator[None]:
    """Leaves the whole list of faults on disk where the data are refused."""
    try:
        yield
    except ValueError as error:
        said = "".join(f"\n{one}" for one in unknown_classes(spec, plan))
        if plan.bad or plan.faulty:
            said += f"\nAll of them are listed in {keep_list(out, plan)}"
        raise ValueError(f"{error}{said}") from None


def _build(
    spec: DataSpec,
    setup: dict,
    workers: Workers,
    plan: Plan,
    logs: tuple[PlaceLog | StampLog, ...] = (),
) -> list[dict]:
    """Builds the shards with a progress bar; notes faults in the plan.

    Without `logs`, which take what is known of each sample, none is written.

    Returns:
        What is known of each shard, in order; one may hold no samples.
    """
    from rich.progress import MofNCompleteColumn, Progress

    console = _console()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    jobs = shard_jobs(spec, plan)
    sizes = {job.name: len(job.rows) for job in jobs}

    def making(job: ShardJob) -> Callable[[], dict]:
        return lambda: {**job.arguments(spec, plan), "dry": not logs}

    done = {}
    with Progress(
        *columns, console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("prepare", total=sum(sizes.values()))
        makers = [making(job) for job in jobs]
        for shard in workers.build(setup, makers):
            progress.advance(task, sizes[shard["file"]])
            plan.leave_out(shard)
            for log in logs:
                log.take(shard)
            done[shard["file"]] = shard
    return [done[name] for name in sizes]


def _say(sentences: Iterable[str]) -> None:
    console = _console()
    for sentence in sentences:
        console.print(printable(sentence), soft_wrap=True)


def _console():
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False)
