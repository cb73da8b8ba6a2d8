"""Which columns are clouds of points."""

import numpy as np

from mmkeras.kinds.points import PLACE
from mmkeras.kinds.points.cloud_files import (
    Damaged,
    format_of,
    pcd_header,
    read_cloud,
)
from mmkeras.spec import Guess, SeenColumn, most, spread

KITTI = (*PLACE, "intensity")
MAX_POINTS = 4096
# Nothing measures farther, in metres.
FARTHEST = 500


def recognise(column: SeenColumn) -> Guess | None:
    """Looks for PCD, LAS and PLY, and for floats as KITTI has them.

    Arrays and lines of numbers might be anything.
    """
    counts, named = [], None
    for raw in column.files.values():
        form = format_of(raw)
        if form == "bin":
            count, names = _kitti(raw), list(KITTI)
        elif form in ("pcd", "packed pcd"):
            count, names = _pcd(raw)
        else:
            known = form in ("las", "ply")
            count, names = (0, list(PLACE)) if known else (None, [])
        if count is None:
            return None
        counts.append(count)
        named = names if named is None else [n for n in named if n in names]
    if not counts or named[:3] != list(PLACE):
        return None
    known = [count for count in counts if count]
    notes = {"columns": "what all of the files have"}
    points = MAX_POINTS
    if known:
        points = int(min(most(known), MAX_POINTS))
        notes["points"] = f"the files have {spread(known)}"
    keys = {"columns": named, "points": points}
    why = f"{len(counts)} files opened are clouds of points"
    return Guess(keys, why, 0.9, notes)


def _kitti(raw: bytes) -> int | None:
    """Returns the points of a file of x, y, z and intensity; None: is none."""
    try:
        cloud = read_cloud(raw, KITTI, KITTI)
    except Damaged:
        return None
    far = np.abs(cloud[:, :3])
    good = (far < FARTHEST).all() and (cloud[:, 3] >= 0).all()
    return len(cloud) if good and far.max() > 0.1 else None


def _pcd(raw: bytes) -> tuple[int | None, list[str]]:
    try:
        header, _ = pcd_header(raw)
        names = [name.casefold() for name in header["FIELDS"]]
        kept = ("intensity", "i", "ring", "vx", "vy")
        extra = [name for name in names if name in kept]
        places = [name for name in PLACE if name in names]
        return int(header["POINTS"][0]), places + extra
    except (ValueError, KeyError, IndexError):
        return None, []
