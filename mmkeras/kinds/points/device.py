"""Clouds of points on the device."""

import numpy as np
from cloud_choice import choose
from cloud_files import Damaged, read_cloud
from validation import check_gaps, read_file, refuse

check = check_gaps
KEYS = ("points", "crop_m", "voxel_m", "sampling", "seed", "normalise")


def read(path: str, entry: dict) -> np.ndarray:
    """Reads floats without a header (KITTI's .bin), .npy, .npz, .pcd or text.

    Returns:
        `(points, columns)` of float32; NaN where there is no point.
    """
    names = entry["columns"]
    raw = read_file(path)
    try:
        cloud = read_cloud(raw, names, entry.get("file_columns") or names)
        found, _ = choose(cloud, {key: entry.get(key) for key in KEYS})
    except Damaged as error:
        what = f"a cloud of points with {', '.join(names)}"
        refuse(f"`{path}`", what, f"{error.reason}: {error}")
    except ValueError as error:
        refuse(f"`{path}`", "a cloud with a point in it", error)
    return found
