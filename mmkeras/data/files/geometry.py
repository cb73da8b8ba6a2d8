"""Where the pixels of a picture came to lie when it was brought to a size.

Labels that tell places, such as boxes and masks, follow it, and answers go
the same way back. It travels to the device.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

# EXIF orientations whose pictures lie on their side in the file.
ON_SIDE = (5, 6, 7, 8)


@dataclass(frozen=True)
class Geometry:
    """From the places of a picture, or scan, to those that a shard holds.

    A place is counted in pixels, x first, from the corner of the first pixel,
    whose centre is at 0.5. The place p of the upright picture is stored at
    `p * scale + shift`.

    Args:
        size: Of the upright picture, x first: (width, height).
        stored: Of what is stored, x first.
        scale: Stored pixels for each pixel of the picture, x first.
        shift: Where the corner of the picture is stored, x first.
        turn: EXIF orientation of the file, 1 to 8: how its rows lie. Viewers
            show a picture upright, so labels are mostly told there.
    """

    size: tuple[int, ...]
    stored: tuple[int, ...]
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    turn: int = 1

    def to_stored(self, places: np.ndarray) -> np.ndarray:
        """Returns where places of the upright picture are stored.

        Args:
            places: `(..., axes)`, x first.
        """
        return np.asarray(places, float) * self.scale + self.shift

    def to_source(self, places: np.ndarray) -> np.ndarray:
        """Returns the places of the upright picture of stored ones."""
        return (np.asarray(places, float) - self.shift) / self.scale

    @property
    def file_size(self) -> tuple[int, ...]:
        """Size as the file holds it, before its EXIF turn; x first."""
        return self.size[::-1] if self.turn in ON_SIDE else self.size

    def upright(self, places: np.ndarray) -> np.ndarray:
        """Returns the places of the upright picture of those of the file."""
        x, y = np.moveaxis(np.asarray(places, float), -1, 0)
        width, height = self.file_size
        pair = {
            1: (x, y),
            2: (width - x, y),
            3: (width - x, height - y),
            4: (x, height - y),
            5: (y, x),
            6: (height - y, x),
            7: (height - y, width - x),
            8: (y, width - x),
        }[self.turn]
        return np.stack(pair, axis=-1)

    def turned(self, array: np.ndarray) -> np.ndarray:
        """Returns rows and columns of the file as those of upright pixels."""
        if self.turn in ON_SIDE:
            array = array.swapaxes(0, 1)
        if self.turn in (2, 3, 6, 7):
            array = array[:, ::-1]
        return array[::-1] if self.turn in (3, 4, 7, 8) else array

    def lay(self, array: np.ndarray, fill: float) -> np.ndarray:
        """Returns labels of the upright picture as labels of what is stored.

        Args:
            array: Of `size`, with rows first; a label a pixel, which are not
                blended: each stored pixel takes what lies under its centre.
            fill: What is stored where the picture is not.
        """
        index = [
            (np.arange(n) + 0.5 - shift) / scale
            for n, scale, shift in zip(self.stored, self.scale, self.shift)
        ]
        return _taken(array, index, self.size, fill)

    def undo(self, array: np.ndarray, fill: float) -> np.ndarray:
        """Returns answers for what is stored as answers for the picture.

        Args:
            array: Of `stored`, with rows first; further axes stay.
            fill: What stands where the picture was cut away.
        """
        index = [
            (np.arange(n) + 0.5) * scale + shift
            for n, scale, shift in zip(self.size, self.scale, self.shift)
        ]
        return _taken(array, index, self.stored, fill)


def _taken(array, places, size, fill):
    """Picks, along each axis, what lies at places; x first."""
    inside = np.ones((1,) * len(size), bool)
    for axis, (place, whole) in enumerate(zip(reversed(places), size[::-1])):
        found = np.floor(place + 1e-6).astype(int)
        array = np.take(array, np.clip(found, 0, whole - 1), axis=axis)
        shape = [1] * len(size)
        shape[axis] = -1
        inside = inside & ((found >= 0) & (found < whole)).reshape(shape)
    inside = inside.reshape(inside.shape + (1,) * (array.ndim - inside.ndim))
    return np.where(inside, array, np.asarray(fill, array.dtype))


def box_of(
    source: tuple[int, int], size: tuple[int, int], rule: str
) -> tuple[tuple[float, ...], tuple[int, int], tuple[int, int]]:
    """Returns the part of a picture that is kept, and what becomes of it.

    Args:
        source: (width, height) of the picture.
        size: (width, height) that it is brought to.
        rule: "stretch", "crop" (keep the shape, cut the centre) or "pad"
            (keep the shape, fill with black); as Pillow does them.

    Returns:
        The part, as (left, top, right, bottom) in its pixels; the (width,
        height) that it is resized to; and where that lies, (left, top).
    """
    width, height = source
    whole = (0.0, 0.0, float(width), float(height))
    ratio, wanted = width / height, size[0] / size[1]
    if source == size or rule == "stretch" or ratio == wanted:
        return whole, size, (0, 0)
    if rule == "crop":
        kept = (wanted * height, height)
        if ratio < wanted:
            kept = (width, width / wanted)
        left, top = (width - kept[0]) * 0.5, (height - kept[1]) * 0.5
        return (left, top, left + kept[0], top + kept[1]), size, (0, 0)
    inner = (size[0], round(height / width * size[0]))
    if ratio < wanted:
        inner = (round(width / height * size[1]), size[1])
    place = tuple(round((n - m) * 0.5) for n, m in zip(size, inner))
    return whole, inner, place


def resized(picture: Any, size: tuple[int, int], rule: str) -> Any:
    """Brings a Pillow picture to a size, bilinear with antialiasing.

    Args:
        picture: The picture.
        size: (width, height).
        rule: As in `box_of`.
    """
    from PIL import Image, ImageOps

    if picture.size == size:
        return picture
    bilinear = Image.Resampling.BILINEAR
    if rule == "crop":
        return ImageOps.fit(picture, size, bilinear)
    if rule == "pad":
        return ImageOps.pad(picture, size, bilinear, color=0)
    return picture.resize(size, bilinear)


def geometry_of(
    source: tuple[int, int],
    size: tuple[int, int],
    rule: str,
    file: tuple[int, int] | None = None,
    turn: int = 1,
) -> Geometry:
    """Returns what `resized` did to a picture.

    Args:
        source: (width, height) of the picture that was resized.
        size: (width, height) that it was brought to.
        rule: As in `box_of`.
        file: Its (width, height) in the file, turned upright, if it was
            decoded smaller.
        turn: Its EXIF orientation.
    """
    file = file or source
    (left, top, right, bottom), inner, place = box_of(source, size, rule)
    scale = inner[0] / (right - left), inner[1] / (bottom - top)
    shift = place[0] - left * scale[0], place[1] - top * scale[1]
    scale = tuple(s * m / f for s, m, f in zip(scale, source, file))
    return Geometry(tuple(file), tuple(size), scale, shift, turn)
