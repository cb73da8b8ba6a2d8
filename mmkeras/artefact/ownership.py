"""Whose a folder and its files are: nothing of anybody else's is touched.

A folder is ours if it holds a manifest of ours, or the marker that is written
before anything else. In it, a file is ours if one of them lists it. All the
rest stays as it is, whatever a command was told.
"""

import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from mmkeras.artefact.files import write_json
from mmkeras.artefact.hashes import HASHES
from mmkeras.artefact.json_files import read_json
from mmkeras.artefact.locks import LOCK
from mmkeras.artefact.manifest import MANIFEST
from mmkeras.artefact.names import is_ours, literal, matcher, stays_inside

MARKER = ".mmkeras.json"
# Written by us into any folder of ours; its manifest is ours if it reads as
# one, or the marker lists it, damaged or not.
ALWAYS = (MARKER, LOCK, HASHES)


def check_out(
    out: str | Path,
    kind: str | Collection[str],
    inputs: Iterable[str | Path] = (),
) -> Path:
    """Returns `out` as a path, if it may be written; it is not touched.

    Args:
        out: Folder to write. A link to a folder stands for that folder.
        kind: What it becomes; an older folder of this kind, or of one of
            these, may be replaced. A run made of others is of kind "ensemble"
            here.
        inputs: Folders that are read for it.

    Raises:
        ValueError: If something else would be destroyed.
    """
    out = Path(out)
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    if out.is_symlink() and not out.is_dir():
        raise ValueError(
            "`out` must be a folder, or a link to one. Received: "
            f"`{out}`, a link to {os.readlink(out)!r}, where there is none"
        )
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder. Received: the file `{out}`")
    # A loop of links has no end to be resolved to.
    if os.path.realpath(out) in {os.path.realpath(place) for place in inputs}:
        raise ValueError(
            "`out` must be a folder of its own. Received: "
            f"`{out}`, which is read for it"
        )
    found = kind_of(out)
    if found is None and (names := foreign_names(out)):
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise ValueError(
            "`out` must be new, empty, or a folder that mmkeras has written. "
            f"Received: `{out}`, without a manifest or marker of ours, "
            f"which holds {shown}"
        )
    if found not in (None, *kinds):
        raise ValueError(
            f"`out` must be a new folder, or one of kind '{kinds[0]}'. "
            f"Received: `{out}` of kind '{found}'"
        )
    return out


def foreign_names(folder: Path) -> list[str]:
    """Returns what lies in a folder without marker, but for a lock."""
    if not folder.is_dir():
        return []
    there = set(os.listdir(folder)) - {LOCK}
    # A process may have been killed while it wrote the marker.
    half = {n for n in there if n != MARKER and is_ours(n, [MARKER])}
    return sorted(there - half)


def kind_of(folder: Path) -> str | None:
    """Returns the kind of a folder that is ours, by marker or manifest."""
    marker = read_marker(folder)
    if marker is not None:
        return marker["kind"]
    manifest = _manifest_of(folder)
    if manifest is None:
        return None
    return "ensemble" if "ensemble" in manifest else manifest["kind"]


def read_marker(folder: Path) -> dict[str, Any] | None:
    """Returns what our marker says; None where there is none."""
    found = _read_json(folder / MARKER)
    good = (
        isinstance(found, dict)
        and isinstance(found.get("kind"), str)
        and isinstance(found.get("files"), list)
        and all(isinstance(name, str) for name in found["files"])
    )
    return found if good else None


def owned(folder: Path) -> list[str]:
    """Returns names, or patterns of names, of what is ours in a folder."""
    found = list(ALWAYS)
    marker = read_marker(folder)
    if marker is not None:
        found += marker["files"]
    manifest = _manifest_of(folder)
    if manifest is not None:
        found += [MANIFEST, *map(literal, manifest["files"])]
    return [name for name in found if stays_inside(name)]


def listed(folder: Path) -> list[str]:
    """Returns the files of a manifest of ours; none where there is none."""
    manifest = _manifest_of(folder)
    files = manifest["files"] if manifest is not None else ()
    return [name for name in files if stays_inside(name)]


def claim(
    folder: str | Path,
    kind: str | Collection[str],
    names: Iterable[str] = (),
) -> Path:
    """Makes a folder ours, and says which files are going to be.

    Args:
        folder: The folder; made where it is missing.
        kind: See `check_out`; the first one is what it becomes.
        names: Of files about to be written, or patterns such as `*.png`.

    Raises:
        ValueError: If the folder, or a file of one of these names, is not
            ours.
    """
    folder = check_out(folder, kind)
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    known, names = owned(folder), list(names)
    if folder.is_dir():
        check_files(folder, [*names, MANIFEST], known)
    folder.mkdir(parents=True, exist_ok=True)
    marker = read_marker(folder)
    adopt(folder, kinds[0], {*(marker["files"] if marker else ()), *names})
    return folder


