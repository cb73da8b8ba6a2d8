"""The folder that `prepare` writes: whole, or without a manifest.

Everything is made in `OUT/.partial` and moved when all of it is there, the
manifest last. A run that was stopped finds its shards again. Where the folder
was finished before, it stays as it is until then. What is not ours, in the
folder or in `.partial`, stays too.
"""

import contextlib
import hashlib
import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from mmkeras.artefact import (
    LOCK,
    MANIFEST,
    MARKER,
    PARTIAL,
    check_room,
    claim,
    clear,
    is_moving,
    is_ours,
    open_out,
    owned,
    read_hashed,
    read_manifest,
    settle,
    write_hashed,
    write_manifest,
)
from mmkeras.data.files.in_memory import Keeper
from mmkeras.data.ingest.learning import learned_files
from mmkeras.data.ingest.places import PLACES
from mmkeras.data.ingest.table import Table
from mmkeras.data.ingest.update import NOTED
from mmkeras.spec import DataSpec

ARRAYS = "arrays"
# About what is written of a sample beside the shards: where it is, by its id,
# and stamps of its files.
INDEX_BYTES = 64
IDENTITY = "identity.json"
LABELS = {
    "spec_sha256": "spec",
    "source_sha256": "manifest of the data",
    "seed": "seed",
}


@contextlib.contextmanager
def in_memory(out: Path, apart: bool) -> Iterator[Keeper]:
    """Yields what writes samples from memory, in `out/.partial`.

    They stay while `out` is not finished, so that a run that was stopped
    finds them; nothing is written into what is not ours.

    Args:
        out: The folder.
        apart: Whether they lie elsewhere, and only while the body runs.
    """
    if apart:
        with tempfile.TemporaryDirectory() as scratch:
            yield Keeper(Path(scratch))
        return
    # Whatever was stopped while it moved its files is ended by this.
    with open_out(out, "data"):
        claim(out / PARTIAL, "data", _parts())
        try:
            yield Keeper(out / PARTIAL / ARRAYS)
        finally:
            # Beside finished data they were read for nothing, and without an
            # identity there is nothing that could go on.
            if not _going_on(out):
                clear(out / PARTIAL)


def identity_of(spec: DataSpec, seed: int, table: Table) -> dict:
    """Returns what two runs must share to give the same folder."""
    digest = hashlib.sha256()
    for column in table.columns:
        for cells in itertools.chain([[column]], table[column].parts()):
            text = "\0".join([*cells, ""])
            digest.update(text.encode("utf-8", "surrogateescape"))
    return {
        "spec_sha256": spec.sha256,
        "source_sha256": digest.hexdigest(),
        "seed": seed,
    }


def finished(
    out: Path, identity: dict, restart: bool, append: bool
) -> dict | None:
    """Returns the manifest of `out` if it holds just this; None if nothing.

    Args:
        out: The folder.
        identity: What it must be of.
        restart: Whether it is going to be replaced, whatever it is of.
        append: Whether the manifest of the data may be another.

    Raises:
        ValueError: If `out` holds something else, or is damaged.
    """
    if not (out / MANIFEST).is_file():
        if append:
            raise ValueError(
                "`out` must be prepared already to `append` to it. Received: "
                f"{out}, which is not"
            )
        return None
    if restart:
        return None
    found = read_manifest(out, "data")
    for key, label in LABELS.items():
        same = found.get(key) == identity[key]
        if not same and not (append and key == "source_sha256"):
            more = ""
            if key == "source_sha256":
                more = ", or add its new rows by `append`"
            raise ValueError(
                f"`out` must be empty or hold the same {label}; choose "
                f"another folder, or replace it by `restart`{more}. Received: "
                f"{out} with {key} {str(found.get(key))[:16]}, wanted "
                f"{str(identity[key])[:16]}"
            )
    return found


def leave(out: Path) -> None:
    """Removes what was begun beside a folder that stays as it is."""
    clear(out / PARTIAL)


def start(out: Path, identity: dict, sample_bytes: int, samples: int) -> Path:
    """Returns `out/.partial`, with what an equal run left behind.

    Raises:
        OSError: If the disk has no room for so many samples of so many bytes.
    """
    partial = claim(out / PARTIAL, "data", _parts())
    note = partial / IDENTITY
    same, ours = _is_of(note, identity), owned(partial)
    for path in partial.iterdir():
        if not is_ours(path.name, ours):
            continue
        if path.is_symlink() or not path.is_file():
            raise ValueError(
                f"`{path}` must be a file that prepare writes. Received: "
                "something else, which stays; remove it, or choose another "
                "folder"
            )
        if not same and path.name not in (MARKER, LOCK):
            path.unlink()
    write_hashed(note, identity)
    # A shard without its note is made anew, beside what is there.
    shards = (note.with_suffix("") for note in partial.glob("*.tfrecord.json"))
    there = sum(path.stat().st_size for path in shards if path.is_file())
    needed = (sample_bytes + INDEX_BYTES) * samples
    check_room(out, "the shards", needed - there)
    return partial


def _is_of(note: Path, identity: dict) -> bool:
    """Whether the files beside a note may be of the same data."""
    if not note.is_file():
        return False
    try:
        found = read_hashed(note)
    except ValueError as error:
        warnings.warn(
            f"{error}. The shards beside it are kept where their own notes "
            "fit these data",
            stacklevel=3,
        )
        return True
    return all(found.get(key) == identity[key] for key in LABELS)


def abandon(out: Path) -> None:
    """Removes what is not finished."""
    clear(out / PARTIAL)


def publish(
    out: Path,
    identity: dict,
    files: list[str],
    shards: list[dict],
    fields: dict,
) -> dict:
    """Writes the manifest of `files`, and moves all out of `.partial`.

    Args:
        out: The folder.
        identity: What it is of.
        files: Names of all that it holds.
        shards: Those among them that were hashed when they were written.
        fields: Of the manifest.
    """
    known = {one["file"]: (one["written"], one["sha256"]) for one in shards}
    written = write_manifest(
        out / PARTIAL, "data", files, known, **fields, **identity
    )
    settle(out)
    return written


def _going_on(out: Path) -> bool:
    """Whether the next run finds something in `.partial`."""
    return is_moving(out) or (out / PARTIAL / IDENTITY).is_file()


def _parts() -> list[str]:
    """Returns patterns of what is ours in `.partial`."""
    shards = ("*.tfrecord", "*.tfrecord.json", f"{ARRAYS}/*")
    notes = (IDENTITY, "quarantine.csv", NOTED, PLACES)
    return [*shards, *notes, *learned_files()]
