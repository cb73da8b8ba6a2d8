"""A picture in the report of the data."""

import contextlib
from typing import Any

import numpy as np

from mmkeras.spec import Fingerprint, Profile

# Places of the hash a side, and the share of equal ones in near-duplicates. A
# chest film, blood smear or digit shares 0.93 to 1 with itself as a coarse
# JPEG (nine of ten 0.95), 0.95 at another size, 0.96 if lighter; two digits
# share 0.88 at most, two smears 0.9.
HASH_SIDE, ALIKE = 16, 0.95


def profile(modality: Any, pixels: np.ndarray, learned: Any) -> Profile:
    """Returns lightness and contrast in 0 to 1, and what is at the ends."""
    values = pixels.astype(np.float32) / 255
    return Profile(
        {
            "lightness": float(values.mean()),
            "contrast": float(values.std()),
            "black_share": float((pixels == 0).mean()),
            "white_share": float((pixels == 255).mean()),
        }
    )


def profile_source(modality: Any, cells: Any, io: Any) -> dict[str, float]:
    """Returns the size of a file and, where Pillow can say it, of its picture.

    The header alone is read: the picture itself has been decoded before.
    """
    from PIL import Image

    with io.open(cells[modality.column]) as file:
        found = {"file_kb": file.seek(0, 2) / 1000}
        file.seek(0)
        # A DICOM file, say, has no header that Pillow reads.
        with contextlib.suppress(Exception), Image.open(file) as picture:
            found["width_px"], found["height_px"] = map(float, picture.size)
    return found


def fingerprint(
    modality: Any, pixels: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns the perceptual hash; None where nothing is to be seen."""
    return picture_hash(pixels)


def picture_hash(pixels: np.ndarray) -> Fingerprint | None:
    """Returns the signs of the lowest frequencies of a picture.

    Args:
        pixels: `(height, width, channels)` uint8.
    """
    import imagehash
    from PIL import Image

    # What has no shades has no hash: all black pictures would be alike.
    if np.ptp(pixels) < 8:
        return None
    grey = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    found = imagehash.phash(Image.fromarray(grey), HASH_SIDE)
    return Fingerprint(found.hash.ravel(), ALIKE)
