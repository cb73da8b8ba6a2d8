"""Picture files to `(height, width, channels)` uint8.

The rules are part of the contract with the device, which must do the same or
refuse.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.data import (
    BadSample,
    Geometry,
    Reason,
    SampleIO,
    filed,
    geometry_of,
    guarded,
    is_dicom,
    open_picture,
    read_plane,
    resized,
    whole_moments,
    whole_sums,
)
from mmkeras.kinds.image import Image
from mmkeras.spec import Sample

# What a person is told, by note.
SAID = {
    "first_frame_only": "hold several pictures; the first was taken",
    "alpha_over_white": "were transparent, and laid over white",
    "reduced_to_8_bit": (
        "have more than 8 bits; the highest 8 were kept (`range` chooses)"
    ),
    "few_levels_left": (
        "have at most 16 shades left of thousands: they use the lowest 12 of "
        "16 bits. `range = [0, 4095]` keeps 256"
    ),
    "outside_range": "have values outside `range`, cut to its ends",
    "turned_by_exif": "were turned upright by their EXIF tag",
    "decoded_smaller": "are so large that they were decoded at 1/2 to 1/8",
    "cmyk_without_profile": "are CMYK, made RGB without a colour profile",
    "window_of_file": (
        "were seen through the window that their DICOM file tells "
        "(`window_low` and `window_high` choose)"
    ),
    "window_of_values": (
        "are DICOM without a window, shown from their least to their largest "
        "value (`window_low` and `window_high` choose)"
    ),
}


def read(modality: Image, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell, and adds the noise that the spec asks for."""
    path = cells[modality.column]
    value, notes, geometry = _decoded(modality, io.bytes(path), path)
    if modality.noise_std and io.random is not None:
        noisy = io.random.standard_normal(value.shape)
        noisy *= 255 * modality.noise_std
        noisy += value
        value = np.rint(noisy, out=noisy).clip(0, 255).astype(np.uint8)
    return Sample(value, notes, geometry)


