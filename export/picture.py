"""Pictures: PNG, or JPEG with Pillow, brought to the model's size by Pillow."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from geometry import geometry_of, resized
from jpeg import is_cut, layout_of
from validation import MAX_FILE_BYTES, read_file, refuse

# As `prepare`, which refuses others or makes them smaller.
MAX_PIXELS = 64_000_000
# Where a PNG may tell that it lies on its side.
TELLING = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type exif")
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


def read_picture(
    path: str, shape: list[int], rule: str | None = None
) -> np.ndarray:
    """Reads a PNG, or a JPEG with Pillow, as `(height, width, channels)`.

    Args:
        path: The file.
        shape: What the model takes.
        rule: How one of another size is brought to it, as `prepare` does;
            None or "refuse" refuses it.
    """
    data = picture_bytes(path, shape, rule)
    if data[:3] == b"\xff\xd8\xff":
        picture = upright_jpeg(data, path)
        channels = {"L": 1, "RGB": 3}.get(picture.mode, picture.mode)
        found = [picture.height, picture.width, channels]
        check_shape(path, shape, found, rule)
        pixels = np.asarray(picture).reshape(found)
    else:
        pixels = read_png(data, path, shape, rule)
    if list(pixels.shape) == list(shape):
        return pixels
    picture = as_picture(pixels, path)
    found = resized(picture, (shape[1], shape[0]), rule)
    return np.asarray(found).reshape(shape)


def as_picture(pixels: np.ndarray, path: str) -> Any:
    """Returns pixels as a Pillow picture, which alone resizes as `prepare`."""
    try:
        from PIL import Image
    except ImportError:
        what = "of the model's size, as Pillow is not installed"
        refuse(f"`{path}`", what, list(pixels.shape))
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def picture_bytes(path: str, shape: list[int], rule: str | None) -> bytes:
    """Returns the bytes of a PNG or JPEG file."""
    height, width, channels = shape
    limit = 4 * height * width * channels + 1_000_000
    data = read_file(path, MAX_FILE_BYTES if resizes(rule) else limit)
    if data[:8] != b"\x89PNG\r\n\x1a\n" and data[:3] != b"\xff\xd8\xff":
        refuse(f"`{path}`", "a PNG or JPEG file", "another kind")
    return data


def resizes(rule: str | None) -> bool:
    """Whether a picture of another size is brought to the model's."""
    return rule in ("stretch", "crop", "pad")


def place_picture(path: str, shape: list[int], rule: str | None) -> Any:
    """Returns where the pixels of a picture that can be read come to lie."""
    data = picture_bytes(path, shape, rule)
    if data[:3] == b"\xff\xd8\xff":
        size = upright_jpeg(data, path).size
    else:
        size = struct.unpack(">II", png_chunks(data, path)[b"IHDR"][:8])
    return geometry_of(size, (shape[1], shape[0]), rule or "stretch")


def upright_jpeg(data: bytes, path: str) -> Any:
    """Returns a whole JPEG as a Pillow picture, turned by its EXIF tag."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        refuse(f"`{path}`", "a PNG file, as Pillow is not installed", "JPEG")

    def decode(data: bytes) -> Any:
        picture = Image.open(BytesIO(data), formats=("JPEG",))
        picture.load()
        return picture

    layout = layout_of(data)
    if layout is None:
        refuse(f"`{path}`", "a whole JPEG", "one without an end")
    if layout.size[0] * layout.size[1] > MAX_PIXELS:
        refuse(f"`{path}`", f"at most {MAX_PIXELS:,} pixels", layout.size)
    lacks = layout.lacks()
    picture = None if lacks else decode(data)
    if lacks or is_cut(data, layout, picture, decode):
        refuse(f"`{path}`", "a whole JPEG", lacks or "one that is cut")
    return ImageOps.exif_transpose(picture)


def check_shape(
    path: str, expected: list[int], received: list, rule: str | None = None
) -> None:
    """Raises ValueError unless a picture has, or gets, the model's shape."""
    if resizes(rule) and expected[-1] == received[-1]:
        return
    if list(expected) != received:
        order = "(height, width, channels)"
        refuse(f"`{path}`", f"{order} {expected}", received)


