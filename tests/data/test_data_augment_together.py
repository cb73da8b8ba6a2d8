"""One draw for modalities that belong together: same shift, same mirror."""

import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec

from mmkeras.data import augmenter, settings_of, stronger

FILM = {"kind": "video", "column": "f", "height": 4, "width": 6, "channels": 1,
        "frames": 8, "sampling": "start", "frame_rate_hz": 8}  # fmt: skip
SOUND = {"kind": "audio", "column": "s", "sample_rate_hz": 8000,
         "duration_sec": 1}  # fmt: skip
SERIES = {"kind": "series", "column": "e", "channels": ["a"],
          "sample_rate_hz": 40, "duration_sec": 1}  # fmt: skip
PICTURE = {"kind": "image", "column": "p", "height": 4, "width": 6,
           "channels": 1}  # fmt: skip
VOLUME = {"kind": "volume", "column": "v", "depth": 2, "height": 4,
          "width": 6, "spacing_mm": [1, 1, 1], "window_low": 0,
          "window_high": 255}  # fmt: skip
SPEC = make_spec(
    modalities={
        "film": FILM, "sound": SOUND, "ecg": SERIES, "picture": PICTURE,
        "mask": PICTURE, "scan": VOLUME,
        "text": {"kind": "text", "column": "t", "max_tokens": 4},
    }
)  # fmt: skip
TIMED = ("film", "sound", "ecg")
BATCH = 32
# Time itself, from 1: frames, milliseconds, steps.
FRAMES = np.arange(1, 9)[None, :, None, None, None]
MILLISECONDS = np.repeat(np.arange(1, 1001), 8)[None] / 1024
STEPS = np.arange(1, 41)[None, :, None]
ACROSS = np.arange(6)[None, None, :, None] * 40
INPUTS = {
    "film": np.broadcast_to(FRAMES, (BATCH, 8, 4, 6, 1)).astype("uint8"),
    "sound": np.broadcast_to(MILLISECONDS, (BATCH, 8000)).astype("float32"),
    "ecg": np.broadcast_to(STEPS, (BATCH, 40, 1)).astype("float32"),
    "picture": np.broadcast_to(ACROSS, (BATCH, 4, 6, 1)).astype("uint8"),
    "mask": np.broadcast_to(ACROSS, (BATCH, 4, 6, 1)).astype("uint8"),
    "scan": np.broadcast_to(
        ACROSS[:, None], (BATCH, 2, 4, 6, 1)
    ).astype("float32"),
}  # fmt: skip


def augmented(settings, seed=1, spec=SPEC, inputs=INPUTS):
    change = augmenter(spec, settings_of(spec, settings))
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    found = change(tensors, tf.constant(seed, tf.int64))
    return {name: value.numpy() for name, value in found.items()}


def first_seconds(found):
    """The time of what comes first in each, in seconds; NaN: nothing."""
    film = (found["film"][:, 0, 0, 0, 0] - 1) / 8
    sound = found["sound"][:, 0] * 1024
    sound = np.where(sound > 0, (np.round(sound) - 1) / 1000, np.nan)
    return film, sound, (found["ecg"][:, 0, 0] - 1) / 40


def timed(key, value, **more):
    return {**{name: {key: value} for name in TIMED}, **more}


def test_a_film_its_sound_and_a_series_lose_the_same_seconds():
    together = {"time_crop": list(TIMED)}
    found = augmented(timed("time_crop", 0.6, together=together))
    film, sound, ecg = first_seconds(found)
    assert np.array_equal(film, sound)
    assert np.abs(film - ecg).max() <= 0.0126, "within half a step of 40 Hz"
    assert len(set(film)) > 3 and film.max() > 0.3
    frames = found["film"][:, :, 0, 0, 0].max(1) / 8
    kept = np.round(found["sound"].max(1) * 1024) / 1000
    assert np.array_equal(frames, kept), "and end at the same time"
    alone = augmented(timed("time_crop", 0.6))
    assert not np.array_equal(*first_seconds(alone)[:2])


def test_the_same_shift_in_both_directions():
    together = {"time_shift": ["film", "sound"]}
    found = augmented(timed("time_shift", 0.5, together=together))
    shifts = []
    for frames, sound in zip(
        found["film"][:, :, 0, 0, 0], found["sound"], strict=True
    ):
        # Later: silence comes first. Earlier: it comes last.
        silent = np.flatnonzero(sound > 0)
        later = silent[0] / 8000 or -(7999 - silent[-1]) / 8000
        shifts.append(later)
        source = np.clip(np.arange(8) - round(later * 8), 0, 7)
        assert np.array_equal(frames, 1 + source)
        assert (later * 8).is_integer()
    assert min(shifts) < -0.2 and max(shifts) > 0.2


@pytest.mark.parametrize("names", [["picture", "mask"], ["picture", "scan"]])
def test_one_mirror_for_a_picture_and_what_belongs_to_it(names):
    settings = {name: {"horizontal_flip": 1} for name in names}
    together = {**settings, "together": {"horizontal_flip": names}}
    first, second = names
    for seed in range(3):
        found = augmented(together, seed)
        flipped = found[first][:, 0, 0, 0] > 0
        assert 4 < flipped.sum() < 28
        other = found[second].reshape(BATCH, -1)[:, 0] > 0
        assert np.array_equal(flipped, other)
    alone = augmented(settings)
    assert not np.array_equal(
        alone[first][:, 0, 0, 0] > 0, alone[second].reshape(BATCH, -1)[:, 0] > 0
    )


