"""Pictures of every format, known by what they hold; what is lost is told."""

import io
import sys

import numpy as np
import pytest
from data.data_toys import make_spec, read_rows, write_rows, write_set
from data.picture_toys import HEIC, halves, read, saved, scene, spec
from PIL import Image

from mmkeras.data import BadSample, prepare

LEFT, RIGHT = (200, 0, 0), (0, 0, 200)
# By case: Pillow's name of the format, options, and how far a lossy one is.
FORMATS = {
    "png": ("PNG", {}, 0),
    "png interlaced": ("PNG", {"interlace": 1}, 0),
    "jpeg": ("JPEG", {"quality": 100, "subsampling": 0}, 3),
    "webp": ("WEBP", {"quality": 100}, 12),
    "webp lossless": ("WEBP", {"lossless": True}, 0),
    "avif": ("AVIF", {"quality": 100}, 3),
    "gif": ("GIF", {}, 0),
    "bmp": ("BMP", {}, 0),
    "tiff": ("TIFF", {}, 0),
    "tiff lzw": ("TIFF", {"compression": "tiff_lzw"}, 0),
    "tiff deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
    "tiff jpeg": ("TIFF", {"compression": "jpeg", "quality": 100}, 4),
    "tiff big": ("TIFF", {"big_tiff": True}, 0),
    "jpeg 2000": ("JPEG2000", {}, 0),
    "ppm": ("PPM", {}, 0),
}


@pytest.mark.parametrize("name", ["a.jpg", "a.PNG", "a", "1.2.840", "a.txt"])
@pytest.mark.parametrize("case", FORMATS)
def test_a_format_is_known_by_its_content(case, name):
    kind, options, off = FORMATS[case]
    raw = saved(halves(), kind, **options)
    found, notes = read(spec(height=64, width=64), raw, name)
    assert np.abs(found[:, :24].astype(int) - LEFT).max() <= off
    assert np.abs(found[:, 40:].astype(int) - RIGHT).max() <= off
    # And it is what Pillow reads.
    with Image.open(io.BytesIO(raw)) as picture:
        np.testing.assert_array_equal(found, picture.convert("RGB"))
    assert notes == {}


def test_heic_is_read_with_its_extra():
    pytest.importorskip("pi_heif")
    found, notes = read(spec(height=64, width=64), HEIC, "a.heic")
    assert np.abs(found[:, :24].astype(int) - LEFT).max() <= 2
    assert np.abs(found[:, 40:].astype(int) - RIGHT).max() <= 2
    assert notes == {}


def test_heic_without_its_extra_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ValueError, match=r"install mmkeras\[heic\]") as error:
        read(spec(), HEIC)
    assert not isinstance(error.value, BadSample)


@pytest.mark.parametrize("case", FORMATS)
def test_half_a_file_is_no_picture(case):
    kind, options, _ = FORMATS[case]
    raw = saved(scene(), kind, **options)
    with pytest.raises(BadSample, match="truncated|corrupt"):
        read(spec(), raw[: len(raw) // 2])


@pytest.mark.parametrize(
    "raw",
    [
        b"a text, and no picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        bytes(500),
        b"\0",
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(raw):
    message = "wrong_format: 'a.png' is none of PNG, JPEG, GIF, .*, or DICOM"
    with pytest.raises(BadSample, match=message):
        read(spec(), raw)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_of_several_frames_the_first_is_taken_and_it_is_said(kind):
    frames = [
        halves(),
        *(Image.new("RGB", (64, 64), c) for c in ("lime", "gray")),
    ]
    options = {"save_all": True, "append_images": frames[1:]}
    if kind in ("WEBP", "AVIF"):
        options |= {"quality": 100}
    raw = saved(frames[0], kind, **options)
    found, notes = read(spec(height=64, width=64), raw, "a.jpg")
    assert np.abs(found[:, :24].astype(int) - LEFT).max() <= 16
    assert np.abs(found[:, 40:].astype(int) - RIGHT).max() <= 16
    assert notes == {"first_frame_only": 1}


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("alpha", [0, 255])
def test_transparency_is_laid_over_white_and_counted(kind, alpha):
    picture = Image.new("RGBA", (4, 4), (200, 0, 0, 255))
    picture.putpixel((0, 0), (0, 0, 200, alpha))
    options = {"lossless": True} if kind == "WEBP" else {}
    found, notes = read(spec(), saved(picture, kind, **options))
    assert found[3, 3].tolist() == [200, 0, 0]
    assert found[0, 0].tolist() == ([255] * 3 if alpha == 0 else [0, 0, 200])
    assert notes == ({"alpha_over_white": 1} if alpha == 0 else {})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("tag", [1, 3, 6, 8])
def test_a_picture_is_turned_by_its_exif_and_counted(kind, tag):
    exif = Image.Exif()
    exif[274] = tag
    raw = saved(halves(32, 64, "L"), kind, exif=exif)
    found, notes = read(spec(height=64, width=64, channels=1), raw)
    bright = {1: found[:, :20], 3: found[:, 44:], 6: found[:20], 8: found[44:]}
    assert abs(int(bright[tag].mean()) - 60) <= 2
    assert notes == ({} if tag == 1 else {"turned_by_exif": 1})


def test_cmyk_becomes_rgb_and_is_counted():
    raw = saved(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF")
    found, notes = read(spec(), raw)
    assert (found == (255, 0, 0)).all()
    assert notes == {"cmyk_without_profile": 1}


def test_notes_reach_the_manifest_and_are_told(tmp_path):
    write_set(tmp_path, 30)
    frames = [Image.new("L", (6, 8), grey) for grey in (40, 90)]
    for i in range(3):
        raw = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
        (tmp_path / f"{i}.png").write_bytes(raw)
    rows = read_rows(tmp_path)
    write_rows(tmp_path, rows)
    found = prepare(make_spec(tmp_path), tmp_path / "out")
    assert found["quarantined"] == {}
    assert found["notes"]["image"] == {"first_frame_only": 3}


def test_each_note_has_its_sentence():
    told = spec().tell({"first_frame_only": 3, "window_of_file": 1200}, 4000)
    assert told == [
        "3 of 4,000 pictures hold several pictures; the first was taken",
        "1,200 of 4,000 pictures were seen through the window that their "
        "DICOM file tells (`window_low` and `window_high` choose)",
    ]