def read_png(
    data: bytes, path: str, shape: list[int], rule: str | None = None
) -> np.ndarray:
    """Decodes a PNG of up to 8 bits a sample that is not interlaced."""
    chunks = png_chunks(data, path)
    texts = b"".join(chunks.get(k, b"") for k in (b"tEXt", b"zTXt", b"iTXt"))
    if b"eXIf" in chunks or any(key in texts for key in TELLING):
        refuse(f"`{path}`", "a PNG without EXIF or XMP", "one that has them")
    width, height, bits, colour, _, _, interlaced = struct.unpack(
        ">IIBBBBB", chunks[b"IHDR"]
    )
    known = bits == 8 or (bits in (1, 2, 4) and colour in (0, 3))
    if colour not in PNG_SAMPLES or interlaced or not known:
        kind = f"{bits} bits, colour type {colour}, interlace {interlaced}"
        refuse(f"`{path}`", "a PNG of at most 8 bits, not interlaced", kind)
    samples = PNG_SAMPLES[colour]
    channels = 3 if colour in (2, 3, 6) else 1
    check_shape(path, shape, [height, width, channels], rule)
    if width * height > MAX_PIXELS:
        refuse(f"`{path}`", f"at most {MAX_PIXELS:,} pixels", [height, width])

    row_bytes = (width * samples * bits + 7) // 8
    rows = unfilter(inflate(chunks, path, height, row_bytes), samples)
    if bits < 8:
        rows = unpack(rows, bits, scaled=colour == 0)[:, :width]
    if b"tRNS" in chunks:
        refuse(f"`{path}`", "opaque", "a picture with transparency")
    if colour == 3:
        return palette(chunks)[rows]
    pixels = rows.reshape(height, width, samples)
    if (pixels[..., channels:] < 255).any():
        refuse(f"`{path}`", "opaque", "a picture with transparency")
    return pixels[..., :channels]


def inflate(chunks: dict, path: str, height: int, row_bytes: int) -> np.ndarray:
    """Returns the rows of a PNG, the kind of filter before each."""
    size = height * (row_bytes + 1)
    try:
        raw = zlib.decompressobj().decompress(chunks.get(b"IDAT", b""), size)
    except zlib.error as error:
        refuse(f"`{path}`", "an undamaged PNG", error)
    if len(raw) != size:
        refuse(f"`{path}`", f"a PNG of {size} bytes of rows", len(raw))
    return np.frombuffer(raw, np.uint8).reshape(height, -1)


def palette(chunks: dict[bytes, bytes]) -> np.ndarray:
    """Returns the colours of a PNG, `(256, 3)`; those not told are black."""
    colours = np.zeros((256, 3), np.uint8)
    told = np.frombuffer(chunks.get(b"PLTE", b"")[:768], np.uint8)
    told = told[: len(told) // 3 * 3].reshape(-1, 3)
    colours[: len(told)] = told
    return colours


def png_chunks(data: bytes, path: str) -> dict[bytes, bytes]:
    """Returns the chunks of a PNG by kind; those of one kind are joined."""
    chunks, at = {}, 8
    while at + 12 <= len(data) and b"IEND" not in chunks:
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        crc = data[at + 8 + size : at + 12 + size]
        if zlib.crc32(kind + body) != int.from_bytes(crc, "big"):
            refuse(f"`{path}`", "an undamaged PNG", f"bad chunk {kind!r}")
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + size
    if b"IEND" not in chunks or len(chunks.get(b"IHDR", b"")) != 13:
        refuse(f"`{path}`", "a whole PNG", "one that is cut or has no header")
    return chunks


def unpack(rows: np.ndarray, bits: int, scaled: bool) -> np.ndarray:
    """Splits bytes into samples of fewer bits; grey is scaled to 0..255."""
    weights = 1 << np.arange(bits, dtype=np.uint8)[::-1]
    split = np.unpackbits(rows, axis=1).reshape(len(rows), -1, bits)
    values = (split * weights).sum(axis=2, dtype=np.uint8)
    return values * np.uint8(255 // (2**bits - 1)) if scaled else values


def unfilter(rows: np.ndarray, step: int) -> np.ndarray:
    """Undoes PNG's five row filters; `step` is the bytes of a pixel."""
    lines = np.zeros((len(rows) + 1, rows.shape[1] - 1), np.uint8)
    for index, row in enumerate(rows):
        kind, line, above = row[0], row[1:], lines[index]
        if kind == 1:
            pixels = line.reshape(-1, step)
            line = np.cumsum(pixels, axis=0, dtype=np.uint8).ravel()
        elif kind == 2:
            line = line + above
        elif kind in (3, 4):
            line = predicted(kind, line.tolist(), above.tolist(), step)
        elif kind:
            refuse("The filter of a PNG row", "0 to 4", kind)
        lines[index + 1] = line
    return lines[1:]


def predicted(kind: int, line: list, above: list, step: int) -> list[int]:
    """Undoes the filters Average (3) and Paeth (4) of one row."""
    done, above = [0] * step, [0] * step + above
    for i, value in enumerate(line):
        a, b, c = done[i], above[i + step], above[i]
        guess = (a + b) // 2
        if kind == 4:
            far = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = (a, b, c)[far.index(min(far))]
        done.append((value + guess) & 255)
    return done[step:]
