"""Checks of an untrusted weights file: groups and stored arrays only."""

from typing import BinaryIO

import h5py

MAX_OBJECTS = 100_000
MAX_DEPTH = 64


def count_weights(file: BinaryIO) -> int:
    """Checks every link and array of an HDF5 file; reads no array.

    Links lead to what is inside the file, arrays are numbers, uncompressed,
    and as large as what is stored: as Keras writes them.

    Returns:
        How many numbers the arrays hold together.

    Raises:
        ValueError: If anything differs.
    """
    seen: set[int] = set()
    sizes = {"numbers": 0, "bytes": 0}
    with h5py.File(file, "r") as root:
        waiting = [(root, "", 0)]
        while waiting:
            group, path, depth = waiting.pop()
            if len(group) + len(seen) > MAX_OBJECTS or depth > MAX_DEPTH:
                raise ValueError(
                    f"weights in more than {MAX_OBJECTS:,} parts, or more "
                    f"than {MAX_DEPTH} deep"
                )
            for name in group:
                child = check_link(group, name, f"{path}/{name}")
                address = h5py.h5o.get_info(child.id).addr
                if address in seen:
                    raise ValueError(f"weights `{path}/{name}` linked twice")
                seen.add(address)
                if isinstance(child, h5py.Group):
                    waiting.append((child, f"{path}/{name}", depth + 1))
                    continue
                check_array(child, f"{path}/{name}")
                sizes["numbers"] += child.size
                sizes["bytes"] += child.nbytes
    size = file.seek(0, 2)
    if sizes["bytes"] > size:
        raise ValueError(f"weights of {sizes['bytes']:,} bytes in {size:,}")
    return sizes["numbers"]


def check_link(group: h5py.Group, name: str, path: str) -> h5py.HLObject:
    """Returns what a link leads to, if that is in this file."""
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"weights `{path}` as {type(link).__name__}")
    if name in ("", ".", ".."):
        raise ValueError(f"weights named `{path}`")
    child = group[name]
    if not isinstance(child, (h5py.Group, h5py.Dataset)):
        raise ValueError(f"weights `{path}` as {type(child).__name__}")
    return child


def check_array(array: h5py.Dataset, path: str) -> None:
    """Raises ValueError unless an array is stored as it is declared."""
    # bfloat16 is stored as two bytes without a type.
    known = array.dtype.kind in "fiub" or array.dtype.str in ("|V1", "|V2")
    if not known or array.shape is None:
        raise ValueError(f"weights `{path}` of type {array.dtype}")
    if array.is_virtual or array.external:
        raise ValueError(f"weights `{path}` that lie in another file")
    if array.id.get_create_plist().get_nfilters():
        raise ValueError(f"weights `{path}` compressed, which Keras never does")
    if array.chunks is not None:
        raise ValueError(f"weights `{path}` in chunks, which Keras never does")
    stored = array.id.get_storage_size()
    if array.nbytes != stored:
        raise ValueError(
            f"weights `{path}` of {array.nbytes:,} bytes, of which {stored:,} "
            "are stored"
        )
