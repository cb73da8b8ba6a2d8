"""A cloud of points in a report, from above."""

import numpy as np

from mmkeras.reporting import picture

SIDE = 160


def show(modality, cloud, learned) -> dict[str, str]:
    there = cloud[np.isfinite(cloud[:, 0])]
    text = f"{len(there):,} of {len(cloud):,} points, from above"
    if not len(there):
        return {"text": text}
    return {"picture": picture(from_above(there)), "text": text}


def from_above(points: np.ndarray) -> np.ndarray:
    """Returns `(SIDE, SIDE, 3)`: x to the top, y to the left, z the colour.

    High points are yellow and low ones blue; of several in a place the
    highest is seen.
    """
    place, height = points[:, :2].astype(float), points[:, 2].astype(float)
    low, high = place.min(axis=0), place.max(axis=0)
    size = max(float((high - low).max()), 1e-9)
    # The shorter side is centred.
    cells = (place - (low + high - size) / 2) / size * (SIDE - 1)
    rows, columns = (SIDE - 1 - cells.round().astype(int)).T
    order = np.argsort(height, kind="stable")
    ends = np.quantile(height, [0.02, 0.98])
    share = np.clip((height - ends[0]) / max(ends[1] - ends[0], 1e-9), 0, 1)
    colours = np.array([[70, 90, 230], [255, 225, 60]], float)
    shown = np.full((SIDE, SIDE, 3), 24, np.uint8)
    mixed = colours[0] + share[:, None] * (colours[1] - colours[0])
    shown[rows[order], columns[order]] = mixed[order].round().astype(np.uint8)
    return shown
