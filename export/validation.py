"""What a reader of the device refuses, and how it says so."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NoReturn

import numpy as np

MAX_FILE_BYTES = 256_000_000


def refuse(what: str, expected: object, received: object) -> NoReturn:
    """Raises ValueError with what was expected and received side by side."""
    raise ValueError(f"{what} must be {expected}. Received: {received}")


def size_of(path: str | Path, limit: int = MAX_FILE_BYTES) -> int:
    """Returns the bytes of a regular file, which must not be too many."""
    if not Path(path).is_file():
        refuse(f"`{path}`", "a regular file", "nothing that is one")
    size = Path(path).stat().st_size
    if size > limit:
        refuse(f"`{path}`", f"a file of at most {limit:,} bytes", size)
    return size


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
    except (ValueError, EOFError, OSError) as error:
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
