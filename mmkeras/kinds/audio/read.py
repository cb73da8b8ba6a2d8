"""Recordings of any format to `(samples,)` int16.

The rules are part of the contract with the device, which must do the same.
"""

from collections.abc import Callable, Mapping

import numpy as np

from mmkeras.data import (
    BadSample,
    Reason,
    SampleIO,
    read_sound,
    shares,
    whole_moments,
    whole_sums,
)
from mmkeras.kinds.audio import FULL_SCALE, Audio
from mmkeras.spec import Sample

# 12 dB above full scale. A decoder overshoots by less; numbers of 16 bits that
# were written as floats are far above.
MAX_PEAK = 4.0
# Of the channels' amplitude, 20 dB: 16 channels of noise keep 12 dB more.
MIN_MIXED = 0.1
MIN_SEC = 0.001


def read(modality: Audio, cells: Mapping[str, str], io: SampleIO) -> Sample:
    """Reads the file of a cell as int16, and adds the noise of the spec.

    Values outside [-1, 1) are clipped.
    """
    path = cells[modality.column]
    sound, recorded, notes = decode(modality, io.bytes(path), path)
    return Sample(to_int16(_noisy(modality, sound, recorded, io)), notes)


def variants(
    modality: Audio, cells: Mapping[str, str], io: SampleIO
) -> list[np.ndarray]:
    """Reads the file again for each speed and pitch of the spec.

    Noise of the spec is added after, as a microphone would. Speed by
    resampling: Ko et al., "Audio Augmentation for Speech Recognition", 2015.
    """
    path, rate = cells[modality.column], modality.sample_rate_hz
    recorded_sound, _ = heard(modality, io.bytes(path), path)
    found = []
    changes = [_faster(factor, rate) for factor in modality.speeds]
    changes += [_higher(steps, rate) for steps in modality.pitch_semitones]
    for change in changes:
        changed = change(recorded_sound)
        sound, recorded, _ = shaped(modality, changed, {}, path)
        found.append(to_int16(_noisy(modality, sound, recorded, io)))
    return found


def _faster(factor: float, rate_hz: int) -> Callable:
    import soxr

    return lambda sound: soxr.resample(sound, rate_hz * factor, rate_hz)


def _higher(semitones: float, rate_hz: int) -> Callable:
    from librosa.effects import pitch_shift

    # Of a sound shorter than its window it would warn.
    points = 2048
    return lambda sound: pitch_shift(
        sound,
        sr=rate_hz,
        n_steps=semitones,
        n_fft=min(points, 2 ** int(np.log2(len(sound)))),
    )


def _noisy(
    modality: Audio, sound: np.ndarray, recorded: int, io: SampleIO
) -> np.ndarray:
    """Adds the noise of the spec, if there is any."""
    if modality.noise_snr_db is not None and io.random is not None:
        power = np.mean(np.square(sound[:recorded], dtype=np.float64))
        power *= 10 ** (-modality.noise_snr_db / 10)
        noisy = io.random.standard_normal(sound.shape)
        # In place: each further array costs as much as the sum itself.
        noisy *= np.sqrt(power)
        noisy += sound
        # Clipping would change the ratio that the spec states.
        peak = max(noisy.max(), -noisy.min())
        sound = np.divide(noisy, peak, out=noisy) if peak > 1 else noisy
    return sound


def sums(modality: Audio, value: np.ndarray) -> dict:
    """Returns sums over the samples."""
    return whole_sums(value[:, None])


def finish(modality: Audio, found: dict | None) -> dict:
    """Returns `mean` and `std` of the samples in [-1, 1]."""
    mean, std = whole_moments(found, 1, scale=FULL_SCALE)
    return {"mean": mean[0], "std": std[0]}


def tell(modality: Audio, notes: Mapping[str, int], samples: int) -> list[str]:
    """Returns what was changed, and what was added, as sentences."""
    found = []
    if modality.variant_names:
        found.append(
            "each training sample is stored also as "
            f"{', '.join(modality.variant_names)}; training takes them by "
            "`variant_share` of its augmentation"
        )
    return found + shares(
        notes, samples, {"clipped_values": (*modality.shape, "values")}
    )


def decode(
    modality: Audio, raw: bytes, name: str
) -> tuple[np.ndarray, int, dict[str, int]]:
    """Decodes a recording.

    In this order: mean of the channels; resampling (soxr, high quality); soft
    ends cut with `trim_db`; cut at the end, or on both sides with `crop =
    "center"`; levelled with `loudness_dbfs`; silence at the end.

    Args:
        modality: The wanted rate and length.
        raw: The file's bytes; what they hold says their format.
        name: Its name, for messages.

    Returns:
        `(samples,)` float32, how many of them are recorded, and what was
        changed, counted.

    Raises:
        BadSample: If it is broken, or no sound is left.
    """
    return shaped(modality, *heard(modality, raw, name), name)


