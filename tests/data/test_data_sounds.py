"""WAV and FLAC of every code become the same 16-bit samples."""

import io

import librosa
import numpy as np
import pytest
import soundfile
from data.data_toys import read_bytes

from mmkeras.data import decode_file
from mmkeras.kinds import Audio

RATE = 8000
SOUND = np.random.default_rng(0).integers(-9000, 9000, 800).astype(np.int16)


def spec(**values) -> Audio:
    length = {"sample_rate_hz": RATE, "duration_sec": 0.1}
    return Audio(kind="audio", column="x", **{**length, **values})


def saved(sound, rate=RATE, **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, **{"format": "WAV", **options})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options, name, tolerance",
    [
        ({"subtype": "PCM_16"}, "a.wav", 0),
        ({"subtype": "PCM_24"}, "a.wav", 0),
        ({"subtype": "PCM_32"}, "a.wav", 0),
        ({"subtype": "FLOAT"}, "a.wav", 0),
        ({"subtype": "DOUBLE"}, "a.WAV", 0),
        ({"subtype": "PCM_U8"}, "a.wave", 256),
        ({"format": "WAVEX", "subtype": "PCM_16"}, "a.wav", 0),
        ({"format": "FLAC", "subtype": "PCM_16"}, "a.flac", 0),
        ({"format": "FLAC", "subtype": "PCM_24"}, "a.flac", 0),
    ],
)
def test_each_code_gives_the_samples_back(options, name, tolerance):
    source = SOUND
    if options["subtype"] in ("FLOAT", "DOUBLE"):
        source = SOUND / 32768
    found = read_bytes(spec(), saved(source, **options), name)
    assert found.dtype == np.int16
    assert np.abs(found.astype(int) - SOUND).max() <= tolerance


def test_channels_are_averaged():
    raw = saved(np.stack([SOUND, np.zeros_like(SOUND)], axis=1))
    found = read_bytes(spec(), raw, "a.wav")
    assert np.abs(found - SOUND / 2).max() <= 0.5


def test_resampling_is_librosa_s():
    raw = saved(SOUND, 16000)
    expected = librosa.resample(
        (SOUND / 32768).astype(np.float32),
        orig_sr=16000,
        target_sr=8000,
        res_type="soxr_hq",
    )
    found = read_bytes(spec(), raw, "a.wav")
    assert np.abs(found[:400] - expected[:400] * 32768).max() <= 1
    assert not found[400:].any()


@pytest.mark.parametrize(
    "crop, seconds, expected",
    [
        ("start", 0.05, SOUND[:400]),
        ("center", 0.05, SOUND[200:600]),
        ("start", 0.125, np.pad(SOUND, (0, 200))),
        ("center", 0.125, np.pad(SOUND, (0, 200))),
    ],
)
def test_cutting_and_padding(crop, seconds, expected):
    found = read_bytes(
        spec(crop=crop, duration_sec=seconds), saved(SOUND), "a.wav"
    )
    assert found.tolist() == expected.tolist()


def test_rounding_clips_instead_of_wrapping():
    values = np.array([-2, -1, 0, 0.5, 1, 2], np.float32)
    raw = saved(np.tile(values, 2), subtype="FLOAT")
    found = read_bytes(spec(), raw, "a.wav")[:6]
    assert found.tolist() == [-32768, -32768, 0, 16384, 32767, 32767]


def test_decode_file_gives_what_the_model_gets(tmp_path):
    (tmp_path / "a.wav").write_bytes(saved(SOUND))
    found = decode_file(spec(), tmp_path / "a.wav")
    assert found.dtype == np.float32
    assert (found * 32768 == SOUND).all()
