"""What augmentation does to a batch, kind by kind.

Each function takes a modality and its settings, and returns a function from
(values, seeds) to values; `seeds` yields a pair for every draw.
"""

import math
from collections.abc import Callable

from mmkeras.kinds import Audio, Image

WEAKER_DB = 20  # range of the noise above `noise_snr_db`
UNKNOWN_ID = 1


def change_image(modality: Image, values: dict) -> Callable:
    """Returns a function for `(batch, height, width, channels)` uint8."""
    from keras import layers

    shift, zoom = values["translation"], values["zoom"]
    moves = {
        "translation": lambda: layers.RandomTranslation(shift, shift),
        "rotation_degrees": lambda: layers.RandomRotation(
            values["rotation_degrees"] / 360
        ),
        "zoom": lambda: layers.RandomZoom(zoom),
    }
    others = {
        "horizontal_flip": lambda: layers.RandomFlip("horizontal"),
        "contrast": lambda: layers.RandomContrast(values["contrast"]),
        "brightness": lambda: layers.RandomBrightness(values["brightness"]),
    }
    moves = [make() for key, make in moves.items() if values[key]]
    others = [make() for key, make in others.items() if values[key]]

    def change(images, seeds):
        import tensorflow as tf

        generator = seed_generator(seeds)
        images = tf.cast(images, tf.float32)
        # Any Keras backend may train; a tf.data pipeline is TensorFlow.
        for layer in moves + others:
            layer.backend.set_backend("tensorflow")
        if moves:
            images = move(images, moves, generator)
        for layer in others:
            drawn = layer.get_random_transformation(images, seed=generator)
            images = layer.transform_images(images, drawn)
        for layer in moves + others:
            layer.backend.reset()
        images = tf.ensure_shape(images, (None, *modality.shape))
        return tf.cast(tf.clip_by_value(tf.round(images), 0, 255), tf.uint8)

    return change


def move(images, layers: list, generator):
    """Applies layers that move pixels, all at once.

    Each layer draws; the product of their matrices moves the picture. One
    interpolation instead of one a layer blurs less and costs a third.

    Args:
        images: `(batch, height, width, channels)` float32.
        layers: RandomTranslation, RandomRotation or RandomZoom layers.
        generator: A Keras seed generator.
    """
    import tensorflow as tf

    product = tf.eye(3)
    for layer in layers:
        drawn = layer.get_random_transformation(images, seed=generator)
        flat = _matrix(drawn, images.shape[1], images.shape[2])
        flat = tf.concat([flat, tf.ones_like(flat[:, :1])], axis=1)
        product = product @ tf.reshape(flat, (-1, 3, 3))
    return layers[0].backend.image.affine_transform(
        images,
        tf.reshape(product, (-1, 9))[:, :8],
        interpolation="bilinear",
        fill_mode="nearest",
    )


def _matrix(drawn: dict, height: int, width: int):
    """Returns `(batch, 8)` from what a Keras layer drew, as the layer does."""
    import tensorflow as tf

    if "rotation_matrix" in drawn:
        return drawn["rotation_matrix"]
    if "translations" in drawn:
        x, y = tf.split(-drawn["translations"], 2, axis=1)
        across = down = tf.ones_like(x)
    else:
        across, down = drawn["width_zoom"], drawn["height_zoom"]
        x = (width - 1) / 2 * (1 - across)
        y = (height - 1) / 2 * (1 - down)
    zero = tf.zeros_like(x)
    return tf.concat([across, zero, x, zero, down, y, zero, zero], axis=1)


def seed_generator(seeds):
    """Returns a Keras seed generator that holds no variable."""
    import keras
    import tensorflow as tf

    class Given(keras.random.SeedGenerator):
        def __init__(self):
            pass  # the parent would create the variable

        def next(self, ordered=True):
            return tf.cast(tf.stack(next(seeds)), tf.int64)

    return Given()


def change_audio(modality: Audio, values: dict) -> Callable:
    """Returns a function for `(batch, samples)` float32."""
    rate = modality.sample_rate_hz
    most = round(1000 * min(values["shift_sec"], modality.duration_sec))

    def change(sound, seeds):
        import tensorflow as tf

        def draw(low, high):
            # Keyword only: the fourth argument in place is the dtype.
            return tf.random.stateless_uniform(
                (tf.shape(sound)[0], 1), next(seeds), minval=low, maxval=high
            )

        changed = sound
        if values["shift_sec"]:
            changed = _shift(changed, draw(-1, 1), most, rate // 1000)
        if values["gain_db"]:
            gain = draw(-values["gain_db"], values["gain_db"])
            changed *= _amplitude(gain)
        if values["noise_snr_db"]:
            ratio = draw(0, WEAKER_DB) + values["noise_snr_db"]
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


def change_text(_, values: dict) -> Callable:
    """Returns a function for `(batch, max_tokens)` int32."""

    def change(ids, seeds):
        import tensorflow as tf

        drawn = tf.random.stateless_uniform(tf.shape(ids), next(seeds))
        dropped = (drawn < values["token_dropout"]) & (ids > 0)
        return tf.where(dropped, UNKNOWN_ID, ids)

    return change


def change_series(_, values: dict) -> Callable:
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
            minval=-values["gain"],
            maxval=values["gain"],
        )
        noise = tf.random.stateless_normal(tf.shape(series), next(seeds))
        noise *= values["noise_std"] * deviation
        # A gap stays one.
        return tf.where(known, mean + gain * swing + noise, series)

    return change


def change_video(_, values: dict) -> Callable:
    """Returns a function for `(batch, frames, height, width, channels)`."""

    def change(films, seeds):
        import tensorflow as tf

        drawn = tf.random.stateless_uniform(
            (tf.shape(films)[0], 1, 1, 1, 1), next(seeds)
        )
        flipped = drawn < values["horizontal_flip"] / 2
        return tf.where(flipped, tf.reverse(films, [3]), films)

    return change


CHANGES = {
    "image": change_image, "audio": change_audio, "text": change_text,
    "series": change_series, "video": change_video,
}  # fmt: skip