def heard(
    modality: Audio, raw: bytes, name: str
) -> tuple[np.ndarray, dict[str, int]]:
    """Decodes, mixes and resamples a recording, as `decode` begins."""
    import soxr

    found = read_sound(raw, name)
    notes, rate = dict(found.notes), found.rate_hz
    if len(found.values) < max(2, MIN_SEC * rate):
        detail = f"{name!r}: {len(found.values)} frames at {rate} Hz"
        raise BadSample(Reason.TOO_SHORT, detail)
    sound = _mix(found.values, name)
    if found.values.shape[1] > 1:
        notes["mixed"] = 1
    if rate != modality.sample_rate_hz:
        sound = soxr.resample(sound, rate, modality.sample_rate_hz)
        notes["resampled"] = 1
    return sound, notes


def shaped(
    modality: Audio, sound: np.ndarray, notes: dict[str, int], name: str
) -> tuple[np.ndarray, int, dict[str, int]]:
    """Cuts, levels and pads a recording, as `decode` ends; adds to `notes`."""
    if modality.trim_db is not None:
        before = len(sound)
        sound = trim(sound, modality.sample_rate_hz, modality.trim_db)
        if len(sound) < before:
            notes["trimmed"] = 1
    (size,) = modality.shape
    if len(sound) != size:
        notes["cut" if len(sound) > size else "padded"] = 1
    if modality.crop == "center":
        sound = sound[max(0, (len(sound) - size) // 2) :]
    sound = sound[:size]
    if modality.loudness_dbfs is not None:
        sound, reached = level(sound, modality.loudness_dbfs)
        notes["levelled" if reached else "levelled_below_clipping"] = 1
    _check_loudness(modality, sound, notes, name)
    if len(sound) == size:
        return sound, size, notes
    padded = np.zeros(size, sound.dtype)
    padded[: len(sound)] = sound
    return padded, len(sound), notes


def trim(sound: np.ndarray, rate_hz: int, trim_db: float) -> np.ndarray:
    """Returns a recording without its soft ends, in whole stretches of 20 ms.

    Example:

    >>> sound = np.r_[np.zeros(400), np.ones(800), np.zeros(600)]
    >>> len(trim(sound, 8000, 40))
    960
    """
    size = rate_hz // 50
    stretches = np.pad(sound, (0, -len(sound) % size)).reshape(-1, size)
    power = np.square(stretches, dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-trim_db / 10))
    return sound[loud[0] * size : (loud[-1] + 1) * size]


def level(sound: np.ndarray, loudness_dbfs: float) -> tuple[np.ndarray, bool]:
    """Returns a recording at a loudness, and whether it reached it.

    It is as loud as it can be where its peaks would be clipped.
    """
    power = np.square(sound, dtype=np.float64).mean()
    if not power:
        return sound, True
    wanted = 10 ** (loudness_dbfs / 20) / np.sqrt(power)
    most = (FULL_SCALE - 1) / FULL_SCALE / np.abs(sound).max()
    return (sound * min(wanted, most)).astype(np.float32), wanted <= most


def to_int16(sound: np.ndarray) -> np.ndarray:
    """Rounds float samples in [-1, 1] to 16 bit; others are clipped."""
    levels = np.multiply(sound, FULL_SCALE)
    levels = np.rint(levels, out=levels)
    return levels.clip(-FULL_SCALE, FULL_SCALE - 1, out=levels).astype(np.int16)


def _mix(values: np.ndarray, name: str) -> np.ndarray:
    """Returns the mean of channels, which must leave something of them."""
    peak = max(values.max(), -values.min())
    if peak > MAX_PEAK:
        raise BadSample(
            Reason.TOO_LOUD,
            f"{name!r}: a peak of {peak:,.6g}, at most {MAX_PEAK:g} times "
            "full scale",
        )
    if values.shape[1] == 1:
        return values[:, 0]
    sound = values.mean(axis=1, dtype=np.float32)
    before = np.vdot(values, values) / values.shape[1]
    left = np.vdot(sound, sound)
    if left < MIN_MIXED**2 * before:
        share = np.sqrt(left / before)
        raise BadSample(
            Reason.CANCELLED,
            f"{name!r}: {values.shape[1]} channels, of which mixing leaves "
            f"{share:.3g} of the amplitude",
        )
    return sound


def _check_loudness(
    modality: Audio, sound: np.ndarray, notes: dict[str, int], name: str
) -> None:
    """Notes what is clipped and what is silent, or refuses silence."""
    ends = np.array([sound.min(), sound.max()])
    # Counted where there is any: most recordings have none.
    if np.rint(np.abs(ends).max() * FULL_SCALE) > FULL_SCALE:
        levels = np.rint(np.abs(sound) * FULL_SCALE)
        clipped = int(np.count_nonzero(levels > FULL_SCALE))
        notes |= {"clipped": 1, "clipped_values": clipped}
    # One level from end to end, zero or not, is no sound.
    if np.ptp(to_int16(ends)) == 0:
        if modality.silence == "refuse":
            raise BadSample(
                Reason.SILENT, f"{name!r}: {len(sound)} samples of one level"
            )
        notes["silent"] = 1
