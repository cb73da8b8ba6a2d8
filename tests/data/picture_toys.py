"""Pictures made on the spot, and the spec that reads them."""

import base64
import io
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from mmkeras.data import SampleIO
from mmkeras.kinds import Image as ImageSpec

# 64 x 64 pixels, the left half (200, 0, 0), the right half (0, 0, 200).
# Pillow writes no HEIC; this was written by libheif.
HEIC = zlib.decompress(
    base64.b85decode(
        "c-muNV30{GsVvAy&8%Pmg51nBLl8SRGck>UfzdHHwIq=N0u(b+a*CjAhJwuG5(YG&l"
        "$n#C3}U!AFfalk5HO}fXduu7V&%-tyfiQmBq|Ezq%uKy8D+_aASPcyW=Sqw$-&Hmq5"
        ">ejII|!*A4r!2l{quAZ~&R}EI^9nJ}~_G|KkS(13z;DP=~k!BM;;M{~!g-U=_?jCA*"
        "j$5`l7BPK=DG5))Vi6gJ)UR5d+&z}c}8Bqj+W7&(%F$~jyZ4;HoYFsT4-5y>nrNQL^"
        "t0g43*GAlAc0?Zs7Aoqx67UaT$3g~<0Mkb&Y3}(40iJ*Ye(qLTAW)b!0ula8||NsAY"
        "u>F#Mo%wU4_n+;nm;M)&`Tu|a%zk-^%=lkrbpTcNQic"
    )
)


def spec(**values) -> ImageSpec:
    size = {"height": 4, "width": 4, "channels": 3}
    return ImageSpec(kind="image", column="x", **{**size, **values})


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(height=64, width=64, mode="RGB") -> Image.Image:
    """Returns a picture whose left is (200, 0, 0), its right (0, 0, 200)."""
    picture = Image.new("RGB", (width, height), (200, 0, 0))
    picture.paste((0, 0, 200), (width // 2, 0, width, height))
    return picture.convert(mode)


def scene(height=64, width=96, mode="RGB", seed=0) -> Image.Image:
    """Returns a picture neither smooth nor pure noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    ramps = np.stack([3 * x + y, 5 * y, x + 2 * y], axis=-1)
    pixels = (ramps + rng.integers(0, 60, (height, width, 3))) % 256
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def read(modality, raw: bytes, name: str = "a.png"):
    """Returns pixels and notes of a file of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(raw)
        found = modality.read({"x": name}, SampleIO(folder))
    return found.value, found.notes
