"""WAV as most are: 44 bytes of header, then samples of 16 bits to the end.

libsndfile reads such a file as well, but asks for its bytes by a dozen calls
back into Python, which cost some ten times as much as the samples. Whatever
departs from that header by a bit is left to it.
"""

import struct

import numpy as np

# RIFF, WAVE, fmt of 16 bytes; code, channels, rate, bytes a second, bytes a
# frame, bits; data.
_HEAD = struct.Struct("<4s4x8sIHHIIHH4sI")
PCM, BITS = 1, 16


def read_plain_wav(raw: bytes) -> tuple[np.ndarray, int] | None:
    """Returns samples `(frames, channels)` and frames a second.

    Args:
        raw: The bytes of a file.

    Returns:
        Samples as they are stored, without a copy. None where the file is
        anything else, or anything about it is unusual.
    """
    if len(raw) <= _HEAD.size:
        return None
    (
        riff,
        wave,
        fmt_size,
        code,
        channels,
        rate,
        per_sec,
        block,
        bits,
        data,
        (size),
    ) = _HEAD.unpack_from(raw)
    usual = (riff, wave, fmt_size, code, bits, data) == (
        b"RIFF", b"WAVEfmt ", 16, PCM, BITS, b"data",
    )  # fmt: skip
    if not usual or not channels or block != channels * BITS // 8:
        return None
    if per_sec != rate * block or size != len(raw) - _HEAD.size or size % block:
        return None
    values = np.frombuffer(raw, "<i2", offset=_HEAD.size)
    return values.reshape(-1, channels), rate
