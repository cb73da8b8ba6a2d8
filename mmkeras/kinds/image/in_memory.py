"""Pictures in memory as PNG files."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from mmkeras.data import kept_file
from mmkeras.kinds.image import Image

MARKS = {
    b"\x89PNG": ".png",
    b"\xff\xd8": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".webp",
}


def cell(
    modality: Image, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str:
    """Returns the path of a picture: bytes, a PIL image, or an array.

    An array is `(height, width)` or `(height, width, channels)`: whole
    numbers of 8 or 16 bits, or floats from 0 to 1.
    """
    found = kept_file(value, keep, suffix_of)
    return keep(".png", png(value)) if found is None else found


def suffix_of(raw: bytes) -> str:
    """Returns the suffix of a picture's format."""
    return next((s for m, s in MARKS.items() if raw.startswith(m)), ".png")


def png(value: Any) -> bytes:
    """Returns a picture as a PNG file."""
    from PIL import Image as Pictures

    if not isinstance(value, Pictures.Image):
        value = Pictures.fromarray(pixels(np.asarray(value)))
    elif value.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        value = value.convert("RGB")
    file = io.BytesIO()
    value.save(file, "PNG")
    return file.getvalue()


def pixels(array: np.ndarray) -> np.ndarray:
    """Returns an array as Pillow writes it, values unchanged."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in (3, 4)):
        raise ValueError(
            "an array must be (height, width) or (height, width, channels); "
            f"it is {array.shape}"
        )
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        if not ((array >= 0) & (array <= 1)).all():
            raise ValueError(
                "floats must be from 0 to 1; pixels from 0 to 255 are "
                f"`uint8`. It has {np.min(array)} to {np.max(array)}"
            )
        return np.rint(array * 255).astype(np.uint8)
    low, high = int(array.min()), int(array.max())
    if array.dtype == np.uint8 or (low >= 0 and high <= 255):
        return array.astype(np.uint8)
    if low >= 0 and high <= 65535 and array.ndim == 2:
        return array.astype(np.uint16)
    raise ValueError(f"pixels must be of 8 or 16 bits; it has {low} to {high}")
