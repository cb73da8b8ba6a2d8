"""A scan in the report of the data."""

from typing import Any

import numpy as np

from mmkeras.kinds.image.profile import picture_hash
from mmkeras.spec import Fingerprint, Profile


def profile(modality: Any, voxels: np.ndarray, learned: Any) -> Profile:
    """Returns mean and deviation in raw units, and the shares at the ends."""
    return Profile(
        {
            "mean": float(voxels.mean()),
            "deviation": float(voxels.std()),
            "below_window_share": float((voxels <= modality.window_low).mean()),
            "above_window_share": float(
                (voxels >= modality.window_high).mean()
            ),
        }
    )


def fingerprint(
    modality: Any, voxels: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns the perceptual hashes of the middle plane of each axis."""
    low, high = modality.window_low, modality.window_high
    grey = np.clip((voxels[..., 0] - low) / (high - low), 0, 1) * 255
    planes = [
        np.take(grey, side // 2, axis).astype(np.uint8)[..., None]
        for axis, side in enumerate(grey.shape)
    ]
    found = [picture_hash(plane) for plane in planes]
    if None in found:
        return None
    places = np.concatenate([one.places for one in found])
    return Fingerprint(places, found[0].alike)
