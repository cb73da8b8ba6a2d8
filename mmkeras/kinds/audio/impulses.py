"""Impulse responses of rooms, as they were recorded, for augmentation."""

from pathlib import Path

import numpy as np

from mmkeras.data import BadSample, read_inside, read_sound
from mmkeras.kinds.audio import Audio

# What is later has faded in most rooms; each doubling costs as much again.
MAX_SEC = 3.0
SUFFIX = ".wav"


def read_impulses(modality: Audio, place: str | Path) -> np.ndarray:
    """Returns impulse responses, `(impulses, samples)` float32.

    Each is mixed to mono, resampled, begun at its peak, which is the sound
    that comes straight, cut after 3 s or the duration of a sample, and
    brought to energy 1.

    Args:
        modality: The rate and the duration of samples.
        place: A WAV file, or a folder of them.

    Raises:
        ValueError: If there is none, or one that is no sound.
    """
    import soxr

    path = Path(place)
    paths = [path]
    if path.is_dir():
        paths = sorted(p for p in path.iterdir() if p.suffix.lower() == SUFFIX)
    rate = modality.sample_rate_hz
    most = min(modality.shape[0], round(MAX_SEC * rate))
    found = []
    for each in paths:
        try:
            # A regular file, not too large, that lies where it is named.
            raw = read_inside(str(each.parent), each.name)
            sound = read_sound(raw, each.name)
        except (BadSample, OSError) as error:
            raise ValueError(
                "`impulses` must be a WAV file, or a folder of them. "
                f"Received: {each} ({error})"
            ) from None
        mono = sound.values.mean(axis=1, dtype=np.float32)
        if sound.rate_hz != rate:
            mono = soxr.resample(mono, sound.rate_hz, rate)
        heard = mono[np.abs(mono).argmax() :][:most] if len(mono) else mono
        energy = np.sum(np.square(heard, dtype=np.float64))
        if not energy:
            raise ValueError(
                f"`impulses` must hold sound. Received: {each}, which is silent"
            )
        found.append((heard / np.sqrt(energy)).astype(np.float32))
    if not found:
        raise ValueError(
            "`impulses` must be a WAV file, or a folder that holds some. "
            f"Received: {path}, without a {SUFFIX} file"
        )
    longest = max(map(len, found))
    return np.stack([np.pad(one, (0, longest - len(one))) for one in found])
