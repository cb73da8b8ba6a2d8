"""Sounds of a batch heard as in rooms whose impulse was recorded."""

import os

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from data.data_toys import make_spec, write_set

from mmkeras.data import augmenter, load_data, prepare, settings_of

AUDIO = {"kind": "audio", "column": "a", "sample_rate_hz": 8000,
         "duration_sec": 0.25}  # fmt: skip
SOUNDS = 0.1 * np.random.default_rng(0).normal(size=(64, 2000)).astype("f4")


def write(path, values, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(values, "f4"), rate, "FLOAT")
    return str(path)


def impulse(**taps):
    found = np.zeros(400)
    for place, value in taps.items():
        found[int(place[1:])] = value
    return found


def heard(place, share=1.0, seed=1, sounds=SOUNDS):
    settings = {"impulses": place, "impulse_share": share}
    spec = make_spec(modalities={"one": AUDIO})
    change = augmenter(spec, settings_of(spec, {"one": settings}))
    return change({"one": tf.constant(sounds)}, seed)["one"].numpy()


def in_room(sounds, taps):
    """The same, by NumPy, as loud as before."""
    found = np.stack([np.convolve(one, taps)[: len(one)] for one in sounds])
    before, now = (
        np.sqrt(np.mean(np.square(x, dtype="f8"), axis=1, keepdims=True))
        for x in (sounds, found)
    )
    return found * before / now


def test_a_single_peak_changes_nothing_wherever_it_is(tmp_path):
    path = write(tmp_path / "a.wav", impulse(_37=0.3))
    np.testing.assert_allclose(heard(path), SOUNDS, atol=2e-6)


def test_echoes_come_after_the_peak_and_the_loudness_stays(tmp_path):
    path = write(tmp_path / "a.wav", impulse(_5=0.02, _40=0.4, _120=-0.2))
    expected = in_room(SOUNDS, impulse(_0=1, _80=-0.5))
    np.testing.assert_allclose(heard(path), expected, atol=1e-5)


def test_an_impulse_of_another_rate_and_of_two_channels_is_fitted(tmp_path):
    taps = np.zeros((800, 2))
    taps[100] = 1.0, 0.6
    taps[100 + 2 * 80] = 0.5, 0.3
    path = write(tmp_path / "a.wav", taps, 16000)
    # What half of the rate cannot hold is gone from both.
    smooth = np.apply_along_axis(
        lambda x: np.convolve(x, np.hanning(9) / 4, "same"), 1, SOUNDS
    ).astype("f4")
    expected = in_room(smooth, impulse(_0=1, _80=0.5))
    found = heard(path, sounds=smooth)
    error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    assert error < 0.05


def test_each_sample_draws_its_room_and_some_draw_none(tmp_path):
    rooms = [impulse(_0=1, _50=0.8), impulse(_0=1, _90=-0.8)]
    for number, taps in enumerate(rooms):
        write(tmp_path / "rooms" / f"{number}.wav", taps)
    (tmp_path / "rooms" / "notes.txt").write_text("of two rooms")
    found = heard(str(tmp_path / "rooms"), 0.6)
    wanted = [SOUNDS, *(in_room(SOUNDS, taps) for taps in rooms)]
    near = [np.abs(found - one).max(axis=1) < 1e-5 for one in wanted]
    assert (np.sum(near, axis=0) == 1).all()
    plain, first, second = (one.sum() for one in near)
    assert 15 <= plain <= 36 and first >= 10 and second >= 10
    assert np.array_equal(found[near[0]], SOUNDS[near[0]])
    assert np.array_equal(found, heard(str(tmp_path / "rooms"), 0.6))
    assert not np.array_equal(found, heard(str(tmp_path / "rooms"), 0.6, 2))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "`impulse_share` needs `impulses`, a WAV file or a folder"),
        ("none.wav", "a WAV file, or a folder of them. Received: .*none.wav"),
        ("text.wav", "a WAV file, or a folder of them. Received: .*text.wav"),
        ("silent.wav", "must hold sound. Received: .*silent.wav"),
        ("empty", "a folder that holds some. Received: .*empty"),
    ],
)
def test_what_is_no_impulse_is_refused(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.wav").write_text("no sound")
    write(tmp_path / "silent.wav", np.zeros(100))
    with pytest.raises(ValueError, match=message):
        heard(name and str(tmp_path / name))


def test_a_changed_impulse_is_another_setting(tmp_path):
    write_set(tmp_path / "root")
    prepare(make_spec(tmp_path / "root"), tmp_path / "data", workers=1)
    place = tmp_path / "rooms"
    write(place / "a.wav", impulse(_0=1, _50=0.5))

    def hashes():
        audio = {"impulses": str(place), "impulse_share": 1}
        data = load_data(tmp_path / "data", augment={"audio": audio})
        return data.augment_files

    before = hashes()
    assert [*before] == ["audio.impulses"] and before == hashes()
    write(place / "a.wav", impulse(_0=1, _50=0.6))
    after = hashes()
    assert after != before
    write(place / "b.wav", impulse(_0=1))
    assert hashes() not in (before, after)
    assert load_data(tmp_path / "data").augment_files == {}


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "room.wav")
    with pytest.raises(ValueError, match="`impulses` must be a WAV file"):
        heard(str(tmp_path / "room.wav"))
    with pytest.raises(ValueError, match="`impulses` must be a WAV file"):
        heard("/dev/zero")
    outside = write(tmp_path / "else" / "a.wav", impulse(_0=1))
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "a.wav").symlink_to(outside)
    with pytest.raises(ValueError, match="a.wav"):
        heard(str(tmp_path / "rooms"))
