"""The runner reads pictures and sound exactly as `mmkeras prepare` does."""

import struct
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest
from export.export_toys import EXPORT, device_code, reader
from PIL import Image

import mmkeras
from mmkeras.data import BadSample, decode_file
from mmkeras.kinds import Audio, Video
from mmkeras.kinds import Image as ImageSpec


@pytest.fixture(scope="module")
def picture_code():
    return device_code().load("picture")


SHAPES = {"L": (9, 14, 1), "RGB": (9, 14, 3)}
COLOUR = ImageSpec(kind="image", column="c", height=9, width=14, channels=3)


def picture(mode="RGB", seed=0):
    """Neither smooth nor pure noise, so that encoders use several filters."""
    rng = np.random.default_rng(seed)
    height, width, channels = SHAPES[mode]
    ramp = np.add.outer(np.arange(height) * 7, np.arange(width) * 5)
    noise = rng.integers(0, 40, (height, width, channels))
    array = (ramp[..., None] + noise).astype("uint8")
    return Image.fromarray(array.squeeze())


def png(rows, width, height, bits, colour, extra=b"", interlaced=0):
    """A PNG from filtered rows, for kinds that Pillow does not write."""

    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + crc.to_bytes(4)

    header = struct.pack(
        ">IIBBBBB", width, height, bits, colour, 0, 0, interlaced
    )
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_pictures_are_read_as_at_ingest(picture_code, tmp_path, mode, kind):
    path = tmp_path / f"picture.{kind}"
    picture(mode).save(path)
    height, width, channels = shape = SHAPES[mode]
    spec = ImageSpec(
        kind="image", column="c", height=height, width=width, channels=channels
    )
    found = picture_code.read_picture(str(path), list(shape))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, decode_file(spec, path))


@pytest.mark.parametrize("kind", range(5))
def test_every_png_filter_is_undone(picture_code, tmp_path, kind):
    height, width, channels = SHAPES["RGB"]
    rng = np.random.default_rng(kind)
    lines = rng.integers(0, 256, (height, width * channels), dtype=np.uint8)
    rows = b"".join(bytes([kind]) + line.tobytes() for line in lines)
    path = tmp_path / "filtered.png"
    path.write_bytes(png(rows, width, height, 8, 2))
    found = picture_code.read_picture(str(path), list(SHAPES["RGB"]))
    np.testing.assert_array_equal(found, np.asarray(Image.open(path)))


@pytest.mark.parametrize("colours", [2, 4, 16, 200])
def test_palettes_are_turned_to_rgb(picture_code, tmp_path, colours):
    path = tmp_path / "palette.png"
    picture().quantize(colours).save(path)
    found = picture_code.read_picture(str(path), list(SHAPES["RGB"]))
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_is_scaled(picture_code, tmp_path, bits):
    rows = b"".join(b"\0" + bytes([i * 37 % 256] * bits) for i in range(9))
    path = tmp_path / "grey.png"
    path.write_bytes(png(rows, 8, 9, bits, 0))
    found = picture_code.read_picture(str(path), [9, 8, 1])
    expected = np.asarray(Image.open(path).convert("L"))
    np.testing.assert_array_equal(found[..., 0], expected)


def test_an_opaque_picture_loses_its_alpha(picture_code, tmp_path):
    path = tmp_path / "opaque.png"
    picture().convert("RGBA").save(path)
    found = picture_code.read_picture(str(path), list(SHAPES["RGB"]))
    np.testing.assert_array_equal(found, np.asarray(picture()))


def wrong_pictures():
    flat = b"\0" + bytes(14 * 3)
    clear = picture().convert("RGBA")
    clear.putalpha(100)
    return {
        "transparent": (clear, "opaque"),
        "other size": (picture().resize((5, 4)), r"\[9, 14, 3\].*\[4, 5, 3\]"),
        "other channels": (picture("L"), r"\[9, 14, 3\].*\[9, 14, 1\]"),
        "16 bits": (png(flat * 9, 14, 9, 16, 2), "at most 8 bits.*16 bits"),
        "interlaced": (png(flat * 9, 14, 9, 8, 2, interlaced=1), "interlace 1"),
        "too few rows": (png(flat * 8, 14, 9, 8, 2), "387 bytes of rows.*344"),
        "bad filter": (png(b"\7" + flat[1:] + flat * 8, 14, 9, 8, 2), "filter"),
        "cut": (png(flat * 9, 14, 9, 8, 2)[:-9], "whole PNG"),
        "gif": (b"GIF89a" + bytes(20), "PNG or JPEG"),
        "grown": (png(flat * 9, 14, 9, 8, 2) + bytes(2_000_000), "at most"),
    }


