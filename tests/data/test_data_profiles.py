"""What each kind tells of one sample in the data report, on known values."""

import numpy as np
import pytest

from mmkeras.spec import MODALITIES


def kind(name, **keys):
    return MODALITIES.read({"kind": name, "column": "file", **keys})


SOUND = kind("audio", sample_rate_hz=8000, duration_sec=1)
SERIES = kind("series", channels=["x", "y"], sample_rate_hz=100, duration_sec=2)
PICTURE = kind("image", height=32, width=32)
FILM = kind("video", frames=4, height=32, width=32)
SCAN = kind(
    "volume", depth=24, height=24, width=24, spacing_mm=[1, 1, 1],
    window_low=0, window_high=100,
)  # fmt: skip


def test_a_full_sine_is_3_db_below_full_scale_and_a_square_is_clipped():
    time = np.arange(8000) / 8000
    sine = np.sin(2 * np.pi * 440 * time)
    found = SOUND.profile(0.5 * sine, None).numbers
    assert found["loudness_dbfs"] == pytest.approx(-9.03, abs=0.01)
    assert found["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert found["clipped_share"] == found["silent_share"] == 0
    found = SOUND.profile(np.sign(sine) * (1 - 1 / 32768), None).numbers
    assert found["clipped_share"] > 0.99
    half = np.where(time < 0.5, sine, 0)
    assert SOUND.profile(half, None).numbers["silent_share"] == 0.5
    nothing = SOUND.profile(np.zeros(8000), None).numbers
    assert nothing["loudness_dbfs"] == -120
    assert SOUND.fingerprint(np.zeros(8000), None) is None


def test_a_series_tells_gaps_flat_channels_and_the_ends_of_each():
    steps = np.stack([np.arange(200.0), np.full(200, 7.0)], axis=1)
    steps[:50] = np.nan
    found = SERIES.profile(steps, None)
    assert found.numbers == {"gap_share": 0.25, "flat_channels": 1}
    assert found.columns == {
        "x, least": 50, "x, most": 199, "y, least": 7, "y, most": 7,
    }  # fmt: skip
    steps[:] = np.nan
    assert np.isnan(SERIES.profile(steps, None).columns["x, most"])


def test_neither_gain_nor_offset_changes_the_fingerprint_of_a_series():
    steps = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0)
    one = SERIES.fingerprint(steps, None)
    assert (SERIES.fingerprint(3 * steps + 5, None).places == one.places).all()
    other = SERIES.fingerprint(steps[::-1], None)
    assert (other.places == one.places).mean() < 0.7
    assert SERIES.fingerprint(np.ones((200, 2)), None) is None


def test_pictures_films_and_scans_tell_their_light():
    grey = np.full((32, 32, 3), 51, np.uint8)
    grey[:16] = 0
    found = PICTURE.profile(grey, None).numbers
    assert found["lightness"] == pytest.approx(0.1)
    assert (found["black_share"], found["white_share"]) == (0.5, 0)
    still = np.stack([grey] * 4)
    assert FILM.profile(still, None).numbers["change"] == 0
    still[1::2] = 51
    assert FILM.profile(still, None).numbers["change"] == pytest.approx(0.1)
    voxels = np.zeros((24, 24, 24, 1), np.float32)
    voxels[:6] = 100
    found = SCAN.profile(voxels, None).numbers
    assert (found["mean"], found["above_window_share"]) == (25, 0.25)
    assert found["below_window_share"] == 0.75


@pytest.mark.parametrize("of", [FILM, SCAN], ids=["film", "scan"])
def test_a_little_noise_leaves_the_fingerprint_of_films_and_scans(of):
    random = np.random.default_rng(0)
    value = random.random(of.shape) * 90
    noisy = value + random.normal(size=of.shape) / 20
    one, near, far = (
        of.fingerprint(v.astype(of.dtype), None)
        for v in (value, noisy, value[::-1])
    )
    assert (near.places == one.places).mean() >= one.alike
    assert (far.places == one.places).mean() < one.alike
    assert of.fingerprint(np.zeros(of.shape, of.dtype), None) is None
