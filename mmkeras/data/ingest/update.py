"""A folder that was prepared before: what it was read from, what changed.

Sizes and times of the source files are noted beside the shards, without the
paths: those follow from the manifest of the data, and may name a patient.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmkeras.artefact import (
    copy_file,
    read_json,
    write_text,
)
from mmkeras.data.ingest import learning
from mmkeras.data.ingest.places import KnownSplits, read_places
from mmkeras.data.ingest.rules import rules_of
from mmkeras.data.ingest.shards import write_note
from mmkeras.data.ingest.split import LEFT_OUT
from mmkeras.data.ingest.stamps import (
    DIGITS,
    UNREAD,
    first_paths,
    short_stamp,
)
from mmkeras.data.ingest.table import Table
from mmkeras.spec import DataSpec, Learned

NOTED = "sources.json"
# What of a shard is of one run alone.
UNLISTED = ("written", "said")
# Changed files that are told one by one.
MAX_NAMES = 3


@dataclass(frozen=True)
class Noted:
    """What a folder was read from.

    Args:
        code: Hash of the code that read it.
        stamps: Of the source files, one after the other, in the order in
            which the manifest of the data names them; dashes where a file was
            not read.
        learned: What modalities learned beside their files, by name.
        shards: What `build_shard` returned, those without samples included.
    """

    code: str
    stamps: str
    learned: dict[str, dict]
    shards: list[dict]

    def __len__(self) -> int:
        return len(self.stamps) // DIGITS

    def changed(
        self, spec: DataSpec, root: str | Path, table: Table
    ) -> tuple[int, list[str]]:
        """Returns how many source files are no longer what was read.

        And the names of some.
        """
        names, count = [], 0
        for place, path in enumerate(first_paths(spec, table)):
            then = self.stamps[place * DIGITS : (place + 1) * DIGITS]
            if then not in (short_stamp(root, path), UNREAD):
                count += 1
                names += [path] * (len(names) < MAX_NAMES)
        return count, names

    def lend(self, out: Path, partial: Path) -> None:
        """Puts the shards of `out` where a build finds and checks them.

        Args:
            out: The finished folder; it stays as it is.
            partial: Folder of the build.
        """
        there = {shard["file"]: shard for shard in self.shards}
        # Those without a sample are no shards.
        for name, samples in read_places(out):
            shard = there[name]
            source, path = out / shard["file"], partial / shard["file"]
            # A build that was stopped may have left a newer one.
            if path.exists() or not source.is_file():
                continue
            try:
                os.link(source, path)
            except OSError:  # Not every file system has links.
                copy_file(source, path)
            known = {**shard, "samples": samples}
            write_note(partial / f"{path.name}.json", known)


@dataclass(frozen=True)
class Update:
    """What is to be made anew.

    Args:
        said: What a person should know, in sentences.
        noted: What the folder was read from.
        splits: Where samples were; they stay there.
        learned: What modalities learned, where that stays; None where it is
            learned anew.
        appended: For the manifest: which samples came and went, and when.
        needed: Whether there is anything to do.
    """

    said: list[str]
    noted: Noted | None = None
    splits: KnownSplits | None = None
    learned: dict[str, Learned] | None = None
    appended: list[dict] = field(default_factory=list)
    needed: bool = False

    @property
    def fields(self) -> dict:
        """Fields of the manifest."""
        return {"appended": self.appended} if self.appended else {}

    def told(self, shards: list[dict]) -> str:
        """Returns what was made anew, as a sentence."""
        keys = {shard["key"] for shard in self.noted.shards}
        made = sum(shard["key"] not in keys for shard in shards)
        return f"{made:,} of {len(shards):,} shards were made anew"


def look(
    spec: DataSpec,
    root: str | Path,
    out: Path,
    manifest: Mapping,
    table: Table,
) -> Update:
    """Compares a finished folder with the files it was read from.

    Args:
        spec: The spec.
        root: Folder of the data.
        out: The folder.
        manifest: Its manifest, every file of which was checked.
        table: The manifest of the data.
    """
    noted = read_noted(out, manifest)
    if noted is None:
        return Update(
            [
                f"{out} is prepared already, by a version that did not note "
                "its source files; whether they have changed since, nobody "
                "can tell. `--restart` reads all samples again"
            ],
        )
    count, names = noted.changed(spec, root, table)
    other = noted.code != rules_of(spec, {})
    if not count:
        said = [f"{out} is prepared already; nothing to do"]
        if other:
            said[0] = (
                f"{out} is prepared already, and no source file has changed; "
                "the code that reads has. `--restart` reads all samples again"
            )
        return Update(said, noted)
    known = manifest.get("appended", [])
    learned = None
    if known:
        learned = learned_before(spec, noted, out)
    more = ", ..." if count > MAX_NAMES else ""
    said = [
        f"{count:,} of {len(noted):,} source files changed since {out} was "
        f"prepared ({', '.join(names)}{more})"
    ]
    if other:
        said.append("So has the code that reads, so that all are read again")
    return Update(said, noted, KnownSplits(out), learned, known, True)


def grow(
    spec: DataSpec, out: Path, manifest: Mapping, ids: Iterable[str]
) -> Update:
    """Returns how rows of a longer manifest are added to a finished folder.

    What was learned from the training split stays as it was, so that tokens
    and categories mean the same in old shards, and to models trained before;
    statistics are those of all samples.

    Args:
        spec: The spec.
        out: The folder.
        manifest: Its manifest, every file of which was checked.
        ids: Of all samples that there are to be.

    Raises:
        ValueError: If old samples cannot be told from new ones.
    """
    noted = read_noted(out, manifest)
    if noted is None:
        raise ValueError(
            f"`{out}` must say which samples it holds to `append` others. "
            "Received: a folder of an earlier version; `restart` reads all"
        )
    if not spec.data.id_column:
        raise ValueError(
            "`data.id_column` must name samples to `append` others, or nobody "
            "can tell which are new. Received: a spec without it"
        )
    splits = KnownSplits(out)
    found = splits.of(ids)
    added = int((found == LEFT_OUT).sum())
    removed = len(splits) - (len(found) - added)
    said = [f"{added:,} samples are new; the others stay in their splits"]
    if removed:
        said.append(f"{removed:,} samples are no longer in the manifest")
    learned = learned_before(spec, noted, out)
    if learned:
        said.append(
            f"what {', '.join(map(repr, sorted(learned)))} learned from the "
            "training split stays as it was; what it does not know is counted"
        )
    said.append("statistics are those of all samples, old and new")
    step = {
        "added": added,
        "removed": removed,
        "learned": "kept",
        "statistics": "computed anew",
    }
    known = [*manifest.get("appended", []), step]
    return Update(said, noted, splits, learned, known, True)


def learned_before(
    spec: DataSpec, noted: Noted, out: Path
) -> dict[str, Learned]:
    """Returns what was learned when a folder was prepared, by modality."""
    found = learning.load_learned(spec, noted.learned, out)
    return {name: found[name] for name in noted.learned}


def note(
    folder: Path,
    spec: DataSpec,
    stamps: str,
    learned: Mapping[str, Learned],
    shards: list[dict],
) -> str:
    """Writes what `read_noted` reads; returns the name of the file.

    Args:
        folder: Where it is written.
        spec: The spec.
        stamps: Of the source files, taken before a file was read, so that no
            change in between is missed.
        learned: What modalities learned.
        shards: What `build_shard` returned, but for their samples and stamps.
    """
    found = {
        "code": rules_of(spec, {}),
        "stamps": stamps,
        "learned": {name: one.facts for name, one in learned.items()},
        "shards": [
            {k: v for k, v in shard.items() if k not in UNLISTED}
            for shard in shards
        ],
    }
    write_text(folder / NOTED, json.dumps(found, allow_nan=False) + "\n")
    return NOTED


def read_noted(out: Path, manifest: Mapping) -> Noted | None:
    """Returns what a finished folder was read from.

    Args:
        out: The folder.
        manifest: Its manifest, every file of which was checked.

    Returns:
        None for a folder of an earlier version, which noted nothing.
    """
    if NOTED not in manifest["files"]:
        return None
    found = read_json(out / NOTED)
    return Noted(
        found["code"], found["stamps"], found["learned"], found["shards"]
    )
