"""A JPEG that was cut is no picture, whatever its last two bytes say."""

import io
from pathlib import Path

import numpy as np
import pytest
from data.picture_toys import read, saved, scene, spec
from PIL import Image

from mmkeras.data import BadSample

END = b"\xff\xd9"
KINDS = {
    "baseline": {},
    "fine": {"quality": 98, "subsampling": 0},
    "coarse": {"quality": 20},
    "own tables": {"optimize": True},
    "restarts": {"restart_marker_blocks": 2},
    "restarts by row": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
    "progressive, fine": {"progressive": True, "subsampling": 0},
}


def cut(raw: bytes, share: float) -> bytes:
    """Returns the first part of the pixels' data, with an end marker."""
    first = raw.index(b"\xff\xda") + 14
    kept = raw[: first + int((raw.rindex(END) - first) * share)]
    return kept.rstrip(b"\xff") + END


def is_read_by_pillow(raw: bytes) -> bool:
    try:
        Image.open(io.BytesIO(raw)).load()
    except (OSError, SyntaxError):
        return False
    return True


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_read_and_a_cut_one_is_not(kind, mode):
    raw = saved(scene(64, 96, mode), "JPEG", **KINDS[kind])
    size = {"height": 64, "width": 96}
    found, _ = read(spec(**size), raw)
    with Image.open(io.BytesIO(raw)) as picture:
        np.testing.assert_array_equal(found, picture.convert("RGB"))
    shares = (0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
    bad = [cut(raw, share) for share in shares]
    # Pillow takes most of them.
    assert sum(map(is_read_by_pillow, bad)) >= 4
    for share, part in zip(shares, bad, strict=True):
        with pytest.raises(BadSample, match="truncated"):
            read(spec(**size), part)
            pytest.fail(f"{share} of it was read")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("side", [8, 31, 300])
def test_small_and_large_ones_alike(side, share):
    raw = saved(scene(side, side), "JPEG", quality=90)
    assert read(spec(), raw)[1] == {}
    with pytest.raises(BadSample, match="truncated"):
        read(spec(), cut(raw, share))


@pytest.mark.parametrize("grey", [0, 127, 128, 129, 255])
def test_a_picture_that_is_grey_itself_is_whole(grey):
    for progressive in (False, True):
        for size in ((40, 40), (400, 400)):
            picture = Image.new("L", size, grey)
            raw = saved(picture, "JPEG", progressive=progressive)
            assert (read(spec(), raw)[0] == grey).all()


def test_a_picture_that_ends_in_grey_is_whole():
    picture = scene(400, 400)
    picture.paste((128, 128, 128), (0, 200, 400, 400))
    raw = saved(picture, "JPEG")
    assert read(spec(), raw)[1] == {}
    with pytest.raises(BadSample, match="truncated"):
        read(spec(), cut(raw, 0.9))


def test_what_lies_behind_the_end_or_in_a_thumbnail_does_not_matter():
    thumb = Image.Exif()
    thumb[0x010E] = "a text with \\xff\\xd9 in it"
    small = saved(scene(16, 16), "JPEG")
    raw = saved(scene(), "JPEG", exif=thumb, comment=b"\xff\xd8" + END + small)
    for whole in (raw, raw + b"junk" * 50, raw + small):
        assert read(spec(), whole)[1] == {}
    for bad in (cut(raw, 0.5), cut(raw, 0.5) + b"junk" * 50):
        with pytest.raises(BadSample, match="truncated"):
            read(spec(), bad)


def photographs() -> list[Path]:
    import sklearn

    return sorted(
        (Path(sklearn.__file__).parent / "datasets/images").glob("*.jpg")
    )


@pytest.mark.parametrize("path", photographs(), ids=lambda path: path.stem)
def test_a_real_photograph_is_read_and_half_of_it_is_not(path):
    raw = path.read_bytes()
    size = {"height": 427, "width": 640}
    found, notes = read(spec(**size), raw)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(found, picture)
    assert notes == {}
    with pytest.raises(BadSample, match="truncated"):
        read(spec(**size), cut(raw, 0.5))


def test_the_cut_radiographs_of_the_shared_set_are_refused():
    folder = Path(__file__).parents[2].parent / "shared/data/chest"
    paths = sorted(folder.rglob("*.jp*g"))[:20]
    if not paths:
        pytest.skip("no ../shared/data/chest with JPEG files")
    for path in paths:
        raw = path.read_bytes()
        assert read(spec(), raw)[0].any()
        with pytest.raises(BadSample, match="truncated"):
            read(spec(), cut(raw, 0.5))


def with_size(raw: bytes, width: int, height: int) -> bytes:
    """Returns a JPEG whose header declares another size."""
    at = max(raw.find(b"\xff\xc0"), raw.find(b"\xff\xc2"))
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return raw[: at + 5] + size + raw[at + 9 :]


@pytest.mark.parametrize("progressive", [False, True])
def test_few_data_under_a_large_header_are_not_decoded(progressive):
    raw = saved(scene(), "JPEG", progressive=progressive)
    with pytest.raises(BadSample, match="truncated: .* bytes for .* blocks"):
        read(spec(), with_size(raw, 8000, 8000))


def test_a_jpeg_above_the_cap_is_decoded_smaller():
    picture = Image.new("L", (9000, 7600), 60)
    picture.paste(180, (4500, 0, 9000, 7600))
    raw = saved(picture, "JPEG")
    found, notes = read(spec(channels=1, width=8), raw)
    assert found[0, [0, 1, 2, 5, 6, 7], 0].tolist() == [60] * 3 + [180] * 3
    assert notes == {"decoded_smaller": 1}
    # The header of 68 MP over half the data.
    with pytest.raises(BadSample, match="truncated"):
        read(spec(), cut(raw, 0.5))


def test_a_progressive_jpeg_above_the_cap_is_refused():
    raw = saved(scene(), "JPEG", progressive=True)
    message = "too_large: .* 9000x8000, progressive, at most 64,000,000"
    with pytest.raises(BadSample, match=message):
        read(spec(), with_size(raw, 9000, 8000))


def test_more_than_the_largest_scale_makes_fit_is_refused():
    raw = saved(scene(), "JPEG")
    with pytest.raises(BadSample, match="too_large"):
        read(spec(), with_size(raw, 65500, 65500))


def test_a_thousand_scans_are_refused():
    raw = saved(scene(16, 16), "JPEG", progressive=True)
    start = raw.index(b"\xff\xda")
    scan = raw[start : raw.index(b"\xff", start + 12)]
    with pytest.raises(BadSample, match="corrupt.*more than 200 scans"):
        read(spec(), raw[:start] + scan * 1000 + raw[start:])
