"""The manifest that proves a folder, and readers that check it first."""

import contextlib
import hashlib
import importlib.metadata
import os
import stat
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras.artefact.files import file_stamp
from mmkeras.artefact.json_files import is_proven, read_json, write_hashed

MANIFEST = "manifest.json"
SMALL_BYTES = 2**18


def sha256_of(path: str | Path) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < SMALL_BYTES:
            # Of a small file, a buffer for large ones costs more than to hash.
            start = file.read(SMALL_BYTES)
            digest = hashlib.sha256(start)
            while start and (start := file.read(SMALL_BYTES)):
                digest.update(start)
            return digest.hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(
    folder: str | Path,
    names: list[str],
    known: Mapping[str, tuple[list[int], str]] | None = None,
) -> dict[str, dict]:
    """Returns `{name: {"bytes", "sha256"}}` for files inside `folder`.

    Args:
        folder: The folder.
        names: Of the files.
        known: `file_stamp` and SHA-256 of files that were hashed already, by
            name: of one whose stamp is another now, that says nothing.
    """
    folder, known = Path(folder), known or {}
    found = {}
    for name in sorted(names):
        stamp, digest = known.get(name, (None, ""))
        now = file_stamp(folder / name)
        if now != stamp:
            digest = sha256_of(folder / name)
        found[name] = {"bytes": now[0], "sha256": digest}
    return found


def versions() -> dict[str, str]:
    """Returns the versions of what shapes the numbers of an artefact."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("mmkeras", "keras", "tensorflow", "numpy", "ai-edge-litert"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def write_manifest(
    folder: str | Path,
    kind: str,
    files: list[str],
    known: Mapping[str, tuple[list[int], str]] | None = None,
    **fields: Any,
) -> dict:
    """Hashes `files` and writes `manifest.json`; returns what was written.

    Args:
        folder: Folder the artefact lives in.
        kind: What the folder is: "data", "run", "bundle".
        files: Names of the files, relative to `folder`.
        known: As in `describe_files`.
        **fields: Further entries, JSON values only.
    """
    taken = {"format", "sha256", "versions", "command"} & set(fields)
    if taken:
        raise ValueError(
            "A manifest has entries of its own. Received: "
            f"`{sorted(taken)[0]}` among `fields`; choose another name"
        )
    manifest = {
        "kind": kind,
        **fields,
        "versions": versions(),
        "command": " ".join(sys.argv),
        "files": describe_files(folder, files, known),
    }
    path = Path(folder) / MANIFEST
    return write_hashed(path, manifest, _check_schema)


def read_manifest(
    folder: str | Path, kind: str | None = None, check_files: bool = True
) -> dict:
    """Reads `manifest.json`, compares it with its hash, and checks the files.

    The one reader for artefacts of every kind. A manifest that an earlier
    version wrote has no hash: it is read with a warning.

    Args:
        folder: Folder of the artefact.
        kind: The kind the caller can use; any when None.
        check_files: Whether to compare size and SHA-256 of every file.

    Raises:
        ValueError: If the manifest is missing, damaged, of a later format or
            another kind, or a file is missing or differs; file and field are
            named.
    """
    path = Path(folder) / MANIFEST
    what = f"`{path}`"
    if not path.is_file():
        raise ValueError(
            f"`{folder}` must hold a `{MANIFEST}`"
            + (f" of kind '{kind}'" if kind else "")
            + "; it is written last, so a stopped command leaves none. "
            "Received: a folder without one"
        )
    manifest = read_json(path)
    proven = is_proven(manifest, what)
    found = manifest.get("kind")
    if kind is not None and found != kind:
        raise ValueError(
            f"`{folder}` must be a folder of kind '{kind}'. "
            f"Received: kind {found!r}"
        )
    _check_schema(manifest, what)
    if not proven:
        warnings.warn(
            f"{what} was written by an earlier mmkeras, without a hash of its "
            "own: damage to it cannot be seen. Make the folder anew, by the "
            f"command {manifest['command'][:200]!r}, to have one",
            stacklevel=2,
        )
    if check_files:
        for name, entry in manifest["files"].items():
            check_file(Path(folder), name, entry)
    return manifest


def _check_schema(manifest: dict, what: str) -> None:
    # Workers that read no manifest need no pydantic.
    from mmkeras.artefact.schemas import check_schema

    check_schema(manifest, what)


def check_file(folder: Path, name: str, entry: dict) -> None:
    """Raises ValueError unless `folder/name` is the file `entry` describes."""
    path = folder / name
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError(
            f"File names in `{folder / MANIFEST}` must stay inside the "
            f"folder. Received: {name!r}"
        )
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        link = status is not None and stat.S_ISLNK(status.st_mode)
        raise ValueError(
            f"`{path}` must be a regular file, as `{MANIFEST}` says. "
            f"Received: {'a link' if link else 'nothing there'}"
        )
    size = status.st_size
    if size != entry["bytes"]:
        raise ValueError(
            f"`{path}` is not the file that was written: `{MANIFEST}` says "
            f"{entry['bytes']} bytes. Received: {size} bytes"
        )
    digest = sha256_of(path)
    if digest != entry["sha256"]:
        raise ValueError(
            f"`{path}` is not the file that was written: `{MANIFEST}` says "
            f"sha256 {entry['sha256'][:16]}. Received: {digest[:16]}"
        )
