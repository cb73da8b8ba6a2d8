"""Series of a training batch: noisier, moved, cut, warped, with gaps."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.series import Series

# Between two of them the speed of a warped series changes evenly.
KNOTS = 5


def augment(modality: Series, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, steps, channels)` float32."""

    def change(series, seeds):
        import tensorflow as tf

        known = tf.math.is_finite(series)
        filled = tf.where(known, series, 0)
        count = tf.reduce_sum(tf.cast(known, tf.float32), 1, keepdims=True)
        there, count = count > 0, tf.maximum(count, 1)
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
        if settings["gain"]:
            # What goes on in a series grows with it, if there is any of it.
            seeds.moves.gains.append((tf.where(there, gain, 1.0), mean))
        noise = tf.random.stateless_normal(tf.shape(series), next(seeds))
        noise *= settings["noise_std"] * deviation
        # A gap stays one.
        series = tf.where(known, mean + gain * swing + noise, series)
        if settings["time_warp"]:
            series = _warped(series, seeds.of("time_warp"), settings)
        for start, low, high in seeds.spans(
            settings, tf.shape(series)[0], series.shape[1]
        ):
            series = _moved(series, start, low, high)
        if settings["channel_dropout"]:
            rate = settings["channel_dropout"]
            series = _without(series, seeds.of("channel_dropout"), rate)
        return series

    return change


def _moved(series, start, low, high):
    """Moves time; what nothing is known of is a gap."""
    import tensorflow as tf

    size = series.shape[1]
    source = tf.range(size) + start
    inside = (source >= low) & (source < high)
    found = tf.gather(series, tf.clip_by_value(source, 0, size - 1), 1, 1, 1)
    return tf.where(inside[..., None], found, float("nan"))


def _warped(series, seeds, settings: Mapping[str, float]):
    """Lets time run faster here and slower there; both ends stay."""
    import tensorflow as tf

    batch, size = tf.shape(series)[0], series.shape[1]
    most = settings["time_warp"]
    speed = 1 + tf.random.stateless_uniform(
        (batch, KNOTS), next(seeds), minval=-most, maxval=most
    )
    place = tf.linspace(0.0, KNOTS - 1, max(size - 1, 1))
    pair = tf.minimum(tf.cast(place, tf.int32), KNOTS - 2)
    share = place - tf.cast(pair, tf.float32)
    each = (1 - share) * tf.gather(speed, pair, axis=1)
    each += share * tf.gather(speed, pair + 1, axis=1)
    time = tf.cumsum(each, axis=1)
    time = tf.concat([tf.zeros((batch, 1)), time], axis=1)[:, :size]
    time *= (size - 1) / tf.maximum(time[:, -1:], 1e-6)
    first = tf.clip_by_value(tf.cast(time, tf.int32), 0, max(size - 2, 0))
    share = (time - tf.cast(first, tf.float32))[..., None]
    last = tf.minimum(first + 1, size - 1)
    before, after = (
        tf.gather(series, one, axis=1, batch_dims=1) for one in (first, last)
    )
    # Where the time is that of a step, its neighbour's gap is no matter.
    mixed = tf.where(share > 0, before + share * (after - before), before)
    return tf.where(share < 1, mixed, after)


def _without(series, seeds, rate: float):
    """Makes channels gaps; one that is known stays."""
    import tensorflow as tf

    batch, channels = tf.shape(series)[0], series.shape[2]
    drawn = tf.random.stateless_uniform((batch, 1, channels), next(seeds))
    known = tf.reduce_any(tf.math.is_finite(series), axis=1, keepdims=True)
    values = tf.where(known, drawn, -1.0)
    best = values >= tf.reduce_max(values, axis=2, keepdims=True)
    return tf.where((drawn >= rate) | best, series, float("nan"))
