"""What a kind reads its samples with."""

import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from mmkeras.data.files.in_memory import place_of
from mmkeras.data.files.paths import (
    MAX_FILE_BYTES,
    Folders,
    list_inside,
    open_inside,
    read_inside,
)
from mmkeras.data.files.reasons import BadSample, Reason


@dataclass(frozen=True)
class SampleIO:
    """What one modality of one sample is read with.

    Args:
        root: Folder that every file stays inside.
        name: The modality's name in the spec.
        learned: What `Modality.open_learned` returned.
        seed: What random numbers follow from, of this sample alone; None
            where nothing may be random.
        arrays: Folder of what was in memory; None where nothing was.
        folders: Folders that stay open for the next sample; None keeps none.
    """

    root: str
    name: str = ""
    learned: Any = None
    seed: str | None = None
    arrays: str | None = None
    folders: Folders | None = field(default=None, compare=False)

    def bytes(self, path: str) -> bytes:
        """Returns the bytes of a file.

        Raises:
            BadSample: If `path` is blank, leaves the root, or is no regular
                file of a bounded size.
        """
        return read_inside(*self._place(path), self.folders)

    def open(self, path: str, max_bytes: int = MAX_FILE_BYTES) -> BinaryIO:
        """Opens a file of at most so many bytes for reading."""
        return open_inside(*self._place(path), max_bytes, self.folders)

    def list(self, path: str, max_files: int) -> list[str] | None:
        """Returns the sorted names in a folder; None if it is a file."""
        return list_inside(*self._place(path), max_files)

    def _place(self, path: str) -> tuple[str, str]:
        if not path.strip():
            raise BadSample(Reason.MISSING)
        return place_of(self.root, self.arrays, path)

    @functools.cached_property
    def random(self) -> np.random.Generator | None:
        """Random numbers of this sample; None where it is read as it is."""
        if self.seed is None:
            return None
        digest = hashlib.sha256(self.seed.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "little"))
