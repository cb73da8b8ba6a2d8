"""What the report shows of series, films and scans."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from mmkeras.evaluation import show_sample
from mmkeras.kinds import Series, Video, Volume
from mmkeras.reporting import film_strip, lines

SERIES = Series(
    kind="series", column="x", channels=["ecg", "<b>"], sample_rate_hz=10,
    duration_sec=1,
)  # fmt: skip
VIDEO = Video(kind="video", column="x", height=4, width=6, frames=9)
VOLUME = Volume(
    kind="volume", column="x", depth=2, height=3, width=4,
    spacing_mm=[1, 1, 1], window_low=-100, window_high=155,
)  # fmt: skip


def pixels(url: str) -> np.ndarray:
    content = base64.b64decode(url.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_gap_breaks_the_line():
    values = np.arange(20.0).reshape(10, 2)
    values[4:6, 0] = np.nan
    drawn = lines(values)
    paths = re.findall(r'd="([^"]*)"', drawn)
    assert [path.count("M") for path in paths] == [2, 1]
    assert paths[1].startswith("M0,23.0L1,") and paths[1].endswith("L9,13.0")
    assert 'viewBox="0 0 9 24"' in drawn


@pytest.mark.parametrize("value", [np.nan, 5.0])
def test_a_line_of_gaps_or_of_one_value_is_drawn(value):
    drawn = lines(np.full((5, 1), value))
    assert "nan" not in drawn
    assert drawn.count("L") == (4 if value == 5 else 0)


def test_many_steps_and_channels_are_thinned():
    drawn = lines(np.random.default_rng(0).normal(size=(10_000, 50)))
    assert drawn.count("<path") == 8 and len(drawn) < 40_000


def test_a_film_is_a_row_of_its_frames():
    film = np.random.default_rng(0).integers(0, 256, (9, 4, 6, 3), "uint8")
    expected = np.concatenate(film[[0, 2, 3, 5, 6, 8]], axis=1)
    np.testing.assert_array_equal(pixels(film_strip(film)), expected)


def test_a_scan_is_its_middle_planes_with_the_head_up():
    scan = np.arange(24.0).reshape(2, 3, 4, 1)
    found = pixels(Volume.part("show").slices(scan, VOLUME)).astype(int) - 100
    grey = scan[..., 0].astype(int)
    np.testing.assert_array_equal(found[:, :4], grey[1, ::-1])
    np.testing.assert_array_equal(found[:2, 5:9], grey[::-1, 1])
    np.testing.assert_array_equal(found[:2, 10:13], grey[::-1, :, 2])
    outside = Volume.part("show").slices(scan * 1e6 - 1e6, VOLUME)
    assert set(np.unique(pixels(outside))) <= {0, 255}


def test_a_sample_shows_every_kind():
    modalities = {"ecg": SERIES, "film": VIDEO, "scan": VOLUME}
    x = {
        "ecg": np.zeros((10, 2), "float32"),
        "film": np.zeros((9, 4, 6, 3), "uint8"),
        "scan": np.zeros((2, 3, 4, 1), "float32"),
        "present": np.array([1.0]),
    }
    ecg, film, scan = show_sample(x, modalities, ["ecg"], {})
    assert ecg["drawing"].startswith("<svg") and ecg["text"] == "ecg, <b>"
    for part in (film, scan):
        assert part["picture"].startswith("data:image/png;base64,")
