"""Every kind of PNG and JPEG becomes the same 8-bit array, by rule."""

import numpy as np
import pytest
from data.data_toys import read_bytes
from data.picture_toys import saved, spec
from PIL import Image

from mmkeras.data import BadSample, decode_file
from mmkeras.kinds import Vector

RED = (200, 0, 0)


def palette() -> Image.Image:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, *RED])
    return picture


@pytest.mark.parametrize(
    "picture, options, expected",
    [
        (Image.new("RGB", (4, 4), RED), {}, RED),
        (Image.new("L", (4, 4), 7), {}, (7, 7, 7)),
        (Image.new("1", (4, 4), 1), {}, (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (*RED, 255)), {}, RED),
        (Image.new("RGBA", (4, 4), (*RED, 0)), {}, (255, 255, 255)),
        (Image.new("LA", (4, 4), (0, 51)), {}, (204, 204, 204)),
        (Image.new("I;16", (4, 4), 0x1234), {}, (0x12, 0x12, 0x12)),
        (palette(), {}, RED),
        (palette(), {"transparency": 1}, (255, 255, 255)),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_every_mode_of_png_becomes_rgb(picture, options, expected):
    found = read_bytes(spec(), saved(picture, **options), "a.png")
    assert found.shape == (4, 4, 3) and found.dtype == np.uint8
    assert (found == expected).all()


def test_grey_is_weighted_as_documented():
    raw = saved(Image.new("RGB", (4, 4), RED))
    found = read_bytes(spec(channels=1), raw, "a.png")
    assert found.shape == (4, 4, 1)
    assert (found == round(0.299 * 200)).all()


def test_a_cmyk_jpeg_becomes_rgb():
    raw = saved(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG")
    red, green, blue = read_bytes(spec(), raw, "a.jpg")[0, 0]
    assert red > 200 and green < 60 and blue < 60


def test_a_jpeg_is_turned_upright_by_its_tag():
    picture = Image.new("L", (4, 4), 0)
    picture.paste(255, (0, 0, 4, 2))
    exif = Image.Exif()
    exif[274] = 3  # upside down
    raw = saved(picture, "JPEG", exif=exif, quality=100)
    found = read_bytes(spec(channels=1), raw, "a.jpeg")[:, 0, 0]
    assert found.tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(
    "resize, row",
    [
        ("stretch", [0, 64, 191, 255]),
        ("crop", [0, 0, 255, 255]),
        ("pad", [0, 0, 0, 0]),
    ],
)
def test_each_rule_of_resizing(resize, row):
    # A bright right half, twice as wide as it is high.
    picture = Image.new("L", (8, 4), 0)
    picture.paste(255, (4, 0, 8, 4))
    raw = saved(picture)
    found = read_bytes(spec(channels=1, resize=resize), raw, "a.png")
    assert np.allclose(found[0, :, 0], row, atol=33)
    if resize == "pad":
        assert found[2, :, 0].tolist() == found[1, :, 0].tolist()
        assert found[1, 3, 0] == 255 and found[3].max() == 0


def test_refuse_quarantines_another_size():
    raw = saved(Image.new("L", (8, 4)))
    with pytest.raises(BadSample, match="wrong_size.*8x4, not 4x4"):
        read_bytes(spec(resize="refuse"), raw, "a.png")


def test_decode_file_gives_what_the_model_gets(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.new("RGB", (9, 9), RED)))
    found = decode_file(spec(), tmp_path / "a.png")
    assert (found == np.full((4, 4, 3), RED)).all()


def test_decode_file_refuses_kinds_without_files(tmp_path):
    vector = Vector(kind="vector", columns=("a",))
    with pytest.raises(
        ValueError, match="kind='vector'.*audio, image, points, series, text"
    ):
        decode_file(vector, tmp_path)
