"""Films: which frames become the sample, and how they look."""

import numpy as np
import pytest
from data.data_toys import read_bytes
from data.signal_toys import film
from data.signal_toys import film_spec as spec

from mmkeras.data import BadSample, decode_file
from mmkeras.kinds import Image, Video

pytest.importorskip("av")
video = Video.part("read")


def greys(found) -> list[int]:
    """Returns the number of each frame of `film`, read from its pixels."""
    return np.rint(found[:, -4, -4, 0] / 20).astype(int).tolist()


@pytest.mark.parametrize(
    "rule, count, expected",
    [
        ({}, 12, [1, 4, 7, 10]),
        ({}, 4, [0, 1, 2, 3]),
        ({}, 2, [0, 0, 1, 1]),
        ({}, 1, [0, 0, 0, 0]),
        ({"frames": 1}, 12, [6]),
        ({"sampling": "start", "frame_rate_hz": 5}, 12, [0, 2, 4, 6]),
        ({"sampling": "start", "frame_rate_hz": 20}, 12, [0, 0, 1, 1]),
        ({"sampling": "start", "frame_rate_hz": 5}, 4, [0, 2, 3, 3]),
        ({"sampling": "start", "frame_rate_hz": 5}, 1, [0, 0, 0, 0]),
        ({"sampling": "center", "frame_rate_hz": 10}, 12, [4, 5, 6, 7]),
        ({"sampling": "center", "frame_rate_hz": 5}, 11, [2, 4, 6, 8]),
        ({"sampling": "center", "frame_rate_hz": 5}, 3, [0, 2, 2, 2]),
    ],
)
def test_the_rule_chooses_frames_by_their_times(rule, count, expected):
    times = 3 + np.arange(count) / 10
    assert video.choose(spec(**rule), times) == expected


@pytest.mark.parametrize(
    "rule, expected",
    [
        ({"sampling": "start", "frame_rate_hz": 3}, [0, 2, 3, 3]),
        # Shown at 0.18, 0.54, 0.9 and 1.26 of 1.44 s.
        ({"sampling": "uniform"}, [1, 2, 2, 5]),
    ],
)
def test_uneven_times_are_gone_by(rule, expected):
    times = np.array([0, 0.1, 0.2, 1.0, 1.1, 1.2])
    assert video.choose(spec(**rule), times) == expected


@pytest.mark.parametrize(
    "kind, codec, name",
    [
        ("avi", "mjpeg", "a.avi"),
        ("avi", "mpeg4", "a.avi"),
        ("mp4", "libx264", "a.mp4"),
        ("mov", "libx264", "a.MOV"),
        ("matroska", "libx264", "a.mkv"),
        ("webm", "libvpx-vp9", "a.webm"),
    ],
)
def test_every_format_gives_the_frames_asked_for(tmp_path, kind, codec, name):
    raw = film(kind=kind, codec=codec)
    found = read_bytes(spec(), raw, name)
    assert found.dtype == np.uint8 and found.shape == (4, 16, 24, 1)
    assert greys(found) == [1, 4, 7, 10]
    later = spec(sampling="center", frame_rate_hz=10)
    assert greys(read_bytes(later, raw, name)) == [4, 5, 6, 7]
    (tmp_path / name).write_bytes(raw)
    np.testing.assert_array_equal(decode_file(spec(), tmp_path / name), found)


def test_a_frame_is_resized_by_the_rules_of_an_image():
    from PIL import Image as pillow

    resize = Image.part("read").resize

    full = read_bytes(spec(channels=3), film(), "a.avi")
    for rule in ("stretch", "crop", "pad"):
        size = {"height": 10, "width": 10, "resize": rule}
        found = read_bytes(spec(channels=3, **size), film(), "a.avi")
        wanted = Image(kind="image", column="x", **size)
        for frame, small in zip(full, found, strict=True):
            picture = resize(wanted, pillow.fromarray(frame), "a")
            np.testing.assert_array_equal(small, np.asarray(picture))
    with pytest.raises(BadSample, match="wrong_size.*24x16, not 24x10"):
        read_bytes(spec(height=10, resize="refuse"), film(), "a.avi")


