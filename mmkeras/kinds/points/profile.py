"""A cloud of points in the report of the data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.kinds.points.read import raw_cloud
from mmkeras.spec import Fingerprint, Profile

# Cells of a side of the map, and the share of them that are alike.
CELLS, ALIKE = 24, 0.99


def profile(modality: Any, cloud: np.ndarray, learned: Any) -> Profile:
    """Returns how many points there are, how far, and each column's ends."""
    there = cloud[np.isfinite(cloud[:, 0])]
    if not len(there):
        return Profile({"points": 0.0})
    far = np.sqrt((there[:, :3] ** 2).sum(axis=1))
    columns = {}
    for name, values in zip(modality.columns, there.T, strict=True):
        known = values[np.isfinite(values)]
        if len(known):
            columns[f"{name}, least"] = float(known.min())
            columns[f"{name}, most"] = float(known.max())
    return Profile(
        {
            "points": float(len(there)),
            "nearest": float(far.min()),
            "farthest": float(far.max()),
        },
        columns,
    )


def profile_source(modality: Any, cells: Mapping[str, str], io: Any) -> dict:
    """Returns how many points the file has."""
    cloud = raw_cloud(modality, cells[modality.column], io)
    return {"points_in_file": float(len(cloud))}


def fingerprint(
    modality: Any, cloud: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns which cells of a map from above have points on them.

    Of the cloud's own extent, so that neither place nor scale changes it.
    """
    place = cloud[np.isfinite(cloud[:, 0]), :2].astype(np.float64)
    if len(place) < CELLS:
        return None
    low = place.min(axis=0)
    size = (place.max(axis=0) - low).max()
    if not size > 0:
        return None
    cells = ((place - low) / size * (CELLS - 1)).round().astype(int)
    found = np.zeros((CELLS, CELLS), bool)
    found[cells[:, 0], cells[:, 1]] = True
    return Fingerprint(found.ravel(), ALIKE)
