"""Fault 22: sound bombs and lying headers are refused by the header."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from data.data_toys import read_bytes, wav_bytes

from mmkeras.data import BadSample
from mmkeras.data.files import MAX_SOUND_VALUES
from mmkeras.kinds import Audio

SPEC = Audio(kind="audio", column="x", sample_rate_hz=8000, duration_sec=0.1)


def saved(sound, **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 8000, **{"format": "WAV", **options})
    return buffer.getvalue()


def silence_bomb() -> bytes:
    """A FLAC of 0.3 MB that unpacks to 260 MB."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", 8000, 1, format="FLAC", subtype="PCM_16"
    ) as file:
        part = np.zeros(1_000_000, np.int16)
        for _ in range(MAX_SOUND_VALUES // len(part) + 1):
            file.write(part)
    return buffer.getvalue()


def with_frames(count: int) -> bytes:
    """A FLAC whose header declares `count` frames."""
    raw = bytearray(saved(np.ones(800, np.int16), format="FLAC"))
    raw[21] = raw[21] & 0xF0 | count >> 32
    raw[22:26] = (count & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(raw)


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(-9000, 9000, 9000).astype("int16")


HOSTILE = {
    "silence": (silence_bomb, "a.flac", "too_large"),
    "many frames": (lambda: with_frames(2**35), "a.flac", "too_large"),
    "flac says more": (lambda: with_frames(900), "a.flac", "truncated|corrupt"),
    "flac cut": (
        lambda: saved(noise(), format="FLAC")[:9000],
        "a.flac",
        "truncated|corrupt",
    ),
    "wav says more": (lambda: wav_bytes(declared=999), "a.wav", "truncated"),
    "wav says nearly all": (
        lambda: wav_bytes(declared=2**32 - 2),
        "a.wav",
        "truncated",
    ),
    "wav cut": (lambda: saved(noise())[:9000], "a.wav", "truncated"),
    "rate 0": (lambda: wav_bytes(rate=0), "a.wav", "bad_header|corrupt"),
    "rate 2e9": (lambda: wav_bytes(rate=2 * 10**9), "a.wav", "bad_header"),
    "rate 4e9": (lambda: wav_bytes(rate=4 * 10**9), "a.wav", "bad_header|cor"),
    "1024 channels": (
        lambda: wav_bytes(4096, channels=1024),
        "a.wav",
        "bad_header|corrupt",
    ),
    "0 channels": (lambda: wav_bytes(channels=0), "a.wav", "bad_h|corrupt"),
    "ima adpcm": (
        lambda: saved(noise(), subtype="IMA_ADPCM"),
        "a.wav",
        "wrong_format",
    ),
    "ms adpcm": (
        lambda: saved(noise(), subtype="MS_ADPCM"),
        "a.wav",
        "wrong_format",
    ),
    "gsm": (lambda: saved(noise(), subtype="GSM610"), "a.wav", "wrong_format"),
    "mp3 cut": (lambda: saved(noise(), format="MP3")[:1500], "a", "truncated"),
    "ogg cut": (lambda: saved(noise(), format="OGG")[:-9], "a", "truncated"),
    "aiff cut": (lambda: saved(noise(), format="AIFF")[:-9], "a", "truncated"),
    "rf64 cut": (lambda: saved(noise(), format="RF64")[:-9], "a", "truncated"),
    "w64 cut": (lambda: saved(noise(), format="W64")[:-9], "a", "truncated"),
    "au cut": (lambda: saved(noise(), format="AU")[:-9], "a", "truncated"),
    "nan": (
        lambda: saved(np.full(900, np.nan), subtype="FLOAT"),
        "a.wav",
        "not_finite",
    ),
    "infinity": (
        lambda: saved(np.full(900, np.inf), subtype="DOUBLE"),
        "a.wav",
        "not_finite",
    ),
    "no frames": (lambda: wav_bytes(0), "a.wav", "empty"),
    "junk": (lambda: bytes(9000), "a.wav", "wrong_format"),
    "header alone": (lambda: wav_bytes()[:30], "a.wav", "corrupt|trunc|empty"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_a_reason(case):
    import re

    make, name, reason = HOSTILE[case]
    raw = make()
    assert len(raw) < 500_000
    with pytest.raises(BadSample) as caught:
        Audio.part("read").decode(SPEC, raw, name)
    assert re.match(reason, caught.value.reason), caught.value


def test_memory_and_time_stay_bounded(tmp_path):
    for number, (make, name, _) in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}-{name}").write_bytes(make())
    code = (
        "import resource, sys, time, pathlib, soundfile, soxr\n"
        "from mmkeras.kinds import Audio\n"
        "decode = Audio.part('read').decode\n"
        f"spec = Audio(**{SPEC.model_dump()!r})\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "files = [(p.read_bytes(), p.name)\n"
        "         for p in pathlib.Path(sys.argv[1]).iterdir()]\n"
        "before, started = peak(), time.monotonic()\n"
        "for raw, name in files:\n"
        "    try: decode(spec, raw, name)\n"
        "    except ValueError: pass\n"
        "print(peak() - before, time.monotonic() - started)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True
    )
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 100_000 and seconds < 5


def test_an_honest_file_is_read():
    found = read_bytes(SPEC, wav_bytes(), "a.wav")
    assert found[:100].tolist() == [1, 0] * 50
