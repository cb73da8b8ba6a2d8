"""Checks of an untrusted `.keras` file, before Keras parses it."""

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from mmkeras.escaping import printable
from mmkeras.model.inspect_config import MAX_CONFIG_BYTES, check_config
from mmkeras.model.inspect_weights import count_weights

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS = "model.weights.h5"
# From 2 ** 31 bytes on, a zip file is of another kind (zip64).
MAX_MODEL_BYTES = 2_000_000_000
MAX_BYTES = {
    CONFIG: MAX_CONFIG_BYTES,
    METADATA: 65_536,
    WEIGHTS: MAX_MODEL_BYTES,
}
MAX_DIRECTORY_BYTES = 4_096


def inspect_model(path: str | Path) -> int:
    """Checks that an untrusted file is a model only; unpacks nothing.

    The archive holds exactly the three members that Keras writes, its config
    names known classes only, and its weights are plain arrays that are really
    there.

    Args:
        path: A `.keras` file.

    Returns:
        How many numbers the weights hold, the optimizer's included.

    Raises:
        ValueError: If anything differs; the message says what.

    Example:

    >>> inspect_model("model.keras")
    1498122
    """
    try:
        with open(path, "rb") as file:
            check_directory(file)
            with zipfile.ZipFile(file) as archive:
                members = check_members(archive)
                with archive.open(CONFIG) as member:
                    check_config(member.read(MAX_CONFIG_BYTES + 1))
            start = data_start(file, members[WEIGHTS])
            return count_weights(Part(file, start, members[WEIGHTS].file_size))
    # Damaged HDF5 raises KeyError, RuntimeError and more.
    except Exception as error:
        raise ValueError(
            f"`{path}` must be a model saved by Keras, with nothing added. "
            f"Received: {printable(str(error)[:400])}"
        ) from None


def check_directory(file: BinaryIO) -> None:
    """Raises ValueError unless the file ends in a small zip directory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 42))
    tail = file.read()
    if len(tail) < 42 or tail[-22:-18] != b"PK\x05\x06":
        raise ValueError("a file that does not end as a zip file does")
    directory = struct.unpack("<I", tail[-10:-6])[0]
    # zipfile would read a directory of any size, at any offset declared.
    if tail[:4] == b"PK\x06\x07" or directory > MAX_DIRECTORY_BYTES:
        raise ValueError(
            f"a zip directory of {directory:,} bytes, where three members "
            f"take fewer than {MAX_DIRECTORY_BYTES:,}"
        )


def check_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns the three members by name, or raises ValueError."""
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if names != sorted(MAX_BYTES):
        raise ValueError(
            f"the members {names}. A model has {sorted(MAX_BYTES)}, without "
            "assets: text is cut into tokens outside the model"
        )
    for member in members:
        name, limit = member.filename, MAX_BYTES[member.filename]
        if member.file_size > limit:
            raise ValueError(
                f"`{name}` of {member.file_size:,} bytes; at most {limit:,}"
            )
        # Bits 0 and 6: encrypted. The high half of the attributes: Unix mode,
        # of which a regular file has 0o100000 or, where unset, 0.
        kind = member.external_attr >> 16 & 0o170000
        if member.flag_bits & 0x41 or kind not in (0, 0o100000):
            raise ValueError(f"`{name}` encrypted, or no regular file")
    weights = next(m for m in members if m.filename == WEIGHTS)
    stored = weights.compress_type == zipfile.ZIP_STORED
    if not stored or weights.file_size != weights.compress_size:
        raise ValueError(f"`{WEIGHTS}` compressed, which Keras never does")
    return {member.filename: member for member in members}


def data_start(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Returns where the bytes of an uncompressed member begin."""
    file.seek(member.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise ValueError(f"no `{member.filename}` where the directory says")
    start = member.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))
    if start + member.file_size > file.seek(0, os.SEEK_END):
        raise ValueError(f"`{member.filename}` cut short")
    return start


class Part(io.RawIOBase):
    """A stretch of a file, as a file of its own.

    Args:
        file: The whole file.
        start: Where the stretch begins, in bytes.
        size: Its length, in bytes.
    """

    def __init__(self, file: BinaryIO, start: int, size: int):
        self._file, self._start, self._size = file, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}
        self._at = base[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
