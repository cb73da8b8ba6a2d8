"""Series in memory as .npy files."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from mmkeras.kinds.series import Series


def cell(
    modality: Series, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str:
    """Returns the path of a series: `(steps, channels)`, or `(steps,)` of one.

    Its rate is `file_rate_hz` of the spec.
    """
    array = np.asarray(value)
    if array.ndim == 1 and len(modality.channels) == 1:
        array = array[:, None]
    if array.dtype.kind not in "fiu":
        array = array.astype(np.float64)
    if modality.file_rate_hz is None:
        raise ValueError("`file_rate_hz` must say the rate of arrays")
    if array.ndim != 2:
        raise ValueError(f"it must be (steps, channels); it is {array.shape}")
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return keep(".npy", file.getvalue())
