"""Soft ends are cut and recordings levelled, in prepare and on the device."""

import numpy as np
import pytest
import soundfile

from mmkeras import check_kind
from mmkeras.data import SampleIO
from mmkeras.kinds import Audio

RATE = 8000
STRETCH = RATE // 50


def spec(**values) -> Audio:
    length = {"sample_rate_hz": RATE, "duration_sec": 0.5}
    return Audio(kind="audio", column="x", **{**length, **values})


def spoken(before, loud, after, floor_db=-60, seed=0):
    """A tone of so many stretches between noise of two soft ends."""
    size = (before + loud + after) * STRETCH
    noise = np.random.default_rng(seed).normal(size=size)
    sound = 10 ** (floor_db / 20) * noise * 0.5 / np.sqrt(2)
    place = slice(before * STRETCH, (before + loud) * STRETCH)
    steps = np.arange(loud * STRETCH)
    sound[place] += 0.5 * np.sin(2 * np.pi * 440 * steps / RATE)
    return sound


def read(sound, folder, rate=RATE, **keys):
    soundfile.write(folder / "a.wav", sound, rate, subtype="PCM_16")
    found = spec(**keys).read({"x": "a.wav"}, SampleIO(str(folder)))
    return found.value / 32768, found.notes


@pytest.mark.parametrize(
    "before, loud, after, floor_db, kept",
    [
        (5, 10, 5, -60, (5, 15)),
        (5, 10, 0, -60, (5, 15)),
        (0, 10, 7, -60, (0, 10)),
        (0, 20, 0, -60, (0, 20)),
        (5, 10, 5, -20, (0, 20)),  # not softer by 40 dB
    ],
)
def test_soft_ends_are_cut(tmp_path, before, loud, after, floor_db, kept):
    sound = spoken(before, loud, after, floor_db)
    whole, notes = read(sound, tmp_path, silence="keep")
    assert "trimmed" not in notes
    found, notes = read(sound, tmp_path, trim_db=40.0)
    start, end = (stretch * STRETCH for stretch in kept)
    np.testing.assert_array_equal(found[: end - start], whole[start:end])
    assert not found[end - start :].any()
    assert notes.get("trimmed", 0) == (end - start < len(sound))


@pytest.mark.parametrize(
    "amplitude, loudness_dbfs, reached",
    [(0.5, -20, True), (0.01, -20, True), (0.9, -3.1, True), (0.5, 0, False)],
)
def test_recordings_are_brought_to_one_level(
    tmp_path, amplitude, loudness_dbfs, reached
):
    steps = np.arange(RATE // 4)
    sound = amplitude * np.sin(2 * np.pi * 440 * steps / RATE)
    found, notes = read(sound, tmp_path, loudness_dbfs=float(loudness_dbfs))
    level = 10 * np.log10(np.mean(found[: len(sound)] ** 2))
    # A sine's peak is 3 dB above its level: no louder than that.
    wanted = loudness_dbfs if reached else -3.01
    assert level == pytest.approx(wanted, abs=0.02)
    assert ("levelled" in notes) == reached
    assert ("levelled_below_clipping" in notes) == (not reached)
    assert "clipped" not in notes


def test_a_level_is_that_of_what_was_recorded(tmp_path):
    steps = np.arange(RATE // 8)
    tone = 0.1 * np.sin(2 * np.pi * 440 * steps / RATE)
    found, _ = read(tone, tmp_path, loudness_dbfs=-20.0)
    level = 10 * np.log10(np.mean(found[: len(tone)] ** 2))
    assert level == pytest.approx(-20, abs=0.02)


@pytest.mark.parametrize("crop", ["start", "center"])
@pytest.mark.parametrize(
    "keys", [{"trim_db": 30.0}, {"loudness_dbfs": -12.0},
             {"trim_db": 50.0, "loudness_dbfs": -25.0}],
)  # fmt: skip
def test_the_device_does_the_same(tmp_path, keys, crop):
    rows = []
    for i, stretches in enumerate([(5, 10, 5), (0, 40, 9), (30, 3, 30)]):
        soundfile.write(tmp_path / f"{i}.wav", spoken(*stretches, seed=i), RATE)
        rows.append({"x": f"{i}.wav"})
    kind = spec(crop=crop, **keys)
    found = check_kind(kind, rows, tmp_path, skip=("tower",))
    assert found["device"] == "kept" and "broken" not in found.values()
    assert kind.web is None and spec().web == "sound"
