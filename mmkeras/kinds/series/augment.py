"""Series of a training batch, noisier, or with other swings."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.series import Series


def augment(modality: Series, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, steps, channels)` float32."""

    def change(series, seeds):
        import tensorflow as tf

        known = tf.math.is_finite(series)
        filled = tf.where(known, series, 0)
        count = tf.reduce_sum(tf.cast(known, tf.float32), 1, keepdims=True)
        count = tf.maximum(count, 1)
        mean = tf.reduce_sum(filled, 1, keepdims=True) / count
        swing = tf.where(known, series - mean, 0)
        square = tf.reduce_sum(tf.square(swing), 1, keepdims=True)
        deviation = tf.sqrt(square / count)
        gain = 1 + tf.random.stateless_uniform(
            tf.shape(mean),
            next(seeds),
            minval=-settings["gain"],
            maxval=settings["gain"],
        )
        noise = tf.random.stateless_normal(tf.shape(series), next(seeds))
        noise *= settings["noise_std"] * deviation
        # A gap stays one.
        return tf.where(known, mean + gain * swing + noise, series)

    return change
