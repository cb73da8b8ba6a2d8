"""PNG and JPEG to `(height, width, channels)` uint8.

The rules are part of the contract with the device, which must do the same.
The header is read and capped before anything is decoded.
"""

import warnings
from collections.abc import Mapping
from io import BytesIO

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    check_suffix,
    whole_moments,
    whole_sums,
)
from mmkeras.kinds.image import Image
from mmkeras.spec import Sample

MAX_PIXELS = 64_000_000
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG"}


def read(modality: Image, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell, and adds the noise that the spec asks for."""
    path = cells[modality.column]
    value = decode(modality, io.bytes(path), path)
    if modality.noise_std and io.random is not None:
        noise = io.random.normal(size=value.shape)
        noisy = value + 255 * modality.noise_std * noise
        value = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return Sample(value)


def sums(modality: Image, value: np.ndarray) -> dict:
    """Returns sums a channel."""
    return whole_sums(value)


def finish(modality: Image, found: dict | None) -> dict:
    """Returns `mean` and `std` a channel, of x / 255."""
    mean, std = whole_moments(found, modality.channels, scale=255)
    return {"mean": mean, "std": std}


def decode(modality: Image, raw: bytes, name: str) -> np.ndarray:
    """Decodes a PNG or JPEG to `(height, width, channels)` uint8.

    In this order: the first frame, turned upright by its EXIF tag; 16 bit to
    its high byte; transparency laid over white; CMYK and palettes to RGB; grey
    as (299 R + 587 G + 114 B) / 1000; then `modality.resize`, bilinear with
    antialiasing as Pillow does it.

    Args:
        modality: The wanted size.
        raw: The file's bytes.
        name: Its name; the suffix must fit the format.
    """
    from PIL import Image as pillow
    from PIL import ImageOps

    wanted = check_suffix(name, FORMATS)
    try:
        with warnings.catch_warnings():
            # Pillow warns where our own, lower cap refuses.
            warnings.simplefilter("ignore")
            picture = pillow.open(BytesIO(raw))
    except pillow.DecompressionBombError as error:
        raise BadSample(Reason.TOO_LARGE, f"{name!r}: {error}") from None
    except Exception as error:
        known = raw.startswith((b"\x89PNG", b"\xff\xd8\xff"))
        reason = Reason.CORRUPT if known else Reason.WRONG_FORMAT
        raise BadSample(reason, f"{name!r}: {_brief(error)}") from None
    _check_picture(picture, wanted, name)
    try:
        picture = _to_eight_bit(ImageOps.exif_transpose(picture))
        picture = picture.convert("L" if modality.channels == 1 else "RGB")
    # A decoder fed with damage may raise anything at all.
    except Exception as error:
        cut = "truncated" in str(error) or isinstance(error, EOFError)
        reason = Reason.TRUNCATED if cut else Reason.CORRUPT
        raise BadSample(reason, f"{name!r}: {_brief(error)}") from None
    return np.asarray(resize(modality, picture, name)).reshape(modality.shape)


def _check_picture(picture, wanted: str, name: str) -> None:
    # MPO is a JPEG with a second view, as telephones write it.
    found = "JPEG" if picture.format == "MPO" else picture.format
    width, height = picture.size
    if found != wanted:
        raise BadSample(Reason.WRONG_FORMAT, f"{name!r} is a {found}")
    if width * height > MAX_PIXELS:
        raise BadSample(
            Reason.TOO_LARGE,
            f"{name!r}: {width}x{height}, at most {MAX_PIXELS:,} pixels",
        )
    if picture.format == "PNG" and getattr(picture, "is_animated", False):
        raise BadSample(Reason.ANIMATED, f"{name!r}")


def _to_eight_bit(picture):
    """Returns an 8-bit picture without transparency."""
    from PIL import Image as pillow

    if picture.mode.startswith("I"):
        high = np.asarray(picture).astype(np.uint32) >> 8
        return pillow.fromarray(high.astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = pillow.new("RGBA", picture.size, "white")
        return pillow.alpha_composite(white, picture).convert("RGB")
    # Grey needs RGB on its way: a palette or CMYK has none of its own.
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def resize(modality: Image, picture, name: str):
    """Brings a Pillow picture to the size of an image or video modality."""
    from PIL import Image as pillow
    from PIL import ImageOps

    size = (modality.width, modality.height)
    if picture.size == size:
        return picture
    bilinear = pillow.Resampling.BILINEAR
    if modality.resize == "refuse":
        raise BadSample(
            Reason.WRONG_SIZE,
            f"{name!r}: {picture.size[0]}x{picture.size[1]}, not "
            f"{size[0]}x{size[1]}",
        )
    if modality.resize == "crop":
        return ImageOps.fit(picture, size, bilinear)
    if modality.resize == "pad":
        return ImageOps.pad(picture, size, bilinear, color=0)
    return picture.resize(size, bilinear)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:120]
