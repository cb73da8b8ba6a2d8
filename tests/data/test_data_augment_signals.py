"""Series, films and volumes of a batch: moved, warped, cut, turned."""

import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec

from mmkeras.data import augmenter, batch_augmenter, settings_of

SERIES = {"kind": "series", "column": "s", "channels": ["a", "b", "c"],
          "sample_rate_hz": 40, "duration_sec": 1}  # fmt: skip
FILM = {"kind": "video", "column": "f", "height": 4, "width": 6, "channels": 1,
        "frames": 8, "sampling": "start", "frame_rate_hz": 8}  # fmt: skip
VOLUME = {"kind": "volume", "column": "v", "depth": 3, "height": 16,
          "width": 16, "spacing_mm": [4, 1, 1], "window_low": -1000,
          "window_high": 1000}  # fmt: skip
RAMP = np.tile(np.arange(40, dtype=np.float32)[:, None] + 1, (24, 1, 3))
FILMS = np.broadcast_to(
    10 * np.arange(1, 9)[None, :, None, None, None], (24, 8, 4, 6, 1)
)


def changed(table, settings, values, seed=1, dtype=tf.float32):
    spec = make_spec(modalities={"one": table})
    change = augmenter(spec, settings_of(spec, {"one": settings}))
    found = change({"one": tf.constant(values, dtype)}, seed)["one"]
    assert found.shape == values.shape and found.dtype == dtype
    return found.numpy()


def test_a_warped_series_is_faster_here_and_slower_there():
    found = changed(SERIES, {"time_warp": 0.5}, RAMP)[..., 0]
    assert np.allclose(found[:, 0], 1) and np.allclose(found[:, -1], 40)
    speeds = np.diff(found, axis=1)
    assert (speeds > 0).all()
    # Within (1 - 0.5) / (1 + 0.5) and the inverse, as both ends stay.
    assert speeds.min() >= 0.33 and speeds.max() <= 3
    assert np.ptp(speeds, axis=1).max() > 0.4
    assert len(np.unique(found[:, 20])) == 24


def test_a_gap_is_warped_with_its_series():
    values = RAMP.copy()
    values[:, 10:20, 1] = np.nan
    found = changed(SERIES, {"time_warp": 0.5}, values)
    gap = np.isnan(found[..., 1])
    time = found[..., 0]
    assert np.array_equal(gap, (time > 10) & (time < 21))


def test_what_follows_grows_with_its_series():
    target = {"kind": "forecast", "modality": "one", "channels": ["b"],
              "steps": 5}  # fmt: skip
    spec = make_spec(
        modalities={"one": SERIES}, targets={"next": target}, split={}
    )
    settings = settings_of(spec, {"one": {"gain": 0.5, "noise_std": 0}})
    change = batch_augmenter(spec, settings)
    draw = np.random.default_rng(0)
    series = draw.normal(3, 1, (24, 45, 3)).astype("float32")
    series[0, :40, 1] = np.nan
    seen, labels = series[:, :40], series[:, 40:, 1:2]
    inputs, found, weights = change(
        (
            {"one": tf.constant(seen)},
            {"next": tf.constant(labels)},
            {"next": tf.ones(labels.shape)},
        ),
        3,
    )
    assert np.array_equal(found["next"][0], labels[0]), "nothing is known"
    for before, after, label, moved in zip(
        seen[1:, :, 1], inputs["one"][1:, :, 1], labels[1:], found["next"][1:]
    ):
        mean = before.mean()
        gain = np.std(after) / np.std(before)
        assert 0.5 <= gain <= 1.5
        wanted = mean + gain * (label - mean)
        np.testing.assert_allclose(moved, wanted, rtol=1e-3)
    assert np.std(found["next"] - labels) > 0.1


def test_channels_become_gaps_and_one_stays():
    found = changed(SERIES, {"channel_dropout": 0.9}, RAMP)
    lost = np.isnan(found).all(axis=1)
    assert np.array_equal(np.isnan(found).any(axis=1), lost)
    assert lost.sum() > 36 and not lost.all(axis=1).any()
    values = RAMP.copy()
    values[:, :, :2] = np.nan
    found = changed(SERIES, {"channel_dropout": 0.9}, values)
    assert np.array_equal(found[..., 2], RAMP[..., 2]), "the one that is known"


