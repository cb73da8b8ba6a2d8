"""The folder that `prepare` writes: whole, or without a manifest.

Everything is made in `OUT/.partial` and moved when all of it is there, the
manifest last. A run that was stopped finds its shards again. Where the folder
was finished before, it stays as it is until then; the manifest that lies in
`.partial` says that all is there, so that moving it can be ended by the next
run, whenever it was stopped.
"""

import contextlib
import hashlib
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from mmkeras.artefact import (
    HASHES,
    MANIFEST,
    TEMPORARY,
    check_room,
    read_hashed,
    read_manifest,
    write_bytes,
    write_hashed,
    write_manifest,
)
from mmkeras.data.files.in_memory import Keeper
from mmkeras.data.ingest.learning import is_learned
from mmkeras.data.ingest.places import PLACES
from mmkeras.data.ingest.update import NOTED
from mmkeras.spec import DataSpec

PARTIAL = ".partial"
ARRAYS = "arrays"
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
    names = check_ours(out)
    if settle(out):
        names = check_ours(out)
    try:
        yield Keeper(out / PARTIAL / ARRAYS)
    except BaseException:
        # Without an identity there is nothing that could go on.
        if not (out / PARTIAL / IDENTITY).is_file() and MANIFEST not in names:
            abandon(out)
        raise
    finally:
        # Beside finished data they were read for nothing.
        if MANIFEST in names and not _going_on(out):
            shutil.rmtree(out / PARTIAL, ignore_errors=True)


def check_ours(out: Path) -> set[str]:
    """Returns the names in `out`; raises ValueError if it is not ours."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder. Received: the file {out}")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if MANIFEST in names:
        return names
    # Without `.partial` no name, however familiar, is ours to replace.
    foreign = sorted(n for n in names if not _ours(n))
    foreign = foreign if PARTIAL in names else sorted(names)
    if foreign:
        raise ValueError(
            f"`out` must be new, empty, or a folder written by prepare. "
            f"Received: {out}, which holds {', '.join(foreign[:5])}"
        )
    return names


def identity_of(spec: DataSpec, seed: int, table: pd.DataFrame) -> dict:
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
    if MANIFEST not in check_ours(out):
        if append:
            raise ValueError(
                "`out` must be prepared already to `append` to it. Received: "
                f"{out}, which is not"
            )
        return None
    if restart:
        return read_manifest(out, "data", check_files=False)
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
    shutil.rmtree(out / PARTIAL, ignore_errors=True)


def start(out: Path, identity: dict, needed_bytes: int) -> Path:
    """Returns `out/.partial`, with what an equal run left behind.

    Raises:
        OSError: If the disk has less than `needed_bytes` free.
    """
    partial = out / PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    _clear(partial, out)
    note = partial / IDENTITY
    if not _is_of(note, identity):
        for path in partial.iterdir():
            # Named by what they hold, they are right for any data.
            if path.name == ARRAYS:
                continue
            path.unlink()
    write_hashed(note, identity)
    for path in out.iterdir():
        # A run of an earlier version was stopped while it moved its files.
        if path.name != PARTIAL and not (out / MANIFEST).is_file():
            os.replace(path, partial / path.name)
    there = sum(path.stat().st_size for path in partial.glob("*.tfrecord"))
    check_room(out, "the shards", needed_bytes - there)
    return partial


def _clear(partial: Path, out: Path) -> None:
    """Moves folders that lie where files are to be beside `out`."""
    for path in sorted(partial.iterdir()):
        if path.name == ARRAYS or path.is_symlink() or not path.is_dir():
            continue
        names = (f"{out.name}-{path.name}.old{n}" for n in itertools.count(1))
        taken = {each.name for each in out.absolute().parent.iterdir()}
        aside = out.with_name(next(n for n in names if n not in taken))
        path.rename(aside)
        warnings.warn(
            f"`{path}` must be a file. Received: a folder, which is now "
            f"`{aside}`; the file is made anew",
            stacklevel=2,
        )


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
    """Removes what is not finished, and `out` itself if that was all."""
    shutil.rmtree(out / PARTIAL, ignore_errors=True)
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()


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


def settle(out: Path) -> bool:
    """Moves a folder that is whole in `.partial` into its place.

    Returns:
        Whether there was one.
    """
    partial = out / PARTIAL
    if not is_moving(out):
        return False
    files = read_manifest(partial, "data", check_files=False)["files"]
    old = {}
    if (out / MANIFEST).is_file():
        old = read_manifest(out, "data", check_files=False)["files"]
    for name in files:
        # The last run may have been stopped in here.
        if (partial / name).is_file():
            os.replace(partial / name, out / name)
    for name in set(old) - set(files):
        (out / name).unlink(missing_ok=True)
    write_bytes(out / MANIFEST, (partial / MANIFEST).read_bytes())
    shutil.rmtree(partial, ignore_errors=True)
    return True


def is_moving(out: Path) -> bool:
    """Whether a run was stopped while it moved finished files into place."""
    return (out / PARTIAL / MANIFEST).is_file()


def _going_on(out: Path) -> bool:
    """Whether the next run finds something in `.partial`."""
    return is_moving(out) or (out / PARTIAL / IDENTITY).is_file()


def _ours(name: str) -> bool:
    return (
        name in (PARTIAL, "quarantine.csv", HASHES, NOTED, PLACES)
        or name.startswith(TEMPORARY)
        or name.endswith(".tfrecord")
        or is_learned(name)
    )