@pytest.mark.parametrize("name", wrong_pictures())
def test_a_wrong_picture_is_refused(picture_code, tmp_path, name):
    content, message = wrong_pictures()[name]
    path = tmp_path / "wrong.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content.save(path)
    with pytest.raises(ValueError, match=message):
        picture_code.read_picture(str(path), list(SHAPES["RGB"]))


def test_a_flipped_byte_in_a_png_is_refused(picture_code, tmp_path):
    path = tmp_path / "picture.png"
    picture().save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="undamaged PNG.*IDAT"):
        picture_code.read_picture(str(path), list(SHAPES["RGB"]))


def write_wav(path, frames, width=2, rate=8000, channels=1):
    rng = np.random.default_rng(frames)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(rng.bytes(frames * width * channels))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("frames", [8, 799, 800, 1001])
@pytest.mark.parametrize("crop", ["start", "center"])
def test_recordings_are_read_as_at_ingest(tmp_path, width, frames, crop):
    path = tmp_path / "sound.wav"
    write_wav(path, frames, width)
    spec = Audio(kind="audio", column="c", sample_rate_hz=8000,
                 duration_sec=0.1, crop=crop)  # fmt: skip
    entry = {"shape": [800], "sample_rate_hz": 8000, "crop": crop}
    found = reader(Audio).read(str(path), entry)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, decode_file(spec, path))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rate": 16000}, "1 channel at 8000 Hz.*1 channel.* at 16000 Hz"),
        ({"channels": 2}, "1 channel at 8000 Hz.*2 channel.* at 8000 Hz"),
        ({"frames": 0}, "a recording of a millisecond.*0 samples"),
    ],
)
def test_a_wrong_recording_is_refused(tmp_path, options, message):
    path = tmp_path / "sound.wav"
    write_wav(path, **{"frames": 900, **options})
    entry = {"shape": [800], "sample_rate_hz": 8000, "crop": "start"}
    with pytest.raises(ValueError, match=message):
        reader(Audio).read(str(path), entry)


@pytest.mark.parametrize("keep", [0, 3, 20, 43, 300])
def test_a_cut_recording_is_refused(tmp_path, keep):
    path = tmp_path / "sound.wav"
    write_wav(path, 900)
    path.write_bytes(path.read_bytes()[:keep])
    entry = {"shape": [800], "sample_rate_hz": 8000, "crop": "start"}
    with pytest.raises(ValueError, match="sound.wav"):
        reader(Audio).read(str(path), entry)


@pytest.mark.parametrize("kind", [ImageSpec, Video])
def test_the_device_knows_a_cut_jpeg_by_the_same_file(kind):
    code = Path(mmkeras.__file__).parent / "data/files/jpeg.py"
    assert kind.device_shared()["jpeg.py"] == code
    assert not (EXPORT / "jpeg.py").exists()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_cut_jpeg_is_refused_as_at_ingest(
    picture_code, tmp_path, share, progressive
):
    path = tmp_path / "cut.jpg"
    picture().save(path, progressive=progressive)
    data = path.read_bytes()
    start = data.index(b"\xff\xda") + 14
    kept = data[: start + int((len(data) - start) * share)]
    path.write_bytes(kept.rstrip(b"\xff") + b"\xff\xd9")
    with pytest.raises(ValueError, match="a whole JPEG"):
        picture_code.read_picture(str(path), list(SHAPES["RGB"]))
    with pytest.raises(BadSample, match="truncated"):
        decode_file(COLOUR, path)


@pytest.mark.parametrize("tag", [1, 3])
def test_a_jpeg_is_turned_and_a_png_with_exif_refused(
    picture_code, tmp_path, tag
):
    exif = Image.Exif()
    exif[274] = tag
    for kind in ("jpg", "png"):
        picture().save(tmp_path / f"turned.{kind}", exif=exif)
    path = str(tmp_path / "turned.jpg")
    found = picture_code.read_picture(path, list(SHAPES["RGB"]))
    np.testing.assert_array_equal(found, decode_file(COLOUR, path))
    with pytest.raises(ValueError, match="a PNG without EXIF or XMP"):
        picture_code.read_picture(
            str(tmp_path / "turned.png"), list(SHAPES["RGB"])
        )
