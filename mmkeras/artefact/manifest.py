"""The manifest that proves a folder, and readers that check it first."""

import contextlib
import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from mmkeras.artefact.files import write_json

MANIFEST = "manifest.json"


def sha256_of(path: str | Path) -> str:
    """Returns the SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: str | Path, names: list[str]) -> dict[str, dict]:
    """Returns `{name: {"bytes", "sha256"}}` for files inside `folder`."""
    folder = Path(folder)
    return {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": sha256_of(folder / name),
        }
        for name in sorted(names)
    }


def versions() -> dict[str, str]:
    """Returns the versions of what shapes the numbers of an artefact."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("mmkeras", "keras", "tensorflow", "numpy", "ai-edge-litert"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def write_manifest(
    folder: str | Path, kind: str, files: list[str], **fields: Any
) -> dict:
    """Hashes `files` and writes `manifest.json`; returns what was written.

    Args:
        folder: Folder the artefact lives in.
        kind: What the folder is: "data", "run", "bundle".
        files: Names of the files, relative to `folder`.
        **fields: Further entries, JSON values only.
    """
    manifest = {
        "kind": kind,
        **fields,
        "versions": versions(),
        "command": " ".join(sys.argv),
        "files": describe_files(folder, files),
    }
    write_json(Path(folder) / MANIFEST, manifest)
    return manifest


def read_manifest(
    folder: str | Path, kind: str | None = None, check_files: bool = True
) -> dict:
    """Reads `manifest.json` and checks each file it names.

    Args:
        folder: Folder of the artefact.
        kind: The kind the caller can use; any when None.
        check_files: Whether to compare size and SHA-256 of every file.

    Raises:
        ValueError: If the manifest is missing, not JSON, of another kind, or a
            file is missing or differs.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ValueError(
            f"`{folder}` must hold a `{MANIFEST}`"
            + (f" of kind '{kind}'" if kind else "")
            + "; it is written last, so a stopped command leaves none. "
            "Received: a folder without one"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["kind"]
        files = dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{path}` must be a manifest written by mmkeras. "
            f"Received: a file that is not ({type(error).__name__}: {error})"
        ) from None
    if kind is not None and found != kind:
        raise ValueError(
            f"`{folder}` must be a folder of kind '{kind}'. "
            f"Received: kind '{found}'"
        )
    if check_files:
        for name, entry in files.items():
            check_file(Path(folder), name, entry)
    return manifest


def check_file(folder: Path, name: str, entry: dict) -> None:
    """Raises ValueError unless `folder/name` is the file `entry` describes."""
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(
            f"File names in `{folder / MANIFEST}` must stay inside the "
            f"folder. Received: {name!r}"
        )
    if path.is_symlink() or not path.is_file():
        raise ValueError(
            f"`{path}` must be a regular file, as `{MANIFEST}` says. "
            f"Received: {'a link' if path.is_symlink() else 'nothing there'}"
        )
    size = path.stat().st_size
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
