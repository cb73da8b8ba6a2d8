"""A scan in a report."""

from typing import Any

import numpy as np

from mmkeras.reporting import picture


def show(modality, voxels, learned) -> dict[str, str]:
    return {"picture": slices(voxels, modality)}


def slices(voxels: np.ndarray, modality: Any) -> str:
    """Returns the middle planes of `(depth, height, width, 1)`, in a row.

    They show the body from above, from behind and from its right side.

    Args:
        voxels: In raw units; up is superior or anterior.
        modality: Its spec, with the window.
    """
    low, high = modality.window_low, modality.window_high
    grey = np.clip((voxels[..., 0] - low) / (high - low), 0, 1) * 255
    middle = [side // 2 for side in grey.shape]
    planes = [np.take(grey, m, axis)[::-1] for axis, m in enumerate(middle)]
    tallest = max(len(plane) for plane in planes)
    planes = [
        np.pad(plane, ((0, tallest - len(plane)), (0, 1))) for plane in planes
    ]
    return picture(np.concatenate(planes, axis=1)[..., None])
