"""Sounds of a training batch: moved, cut, echoing, louder or noisier."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from mmkeras.kinds.audio import Audio

WEAKER_DB = 20  # range of the noise above `noise_snr_db`


def augment(modality: Audio, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, samples)` float32."""
    rate = modality.sample_rate_hz
    most = round(1000 * min(settings["shift_sec"], modality.duration_sec))
    # Moving milliseconds instead of samples is ten times as fast.
    block = rate // 1000
    blocks = modality.time_steps
    rooms = _rooms(modality, settings)

    def change(sound, seeds):
        import tensorflow as tf

        def draw(low, high):
            # Keyword only: the fourth argument in place is the dtype.
            return tf.random.stateless_uniform(
                (tf.shape(sound)[0], 1), next(seeds), minval=low, maxval=high
            )

        changed = sound
        if settings["shift_sec"]:
            steps = tf.cast(tf.round(draw(-1, 1) * most), tf.int32)
            changed = _move(changed, -steps, block)
        for first, low, high in seeds.spans(
            settings, tf.shape(sound)[0], blocks
        ):
            # Sound is moved first, by blocks; then what is outside is silent.
            changed = _move(changed, first, block)
            there = _between(low - first, high - first, blocks, block)
            changed *= there[:, : sound.shape[1]]
        if settings["reverb_sec"]:
            changed = _reverberant(
                changed, settings["reverb_sec"], rate, seeds.of("reverb_sec")
            )
        if rooms is not None:
            changed = _in_a_room(
                changed, rooms, settings["impulse_share"], seeds
            )
        if settings["gain_db"]:
            gain = draw(-settings["gain_db"], settings["gain_db"])
            changed *= _amplitude(gain)
        if settings["noise_snr_db"]:
            ratio = draw(0, WEAKER_DB) + settings["noise_snr_db"]
            power = tf.reduce_mean(tf.square(changed), axis=1, keepdims=True)
            # Uniform noise costs a fifth of Gaussian noise; its deviation is
            # 1 / sqrt(3) of its amplitude.
            noise = tf.random.stateless_uniform(
                tf.shape(sound), next(seeds), minval=-1, maxval=1
            )
            loudness = tf.sqrt(3 * power) * _amplitude(-ratio)
            changed += loudness * noise
        return tf.clip_by_value(changed, -1, 1)

    return change


def _move(sound, first, block: int):
    """Moves each row by whole blocks; what moves in is silence.

    Args:
        sound: `(batch, samples)`.
        first: `(batch, 1)` int32, the block that comes first; a negative one
            is before the beginning.
        block: Samples in a block.
    """
    import tensorflow as tf

    size = sound.shape[1]
    count = -(-size // block)
    padded = tf.pad(sound, ((0, 0), (0, count * block - size)))
    blocks = tf.reshape(padded, (-1, count, block))
    # A block of silence on either side is taken as often as it must.
    blocks = tf.pad(blocks, ((0, 0), (1, 1), (0, 0)))
    source = tf.clip_by_value(tf.range(count) + first + 1, 0, count + 1)
    moved = tf.gather(blocks, source, batch_dims=1)
    return tf.reshape(moved, (-1, count * block))[:, :size]


def _between(low, high, count: int, block: int):
    """Returns 1 in the blocks from `low` to before `high`, a sample each."""
    import tensorflow as tf

    place = tf.range(count)
    inside = tf.cast((place >= low) & (place < high), tf.float32)
    return tf.repeat(inside, block, axis=1)


def _reverberant(sound, most: float, rate: int, seeds):
    """Adds the echoes of a room: noise that decays evenly in decibel.

    Each row has a reverberation time (until 60 dB below) of up to `most`
    seconds, and echoes up to as loud as the sound itself. Its loudness stays.

    Source of the impulse: Moorer, "About This Reverberation Business", 1979.
    """
    import tensorflow as tf

    size, batch = sound.shape[1], tf.shape(sound)[0]
    length = min(size, max(2, round(most * rate)))
    # Below a hundredth of the longest, the sound is that of an open field.
    times = most * tf.random.stateless_uniform(
        (batch, 1), next(seeds), minval=0.01
    )
    level = tf.random.stateless_uniform((batch, 1), next(seeds))
    noise = tf.random.stateless_normal((batch, length), next(seeds))
    after = tf.range(length, dtype=tf.float32) / rate
    tail = noise * tf.exp(-after * (math.log(1000) / times))
    energy = tf.reduce_sum(tf.square(tail), axis=1, keepdims=True)
    tail *= level * tf.math.rsqrt(tf.maximum(energy, 1e-12))
    return _as_loud(sound + _convolved(sound, tail), sound)


def _rooms(modality: Audio, settings: Mapping) -> np.ndarray | None:
    """Returns recorded impulses, `(impulses, samples)`; None: not wanted."""
    if not settings["impulse_share"]:
        return None
    if not settings["impulses"]:
        raise ValueError(
            "`impulse_share` needs `impulses`, a WAV file or a folder of "
            f"them. Received: impulses={settings['impulses']!r}"
        )
    from mmkeras.kinds.audio.impulses import read_impulses

    return read_impulses(modality, settings["impulses"])


def _in_a_room(sound, rooms: np.ndarray, share: float, seeds):
    """Lets some rows sound as in one of the rooms; their loudness stays."""
    import tensorflow as tf

    batch = tf.shape(sound)[0]
    chosen = tf.random.stateless_uniform((batch, 1), next(seeds)) < share
    which = tf.random.stateless_uniform(
        (batch,), next(seeds), maxval=len(rooms), dtype=tf.int32
    )
    heard = _convolved(sound, tf.gather(tf.constant(rooms), which))
    return tf.where(chosen, _as_loud(heard, sound), sound)


def _convolved(sound, impulses):
    """Returns each row convolved with its impulse, by FFT, as long as it."""
    import tensorflow as tf

    size, length = sound.shape[1], impulses.shape[1]
    points = 2 ** math.ceil(math.log2(size + length))
    spectra = [tf.signal.rfft(x, [points]) for x in (sound, impulses)]
    return tf.signal.irfft(spectra[0] * spectra[1], [points])[:, :size]


def _as_loud(found, sound):
    """Brings each row to the loudness of another."""
    import tensorflow as tf

    before, now = (
        tf.reduce_mean(tf.square(x), axis=1, keepdims=True)
        for x in (sound, found)
    )
    return found * tf.sqrt(before / tf.maximum(now, 1e-12))


def _amplitude(decibel):
    import tensorflow as tf

    return tf.exp(decibel * (math.log(10) / 20))
