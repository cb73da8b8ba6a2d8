"""Clouds of points in memory as .npy files."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from mmkeras.data import kept_file
from mmkeras.kinds.points import Points
from mmkeras.kinds.points.cloud_files import format_of


def cell(
    modality: Points, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str:
    """Returns the path of a cloud: bytes of a file, or `(points, columns)`.

    Columns are those of `file_columns`, or else of `columns`.
    """
    found = kept_file(value, keep, lambda raw: f".{format_of(raw).split()[-1]}")
    if found is not None:
        return found
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        array = array.astype(np.float64)
    width = len(modality.names_in_file)
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(
            f"it must be (points, {width}): "
            f"{', '.join(modality.names_in_file)}; it is {array.shape}"
        )
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return keep(".npy", file.getvalue())