def adopt(folder: Path, kind: str, names: Iterable[str]) -> None:
    """Marks a folder as ours, whatever lies in it.

    Args:
        folder: The folder; the caller knows that it is ours.
        kind: What it becomes.
        names: Of the files in it that are ours, beside its manifest.
    """
    wanted = {"kind": kind, "files": sorted({MANIFEST, *names})}
    if read_marker(folder) != wanted:
        write_json(folder / MARKER, wanted)


def check_files(
    folder: Path, names: Iterable[str], known: Iterable[str]
) -> None:
    """Raises ValueError if one of these is there, and not known as ours."""
    ours = matcher(known)
    for pattern in names:
        places = [pattern]
        if set(pattern) & set("*?["):
            places = [p.name for p in folder.glob(pattern)]
        for name in places:
            path = folder / name
            if path.is_symlink() or (
                path.exists() and not (path.is_file() and ours(name))
            ):
                what = "which mmkeras did not write"
                if path.is_symlink():
                    what = "a link, which would be replaced"
                raise ValueError(
                    f"`{path}` must be a file of ours, or not be there. "
                    f"Received: one {what}; move it, or choose another folder"
                )


def release(folder: Path) -> None:
    """Removes the marker of a folder whose manifest lists all that is ours."""
    (folder / MARKER).unlink(missing_ok=True)


def release_listed(folder: Path) -> None:
    """Removes the marker if the manifest lists all that is ours."""
    marker = read_marker(folder)
    names = {MANIFEST, *listed(folder)}
    if marker is not None and {*marker["files"]} <= names:
        release(folder)


def clear(
    folder: str | Path, kind: str | Collection[str] | None = None
) -> bool:
    """Removes what is ours in a folder, and the folder if that was all.

    Args:
        folder: It may be missing; what is not ours is left as it is.
        kind: The kinds it must be of; any when None.

    Returns:
        Whether the folder is gone.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return not folder.exists()
    found = kind_of(folder)
    kinds = (kind,) if isinstance(kind, str) else kind
    if found is None or (kinds is not None and found not in kinds):
        return False
    known = owned(folder)
    ours = matcher(known)
    # First, so that what is removed in part is not taken for whole.
    if ours(MANIFEST):
        (folder / MANIFEST).unlink(missing_ok=True)
    for name in _files_in(folder):
        if name not in (MARKER, LOCK) and ours(name):
            (folder / name).unlink(missing_ok=True)
    for inner in sorted({n.rpartition("/")[0] for n in known if "/" in n}):
        with contextlib.suppress(OSError):
            (folder / inner).rmdir()
    if set(os.listdir(folder)) <= {MARKER, LOCK}:
        # A link to a folder is not ours to remove, nor is one in use.
        release(folder)
        with contextlib.suppress(OSError):
            if not folder.is_symlink():
                folder.rmdir()
    return not folder.exists()


def clear_inside(folder: str | Path, *patterns: str) -> None:
    """Removes what is ours in folders inside a folder.

    Args:
        folder: It stays.
        patterns: Names of the folders, such as `runs/*`; the order is that
            in which they are cleared.
    """
    folder = Path(folder)
    for place in [p for each in patterns for p in sorted(folder.glob(each))]:
        if place.is_dir() and not place.is_symlink():
            clear(place)
    for above in [p for each in patterns for p in Path(each).parents]:
        for place in folder.glob(str(above)) if above != Path() else ():
            # Where nothing else is in there.
            with contextlib.suppress(OSError):
                place.rmdir()


def _files_in(folder: Path) -> list[str]:
    """Returns regular files of a folder, and of the folders in it."""
    found = []
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False):
            found.append(entry.name)
        elif entry.is_dir(follow_symlinks=False):
            found += [
                f"{entry.name}/{inner.name}"
                for inner in os.scandir(entry.path)
                if inner.is_file(follow_symlinks=False)
            ]
    return found


def _manifest_of(folder: Path) -> dict[str, Any] | None:
    """Returns the manifest of a folder if it reads as one of ours."""
    value = _read_json(folder / MANIFEST)
    good = (
        isinstance(value, dict)
        and isinstance(value.get("kind"), str)
        and isinstance(value.get("files"), dict)
        and isinstance(value.get("versions"), dict)
    )
    return value if good else None


def _read_json(path: Path) -> Any:
    try:
        if path.is_symlink():
            return None
        return read_json(path)
    except (OSError, ValueError):
        return None
