"""Picture files to Pillow pictures: known by content, bounded, and whole.

The header is read and capped before anything is decoded.
"""

import contextlib
import re
import warnings
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from mmkeras.data.files.extras import needs
from mmkeras.data.files.geometry import ON_SIDE
from mmkeras.data.files.jpeg import Layout, is_cut, layout_of
from mmkeras.data.files.memory import NotEnoughMemory, check_memory
from mmkeras.data.files.reasons import BadSample, Reason

MAX_PIXELS = 64_000_000
# How a file starts, by the name of Pillow's reader. Readers that run other
# programs (EPS), or that know a file by its name alone (TGA), are not here.
STARTS = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "WEBP": rb"RIFF....WEBP",
    "AVIF": rb"....ftyp(avif|avis|(mif1|msf1).{4}(....)*?(avif|avis))",
    "HEIF": rb"....ftyp(he[a-z][a-z]|mif1|msf1)",
    "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "PPM": rb"P[1-6]\s",
}
_PATTERNS = {
    name: re.compile(start, re.DOTALL) for name, start in STARTS.items()
}
# Deflate makes at most so many bytes of one.
MAX_DEFLATED = 1032
ORIENTATION = 274


def format_of(raw: bytes) -> str | None:
    """Returns what a file is by its first bytes: a key of `STARTS`, or None.

    Example:

    >>> format_of(b"GIF89a" + bytes(20))
    'GIF'
    """
    head = raw[:64]
    for name, pattern in _PATTERNS.items():
        if pattern.match(head):
            return name
    return None


def open_picture(raw: bytes, name: str) -> tuple[Any, dict[str, int]]:
    """Decodes a picture, upright, in the mode that its file has.

    Of several frames it is the first. A JPEG above `MAX_PIXELS` is decoded at
    1/2, 1/4 or 1/8 of its size, which never makes the whole of it.

    Args:
        raw: The file's bytes.
        name: Its name, for messages; it decides nothing.

    Returns:
        A loaded Pillow picture, and what was altered.

    Raises:
        BadSample: With the reason.
    """
    kind = format_of(raw)
    if kind is None:
        raise BadSample(
            Reason.WRONG_FORMAT,
            f"{name!r} is none of {', '.join(STARTS)}, or DICOM",
        )
    if kind == "HEIF":
        needs("pi_heif", "heic")  # before errors are the file's
    with warnings.catch_warnings():
        # Pillow warns where our own, lower cap refuses, and of odd tags.
        warnings.simplefilter("ignore")
        try:
            return _decoded(raw, kind, name)
        except (BadSample, NotEnoughMemory):
            raise
        except MemoryError:
            detail = f"{name!r}: more than the memory that is left"
            raise BadSample(Reason.TOO_LARGE, detail) from None
        # A decoder fed with damage may raise anything at all.
        except Exception as error:
            cut = "truncated" in str(error) or isinstance(error, EOFError)
            cut = cut or _promises_more(raw, kind)
            reason = Reason.TRUNCATED if cut else Reason.CORRUPT
            raise BadSample(reason, f"{name!r}: {_brief(error)}") from None


def filed(
    raw: bytes, picture: Any, notes: Mapping[str, int]
) -> tuple[tuple[int, int], int]:
    """Returns how a picture lies in its file, which is read no more.

    Args:
        raw: The file's bytes.
        picture: What `open_picture` made of them.
        notes: What it altered.

    Returns:
        Its (width, height) as the file has them, turned upright, and the EXIF
        orientation.
    """
    from PIL import Image

    size, turn = picture.size, 1
    if notes.get("decoded_smaller"):
        size = layout_of(raw).size
    if notes.get("turned_by_exif"):
        with Image.open(BytesIO(raw)) as header:
            turn = header.getexif()[ORIENTATION]
        if notes.get("decoded_smaller") and turn in ON_SIDE:
            size = size[::-1]
    return tuple(size), turn


def check_jpeg(raw: bytes, where: str) -> None:
    """Raises BadSample if a baseline JPEG inside another file was cut.

    Args:
        raw: Its bytes.
        where: The file, for messages.
    """
    layout = layout_of(raw)
    lacks = "its end" if layout is None else layout.lacks()
    if not lacks:
        picture = _open_jpeg(raw, 1)
        picture.load()
        if is_cut(raw, layout, picture, lambda longer: _open_jpeg(longer, 1)):
            lacks = "data at its end"
    if lacks:
        raise BadSample(Reason.TRUNCATED, f"{where}: a JPEG without {lacks}")


