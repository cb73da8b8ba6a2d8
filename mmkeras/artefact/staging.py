"""New content for a folder: made beside the old, swapped at the end.

All files of it are made in `.partial`, its manifest last. From then on it is
whole, and only names change: where that is stopped, the next writer ends it,
and where it fails, the old files are put back.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from mmkeras.artefact.files import (
    TEMPORARY,
    make_folder,
    sync,
    told,
    write_json,
)
from mmkeras.artefact.json_files import read_json
from mmkeras.artefact.locks import (
    LOCK,
    is_running,
    lock,
    lock_file,
    this_process,
)
from mmkeras.artefact.manifest import MANIFEST
from mmkeras.artefact.names import matcher
from mmkeras.artefact.ownership import (
    MARKER,
    adopt,
    check_files,
    check_out,
    claim,
    clear,
    kind_of,
    listed,
    owned,
    read_marker,
    release,
)

PARTIAL = ".partial"
OLD = "old"
OWNER = ".owner.json"


@contextlib.contextmanager
def open_out(
    out: str | Path,
    kind: str | Collection[str],
    inputs: Iterable[str | Path] = (),
    names: Iterable[str] = (),
) -> Iterator[Path]:
    """Yields a folder to write: ours, held by this process alone.

    Whatever a stopped command left half done is ended or cleared first. A
    folder that has nothing in it at the end is removed again.

    Args:
        out: See `check_out`, like `kind` and `inputs`.
        kind: What it becomes.
        inputs: Folders that are read for it.
        names: Of files that are written into it directly; see `claim`.

    Raises:
        ValueError: If it is not ours to write, or another process does.
    """
    out, names = check_out(out, kind, inputs), list(names)
    made = make_folder(out)
    try:
        with lock(out):
            check_out(out, kind)
            # By the marker that its own writer left.
            settle(out)
            if names or kind_of(out) is None:
                claim(out, kind, names)
            sweep(out)
            try:
                yield out
            finally:
                _leave_if_empty(out)
    finally:
        for folder in made:
            # From the innermost; those that hold something stay.
            with contextlib.suppress(OSError):
                folder.rmdir()


def _leave_if_empty(out: Path) -> None:
    """Removes the marker where there is nothing that it would tell of."""
    marker = read_marker(out)
    if marker is None:
        return
    if set(os.listdir(out)) <= {MARKER, LOCK}:
        release(out)


@contextlib.contextmanager
def replacing(
    out: str | Path,
    kind: str | Collection[str],
    names: Iterable[str],
    inputs: Iterable[str | Path] = (),
) -> Iterator[Path]:
    """Yields a folder for new content of `out`; the old stays until the end.

    Where the body wrote a manifest, what it lists takes the place of what
    there was; where it raises, or wrote none, nothing has changed.

    Args:
        out: See `check_out`, like `kind` and `inputs`.
        kind: What it becomes.
        names: Of the files that the body may write, or patterns.
        inputs: Folders that are read for it.

    Example:

    >>> with replacing("runs/1/evaluation", "evaluation", ["a.json"]) as new:
    ...     write_json(new / "a.json", {})
    ...     _ = write_manifest(new, "evaluation", ["a.json"])
    """
    names = list(names)
    with open_out(out, kind, inputs) as out:
        # Before the work: a name that is taken is told at once.
        claim(out, kind, names)
        stage = open_stage(out, kind, names)
        try:
            yield stage
            settle(out)
        finally:
            if not (stage / MANIFEST).is_file():
                clear(stage)


def open_stage(
    out: Path, kind: str | Collection[str], names: Iterable[str]
) -> Path:
    """Returns `.partial`, empty but for what is not ours."""
    stage, names = out / PARTIAL, list(names)
    clear(stage)
    if stage.is_dir() and not stage.is_symlink() and kind_of(stage) is None:
        # Somebody's folder of this name blocks nobody at the end of a
        # training; what is in it stays.
        check_files(stage, [*names, MANIFEST, MARKER], ())
        kinds = (kind,) if isinstance(kind, str) else tuple(kind)
        write_json(stage / MARKER, {"kind": kinds[0], "files": []})
    return claim(stage, kind, names)


def is_moving(out: Path) -> bool:
    """Whether new content is whole, and not yet in its place."""
    return (out / PARTIAL / MANIFEST).is_file() and (
        read_marker(out / PARTIAL) is not None
    )


def settle(out: Path) -> bool:
    """Puts new content that is whole in `.partial` into its place.

    Returns:
        Whether there was some.

    Raises:
        ValueError: If a file is in the way that is not ours.
        OSError: If a file cannot be moved; the old content is put back.
    """
    stage = out / PARTIAL
    if not is_moving(out):
        return False
    new, old = listed(stage), listed(out)
    kind, marker = read_marker(stage)["kind"], read_marker(out)
    # What is not there any more has been moved by a writer before this one.
    waiting = [name for name in new if (stage / name).is_file()]
    check_files(out, [*waiting, MANIFEST], owned(out))
    claim(stage, kind, [f"{OLD}/*"])
    aside = stage / OLD
    aside.mkdir(exist_ok=True)
    moved: list[tuple[Path, Path]] = []
    try:
        for name in dict.fromkeys([*new, *old]):
            source, place = stage / name, out / name
            if name in new and name not in waiting:
                continue
            if place.is_file() and not place.is_symlink():
                moved.append(_move(place, aside / name))
            if name in new:
                moved.append(_move(source, place))
        os.replace(stage / MANIFEST, out / MANIFEST)
    except OSError:
        for source, place in reversed(moved):
            os.replace(place, source)
        # The command fails, and the next one is not to end it.
        (stage / MANIFEST).unlink(missing_ok=True)
        raise
    kept = {*(marker["files"] if marker else ()), *new} - {*old}
    adopt(out, kind, kept | {*new})
    sync(out)
    clear(stage)
    return True


def _move(source: Path, place: Path) -> tuple[Path, Path]:
    os.replace(source, place)
    return source, place


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path that becomes `path`, a file not there yet.

    Nobody else makes it meanwhile, and what appears under its name stays.

    Raises:
        ValueError: If there is something, or another process writes it.
    """
    path = Path(path)
    with lock_file(path):
        _check_free(path)
        temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
        try:
            with told(path, temporary):
                yield temporary
                sync(temporary)
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    _check_free(path)
                except OSError:
                    # Not every file system has links.
                    _check_free(path)
                    os.replace(temporary, path)
                sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise ValueError(
            f"`{path}` must not exist, or be a new file. Received: a file "
            "that is there, and stays"
        )


@contextlib.contextmanager
def scratch(inside: Path | None = None) -> Iterator[Path]:
    """Yields a folder for the time being, that nobody else knows.

    Where its process is killed, the next one clears it.

    Args:
        inside: A folder of ours; None for that of the system.
    """
    place = Path(tempfile.gettempdir()) if inside is None else inside
    sweep(place)
    prefix = f"{TEMPORARY}mmkeras-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    try:
        write_json(folder / OWNER, this_process())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(place: Path) -> None:
    """Removes what `scratch` made for processes that are gone.

    And unfinished files of ours, in a folder that nobody else writes.
    """
    for folder in place.glob(f"{TEMPORARY}mmkeras-*"):
        with contextlib.suppress(OSError, ValueError):
            owner = read_json(folder / OWNER)
            mine = folder.lstat().st_uid == os.getuid()
            if mine and not folder.is_symlink() and is_running(owner) is False:
                shutil.rmtree(folder)
    if read_marker(place) is None:
        return
    ours = matcher(owned(place))
    for path in place.glob(f"{TEMPORARY}[0-9]*"):
        if path.is_file() and not path.is_symlink():
            if ours(path.name):
                path.unlink(missing_ok=True)
