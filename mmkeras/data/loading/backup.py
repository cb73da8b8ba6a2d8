"""A prepared folder as one archive, and back."""

import lzma
import os
import shutil
import tarfile
import zlib
from pathlib import Path

from mmkeras.artefact import (
    LOCK,
    MANIFEST,
    MARKER,
    TEMPORARY,
    NoRoom,
    Unwritable,
    atomic,
    check_file,
    check_room,
    kind_of,
    new_file,
    open_out,
    open_stage,
    read_manifest,
    scratch,
    settle,
)
from mmkeras.data.loading.check import check_folder

# By how it was packed, a damaged file ends in one of these; the last are of a
# manifest that nobody wrote.
DAMAGED = (
    tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError,
    KeyError, TypeError, AttributeError,
)  # fmt: skip
MAX_MANIFEST_BYTES = 2**28


def backup_data(folder: str | Path, archive: str | Path) -> dict:
    """Writes a prepared folder into one tar file, whole or not at all.

    Every file is compared with the manifest first. The archive holds nothing
    else, no user's name and no time, so that the same data are the same file.

    Args:
        folder: Folder that `prepare` wrote.
        archive: File to write, not there yet; `.gz`, `.xz` or `.bz2` at the
            end packs it.

    Returns:
        The manifest.

    Raises:
        ValueError: If the folder is not whole, or there is such a file.
        OSError: If the disk is full.
    """
    folder, archive = Path(folder), Path(archive)
    if os.path.lexists(archive):
        raise ValueError(
            f"`archive` must be a new file. Received: {archive}, which is there"
        )
    check_folder(folder)
    # Every byte, also of what was hashed before.
    manifest = read_manifest(folder, "data")
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    check_room(archive, "the archive", size + 1024 * len(manifest["files"]))
    archive.absolute().parent.mkdir(parents=True, exist_ok=True)
    with new_file(archive) as temporary:
        with tarfile.open(temporary, f"w:{_packing(archive)}") as tar:
            # First, so that a reader knows what the rest must be.
            for name in (MANIFEST, *manifest["files"]):
                _add(tar, folder / name, name)
    return manifest


def restore_data(archive: str | Path, folder: str | Path) -> dict:
    """Unpacks what `backup_data` wrote, whole or not at all.

    Nothing is written but what the manifest inside lists, and each file is
    compared with it, before the folder appears under its name.

    Args:
        archive: The file.
        folder: Folder to write, not there yet, or empty.

    Returns:
        The manifest.

    Raises:
        ValueError: If the archive is no such archive, or damaged, or `folder`
            holds something.
    """
    archive, folder = Path(archive), Path(folder)
    _check_empty(folder)
    if not archive.is_file():
        raise ValueError(
            "`archive` must be a file that `mmkeras data backup` wrote. "
            f"Received: {archive}, where there is none"
        )
    with open_out(folder, "data") as out, scratch(out) as beside:
        whole = beside / "whole"
        whole.mkdir()
        try:
            manifest = _unpack(archive, whole)
        except NoRoom:
            raise
        except DAMAGED as error:
            unwritable = isinstance(error, Unwritable)
            if unwritable or getattr(error, "errno", None) is not None:
                raise
            raise ValueError(
                f"`archive` must be a whole archive of `mmkeras data backup`. "
                f"Received: {archive} ({error})"
            ) from None
        check_folder(whole)
        stage = open_stage(out, "data", manifest["files"])
        for name in (*manifest["files"], MANIFEST):
            os.replace(whole / name, stage / name)
        settle(out)
    return manifest


def _check_empty(folder: Path) -> None:
    """Raises ValueError unless nothing is there, but of a stopped restore."""
    names = []
    if folder.is_dir():
        ours = kind_of(folder) in (None, "data")
        left = (MARKER, LOCK) if ours else ()
        names = [
            path.name
            for path in folder.iterdir()
            if path.name not in left
            and not path.name.startswith(f"{TEMPORARY}mmkeras-")
        ]
    if names or (os.path.lexists(folder) and not folder.is_dir()):
        raise ValueError(
            f"`folder` must be new or empty. Received: {folder}, which holds "
            "something"
        )


def _unpack(archive: Path, folder: Path) -> dict:
    with tarfile.open(archive, "r:*") as tar:
        first = tar.next()
        _check(archive, first, MANIFEST, None)
        _extract(tar, first, folder)
        manifest = read_manifest(folder, "data", check_files=False)
        files = dict(manifest["files"])
        size = sum(entry["bytes"] for entry in files.values())
        check_room(folder, "the data", size)
        while (member := tar.next()) is not None:
            entry = files.pop(member.name, None)
            if entry is None or "/" in member.name:
                raise ValueError(
                    f"`{archive}` must hold the files of its manifest, each "
                    f"once. Received: {member.name!r}"
                )
            _check(archive, member, member.name, entry["bytes"])
            _extract(tar, member, folder)
            check_file(folder, member.name, entry)
    if files:
        raise ValueError(
            f"`{archive}` must hold the files of its manifest. Received: one "
            f"without {', '.join(sorted(files)[:3])}; it was cut"
        )
    return manifest


def _check(archive, member, name: str, size: int | None) -> None:
    """Raises ValueError unless a member is the file that is expected.

    Its size is known before a byte of it is unpacked.
    """
    right = member is not None and member.name == name and member.isreg()
    if right and size is None and member.size <= MAX_MANIFEST_BYTES:
        return
    if right and member.size == size:
        return
    found = "nothing" if member is None else repr(member.name)
    if right:
        found += f" of {member.size:,} bytes"
    elif member is not None and not member.isreg():
        found += ", which is no regular file"
    raise ValueError(
        f"`{archive}` must hold `{name}` here, as `mmkeras data backup` "
        f"writes it. Received: {found}"
    )


def _extract(tar: tarfile.TarFile, member, folder: Path) -> None:
    # The name was checked; modes, owners and times are not taken over.
    with atomic(folder / member.name) as temporary:
        with tar.extractfile(member) as source, open(temporary, "wb") as file:
            shutil.copyfileobj(source, file)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = path.stat().st_size, 0o644
    with open(path, "rb") as file:
        tar.addfile(info, file)


def _packing(archive: Path) -> str:
    kinds = {".gz": "gz", ".tgz": "gz", ".xz": "xz", ".bz2": "bz2"}
    return kinds.get(archive.suffix, "")
