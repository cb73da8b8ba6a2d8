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


def frames(kind: str, count: int) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.new("L", (4, 4), 80 * i) for i in range(count)]
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


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
    "long comment": (text_bomb, "a.png", "corrupt"),
}


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
