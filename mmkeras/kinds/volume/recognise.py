"""Which columns are scans."""

import importlib.util

import numpy as np

from mmkeras.data import BadSample, is_nifti, read_nifti
from mmkeras.spec import Guess, SeenColumn, spread

MAX_SIDE = 128


def recognise(column: SeenColumn) -> Guess | None:
    """Opens some of the files that are NIfTI."""
    files = {n: raw for n, raw in column.files.items() if is_nifti(raw)}
    if not files or not importlib.util.find_spec("nibabel"):
        return None
    shapes, spacings, values = [], [], []
    for name, raw in files.items():
        try:
            scan = read_nifti(raw, name, 0)
        except BadSample:
            continue
        # The axis of the body that each axis of the file is closest to.
        order = np.abs(scan.axes).argmax(axis=1)
        if sorted(order) != [0, 1, 2]:
            continue
        places = [int(np.flatnonzero(order == axis)[0]) for axis in (2, 1, 0)]
        size = np.linalg.norm(scan.axes, axis=1)
        shapes.append([scan.voxels.shape[place] for place in places])
        spacings.append([float(size[place]) for place in places])
        known = scan.voxels[np.isfinite(scan.voxels)]
        ends = np.quantile(known, [0.005, 0.995]) if known.size else (0, 1)
        values.append([scan.slope * end + scan.intercept for end in ends])
    if 2 * len(shapes) < len(column.files):
        return None
    spacing = np.median(spacings, axis=0)
    shape = np.median(shapes, axis=0)
    scale = max(1.0, shape.max() / MAX_SIDE)
    low, high = np.median(values, axis=0)
    sides = [max(1, round(side / scale)) for side in shape]
    keys = {
        **dict(zip(("depth", "height", "width"), sides, strict=True)),
        "spacing_mm": [round(float(s * scale), 3) for s in spacing],
        "window_low": round(float(low), 3),
        "window_high": round(float(max(high, low + 1e-3)), 3),
    }
    notes = {
        "depth": f"voxels; they have {spread([s[0] for s in shapes])}",
        "spacing_mm": "the middle of the files"
        + (f", {scale:.2g} times as wide" if scale > 1 else ""),
        "window_low": "0.5 % of the values are below",
        "window_high": "0.5 % are above; for CT take Hounsfield units",
    }
    why = f"{len(shapes)} of {len(column.files)} opened are scans"
    return Guess(keys, why, 0.98, notes)
