"""Masks in memory, as files."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from mmkeras.data import kept_file

NPY = b"\x93NUMPY"


def cell(
    mask: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the path of a file with a mask's bytes, image, or array.

    An array is `(rows, columns)`, or `(slices, rows, columns)`: whole
    numbers, or true and false.
    """
    found = kept_file(value, keep, suffix_of)
    if found is not None:
        return found
    array = np.asarray(value)
    if array.dtype.kind not in "biu" or array.ndim < len(mask.shape):
        raise ValueError(
            f"a mask is whole numbers of {len(mask.shape)} axes; it is "
            f"{array.dtype} of {array.shape}"
        )
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return keep(".npy", file.getvalue())


def suffix_of(raw: bytes) -> str:
    """Returns the suffix of a mask's format; its content decides."""
    if raw.startswith(NPY):
        return ".npy"
    return ".png" if raw.startswith(b"\x89PNG") else ".nii"
