"""CT and MRI volumes on the device, resampled before."""

import numpy as np
from validation import read_npy, refuse


def read(path: str, entry: dict) -> np.ndarray:
    """Reads an .npy of `(depth, height, width)` in the units of the window.

    Returns:
        `(depth, height, width, 1)` of float32.
    """
    voxels, shape = read_npy(path), entry["shape"]
    if list(voxels.shape) not in (shape, shape[:-1]):
        order = "(depth, height, width)"
        refuse(f"`{path}`", f"{order} {shape[:-1]}", list(voxels.shape))
    return np.array(voxels, np.float32).reshape(shape)
