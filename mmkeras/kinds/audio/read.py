"""WAV and FLAC to `(samples,)` int16.

The rules are part of the contract with the device, which must do the same.
"""

import struct
from collections.abc import Mapping
from io import BytesIO

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    check_suffix,
    whole_moments,
    whole_sums,
)
from mmkeras.kinds.audio import FULL_SCALE, Audio
from mmkeras.spec import Sample

MAX_VALUES = 64_000_000
MAX_CHANNELS = 16
RATES_HZ = (1_000, 384_000)
FORMATS = {".wav": "WAV", ".wave": "WAV", ".flac": "FLAC"}
CODES = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


def read(modality: Audio, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell as int16, and adds the noise of the spec.

    Values outside [-1, 1) are clipped.
    """
    path = cells[modality.column]
    sound, recorded = decode(modality, io.bytes(path), path)
    if modality.noise_snr_db is not None and io.random is not None:
        power = np.mean(np.square(sound[:recorded], dtype=np.float64))
        power *= 10 ** (-modality.noise_snr_db / 10)
        noise = io.random.normal(size=sound.shape)
        sound = sound + np.sqrt(power) * noise
        # Clipping would change the ratio that the spec states.
        sound = sound / max(1.0, np.abs(sound).max())
    return Sample(to_int16(sound))


def sums(modality: Audio, value: np.ndarray) -> dict:
    """Returns sums over the samples."""
    return whole_sums(value[:, None])


def finish(modality: Audio, found: dict | None) -> dict:
    """Returns `mean` and `std` of the samples in [-1, 1]."""
    mean, std = whole_moments(found, 1, scale=FULL_SCALE)
    return {"mean": mean[0], "std": std[0]}


def decode(modality: Audio, raw: bytes, name: str) -> tuple[np.ndarray, int]:
    """Decodes a WAV or FLAC.

    In this order: mean of the channels; resampling (soxr, high quality); cut
    at the end, or on both sides with `crop = "center"`; silence at the end.

    Args:
        modality: The wanted rate and length.
        raw: The file's bytes.
        name: Its name; the suffix must fit the format.

    Returns:
        `(samples,)` float32, and how many of them are recorded.
    """
    import soxr

    sound, rate = _read_sound(raw, name)
    sound = sound.mean(axis=1, dtype=np.float32)
    if rate != modality.sample_rate_hz:
        sound = soxr.resample(sound, rate, modality.sample_rate_hz)
    (size,) = modality.shape
    if modality.crop == "center":
        sound = sound[max(0, (len(sound) - size) // 2) :]
    sound = sound[:size]
    return np.pad(sound, (0, size - len(sound))), len(sound)


def to_int16(sound: np.ndarray) -> np.ndarray:
    """Rounds float samples in [-1, 1] to 16 bit; others are clipped."""
    levels = np.rint(sound * FULL_SCALE)
    return np.clip(levels, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _read_sound(raw: bytes, name: str) -> tuple[np.ndarray, int]:
    """Returns `(frames, channels)` float32 and the rate, header first."""
    import soundfile

    wanted = check_suffix(name, FORMATS)
    try:
        with soundfile.SoundFile(BytesIO(raw)) as file:
            _check_header(file, wanted, raw, name)
            sound = file.read(dtype="float32", always_2d=True)
            frames, rate = file.frames, file.samplerate
    except soundfile.LibsndfileError as error:
        known = raw[:4] in (b"RIFF", b"fLaC")
        reason = Reason.CORRUPT if known else Reason.WRONG_FORMAT
        detail = f"{name!r}: {error.error_string}"
        raise BadSample(reason, detail) from None
    if len(sound) != frames:
        raise BadSample(
            Reason.TRUNCATED, f"{name!r}: {len(sound)} of {frames} frames"
        )
    if not np.isfinite(sound).all():
        raise BadSample(Reason.NOT_FINITE, f"{name!r}")
    return sound, rate


def _check_header(file, wanted: str, raw: bytes, name: str) -> None:
    kind = "WAV" if file.format == "WAVEX" else file.format
    if kind != wanted or file.subtype not in CODES:
        raise BadSample(
            Reason.WRONG_FORMAT, f"{name!r} is {file.format} {file.subtype}"
        )
    if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {file.samplerate} Hz")
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise BadSample(
            Reason.BAD_HEADER, f"{name!r}: {file.channels} channels"
        )
    if wanted == "WAV":
        _check_wav_length(raw, name)
    if file.frames <= 0:
        raise BadSample(Reason.EMPTY, f"{name!r}: {file.frames} frames")
    if file.frames * file.channels > MAX_VALUES:
        raise BadSample(
            Reason.TOO_LARGE,
            f"{name!r}: {file.frames:,} frames of {file.channels} channels, "
            f"at most {MAX_VALUES:,} values",
        )


def _check_wav_length(raw: bytes, name: str) -> None:
    # libsndfile believes the file's size where the header promises more.
    place = 12
    while place + 8 <= len(raw):
        chunk, size = struct.unpack_from("<4sI", raw, place)
        if chunk == b"data":
            if size > len(raw) - place - 8:
                raise BadSample(
                    Reason.TRUNCATED,
                    f"{name!r}: {len(raw) - place - 8:,} of {size:,} bytes",
                )
            return
        place += 8 + size + size % 2
