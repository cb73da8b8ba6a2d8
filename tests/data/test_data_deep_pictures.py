"""Pictures of more than 8 bits: what is black and white is chosen, or said."""

import struct
import zlib

import numpy as np
import pytest
from data.picture_toys import read, saved, spec
from PIL import Image

from mmkeras.data import BadSample

# Each 4 x 4; 12 bits of 16.
TWELVE = np.linspace(0, 4095, 16).reshape(4, 4).round().astype(np.uint16)
SHADES = np.linspace(0, 255, 16).reshape(4, 4)


def grey(**values):
    return spec(channels=1, **values)


def pgm(values: np.ndarray) -> bytes:
    head = f"P5 {values.shape[1]} {values.shape[0]} 65535\n".encode()
    return head + values.astype(">u2").tobytes()


def tiff(values: np.ndarray, white_is_zero: bool = False) -> bytes:
    """An uncompressed TIFF of one strip, in the byte order of `values`."""
    order = ">" if values.dtype.byteorder == ">" else "<"
    formats = {"u": 1, "i": 2, "f": 3}
    entries = [
        (256, 4, values.shape[1]), (257, 4, values.shape[0]),
        (258, 3, values.itemsize * 8), (259, 3, 1),
        (262, 3, 0 if white_is_zero else 1), (273, 4, 8), (277, 3, 1),
        (278, 4, values.shape[0]), (279, 4, values.nbytes),
        (339, 3, formats[values.dtype.kind]),
    ]  # fmt: skip
    raw = b"MM\0*" if order == ">" else b"II*\0"
    raw += struct.pack(f"{order}I", 8 + values.nbytes) + values.tobytes()
    raw += struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        packed = struct.pack(f"{order}{'HI'[kind == 4]}", value)
        raw += struct.pack(f"{order}HHI", tag, kind, 1) + packed.ljust(4, b"\0")
    return raw + bytes(4)


def deep_png(colour: int, samples: int) -> bytes:
    """A PNG of 16 bits a sample, each 0x1234."""
    rows = (b"\0" + b"\x12\x34" * 4 * samples) * 4
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )  # fmt: skip


FILES = {
    "png": lambda values: saved(Image.fromarray(values)),
    "tiff": lambda values: tiff(values.astype("<u2")),
    "tiff, most significant first": lambda values: tiff(values.astype(">u2")),
    "pgm": pgm,
    "jpeg 2000": lambda values: saved(Image.fromarray(values), "JPEG2000"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_range_keeps_all_shades_of_12_bits(case):
    raw = FILES[case](TWELVE)
    found, notes = read(grey(range=[0, 4095]), raw)
    np.testing.assert_allclose(found[..., 0], SHADES, atol=0.5)
    assert notes == {}


@pytest.mark.parametrize("case", FILES)
def test_without_a_range_the_high_byte_is_kept_and_said(case):
    found, notes = read(grey(), FILES[case](TWELVE))
    np.testing.assert_array_equal(found[..., 0], TWELVE >> 8)
    assert notes == {"reduced_to_8_bit": 1, "few_levels_left": 1}
    full = FILES[case](TWELVE * 16)
    assert read(grey(), full)[1] == {"reduced_to_8_bit": 1}
    (sentence,) = grey().tell({"few_levels_left": 1}, 9)
    assert "`range = [0, 4095]` keeps 256" in sentence


def test_a_black_picture_has_lost_no_shade():
    raw = FILES["png"](np.zeros((4, 4), np.uint16))
    assert read(grey(), raw)[1] == {"reduced_to_8_bit": 1}


def test_values_outside_the_range_are_cut_and_counted():
    raw = FILES["png"](TWELVE)
    found, notes = read(grey(range=[1000, 2000]), raw)
    shares = np.clip((TWELVE - 1000.0) / 1000, 0, 1)
    np.testing.assert_allclose(found[..., 0], shares * 255, atol=0.51)
    assert notes == {"outside_range": 1}


@pytest.mark.parametrize("dtype", ["<f4", "<i4", "<i2", ">f4"])
def test_numbers_below_zero_have_a_range(dtype):
    values = np.linspace(-1000, 500, 16).reshape(4, 4).round()
    raw = tiff(values.astype(dtype))
    found, notes = read(grey(range=[-1000, 500]), raw)
    np.testing.assert_allclose(found[..., 0], SHADES, atol=0.51)
    assert notes == {}
    message = r"no_range: .*-1000 to 500; `range = \[low, high\]` says"
    with pytest.raises(BadSample, match=message):
        read(grey(), raw)


def test_pixels_that_are_no_numbers_are_refused():
    values = np.full((4, 4), 7, "<f4")
    values[1, 1] = np.nan
    with pytest.raises(BadSample, match="not_finite"):
        read(grey(range=[0, 9]), tiff(values))


def test_a_tiff_that_counts_from_white_is_turned():
    raw = tiff(TWELVE.astype("<u2"), white_is_zero=True)
    found, _ = read(grey(range=[0, 4095]), raw)
    np.testing.assert_allclose(found[..., 0], 255 - SHADES, atol=0.51)
    # As Pillow does with 8 bits.
    eight = tiff(np.full((4, 4), 55, np.uint8), white_is_zero=True)
    assert (read(grey(), eight)[0] == 200).all()


@pytest.mark.parametrize("colour, samples", [(2, 3), (4, 2), (6, 4)])
def test_deep_colour_is_reduced_and_said(colour, samples):
    found, notes = read(spec(), deep_png(colour, samples))
    assert notes["reduced_to_8_bit"] == 1
    if samples == 3:
        assert (found == 0x12).all()
    with pytest.raises(BadSample, match="8 bits are read; `range` is for grey"):
        read(spec(range=[0, 4095]), deep_png(colour, samples))


def test_a_range_leaves_8_bits_alone():
    raw = saved(Image.new("L", (4, 4), 77))
    assert (read(grey(range=[0, 4095]), raw)[0] == 77).all()


@pytest.mark.parametrize("keys", [{"range": [5, 5]}, {"range": [9, 1]}])
def test_a_range_upside_down_is_refused(keys):
    with pytest.raises(ValueError, match=r"`range` must be \[low, high\]"):
        grey(**keys)
