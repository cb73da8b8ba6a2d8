"""Which points of a cloud a model gets, and in which order.

`prepare` and the device choose alike, by this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Bits of each axis in the order that keeps neighbours together.
BITS = 10
# Cells a voxel grid may have.
MAX_CELLS = 2**62


def choose(
    cloud: np.ndarray, keys: Mapping[str, Any]
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns `(points, columns)` float32, and what was changed, counted.

    In this order: points without a place go; those outside the crop box go;
    those in one voxel become their mean; of more than fit, some are sampled;
    all are put in an order that keeps neighbours together (a Z-order curve);
    the middle goes to 0. What is missing at the end is NaN.

    Args:
        cloud: `(any number, columns)`, x, y and z first.
        keys: `points`, `crop_m`, `voxel_m`, `sampling`, `seed`, `normalise`.

    Raises:
        ValueError: If no point is left, or voxels are too small.
    """
    notes: dict[str, int] = {}
    cloud = _inside(_placed(cloud, notes), keys.get("crop_m"), notes)
    if keys.get("voxel_m"):
        cloud = _voxels(cloud, keys["voxel_m"], notes)
    limit = keys["points"]
    left = len(cloud) - limit
    if left > 0:
        notes |= {"clouds_thinned": 1, "points_left_out": left}
        cloud = cloud[_sampled(len(cloud), limit, keys)]
    elif left < 0:
        notes |= {"clouds_filled_up": 1, "missing_points": -left}
    cloud = cloud[in_order(cloud[:, :3])]
    cloud = _normalised(cloud, keys.get("normalise") or "none")
    found = np.full((limit, cloud.shape[1]), np.nan, np.float32)
    with np.errstate(over="ignore"):
        found[: len(cloud)] = cloud
    found[np.isinf(found)] = np.nan
    return found, notes


def _placed(cloud: np.ndarray, notes: dict[str, int]) -> np.ndarray:
    known = np.isfinite(cloud[:, :3]).all(axis=1)
    if not known.all():
        # A lidar's way to say that nothing came back.
        notes["points_without_a_place"] = int((~known).sum())
        cloud = cloud[known]
    odd = ~np.isfinite(cloud)
    if odd.any():
        notes["values_not_finite"] = int(odd.sum())
        cloud = np.where(odd, np.nan, cloud)
    return cloud


def _inside(cloud: np.ndarray, crop, notes: dict[str, int]) -> np.ndarray:
    if not len(cloud):
        raise ValueError("no point has a place")
    if crop is None:
        return cloud
    low, high = np.asarray(crop[:3]), np.asarray(crop[3:])
    kept = ((cloud[:, :3] >= low) & (cloud[:, :3] <= high)).all(axis=1)
    if not kept.any():
        raise ValueError(f"none of {len(cloud):,} points is in the crop box")
    if not kept.all():
        notes["points_outside"] = int((~kept).sum())
    return cloud[kept]


def _voxels(cloud: np.ndarray, side: float, notes: dict) -> np.ndarray:
    cells = np.floor(cloud[:, :3] / side)
    cells -= cells.min(axis=0)
    sizes = cells.max(axis=0) + 1
    if np.prod(sizes) > MAX_CELLS:
        raise ValueError(f"`voxel_m` of {side:g} makes too many cells")
    cells = cells.astype(np.int64)
    sizes = sizes.astype(np.int64)
    code = (cells[:, 0] * sizes[1] + cells[:, 1]) * sizes[2] + cells[:, 2]
    _, place, count = np.unique(code, return_inverse=True, return_counts=True)
    merged = len(cloud) - len(count)
    if merged:
        notes["points_merged"] = merged
    sums = [np.bincount(place, column) for column in cloud.T]
    return np.stack(sums, axis=1) / count[:, None]


def _sampled(count: int, limit: int, keys: Mapping[str, Any]) -> np.ndarray:
    """Returns the indices of the points that are kept, in the file's order."""
    if keys.get("sampling") == "even":
        return np.arange(limit) * count // limit
    # Not NumPy's generators: other versions may draw other numbers.
    mixed = scrambled(np.arange(count, dtype=np.uint64), keys.get("seed") or 0)
    return np.sort(np.argsort(mixed, kind="stable")[:limit])


def scrambled(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Returns numbers of 64 bits that look random (SplitMix64)."""
    step = np.uint64(0x9E3779B97F4A7C15)
    x = numbers * step + np.array([seed], np.uint64) * ~step + step
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def in_order(place: np.ndarray) -> np.ndarray:
    """Returns the order of points on a Z-order curve: neighbours are near."""
    low = place.min(axis=0)
    size = max(float((place.max(axis=0) - low).max()), 1e-9)
    cells = ((place - low) / size * (2**BITS - 1)).astype(np.int64)
    code = np.zeros(len(place), np.int64)
    for bit in range(BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def _normalised(cloud: np.ndarray, how: str) -> np.ndarray:
    if how == "none":
        return cloud
    place = cloud[:, :3] - cloud[:, :3].mean(axis=0)
    if how == "unit":
        place /= max(float(np.sqrt((place**2).sum(axis=1)).max()), 1e-9)
    return np.concatenate([place, cloud[:, 3:]], axis=1)
