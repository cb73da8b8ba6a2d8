"""A recording in the report of the data."""

from typing import Any

import numpy as np

from mmkeras.data import read_sound
from mmkeras.kinds.audio import FULL_SCALE
from mmkeras.spec import Fingerprint, Profile

# A frame of 20 ms below this is silence; what is 0 everywhere is as soft.
SILENCE_DBFS, FLOOR_DBFS, FRAME_SEC = -60.0, -120.0, 0.02
# Bands and frames of the fingerprint, and the share of equal signs: of 200
# recordings of EmoDB and 200 of FSDD no two share more than 0.77; one that was
# written as Ogg shares 0.86 to 1 with itself, at half the level 0.97 and more.
PARTS, ALIKE, LOWEST_HZ = 17, 0.86, 100.0


def profile(modality: Any, sound: np.ndarray, learned: Any) -> Profile:
    """Returns loudness, peak, and the shares of silence and of clipping."""
    size = max(1, round(FRAME_SEC * modality.sample_rate_hz))
    frames = np.array_split(sound, max(1, len(sound) // size))
    levels = [_dbfs(np.sqrt(np.mean(np.square(f)))) for f in frames]
    ends = np.abs(sound) >= 1 - 2 / FULL_SCALE
    return Profile(
        {
            "loudness_dbfs": _dbfs(np.sqrt(np.mean(np.square(sound)))),
            "peak_dbfs": _dbfs(np.abs(sound).max()),
            "silent_share": float(np.mean(np.array(levels) < SILENCE_DBFS)),
            "clipped_share": float(ends.mean()),
        }
    )


def profile_source(modality: Any, cells: Any, io: Any) -> dict[str, float]:
    """Returns length, rate and channels of the recording as it came."""
    path = cells[modality.column]
    found = read_sound(io.bytes(path), path)
    frames, channels = found.values.shape
    return {
        "duration_sec": frames / found.rate_hz,
        "rate_hz": float(found.rate_hz),
        "channels": float(channels),
    }


def fingerprint(
    modality: Any, sound: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns how energy moves between bands and frames, as signs.

    As Haitsma and Kalker (2002, "A Highly Robust Audio Fingerprinting
    System") do, but of the whole recording: what begins later is another.
    """
    kept = np.flatnonzero(sound)
    sound = sound[: kept[-1] + 1] if len(kept) else sound[:0]
    if len(sound) < 64 * PARTS or np.abs(sound).max() < 1e-3:
        return None
    # Frames overlap by half.
    size = 2 * len(sound) // (PARTS + 1)
    starts = np.linspace(0, len(sound) - size, PARTS).astype(int)
    frames = np.stack([sound[start : start + size] for start in starts])
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    highest = modality.sample_rate_hz / 2
    edges = np.geomspace(min(LOWEST_HZ, highest / 8), highest, PARTS + 1)
    places = np.searchsorted(np.linspace(0, highest, power.shape[1]), edges)
    bands = np.stack(
        [
            power[:, low : max(high, low + 1)].sum(axis=1)
            for low, high in zip(places[:-1], places[1:], strict=True)
        ],
        axis=1,
    )
    moves = np.diff(np.diff(np.log(bands + 1e-9), axis=1), axis=0)
    return Fingerprint((moves > 0).ravel(), ALIKE)


def _dbfs(level: float) -> float:
    return float(max(FLOOR_DBFS, 20 * np.log10(max(level, 1e-9))))
