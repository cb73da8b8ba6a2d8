"""Pictures: PNG, or JPEG with Pillow, of the model's size and no other."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from jpeg import is_cut, layout_of
from validation import read_file, refuse

# As `prepare`, which refuses others or makes them smaller.
MAX_PIXELS = 64_000_000
# Where a PNG may tell that it lies on its side.
TELLING = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type exif")
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


def read_picture(path: str, shape: list[int]) -> np.ndarray:
    """Reads a PNG, or a JPEG with Pillow, as `(height, width, channels)`."""
    height, width, channels = shape
    data = read_file(path, 4 * height * width * channels + 1_000_000)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return read_png(data, path, shape)
    if data[:3] != b"\xff\xd8\xff":
        refuse(f"`{path}`", "a PNG or JPEG file", "another kind")
    picture = upright_jpeg(data, path)
    channels = {"L": 1, "RGB": 3}.get(picture.mode, picture.mode)
    check_shape(path, shape, [picture.height, picture.width, channels])
    return np.asarray(picture).reshape(shape)


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


def check_shape(path: str, expected: list[int], received: list) -> None:
    """Raises ValueError unless a picture has the model's shape."""
    if list(expected) != received:
        order = "(height, width, channels)"
        refuse(f"`{path}`", f"{order} {expected}", received)


def read_png(data: bytes, path: str, shape: list[int]) -> np.ndarray:
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
    check_shape(path, shape, [height, width, channels])
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
