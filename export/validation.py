"""What a reader of the device refuses, and how it says so."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

MAX_FILE_BYTES = 256_000_000


def refuse(what: str, expected: object, received: object) -> NoReturn:
    """Raises ValueError with what was expected and received side by side."""
    raise ValueError(f"{what} must be {expected}. Received: {received}")


def open_file(path: str | Path, limit: int = MAX_FILE_BYTES) -> BinaryIO:
    """Opens a regular file, which must not have too many bytes.

    Never waits, as a pipe would have it, and never opens a device.
    """
    if not os.path.isfile(path):
        refuse(f"`{path}`", "a regular file", "nothing that is one")
    # What it is may change until it is open.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    file = os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb")
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return file
    file.close()
    refuse(f"`{path}`", f"a file of at most {limit:,} bytes", status.st_size)


def read_file(path: str | Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Returns the bytes of a regular file, which must not be too many."""
    with open_file(path, limit) as file:
        data = file.read(limit + 1)
    # Files of the system have more in them than they say.
    if len(data) > limit:
        refuse(f"`{path}`", f"a file of at most {limit:,} bytes", "more")
    return data


def size_of(path: str | Path, limit: int = MAX_FILE_BYTES) -> int:
    """Returns the bytes of a regular file, which must not be too many."""
    with open_file(path, limit) as file:
        return os.fstat(file.fileno()).st_size


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, read in parts to save memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 18):
            digest.update(part)
    return digest.hexdigest()


def read_npy(path: str) -> np.ndarray:
    """Opens an .npy array of numbers; a header that lies is an error."""
    size_of(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    # A damaged header makes NumPy raise nearly anything.
    except Exception as error:
        refuse(f"`{path}`", "an .npy file of numbers", error)
    if getattr(array, "dtype", np.dtype("O")).kind not in "fiu":
        refuse(f"`{path}`", "an .npy file of numbers", "another kind")
    return array


def check_finite(value: np.ndarray, entry: dict) -> None:
    """Raises ValueError if a value is NaN or infinite."""
    if not np.isfinite(value).all():
        refuse(f"`{entry['name']}`", "finite", "NaN or infinity")


def check_gaps(value: np.ndarray, entry: dict) -> None:
    """Raises ValueError if a value is infinite; NaN is a gap."""
    if np.isinf(value).any():
        refuse(f"`{entry['name']}`", "finite, or NaN in a gap", "infinity")
