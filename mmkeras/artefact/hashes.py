"""Hashes of files that were read before and have not changed since.

Opening a folder compares every byte of it with its manifest. What was hashed
once is known by the size and the times of its file: a gigabyte is opened in
milliseconds the second time. The note is a help, no proof: where it cannot be
written or read, all is hashed again.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmkeras.artefact.files import file_stamp
from mmkeras.artefact.json_files import read_hashed, write_hashed
from mmkeras.artefact.manifest import sha256_of

HASHES = ".hashes.json"
# A file may change again within the tick of a clock that its time is from.
SETTLED_SEC = 0.1


def hashes_of(folder: Path, names: list[str]) -> dict[str, str]:
    """Returns the SHA-256 of files, as 64 hexadecimal digits, by name.

    Args:
        folder: Where they are, and where the note of their hashes is kept.
        names: Of regular files inside it.
    """
    known = _read(folder / HASHES)
    stamps = {name: file_stamp(folder / name) for name in names}
    fresh = [n for n in names if known.get(n, [None])[:-1] != stamps[n]]
    # Hashing lets other threads run.
    with ThreadPoolExecutor() as pool:
        paths = [folder / name for name in fresh]
        digests = dict(zip(fresh, pool.map(sha256_of, paths), strict=True))
    found = {n: digests[n] if n in digests else known[n][-1] for n in names}
    now = time.time_ns()
    note = {
        name: [*stamp, found[name]]
        for name, stamp in stamps.items()
        if now - max(stamp[1:]) > SETTLED_SEC * 1e9
        # It changed while it was hashed.
        and stamp == file_stamp(folder / name)
    }
    if fresh and note:
        # A folder on a read-only disk is opened as well.
        with contextlib.suppress(OSError):
            write_hashed(folder / HASHES, {"files": note})
    return found


def _read(path: Path) -> dict[str, list]:
    try:
        found = read_hashed(path)["files"]
    except (OSError, ValueError, KeyError):
        return {}
    good = isinstance(found, dict) and all(
        isinstance(entry, list) and len(entry) == 4 for entry in found.values()
    )
    return found if good else {}
