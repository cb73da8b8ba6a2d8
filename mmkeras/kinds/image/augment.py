"""Pictures of a training batch, moved and lit another way."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.image import Image


def augment(modality: Image, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, height, width, channels)` uint8."""
    from keras import layers

    shift, zoom = settings["translation"], settings["zoom"]
    moves = {
        "translation": lambda: layers.RandomTranslation(shift, shift),
        "rotation_degrees": lambda: layers.RandomRotation(
            settings["rotation_degrees"] / 360
        ),
        "zoom": lambda: layers.RandomZoom(zoom),
    }
    others = {
        "horizontal_flip": lambda: layers.RandomFlip("horizontal"),
        "contrast": lambda: layers.RandomContrast(settings["contrast"]),
        "brightness": lambda: layers.RandomBrightness(settings["brightness"]),
    }
    moves = [make() for key, make in moves.items() if settings[key]]
    others = [make() for key, make in others.items() if settings[key]]

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