def test_every_move_of_a_picture_is_that_of_its_mask():
    moves = {
        "translation": 0.2, "rotation_degrees": 20, "zoom": 0.2, "crop": 0.3
    }  # fmt: skip
    settings = {"picture": dict(moves), "mask": {**moves}}
    settings["picture"]["brightness"] = 0.0
    settings["together"] = {key: ["picture", "mask"] for key in moves}
    found = augmented(settings)
    assert np.array_equal(found["picture"], found["mask"])
    assert len({one.tobytes() for one in found["mask"]}) > 20
    # What is not shared stays its own.
    settings["picture"]["contrast"] = settings["mask"]["contrast"] = 0.5
    found = augmented(settings)
    assert not np.array_equal(found["picture"], found["mask"])


def test_what_is_shared_changes_no_other_draw():
    settings = timed("time_shift", 0.3, picture={"noise_std": 0.2})
    alone = augmented(settings)
    shared = {**settings, "together": {"time_shift": ["film", "sound"]}}
    found = augmented(shared)
    assert np.array_equal(alone["picture"], found["picture"])
    assert not np.array_equal(alone["sound"], found["sound"])


def test_an_absent_sound_stays_absent_beside_its_film():
    spec = make_spec(
        modalities={"film": FILM, "sound": {**SOUND, "optional": True}}
    )
    settings = {
        "film": {"time_crop": 0.6},
        "sound": {"time_crop": 0.6},
        "together": {"time_crop": ["film", "sound"]},
    }
    there = np.arange(BATCH) % 2
    inputs = {
        "film": INPUTS["film"],
        "sound": INPUTS["sound"] * there[:, None].astype("float32"),
        "present": there[:, None].astype("float32"),
    }
    found = augmented(settings, spec=spec, inputs=inputs)
    assert not found["sound"][::2].any()
    first = np.round(found["sound"][1::2, 0] * 1024 - 1) / 1000
    assert np.array_equal(first, (found["film"][1::2, 0, 0, 0, 0] - 1) / 8)


def test_stronger_views_share_what_the_data_share():
    together = {"time_crop": ["film", "sound"]}
    settings = settings_of(SPEC, timed("time_crop", 0.2, together=together))
    found = stronger(SPEC, settings, 2.0)
    assert found["together"] == together
    assert found["film"]["time_crop"] == found["sound"]["time_crop"] == 0.4


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"together": {"time_crop": "film"}}, "a list of two or more"),
        ({"together": {"time_crop": ["film"]}}, "a list of two or more"),
        ({"together": {"time_crop": ["film", "film"]}}, "two or more"),
        ({"together": 1}, "`augment.together` must be a table"),
        ({"together": {"time_crop": ["film", "sonud"]}}, "mean `sound`"),
        ({"together": {"time_crop": ["film", "text"]}},
         "`text` of kind 'text', which can share none"),
        ({"together": {"gain_db": ["film", "sound"]}},
         "can share horizontal_flip, time_crop, time_shift"),
        ({"together": {"time_crop": ["film", "sound"]}},
         "above 0 in the table.*film = 0, sound = 0"),
        ({"film": {"time_crop": 0.1}, "sound": {"time_crop": 0.2},
          "together": {"time_crop": ["film", "sound"]}},
         "film = 0.1, sound = 0.2"),
        ({"togeter": {}}, "or be one of its tables together"),
    ],
)  # fmt: skip
def test_wrong_draws_together_are_one_message(settings, message):
    with pytest.raises(ValueError, match=message):
        settings_of(SPEC, settings)


def test_samples_of_two_durations_have_no_part_in_common():
    spec = make_spec(
        modalities={"film": FILM, "sound": {**SOUND, "duration_sec": 2}}
    )
    settings = {"film": {"time_crop": 0.1}, "sound": {"time_crop": 0.1}}
    settings["together"] = {"time_crop": ["film", "sound"]}
    with pytest.raises(ValueError, match="film 1 s, sound 2 s"):
        settings_of(spec, settings)
    # Frames spread over a whole film have no duration of their own.
    whole = {**FILM, "sampling": "uniform", "frame_rate_hz": None}
    del whole["frame_rate_hz"]
    spec = make_spec(modalities={"film": whole, "sound": SOUND})
    assert settings_of(spec, settings)["together"] == settings["together"]


def test_steps_with_labels_are_not_moved():
    spec = make_spec(
        modalities={"ecg": SERIES},
        targets__steps={"kind": "sequence", "column": "x", "steps": 4,
                        "classes": ["a", "b"], "modality": "ecg"},
    )  # fmt: skip
    assert settings_of(spec, {"ecg": {"gain": 0.1}})
    with pytest.raises(ValueError, match="ecg.time_warp.*target `steps`"):
        settings_of(spec, {"ecg": {"time_warp": 0.1}})