@pytest.mark.parametrize(
    "table, values, dtype, step",
    [(SERIES, RAMP, tf.float32, 1), (FILM, FILMS, tf.uint8, 10)],
    ids=["series", "video"],
)
def test_what_is_moved_in_time_keeps_its_steps(table, values, dtype, step):
    size = values.shape[1]

    def times(settings):
        found = changed(table, settings, values, dtype=dtype)
        return found.reshape(24, size, -1)[..., 0] / step - 1

    before = np.arange(size)
    moved, shifts = times({"time_shift": 0.4}), []
    for row in moved:
        # The step that is seen in the middle is seen once, and tells it.
        shift = size // 2 - int(row[size // 2])
        source = before - shift
        inside = (source >= 0) & (source < size)
        assert np.array_equal(row[inside], source[inside])
        outside = row[~inside]
        edges = np.clip(source, 0, size - 1)[~inside]
        assert np.isnan(outside).all() or np.array_equal(outside, edges)
        shifts.append(shift / size)
    assert -0.4 <= min(shifts) < -0.2 and 0.2 < max(shifts) <= 0.4
    lengths = []
    for row in times({"time_crop": 0.5}):
        length = 1 + int(np.nanmax(row) - row[0])
        assert np.array_equal(row[:length], row[0] + np.arange(length))
        rest = row[length:]
        assert np.isnan(rest).all() or (rest == row[length - 1]).all()
        lengths.append(length / size)
    assert 0.5 <= min(lengths) < 0.7 and 0.8 < max(lengths) <= 1


def test_a_volume_is_mirrored_in_each_direction_by_half():
    random = np.random.default_rng(0)
    values = random.uniform(-900, 900, (24, 3, 16, 16, 1)).astype("float32")
    axes = {"depth_flip": 1, "vertical_flip": 2, "horizontal_flip": 3}
    for key, axis in axes.items():
        found = changed(VOLUME, {key: 1}, values)
        flipped = [np.array_equal(a, b) for a, b in zip(
            found, np.flip(values, axis), strict=True)]  # fmt: skip
        same = [np.array_equal(a, b) for a, b in zip(
            found, values, strict=True)]  # fmt: skip
        assert sum(flipped) + sum(same) == 24
        assert 5 < sum(flipped) < 19, key


def test_all_slices_of_a_volume_turn_by_one_angle():
    bar = np.full((24, 3, 16, 16, 1), -1000, np.float32)
    bar[:, :, 7:9, 2:14] = 500
    found = changed(VOLUME, {"rotation_degrees": 60}, bar)
    assert np.array_equal(found[:, 0], found[:, 1])
    assert np.array_equal(found[:, 0], found[:, 2])
    y, x = np.mgrid[:16, :16] - 7.5
    weights = found[:, 0, ..., 0] + 1000.0
    angles = 0.5 * np.arctan2(
        (2 * weights * x * y).sum((1, 2)),
        (weights * (x**2 - y**2)).sum((1, 2)),
    )
    angles = np.degrees(angles)
    assert -61 < angles.min() < -25 and 25 < angles.max() < 61
    # What comes in from outside is what prepare surrounds with.
    assert found.min() == -1000
    spacing = {**VOLUME, "spacing_mm": [4, 1, 2]}
    with pytest.raises(ValueError, match="rotation_degrees.*bent.*1.0, 2.0"):
        changed(spacing, {"rotation_degrees": 5}, bar)


def test_intensities_stay_inside_the_window():
    values = np.full((24, 3, 16, 16, 1), 400, np.float32)
    values[:, 1] = -1000
    found = changed(VOLUME, {"gain": 0.2, "intensity_shift": 0.1}, values)
    levels = found[:, 0, 0, 0, 0]
    assert found.min() >= -1000 and found.max() <= 1000
    # 400 times 0.8 to 1.2, and 0.1 of 2000 either way.
    assert 120 <= levels.min() < 300 and 500 < levels.max() <= 680
    assert (np.ptp(found[:, 0], axis=(1, 2, 3)) == 0).all()


def test_an_absent_volume_stays_in_the_middle_of_its_window():
    spec = make_spec(modalities={"one": {**VOLUME, "optional": True}})
    change = augmenter(spec, settings_of(spec, True))
    # A shard's 0, in Hounsfield units.
    middle = np.float32(32768 * 2000 / 65535 - 1000)
    values = tf.fill((4, 3, 16, 16, 1), middle)
    present = tf.constant([[0.0], [1.0], [0.0], [1.0]])
    found = change({"one": values, "present": present}, 1)["one"].numpy()
    assert np.abs(found[::2] - middle).max() < 1e-3
    assert np.abs(found[1::2] - middle).max() > 1
