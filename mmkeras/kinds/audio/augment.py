"""Sounds of a training batch, later, louder or noisier."""

import math
from collections.abc import Callable, Mapping

from mmkeras.kinds.audio import Audio

WEAKER_DB = 20  # range of the noise above `noise_snr_db`


def augment(modality: Audio, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, samples)` float32."""
    rate = modality.sample_rate_hz
    most = round(1000 * min(settings["shift_sec"], modality.duration_sec))

    def change(sound, seeds):
        import tensorflow as tf

        def draw(low, high):
            # Keyword only: the fourth argument in place is the dtype.
            return tf.random.stateless_uniform(
                (tf.shape(sound)[0], 1), next(seeds), minval=low, maxval=high
            )

        changed = sound
        if settings["shift_sec"]:
            changed = _shift(changed, draw(-1, 1), most, rate // 1000)
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


def _shift(sound, part, most: int, block: int):
    """Moves each row by whole milliseconds; what moves in is silence.

    Moving blocks of a millisecond instead of samples is ten times as fast.

    Args:
        sound: `(batch, samples)`.
        part: `(batch, 1)` in [-1, 1], of the longest way; positive is later.
        most: The longest way, in milliseconds.
        block: Samples in a millisecond.
    """
    import tensorflow as tf

    size = sound.shape[1]
    count = -(-size // block)
    edge = most * block
    padded = tf.pad(sound, ((0, 0), (edge, edge + count * block - size)))
    blocks = tf.reshape(padded, (-1, count + 2 * most, block))
    steps = tf.cast(tf.round(part * most), tf.int32)
    moved = tf.gather(blocks, tf.range(count) + most - steps, batch_dims=1)
    return tf.reshape(moved, (-1, count * block))[:, :size]


def _amplitude(decibel):
    import tensorflow as tf

    return tf.exp(decibel * (math.log(10) / 20))
