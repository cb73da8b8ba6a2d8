"""Which columns are pictures."""

import numpy as np

from mmkeras.data import BadSample, open_picture
from mmkeras.spec import Guess, SeenColumn, most, spread

# A longer side is seldom worth its cost at first.
MAX_SIDE = 224
# Pictures of one value a pixel.
GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")


def recognise(column: SeenColumn) -> Guess | None:
    """Opens some of the files; or looks at arrays of pixels."""
    sizes, grey, tried = [], 0, len(column.files)
    for name, raw in column.files.items():
        try:
            picture = open_picture(raw, name)[0]
        except BadSample:
            continue
        sizes.append(picture.size[::-1])
        grey += picture.mode in GREY
    for array in column.arrays:
        array, tried = np.asarray(array), tried + 1
        if array.dtype in (np.uint8, np.uint16, bool) and (
            array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
        ):
            sizes.append(array.shape[:2])
            grey += array.ndim == 2 or array.shape[2] == 1
    if not sizes or 2 * len(sizes) < tried:
        return None
    heights, widths = zip(*sizes, strict=True)
    height, width = most(heights, 0.5), most(widths, 0.5)
    scale = min(1, MAX_SIDE / max(height, width))
    keys = {
        "height": max(1, round(height * scale)),
        "width": max(1, round(width * scale)),
        "channels": 1 if grey == len(sizes) else 3,
    }
    small = f"; made at most {MAX_SIDE}" if scale < 1 else ""
    notes = {
        "height": f"pixels; they have {spread(heights)}{small}",
        "width": f"pixels; they have {spread(widths)}{small}",
        "channels": f"{grey} of {len(sizes)} are grey",
    }
    return Guess(
        keys, f"{len(sizes)} of {tried} opened are pictures", 0.95, notes
    )