def tell(modality: Image, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what reading changed, as sentences."""
    return [
        f"{count:,} of {samples:,} pictures "
        f"{SAID.get(note, note.replace('_', ' '))}"
        for note, count in notes.items()
    ]


def sums(modality: Image, value: np.ndarray) -> dict:
    """Returns sums a channel."""
    return whole_sums(value)


def finish(modality: Image, found: dict | None) -> dict:
    """Returns `mean` and `std` a channel, of x / 255."""
    mean, std = whole_moments(found, modality.channels, scale=255)
    return {"mean": mean, "std": std}


def decode(
    modality: Image, raw: bytes, name: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Decodes a picture to `(height, width, channels)` uint8.

    In this order: the first frame, turned upright by its EXIF tag; grey of
    more than 8 bits by `modality.range`, or its high byte; transparency laid
    over white; CMYK and palettes to RGB; grey as (299 R + 587 G + 114 B) /
    1000; then `modality.resize`, bilinear with antialiasing as Pillow does
    it. A DICOM file goes through its window first.

    Args:
        modality: The wanted size.
        raw: The file's bytes.
        name: Its name, for messages.

    Returns:
        The picture, and what was altered, counted.

    Raises:
        BadSample: With the reason.
    """
    return _decoded(modality, raw, name)[:2]


def _decoded(
    modality: Image, raw: bytes, name: str
) -> tuple[np.ndarray, dict[str, int], Geometry]:
    """As `decode`, and where the pixels came to lie."""
    from PIL import Image as pillow

    turn = 1
    if is_dicom(raw):
        low, high = modality.window_low, modality.window_high
        window = None if low is None else (low, high)
        pixels, notes = read_plane(raw, name, window)
        picture = pillow.fromarray(pixels)
        size = picture.size
    else:
        picture, notes = open_picture(raw, name)
        size, turn = filed(raw, picture, notes)
        # Some kinds of colour Pillow reads and does not convert.
        with guarded(Reason.WRONG_FORMAT, f"{name!r}, mode {picture.mode}"):
            picture, more = _to_eight_bit(modality, picture, raw, name)
        notes |= more
    picture = _in_mode(picture, "L" if modality.channels == 1 else "RGB")
    wanted = modality.width, modality.height
    value = np.asarray(resize(modality, picture, name)).reshape(modality.shape)
    notes = {note: count for note, count in notes.items() if count}
    rule = modality.resize
    return value, notes, geometry_of(picture.size, wanted, rule, size, turn)


def _to_eight_bit(
    modality: Image, picture: Any, raw: bytes, name: str
) -> tuple[Any, dict[str, int]]:
    """Returns an 8-bit picture without transparency, and what was altered."""
    from PIL import Image as pillow

    if picture.mode == "F" or picture.mode.startswith("I"):
        shades, notes = _shades(modality, picture, name)
        return pillow.fromarray(shades), notes
    notes = {"reduced_to_8_bit": int(_is_deep(picture, raw))}
    if notes["reduced_to_8_bit"] and modality.range is not None:
        raise BadSample(
            Reason.WRONG_FORMAT,
            f"{name!r}: in colour or transparent, of which 8 bits are read; "
            "`range` is for grey",
        )
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        clear = picture.getchannel("A").getextrema()[0] < 255
        white = pillow.new("RGBA", picture.size, "white")
        picture = pillow.alpha_composite(white, picture).convert("RGB")
        return picture, {**notes, "alpha_over_white": int(clear)}
    notes["cmyk_without_profile"] = int(picture.mode == "CMYK")
    # Grey needs RGB on its way: a palette or CMYK has none of its own.
    grey = picture.mode in ("1", "L")
    return _in_mode(picture, "L" if grey else "RGB"), notes


def _in_mode(picture: Any, mode: str) -> Any:
    # Pillow copies a picture that needs no change, up to 256 MB.
    return picture if picture.mode == mode else picture.convert(mode)


def _shades(
    modality: Image, picture: Any, name: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns grey of more than 8 bits as uint8, and what was altered."""
    values = np.asarray(picture)
    if not np.isfinite(values).all():
        raise BadSample(Reason.NOT_FINITE, f"{name!r}")
    # Pillow's PPM reader makes 32 bits of 16.
    sixteen = picture.mode not in ("I", "F") or picture.format == "PPM"
    if modality.range is None and not sixteen:
        raise BadSample(
            Reason.NO_RANGE,
            f"{name!r}: 32-bit values from {values.min():g} to "
            f"{values.max():g}; `range = [low, high]` says what is black and "
            "white",
        )
    if modality.range is None:
        shades = (values.astype(np.uint32) >> 8).astype(np.uint8)
        few = 255 < values.max() < 4096
        notes = {"reduced_to_8_bit": 1, "few_levels_left": int(few)}
    else:
        low, high = modality.range
        outside = values.min() < low or values.max() > high
        shares = (np.clip(values, low, high) - low) / (high - low)
        shades = np.rint(shares * 255).astype(np.uint8)
        notes = {"outside_range": int(outside)}
    if _white_is_zero(picture):
        shades = 255 - shades
    return shades, notes


def _is_deep(picture: Any, raw: bytes) -> bool:
    """Whether a file has more bits than the 8 that Pillow made of them."""
    if picture.format == "PNG":
        return raw[24] == 16
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(258, (1,))) > 8
    return picture.info.get("bit_depth", 8) > 8  # of HEIC


def _white_is_zero(picture: Any) -> bool:
    """Whether a TIFF counts from white, which Pillow heeds up to 8 bits."""
    tags = getattr(picture, "tag_v2", {})
    return picture.format == "TIFF" and tags.get(262) == 0


def resize(modality: Image, picture, name: str):
    """Brings a Pillow picture to the size of an image or video modality."""
    size = (modality.width, modality.height)
    if picture.size != size and modality.resize == "refuse":
        raise BadSample(
            Reason.WRONG_SIZE,
            f"{name!r}: {picture.size[0]}x{picture.size[1]}, not "
            f"{size[0]}x{size[1]}",
        )
    return resized(picture, size, modality.resize)
