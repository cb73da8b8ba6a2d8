"""Many samples in an .npz file: arrays by modality, a row a sample.

A stranger may have written it. So the headers of its arrays are compared with
the model before anything is unpacked, and all rows are checked before the
first one is answered.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from validation import MAX_FILE_BYTES, open_file, refuse

# How the end of a zip file without a comment begins; its size; where in it
# the size of the list of members stands.
END, END_BYTES, LIST = b"PK\5\6", 22, slice(12, 16)
MAX_LIST_BYTES = 100_000
# Others unpack with buffers as large as the file says.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_samples(path: str, runner) -> Iterator[dict[str, np.ndarray]]:
    """Yields the samples of a file that is right in all its rows.

    Args:
        path: An .npz file, with `present` if the model has such an input; a
            modality that it lacks is absent.
        runner: The `Runner` that shall answer.
    """
    shapes = {name: entry["shape"] for name, entry in runner.inputs.items()}
    if runner.present:
        shapes["present"] = [len(runner.present)]
    with open_file(path) as file:
        try:
            check_end(file, path)
            with zipfile.ZipFile(file) as archive:
                arrays = read_members(archive, path, shapes)
        except ValueError:
            raise
        # A damaged zip file makes Python raise nearly anything.
        except Exception as error:
            refuse(f"`{path}`", "an .npz file", error or "a damaged one")
    counts = {name: len(array) for name, array in arrays.items()}
    if len({*counts.values()}) != 1 or 0 in counts.values():
        refuse(f"`{path}`", "arrays of one length, not 0", counts or "none")
    here = presence(arrays.pop("present", None), path)
    count = min(counts.values())

    def rows() -> Iterator[dict[str, np.ndarray]]:
        for place in range(count):
            yield {
                name: array[place]
                for name, array in arrays.items()
                if here is None
                or name not in runner.present
                or here[place, runner.present.index(name)]
            }

    for place, row in enumerate(rows()):
        try:
            runner.check(row)
        except ValueError as error:
            raise ValueError(f"Row {place} of `{path}`: {error}") from None
    return rows()


def check_end(file: BinaryIO, path: str) -> None:
    """Raises ValueError unless a zip file ends in a short list of members."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END_BYTES))
    end = file.read()
    if len(end) < END_BYTES or not end.startswith(END):
        refuse(f"`{path}`", "an .npz file", "none")
    if int.from_bytes(end[LIST], "little") > MAX_LIST_BYTES:
        refuse(f"`{path}`", "an .npz file of a few arrays", "many")


def read_members(
    archive: zipfile.ZipFile, path: str, shapes: dict
) -> dict[str, np.ndarray]:
    """Returns the arrays; that they are what the model reads is known first.

    Args:
        archive: The file.
        path: Where it lies.
        shapes: The shape of a row by the arrays that there may be.
    """
    found = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if member.filename == name or name not in shapes or name in found:
            choices = f"an .npz file of {', '.join(shapes)}, each once"
            refuse(f"`{path}`", choices, repr(member.filename[:80]))
        if member.compress_type not in METHODS:
            refuse(f"`{path}`", "stored or deflated", "packed otherwise")
        found[name] = member
    unpacked = sum(member.file_size for member in found.values())
    if unpacked > MAX_FILE_BYTES:
        most = f"at most {MAX_FILE_BYTES:,} bytes, unpacked"
        refuse(f"`{path}`", most, f"{unpacked:,}")
    return {
        name: read_array(archive, member, f"`{name}` in `{path}`", shapes[name])
        for name, member in found.items()
    }


def read_array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, what: str, shape: list
) -> np.ndarray:
    """Reads one array of rows of a shape."""
    with archive.open(member) as file:
        try:
            # Strings and objects have a dtype that no model reads.
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("another version")
            header = np.lib.format.read_array_header_1_0(file)
        except Exception as error:
            refuse(what, "an array of numbers", error)
        size, by_columns, dtype = header
        if dtype.kind not in "fiub" or list(size[1:]) != list(shape):
            refuse(what, f"of shape (samples, {list(shape)})",
                   f"{dtype} of shape {list(size)}")  # fmt: skip
        count = int(np.prod(size, dtype=object)) * dtype.itemsize
        if not 0 <= count <= member.file_size:
            refuse(what, f"an array of {count:,} bytes", member.file_size)
        data = file.read(count)
        # To read on compares the checksum.
        if len(data) != count or file.read(1):
            refuse(what, f"an array of {count:,} bytes", "another size")
    array = np.frombuffer(data, dtype)
    return array.reshape(size[::-1]).T if by_columns else array.reshape(size)


def presence(here: np.ndarray | None, path: str) -> np.ndarray | None:
    """Returns which sample has which modality, if the file says so."""
    if here is None:
        return None
    if not np.isin(here, (0, 1)).all():
        refuse(f"`present` in `{path}`", "zeros and ones", "other numbers")
    return here.astype(bool)
