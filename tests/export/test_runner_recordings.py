"""The runner takes recordings that `prepare` takes, and refuses the others."""

import struct
import wave

import numpy as np
import pytest
from data.signal_toys import signal
from export.export_toys import reader

from mmkeras.data import BadSample, decode_file
from mmkeras.kinds import Audio, Series

RATE = 8000
NOISE = np.random.default_rng(0).integers(-9000, 9000, 900).astype("<i2")


def spec(**changes) -> Audio:
    length = {"sample_rate_hz": RATE, "duration_sec": 0.1}
    return Audio(kind="audio", column="x", **{**length, **changes})


def entry(modality) -> dict:
    keys = {key: getattr(modality, key) for key in modality.device_keys}
    return {"shape": list(modality.shape), **keys}


def wav(samples=NOISE) -> bytearray:
    import io

    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.asarray(samples, "<i2").tobytes())
    return bytearray(raw.getvalue())


def with_bits(bits: int) -> bytearray:
    raw = wav()
    struct.pack_into("<H", raw, 34, bits)
    return raw


REFUSED = {
    "silence": (wav(0 * NOISE), "a recording of a sound.*silence"),
    "one level": (wav(0 * NOISE + 9), "a recording of a sound.*silence"),
    "one sample": (wav(NOISE[:1]), "a recording of a millisecond"),
    "seven samples": (wav(NOISE[:7]), "a recording of a millisecond"),
    "cut by as much as its header": (wav()[:-44], "as its header says"),
    "cut by one sample": (wav()[:-2], "as its header says"),
    "1 bit": (with_bits(1), "8, 16, 24 or 32 bits. Received: 1"),
    "4 bits": (with_bits(4), "8, 16, 24 or 32 bits. Received: 4"),
    "12 bits": (with_bits(12), "8, 16, 24 or 32 bits. Received: 12"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_both_refuse_what_is_no_recording(tmp_path, case):
    raw, message = REFUSED[case]
    path = tmp_path / "x.wav"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        reader(Audio).read(str(path), entry(spec()))
    if "bit" not in case:
        with pytest.raises(BadSample):
            decode_file(spec(), path)


def test_both_keep_silence_where_the_spec_says_so(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(0 * NOISE))
    modality = spec(silence="keep")
    found = reader(Audio).read(str(path), entry(modality))
    np.testing.assert_array_equal(found, decode_file(modality, path))


def test_a_window_of_a_long_recording_may_be_silent(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(np.concatenate([0 * NOISE, NOISE])))
    device, known = reader(Audio), entry(spec())
    assert not device.window(str(path), known, 0).any()
    assert device.window(str(path), known, 900).any()
    assert device.frames(str(path), known) == 1800


SERIES = Series(
    kind="series", column="x", channels=["a", "b"], sample_rate_hz=50,
    duration_sec=2, time_column="t", time_unit="ms",
)  # fmt: skip


def table(times, separator=",") -> str:
    lines = [separator.join("tab")]
    for time, (a, b) in zip(times, signal(), strict=True):
        lines.append(separator.join(map(str, (time, a, b))))
    return "\n".join(lines) + "\n"


def test_times_of_a_table_are_in_the_unit_of_the_spec(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(table(np.arange(100) * 20))
    found = reader(Series).read(str(path), entry(SERIES))
    np.testing.assert_allclose(found, decode_file(SERIES, path), rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        table(np.arange(100) / 50),
        table(np.arange(100)[::-1] * 20),
        table(np.arange(100) // 2 * 40),
        table(np.arange(100) * 20, ";"),
        table(np.arange(100) * 20, "\t"),
        table(np.arange(100) * 20).replace("\n", "\nms,mV,mV\n", 1),
        table(np.arange(100) * 20, ";").replace(".", ","),
        table([f"2024-02-29T00:00:0{i / 50:.2f}" for i in range(100)]),
    ],
)
def test_what_prepare_finds_out_about_a_table_is_refused(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="must be.*Received"):
        reader(Series).read(str(path), entry(SERIES))
