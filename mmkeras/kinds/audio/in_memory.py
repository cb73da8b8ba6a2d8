"""Sound in memory as WAV files."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmkeras.data import kept_file
from mmkeras.kinds.audio import Audio

MARKS = {
    b"RIFF": ".wav",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff": ".mp3",
    b"FORM": ".aiff",
}
SUBTYPES = {"int16": "PCM_16", "int32": "PCM_32"}


def cell(
    modality: Audio, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str:
    """Returns the path of a sound: bytes, an array, or one with its rate.

    An array is `(samples,)` or `(samples, channels)`, floats in [-1, 1] or
    whole numbers of 16 or 32 bits, at the rate of the spec; the rate of
    another stands beside it, `{"array": ..., "sampling_rate": 44100}`.
    """
    found = kept_file(value, keep, suffix_of)
    if found is not None:
        return found
    rate = modality.sample_rate_hz
    if isinstance(value, Mapping):
        value, rate = value["array"], int(value["sampling_rate"])
    return keep(".wav", wav(np.asarray(value), rate))


def suffix_of(raw: bytes) -> str:
    """Returns the suffix of a sound's format."""
    return next((s for m, s in MARKS.items() if raw.startswith(m)), ".wav")


def wav(array: np.ndarray, rate_hz: int) -> bytes:
    """Returns a sound as a WAV file."""
    import soundfile

    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > 16):
        raise ValueError(
            "an array must be (samples,) or (samples, channels); it is "
            f"{array.shape}"
        )
    if array.dtype.name not in SUBTYPES:
        if array.dtype.kind != "f":
            raise ValueError(
                "samples must be floats in [-1, 1], or of 16 or 32 bits; it "
                f"has {array.dtype}"
            )
        array = array.astype(np.float32)
    file = io.BytesIO()
    subtype = SUBTYPES.get(array.dtype.name, "FLOAT")
    soundfile.write(file, array, rate_hz, subtype, format="WAV")
    return file.getvalue()