def _decoded(raw: bytes, kind: str, name: str) -> tuple[Any, dict[str, int]]:
    from PIL import ImageOps

    layout = layout_of(raw) if kind == "JPEG" else None
    picture, scale = _open(raw, kind, layout, name)
    _check_data(raw, picture, layout, name)
    notes = {
        "first_frame_only": int(getattr(picture, "is_animated", False)),
        "decoded_smaller": int(scale > 1),
    }
    turned = picture.getexif().get(ORIENTATION, 1) in range(2, 9)
    picture.load()
    if layout is not None and is_cut(
        raw, layout, picture, lambda longer: _open_jpeg(longer, scale)
    ):
        detail = f"{name!r}: its data end before the picture does"
        raise BadSample(Reason.TRUNCATED, detail)
    if turned:
        ImageOps.exif_transpose(picture, in_place=True)
    return picture, {**notes, "turned_by_exif": int(turned)}


def _open(
    raw: bytes, kind: str, layout: Layout | None, name: str
) -> tuple[Any, int]:
    """Returns a picture of which the header is read, and its scale."""
    from PIL import Image, features

    scale = 1
    if layout is not None:
        scale = _scale(layout, name)
    if kind == "HEIF":
        picture = needs("pi_heif", "heic").HeifImageFile(BytesIO(raw))
    elif scale > 1:
        picture = _open_jpeg(raw, scale)
    else:
        if kind == "AVIF" and not features.check("avif"):
            raise BadSample(
                Reason.WRONG_FORMAT, f"{name!r}: Pillow here reads no AVIF"
            )
        try:
            picture = Image.open(BytesIO(raw), formats=[kind])
        except Image.DecompressionBombError as error:
            raise BadSample(Reason.TOO_LARGE, f"{name!r}: {error}") from None
    if picture.width * picture.height > MAX_PIXELS:
        _refuse_size(picture.size, name)
    # Pillow holds colours as four bytes.
    check_memory(4 * picture.width * picture.height, repr(name))
    return picture, scale


def _scale(layout: Layout, name: str) -> int:
    """Returns by what a JPEG must be made smaller while it is decoded."""
    width, height = layout.size
    if width * height <= MAX_PIXELS:
        return 1
    if not layout.in_one_pass:
        _refuse_size(layout.size, name, ", progressive")
    for scale in (2, 4, 8):
        if -(-width // scale) * -(-height // scale) <= MAX_PIXELS:
            return scale
    _refuse_size(layout.size, name)


def _open_jpeg(raw: bytes, scale: int) -> Any:
    from PIL.JpegImagePlugin import JpegImageFile

    # Without `Image.open`, which refuses by the size that is not made.
    picture = JpegImageFile(BytesIO(raw))
    if scale > 1:
        picture.draft(None, tuple(side // scale for side in picture.size))
    return picture


def _refuse_size(size: tuple[int, int], name: str, more: str = "") -> None:
    raise BadSample(
        Reason.TOO_LARGE,
        f"{name!r}: {size[0]}x{size[1]}{more}, at most {MAX_PIXELS:,} pixels",
    )


def _check_data(
    raw: bytes, picture: Any, layout: Layout | None, name: str
) -> None:
    """Raises BadSample if so few data can be no picture of such a size."""
    lacks = layout.lacks() if layout is not None else None
    if picture.format == "PNG":
        bits = raw[24] * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(raw[25], 1)
        size = picture.width * bits // 8 * picture.height
        if len(raw) * MAX_DEFLATED < size:
            lacks = f"{len(raw):,} bytes for {size:,} of pixels"
    if lacks:
        raise BadSample(Reason.TRUNCATED, f"{name!r}: {lacks}")


def _promises_more(raw: bytes, kind: str) -> bool:
    """Whether a file that cannot be read is shorter than it says."""
    if kind == "WEBP":
        return int.from_bytes(raw[4:8], "little") + 8 > len(raw)
    if kind == "TIFF":
        order = "little" if raw[:1] == b"I" else "big"
        # Where its tags lie, often behind the pixels.
        return int.from_bytes(raw[4:8], order) > len(raw) - 2
    if kind == "JPEG":
        with contextlib.suppress(ValueError):
            return layout_of(raw) is None
    if kind in ("AVIF", "HEIF"):
        at = 0
        while 0 <= at < len(raw) - 8:
            at += max(8, int.from_bytes(raw[at : at + 4], "big"))
        return at > len(raw)
    return False


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:120]
