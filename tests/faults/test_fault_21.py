"""Fault 21: picture bombs are refused by their header, in bounded memory."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from data.data_toys import png_bytes
from PIL import Image

from mmkeras.data import BadSample
from mmkeras.kinds import Image as ImageSpec

image = ImageSpec.part("read")
SPEC = ImageSpec(kind="image", column="x", height=4, width=4, channels=3)


def header(width: int, height: int) -> bytes:
    """A PNG that declares any size and holds next to nothing."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", size), (b"IDAT", zlib.compress(b"x")))
    )  # fmt: skip


def small(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 80).save(buffer, kind, **options)
    return buffer.getvalue()


def sized(kind: str, width: int, height: int, **options) -> bytes:
    """A small picture whose header declares another size."""
    raw = small(kind, **options)
    if kind == "JPEG":
        at = max(raw.find(b"\xff\xc0"), raw.find(b"\xff\xc2")) + 5
        return raw[:at] + struct.pack(">HH", height, width) + raw[at + 4 :]
    code, words = {
        "GIF": ("<", "HH"), "BMP": ("<", "ii"), "JPEG2000": (">", "II"),
    }[kind]  # fmt: skip
    found = struct.pack(code + words, 64, 48)
    if kind == "JPEG2000":
        # One box tells the height first.
        raw = raw.replace(
            struct.pack(">II", 48, 64), struct.pack(">II", height, width)
        )
    assert found in raw
    return raw.replace(found, struct.pack(code + words, width, height))


def webp(side: int) -> bytes:
    """A lossless WebP of one colour, which takes no bits at all."""
    size = struct.pack("<I", side - 1 | side - 1 << 14)
    body = b"VP8L" + struct.pack("<I", 32) + b"\x2f" + size + bytes(27)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def text_bomb() -> bytes:
    """A PNG whose comment unpacks to 100 MB."""
    whole = png_bytes(4, 4)
    squeezed = zlib.compress(bytes(100_000_000), 1)
    chunk = b"zTXt" + b"a\0\0" + squeezed
    comment = (
        struct.pack(">I", len(chunk) - 4) + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )  # fmt: skip
    return whole[:33] + comment + whole[33:]


BOMBS = {
    "15000x15000": (lambda: png_bytes(15000, 15000), "a.png", "too_large"),
    "65535x65535": (lambda: header(65535, 65535), "a.png", "too_large"),
    "2e9 wide": (lambda: header(2 * 10**9, 1), "a.png", "too_large"),
    "just above": (lambda: header(8001, 8000), "a.png", "too_large"),
    "0 wide": (lambda: header(0, 4), "a.png", "corrupt"),
    "64 MP over nothing": (lambda: header(8000, 8000), "a.png", "truncated"),
    "jpeg of 64 MP over 2 kB": (
        lambda: sized("JPEG", 8000, 8000), "a.jpg", "truncated",
    ),
    "jpeg of 4 GP over 2 kB": (
        lambda: sized("JPEG", 65500, 60000), "a.jpg", "truncated",
    ),
    "progressive jpeg of 4 GP": (
        lambda: sized("JPEG", 65500, 60000, progressive=True),
        "a.jpg", "too_large",
    ),
    "gif of 4 GP": (lambda: sized("GIF", 65535, 65535), "a.gif", "too_large"),
    "bmp of 2 GP": (lambda: sized("BMP", 50000, 40000), "a.bmp", "too_large"),
    "jpeg 2000 of 4 GP": (
        lambda: sized("JPEG2000", 65535, 65535), "a.jp2", "too_large",
    ),
    "webp of 268 MP": (lambda: webp(16384), "a.webp", "too_large"),
    "ppm of 4 GP": (
        lambda: b"P6 65535 65535 255\n" + bytes(99), "a.ppm", "too_large",
    ),
    "long comment": (text_bomb, "a.png", "corrupt"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_the_header_is_enough_to_refuse(bomb):
    make, name, reason = BOMBS[bomb]
    raw = make()
    assert len(raw) < 2_000_000
    with pytest.raises(BadSample) as caught:
        image.decode(SPEC, raw, name)
    assert caught.value.reason == reason


def test_memory_stays_bounded(tmp_path):
    for number, (make, _, _) in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.bin").write_bytes(make())
    code = (
        "import resource, sys, time, pathlib\n"
        "from mmkeras.kinds import Image\n"
        "decode = Image.part('read').decode\n"
        "import PIL.PngImagePlugin, PIL.JpegImagePlugin\n"
        f"spec = Image(**{SPEC.model_dump()!r})\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "raws = [p.read_bytes() for p in pathlib.Path(sys.argv[1]).iterdir()]\n"
        "before, started = peak(), time.monotonic()\n"
        "for raw in raws:\n"
        "    try: decode(spec, raw, 'a.png')\n"
        "    except ValueError: pass\n"
        "print(peak() - before, time.monotonic() - started)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True
    )
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 200_000 and seconds < 10


def test_a_picture_at_the_cap_is_read():
    found = image.decode(SPEC, png_bytes(8000, 8000), "a.png")[0]
    assert not found.any()


@pytest.mark.parametrize("mode", ["CMYK", "I;16", "P", "LA", "RGBA"])
def test_unusual_pictures_are_converted_by_rule(mode):
    # The exact values stand in tests/data/test_data_images.py.
    buffer = io.BytesIO()
    kind, name = ("JPEG", "a.jpg") if mode == "CMYK" else ("PNG", "a.png")
    Image.new(mode, (9, 5)).save(buffer, kind)
    found = image.decode(SPEC, buffer.getvalue(), name)[0]
    assert found.shape == (4, 4, 3) and found.dtype == np.uint8


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000"]
)
def test_damage_is_refused_or_read_and_nothing_else(kind):
    raw, random, seen = small(kind), np.random.default_rng(0), set()
    for _ in range(60):
        bad = bytearray(raw)
        # One in the header, one anywhere.
        for place in random.integers(0, [40, len(bad)]):
            bad[place] = random.integers(256)
        try:
            seen.add(image.decode(SPEC, bytes(bad), "a.png")[0].shape)
        except BadSample as error:
            seen.add(str(error.reason))
    assert seen & {"corrupt", "truncated"}
    assert seen <= {
        (4, 4, 3), "corrupt", "truncated", "wrong_format", "too_large",
    }  # fmt: skip