@pytest.mark.parametrize(
    "rotation, corner",
    [(None, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))],
)
def test_a_film_is_turned_upright(rotation, corner):
    raw = film(kind="mp4", codec="libx264", rotation=rotation)
    size = (16, 24) if rotation in (None, 180) else (24, 16)
    shape = {"height": size[0], "width": size[1], "resize": "refuse"}
    found = read_bytes(spec(frames=1, **shape), raw, "a.mp4")[0, ..., 0]
    half = np.array(size) // 2
    quarters = found.reshape(2, half[0], 2, half[1]).mean(axis=(1, 3))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == corner


def test_grey_is_that_of_an_image():
    colour = read_bytes(spec(channels=3), film(), "a.avi").astype(int)
    grey = read_bytes(spec(), film(), "a.avi")[..., 0]
    expected = colour @ [299, 587, 114] / 1000
    np.testing.assert_allclose(grey, expected, atol=1)


@pytest.mark.parametrize(
    "kind, codec, name, part, reason",
    [
        ("mp4", "libx264", "a.mp4", 0.5, "truncated"),
        ("mp4", "libx264", "a.mp4", 0.9, "truncated"),
        ("matroska", "libx264", "a.mkv", 0.6, "truncated"),
        ("webm", "libvpx-vp9", "a.webm", 0.7, "truncated"),
        ("avi", "mjpeg", "a.avi", 0.5, "truncated"),
        ("avi", "png", "a.avi", 1, "wrong_format"),
        ("avi", "mjpeg", "a.avi", 0.01, "corrupt|truncated|empty"),
    ],
)
def test_a_cut_or_foreign_film_is_refused(kind, codec, name, part, reason):
    raw = film(60, kind, codec)
    with pytest.raises(BadSample, match=f"^({reason}): '{name}'"):
        read_bytes(spec(), raw[: int(len(raw) * part)], name)


def test_damage_inside_is_refused_or_read_never_a_crash():
    raw = film(30, "mp4", "libx264", 64, 64)
    random, found = np.random.default_rng(0), []
    for _ in range(20):
        bad = bytearray(raw)
        for place in random.integers(40, len(raw), 10):
            bad[place] ^= 255
        try:
            found.append(read_bytes(spec(), bytes(bad), "a.mp4").shape)
        except BadSample as error:
            found.append(str(error.reason))
    assert set(found) <= {(4, 16, 24, 1), "corrupt", "truncated", "bad_header",
                          "wrong_format", "empty", "too_large"}  # fmt: skip
    assert "corrupt" in found


@pytest.mark.parametrize(
    "raw",
    [b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\n"],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_playlist_under_any_name_is_refused(raw, name):
    with pytest.raises(BadSample, match="wrong_format"):
        read_bytes(spec(), raw, name)


@pytest.mark.parametrize(
    "limit, value", [("MAX_FRAMES", 11), ("MAX_FILM_PIXELS", 4000)]
)
def test_the_size_is_capped_before_a_frame_is_decoded(
    monkeypatch, limit, value
):
    films = "mmkeras.data.files.media.films"
    monkeypatch.setattr(f"{films}.{limit}", value)
    monkeypatch.setattr(f"{films}.frames_of", None)
    with pytest.raises(BadSample, match="too_large.*24x16, 12 frames"):
        read_bytes(spec(), film(), "a.avi")


def test_pictures_above_the_cap_are_refused(monkeypatch):
    monkeypatch.setattr("mmkeras.data.files.media.films.MAX_PIXELS", 300)
    with pytest.raises(BadSample, match="too_large|bad_header"):
        read_bytes(spec(), film(), "a.avi")


def test_a_rule_without_its_rate_is_refused():
    for wrong in ({"sampling": "start"}, {"frame_rate_hz": 3}):
        with pytest.raises(ValueError, match="`frame_rate_hz` must be given"):
            spec(**wrong)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    import sys

    raw = film()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"install mmkeras\[video\]") as e:
        read_bytes(spec(), raw, "a.avi")
    assert not isinstance(e.value, BadSample)
