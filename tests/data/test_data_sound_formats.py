"""Sound of every format is what soundfile or PyAV reads, whatever its name."""

import io
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from data.data_toys import read_bytes
from data.signal_toys import film

from mmkeras.data import BadSample, SampleIO, read_sound
from mmkeras.kinds import Audio

RATE = 16_000
TIMES = np.arange(RATE // 2) / RATE
SINE = 0.5 * np.sin(2 * np.pi * 440 * TIMES) * np.linspace(0.2, 1, len(TIMES))
NOISE = np.random.default_rng(0).normal(0, 0.1, len(TIMES))


def spec(**values) -> Audio:
    length = {"sample_rate_hz": RATE, "duration_sec": 0.5}
    return Audio(kind="audio", column="x", **{**length, **values})


def saved(sound=SINE, rate=RATE, **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, **options)
    return buffer.getvalue()


def encoded(kind, codec, rate=RATE, **options) -> bytes:
    """Returns the sine in a container, by PyAV."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout, stream.bit_rate = "mono", 64_000
        coded = stream.codec_context
        times = np.arange(rate // 2) / rate
        wave = 0.5 * np.sin(2 * np.pi * 440 * times).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        fit = av.AudioResampler(
            format=coded.format, frame_size=coded.frame_size or None
        )
        for part in [*fit.resample(frame), *fit.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def pcm(values, rate=RATE, **fields) -> bytes:
    """Returns a WAV of 16 bits, whose header may tell something else."""
    channels = values.shape[1]
    told = {
        "bytes_a_second": 2 * channels * rate,
        "bytes_a_frame": 2 * channels,
        "bits": 16,
        "size": values.nbytes,
        "code": 1,
        "more": b"",
    } | fields
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + values.nbytes, b"WAVEfmt ", 16,
        told["code"], channels, rate, told["bytes_a_second"],
        told["bytes_a_frame"], told["bits"], b"data", told["size"],
    )  # fmt: skip
    return head + values.tobytes() + told["more"]


ALL = np.arange(-(2**15), 2**15).astype("<i2")


@pytest.mark.parametrize("channels", [1, 2, 4, 16])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"bytes_a_second": 1},
        {"more": b"LIST\4\0\0\0abcd"},
        {"more": b"\0"},
        {"bits": 8},
        {"code": 6},
    ],
    ids=str,
)
def test_wav_is_what_libsndfile_reads(channels, fields):
    raw = pcm(ALL.reshape(-1, channels), **fields)
    right, rate = soundfile.read(
        io.BytesIO(raw), dtype="float32", always_2d=True
    )
    found = read_sound(raw, "x.wav")
    assert found.values.dtype == np.float32
    assert found.rate_hz == rate
    assert np.array_equal(found.values, right)


@pytest.mark.parametrize(
    "raw, reason",
    [
        (pcm(ALL[:, None], rate=2_000_000_000), "bad_header"),
        (pcm(ALL.reshape(-1, 32)), "bad_header"),
        (pcm(ALL[:, None], size=2 * len(ALL) + 2), "truncated"),
        (pcm(ALL[:0, None]), "empty"),
    ],
)
def test_wav_that_cannot_be_is_refused(raw, reason):
    with pytest.raises(BadSample) as caught:
        read_sound(raw, "x.wav")
    assert caught.value.reason == reason


def read(raw, tmp_path, name="sound", **values):
    """Returns samples and notes."""
    (tmp_path / name).write_bytes(raw)
    found = spec(**values).read({"x": name}, SampleIO(str(tmp_path)))
    return found.value, found.notes


@pytest.mark.parametrize(
    "kind, code, error",
    [
        ("AIFF", "PCM_16", 1), ("AIFF", "PCM_24", 1), ("AIFF", "FLOAT", 1),
        ("AIFF", "ULAW", 600), ("WAV", "ULAW", 600), ("WAV", "ALAW", 600),
        ("RF64", "PCM_16", 1), ("W64", "PCM_16", 1), ("AU", "PCM_16", 1),
        ("AU", "ULAW", 600), ("CAF", "PCM_16", 1), ("CAF", "ALAC_16", 1),
        ("NIST", "PCM_16", 1), ("OGG", "VORBIS", 2500), ("OGG", "OPUS", 6000),
        ("FLAC", "PCM_16", 1),
        ("MP3", "MPEG_LAYER_III", 2500),
    ],
)  # fmt: skip
def test_it_is_what_soundfile_reads(kind, code, error):
    raw = saved(format=kind, subtype=code)
    # The name says something else, or nothing.
    for name in ("a.wav", "a.xyz", "a"):
        found = read_bytes(spec(), raw, name)
        expected, rate = soundfile.read(io.BytesIO(raw), dtype="float32")
        assert rate == RATE
        assert np.abs(found - expected * 32768).max() <= 1
        assert np.corrcoef(found, SINE)[0, 1] > 0.999
        assert np.abs(found / 32768 - SINE).max() <= error / 32768


@pytest.mark.parametrize(
    "kind, codec, rate",
    [
        ("ipod", "aac", RATE),
        ("adts", "aac", RATE),
        ("mp4", "alac", RATE),
        ("3gp", "aac", RATE),
        ("webm", "libopus", 48_000),
        ("matroska", "aac", RATE),
        ("mpegts", "aac", RATE),
        ("flv", "aac", 44_100),
        ("asf", "wmav2", 44_100),
        ("avi", "mp3", 44_100),
    ],
)
def test_it_is_what_pyav_reads(tmp_path, kind, codec, rate):
    av = pytest.importorskip("av")
    raw = encoded(kind, codec, rate)
    with av.open(io.BytesIO(raw)) as file:
        frames = [f.to_ndarray() for f in file.decode(audio=0)]
    expected = np.concatenate([f.reshape(-1) for f in frames])
    if expected.dtype.kind == "i":
        expected = expected / 2.0 ** (8 * expected.itemsize - 1)
    found, _ = read(raw, tmp_path, sample_rate_hz=rate)
    size = min(len(found), len(expected))
    np.testing.assert_allclose(
        found[:size] / 32768, expected[:size], atol=1 / 32768
    )
    # A sine of this pitch, about as long and as loud.
    power = np.abs(np.fft.rfft(found / 32768.0))
    assert abs(np.argmax(power) / 0.5 - 440) <= 2
    assert 0.45 < np.percentile(np.abs(found), 99) / 32768 < 0.56


def unknown_length(riff: int, data: int, rf64: bool = False) -> bytes:
    """A WAV as a program writes it into a pipe."""
    raw = bytearray(saved(NOISE, format="RF64" if rf64 else "WAV"))
    place = raw.index(b"data")
    struct.pack_into("<I", raw, 4, riff)
    struct.pack_into("<I", raw, place + 4, data)
    if rf64:
        struct.pack_into("<QQ", raw, raw.index(b"ds64") + 8, data, data)
    return bytes(raw)


@pytest.mark.parametrize(
    "riff, data, rf64",
    [
        (2**32 - 1, 2**32 - 1, False),  # FFmpeg
        (0, 0, False),  # GStreamer
        (36, 0, False),  # a recorder that was switched off
        (2**31 - 4096 + 36, 2**31 - 4096, False),  # SoX
        (2**31 + 36, 2**31, False),  # arecord
        (2**32 - 1, 0, True),
    ],
)
def test_a_wav_from_a_pipe_is_read_to_its_end(tmp_path, riff, data, rf64):
    raw = unknown_length(riff, data, rf64)
    found, notes = read(raw, tmp_path, "a.wav")
    expected = np.rint(NOISE * 32768)
    # 16 bits of a file.
    assert np.abs(found - expected).max() <= 1
    assert notes == {"length_unknown": 1}


def test_a_flac_from_a_pipe_is_read_to_its_end(tmp_path):
    raw = bytearray(saved(NOISE, format="FLAC"))
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)
    found, notes = read(bytes(raw), tmp_path)
    assert np.abs(found - np.rint(NOISE * 32768)).max() <= 1
    assert notes == {"length_unknown": 1}


def test_a_bw64_is_an_rf64_by_another_name(tmp_path):
    raw = saved(NOISE, format="RF64")
    found, notes = read(b"BW64" + raw[4:], tmp_path)
    assert np.abs(found - np.rint(NOISE * 32768)).max() <= 1 and notes == {}


def test_what_follows_the_boxes_of_an_m4a_is_no_part_of_it(tmp_path):
    pytest.importorskip("av")
    raw = encoded("ipod", "aac")
    found, _ = read(raw, tmp_path)
    more, _ = read(raw + b"written by a tool that adds lines", tmp_path)
    np.testing.assert_array_equal(more, found)


def test_an_empty_wav_with_words_after_it_is_empty(tmp_path):
    raw = bytearray(saved(NOISE[:0], format="WAV"))
    raw += b"LIST" + struct.pack("<I", 4) + b"INFO"
    struct.pack_into("<I", raw, 4, len(raw) - 8)
    with pytest.raises(BadSample, match="^empty"):
        read(bytes(raw), tmp_path)


def test_an_mp3_without_a_length_is_read_to_its_end(tmp_path):
    pytest.importorskip("av")
    raw = encoded("mp3", "libmp3lame", write_xing="0")
    found, notes = read(raw, tmp_path)
    assert np.abs(found).max() > 12_000 and "length_unknown" not in notes


def stereo(left, right, **options) -> bytes:
    options = {"format": "WAV", "subtype": "FLOAT", **options}
    return saved(np.stack([left, right], axis=1), **options)


FLOAT = {"format": "WAV", "subtype": "FLOAT"}
REFUSED = {
    "16-bit numbers as floats": (saved(SINE * 32768, **FLOAT), "too_loud"),
    "24-bit numbers as doubles": (
        saved(SINE * 2**23, format="WAV", subtype="DOUBLE"), "too_loud"),
    "8-bit numbers as floats": (saved(SINE * 128, **FLOAT), "too_loud"),
    "loud in one channel": (stereo(NOISE, SINE * 32768), "too_loud"),
    "antiphase": (stereo(SINE, -SINE), "cancelled"),
    "antiphase and a little noise": (
        stereo(SINE, NOISE / 1000 - SINE), "cancelled"),
    "antiphase in pairs": (
        saved(np.stack([SINE, -SINE, NOISE, -NOISE], 1), **FLOAT),
        "cancelled"),
    "loud antiphase": (stereo(3 * SINE, -3 * SINE), "cancelled"),
    "zeros": (saved(0 * SINE, format="WAV"), "silent"),
    "stereo zeros": (stereo(0 * SINE, 0 * SINE), "silent"),
    "one level": (saved(0 * SINE + 0.25, format="FLAC"), "silent"),
    "below one level of 16 bits": (saved(SINE * 1e-6, **FLOAT), "silent"),
    "one sample": (saved(SINE[100:101], format="WAV"), "too_short"),
    "ten samples": (saved(SINE[100:110], format="FLAC"), "too_short"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_no_sound_has_a_reason_of_its_own(tmp_path, case):
    raw, reason = REFUSED[case]
    with pytest.raises(BadSample, match=f"^{reason}: 'sound'"):
        read(raw, tmp_path)


def test_silence_where_the_crop_is_counts(tmp_path):
    sound = np.concatenate([0 * SINE, SINE])
    with pytest.raises(BadSample, match="^silent"):
        read(saved(sound, format="WAV"), tmp_path)
    found, notes = read(saved(sound, format="WAV"), tmp_path, crop="center")
    assert found.any() and notes == {"cut": 1}


def test_silence_is_kept_and_counted_where_the_spec_says_so(tmp_path):
    raw = saved(0 * SINE, format="WAV")
    found, notes = read(raw, tmp_path, silence="keep")
    assert not found.any() and notes == {"silent": 1}


def test_uncorrelated_channels_are_no_antiphase(tmp_path):
    sounds = np.random.default_rng(1).normal(0, 0.1, (16, len(TIMES)))
    found, notes = read(saved(sounds.T, **FLOAT), tmp_path)
    expected = np.rint(sounds.mean(axis=0) * 32768)
    assert np.abs(found - expected).max() <= 1
    assert notes == {"mixed": 1}


def test_what_is_changed_is_counted(tmp_path):
    loud = np.concatenate([SINE, [1.5, -2, 1.0, -1.0, 0]])
    _, notes = read(stereo(loud, loud), tmp_path, duration_sec=0.6)
    assert notes == {
        "mixed": 1, "padded": 1, "clipped": 1, "clipped_values": 2,
    }  # fmt: skip
    assert json.loads(json.dumps(notes)) == notes
    _, notes = read(saved(format="WAV"), tmp_path, sample_rate_hz=8000)
    assert notes == {"resampled": 1}


def test_pythons_own_samples_are_read_as_soundfile_reads_them(tmp_path):
    import test

    folder = Path(test.__file__).parent / "audiodata"
    paths = [p for p in sorted(folder.glob("pluck-*")) if p.suffix != ".py"]
    if not paths:
        pytest.skip("this Python ships no recordings")
    for path in paths:
        expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
        found, _ = read(
            path.read_bytes(), tmp_path, sample_rate_hz=rate,
            duration_sec=len(expected) / rate,
        )  # fmt: skip
        mixed = expected.mean(axis=1) * 32768
        assert np.abs(found - mixed).max() <= 1, path.name


def test_scipys_odd_samples_are_read_as_soundfile_reads_them():
    import scipy.io

    folder = Path(scipy.io.__file__).parent / "tests" / "data"
    paths = sorted(folder.glob("test-*.wav"))
    if not paths:
        pytest.skip("this scipy ships no recordings")
    refused = {}
    for path in paths:
        raw = path.read_bytes()
        try:
            found = read_sound(raw, path.name)
        except BadSample as error:
            refused[path.stem[5:]] = str(error.reason)
            continue
        expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
        np.testing.assert_array_equal(found.values, expected)
        assert found.rate_hz == rate and not found.notes
    # Those that end early, and those that soundfile does not read either.
    wide = {f"8000Hz-le-3ch-5S-{bits}bit": "wrong_format"
            for bits in (36, 45, 53, 64)}  # fmt: skip
    early = "44100Hz-le-1ch-4bytes-"
    expected = {
        **wide,
        f"{early}early-eof": "truncated",
        f"{early}early-eof-no-data": "corrupt",
        f"{early}incomplete-chunk": "corrupt",
    }
    there = {path.stem[5:] for path in paths}
    assert refused == {k: v for k, v in expected.items() if k in there}


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    pytest.importorskip("av")
    raw = encoded("ipod", "aac")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"pip install mmkeras\[audio\]") as e:
        read(raw, tmp_path)
    assert not isinstance(e.value, BadSample)


@pytest.mark.parametrize(
    "kind, codec, part", [("ipod", "aac", 0.9), ("ipod", "aac", 0.2)]
)
def test_a_cut_m4a_is_refused(tmp_path, kind, codec, part):
    pytest.importorskip("av")
    raw = encoded(kind, codec)
    with pytest.raises(BadSample, match="^truncated"):
        read(raw[: int(part * len(raw))], tmp_path)


def test_a_hostile_m4a_is_refused_by_what_it_unpacks_to(tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setattr("mmkeras.data.files.media.sounds.MAX_VALUES", 4000)
    for kind in ("ipod", "adts", "matroska"):
        with pytest.raises(BadSample, match="^too_large"):
            read(encoded(kind, "aac"), tmp_path)


def test_a_film_without_sound_is_empty(tmp_path):
    pytest.importorskip("av")
    with pytest.raises(BadSample, match="^empty.*no sound"):
        read(film(), tmp_path)


def test_what_was_changed_is_told_with_its_share():
    assert spec().tell({"mixed": 3, "clipped_values": 80}, 10) == [
        "mixed: 3 (30.0% of 10 samples)",
        "clipped values: 80 (0.1% of 80,000 values)",
    ]


def test_damage_is_refused_or_read_never_a_crash(tmp_path):
    random, found = np.random.default_rng(0), set()
    forms = [("AIFF", "FLOAT"), ("WAV", "ULAW"), ("RF64", "PCM_16"),
             ("CAF", "ALAC_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
             ("FLAC", "PCM_16"), ("W64", "PCM_16")]  # fmt: skip
    for kind, code in forms:
        raw = saved(format=kind, subtype=code)
        for _ in range(10):
            bad = bytearray(raw)
            for place in random.integers(0, 300, 5):
                bad[place] = random.integers(0, 256)
            try:
                found.add(read(bytes(bad), tmp_path)[0].shape)
            except BadSample as error:
                found.add(str(error.reason))
    assert {(8000,), "corrupt"} <= found
