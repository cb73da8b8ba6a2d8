"""Recordings on the device: PCM WAV at the model's rate."""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from validation import open_file, refuse

# The options of the runner that can be for such an input.
LIVE = ("microphone", "window")
# Recorders write a few of them before the samples.
MAX_CHUNKS = 1000


def read(path: str, entry: dict) -> np.ndarray:
    """Reads PCM WAV as float32 in [-1, 1], cut or padded to the length.

    A recording of one level is no sound, unless the model was made of such
    recordings too.

    Returns:
        `(samples,)`; of a longer recording, the part that `crop` names.
    """
    if entry.get("trim_db") is None:
        sound, count = window(path, entry, None), frames(path, entry)
    else:
        whole = recorded(path, entry, 0, None)
        whole = trim(whole, entry["sample_rate_hz"], entry["trim_db"])
        sound, count = fit(whole, entry), len(whole)
    count = min(count, len(sound))
    if entry.get("silence") == "refuse" and not np.ptp(sound[:count]):
        refuse(f"`{path}`", "a recording of a sound", "one level, silence")
    return level(sound, entry, count)


def frames(path: str, entry: dict) -> int:
    """Returns the frames of a recording that can be read."""
    with opened(path, entry) as file:
        return file.getnframes()


def window(path: str, entry: dict, start: int | None) -> np.ndarray:
    """Reads from the frame `start` on; None goes by the model's `crop`."""
    return fit(recorded(path, entry, start, entry["shape"][0]), entry)


def fit(sound: np.ndarray, entry: dict) -> np.ndarray:
    """Returns `(samples,)`: cut as `crop` says, or silence at the end."""
    wanted = entry["shape"][0]
    late = max(0, len(sound) - wanted) // 2
    sound = sound[late if entry["crop"] == "center" else 0 :][:wanted]
    samples = np.zeros(wanted, np.float32)
    samples[: len(sound)] = sound
    return samples


def trim(sound: np.ndarray, rate_hz: int, trim_db: float) -> np.ndarray:
    """Cuts soft ends, in whole stretches of 20 ms, as at ingest."""
    size = rate_hz // 50
    stretches = np.pad(sound, (0, -len(sound) % size)).reshape(-1, size)
    power = np.square(stretches, dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-trim_db / 10))
    return sound[loud[0] * size : (loud[-1] + 1) * size]


def level(
    sound: np.ndarray, entry: dict, count: int | None = None
) -> np.ndarray:
    """Brings a sound to the model's loudness, as far as nothing is clipped.

    Args:
        sound: `(samples,)`.
        entry: The input's entry in the manifest.
        count: Samples that were recorded; all by default.
    """
    loudness_dbfs = entry.get("loudness_dbfs")
    power = np.square(sound[:count], dtype=np.float64).mean()
    if loudness_dbfs is None or not power:
        return sound
    wanted = 10 ** (loudness_dbfs / 20) / np.sqrt(power)
    most = 32767 / 32768 / np.abs(sound).max()
    sound = (sound * min(wanted, most)).astype(np.float32)
    return np.clip(np.rint(sound * 32768), -32768, 32767) / 32768


def needs_whole(entry: dict) -> bool:
    """Whether a sound cannot be read step by step."""
    keys = ("trim_db", "loudness_dbfs")
    return any(entry.get(key) is not None for key in keys)


def recorded(
    path: str, entry: dict, start: int | None, count: int | None
) -> np.ndarray:
    """Returns samples as recorded; see `window`. `count` None reads all."""
    wanted = entry["shape"][0]
    with opened(path, entry) as file:
        frames, width = file.getnframes(), file.getsampwidth()
        if start is None:
            late = max(0, frames - wanted) // 2
            start = late if entry["crop"] == "center" else 0
        file.setpos(start)
        left = frames - start
        count = left if count is None else min(count, left)
        data = file.readframes(count)
    # Where the outermost header says less than the others.
    if len(data) != count * width:
        refuse(f"`{path}`", f"a recording of {frames} samples", "fewer")
    return decode(data, width)


@contextlib.contextmanager
def opened(path: str, entry: dict) -> Iterator[wave.Wave_read]:
    """Opens a recording whose headers are true, and such as the model's."""
    with open_file(path) as raw:
        check_chunks(raw, path)
        raw.seek(0)
        try:
            with wave.open(raw, "rb") as file:
                check_header(file, path, entry)
                yield file
        # Of headers that contradict each other Python says no word.
        except (wave.Error, EOFError, struct.error, RuntimeError) as error:
            what = str(error) or "one that is damaged"
            refuse(f"`{path}`", "a PCM WAV file", what)


def check_chunks(file: BinaryIO, path: str) -> None:
    """Raises ValueError if samples are missing, or are no whole bytes."""
    size, place, known = file.seek(0, io.SEEK_END), 12, None
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        header = file.read(8)
        if len(header) < 8:
            break
        chunk, length = struct.unpack("<4sI", header)
        if chunk == b"fmt " and length >= 16 and known is None:
            form = file.read(16)
            known = struct.unpack("<2xH8xHH", form) if form[15:] else None
        if chunk == b"data":
            if length > size - place - 8:
                promised = f"{length} bytes, as its header says"
                refuse(f"`{path}`", f"a recording of {promised}", size)
            break
        place += 8 + length + length % 2
    else:
        most = f"{MAX_CHUNKS} chunks before its samples"
        refuse(f"`{path}`", f"a WAV of at most {most}", "more")
    channels, block, bits = known or (1, 1, 8)
    if bits not in (8, 16, 24, 32):
        refuse(f"`{path}`", "a WAV of 8, 16, 24 or 32 bits", bits)
    if block != channels * bits // 8:
        what = f"of {channels * bits // 8} bytes a frame"
        refuse(f"`{path}`", f"a WAV {what}, by its bits", block)


def check_header(file: wave.Wave_read, path: str, entry: dict) -> None:
    """Raises ValueError unless a recording has one channel and the rate."""
    channels, _, rate, count = file.getparams()[:4]
    if (channels, rate) != (1, entry["sample_rate_hz"]):
        expected = f"1 channel at {entry['sample_rate_hz']} Hz"
        refuse(f"`{path}`", expected, f"{channels} channel(s) at {rate} Hz")
    # `prepare` takes less than a millisecond for no recording.
    if count < max(2, 0.001 * rate):
        refuse(f"`{path}`", "a recording of a millisecond", f"{count} samples")


def decode(data: bytes, width: int) -> np.ndarray:
    """Turns samples of 1 to 4 bytes into float32, rounded to 16 bits."""
    # The sample sits in the top bytes of an int32, so one scale serves all.
    raw = np.zeros((len(data) // width, 4), np.uint8)
    raw[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)
    if width == 1:  # 8-bit WAV is unsigned
        raw[:, 3] ^= 128
    sound = np.rint(raw.view("<i4")[:, 0].astype(np.float32) / 65536)
    return np.clip(sound, -32768, 32767) / 32768


def draw(entry: dict, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns noise as the model reads sound, to compare machines by."""
    shape = count, *entry["shape"]
    return rng.uniform(-1, 1, shape).astype(np.float32)


def length(sound: np.ndarray) -> int:
    """Returns the samples up to the last that is not exactly zero."""
    heard = np.flatnonzero(sound)
    return int(heard[-1]) + 1 if len(heard) else 0
