"""Pictures of a training batch, moved and lit another way."""

import functools
import itertools
from collections.abc import Callable, Mapping

from mmkeras.kinds.image import Image

# What strength 1 of RandAugment means, as in the paper; colour, contrast,
# brightness and sharpness change by up to nine tenths.
SHEAR, TRANSLATION, DEGREES, MOST, BITS = 0.3, 0.3, 30, 0.9, 4
# Changes of a picture, one after another.
OPERATIONS = 2
# Channels of a picture with colour.
RGB = 3


def augment(modality: Image, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, height, width, channels)` uint8.

    Raises:
        ValueError: If the colour of grey pictures is to be changed.
    """
    from keras import layers

    for key in ("saturation", "hue_degrees"):
        if settings[key] and modality.channels != RGB:
            raise ValueError(
                f"`{key}` needs pictures with colour, `channels = 3`. "
                f"Received: channels={modality.channels}"
            )
    shift, zoom = settings["translation"], settings["zoom"]
    moves = {
        "translation": lambda: layers.RandomTranslation(shift, shift),
        "rotation_degrees": lambda: layers.RandomRotation(
            settings["rotation_degrees"] / 360
        ),
        "zoom": lambda: layers.RandomZoom(zoom),
        "crop": lambda: _crop(settings["crop"]),
    }
    others = {
        "contrast": lambda: layers.RandomContrast(settings["contrast"]),
        "brightness": lambda: layers.RandomBrightness(settings["brightness"]),
    }
    moves = {key: make() for key, make in moves.items() if settings[key]}
    others = {key: make() for key, make in others.items() if settings[key]}
    operations = _operations(modality, settings["rand_augment"])

    def change(images, seeds):
        import tensorflow as tf

        images = tf.cast(images, tf.float32)
        every = [*moves.values(), *others.values(), *operations.values()]
        # Any Keras backend may train; a tf.data pipeline is TensorFlow.
        for layer in every:
            layer.backend.set_backend("tensorflow")
        if moves:
            drawn = [
                _drawn(layer, images, seeds.of(key))
                for key, layer in moves.items()
            ]
            matrix = moving(drawn, *modality.shape[:2])
            seeds.moved(matrix)
            images = _interpolated(images, [*moves.values()], matrix)
        if settings["horizontal_flip"]:
            images = _flipped(images, seeds, settings["horizontal_flip"])
        for key, layer in others.items():
            drawn = _drawn(layer, images, seeds.of(key))
            images = layer.transform_images(images, drawn)
        if settings["saturation"] or settings["hue_degrees"]:
            images = _coloured(images, seeds, settings)
        if operations:
            images = _rand_augmented(images, seeds, operations)
        if settings["noise_std"]:
            images = _noisy(images, seeds, settings["noise_std"])
        for layer in every:
            layer.backend.reset()
        images = tf.ensure_shape(images, (None, *modality.shape))
        return tf.cast(tf.clip_by_value(tf.round(images), 0, 255), tf.uint8)

    return change


def _drawn(layer, images, seeds) -> dict:
    """Returns what a Keras layer draws from seeds."""
    return layer.get_random_transformation(images, seed=seed_generator(seeds))


def _uniform(images, seeds, low=0.0, high=1.0):
    """Draws a number for each picture, `(batch, 1, 1, 1)`."""
    import tensorflow as tf

    shape = (tf.shape(images)[0], 1, 1, 1)
    return tf.random.stateless_uniform(shape, next(seeds), low, high)


def _flipped(images, seeds, share: float):
    import tensorflow as tf

    flipped = _uniform(images, seeds.of("horizontal_flip")) < share / 2
    seeds.mirrored(flipped[:, 0, 0, 0], images.shape[2])
    return tf.where(flipped, tf.reverse(images, [2]), images)


def _coloured(images, seeds, settings: Mapping[str, float]):
    """Changes the saturation and the hue of `(batch, height, width, 3)`."""
    import tensorflow as tf

    most, turn = settings["saturation"], settings["hue_degrees"] / 360
    factor = _uniform(images, seeds, 1 - most, 1 + most)
    shift = _uniform(images, seeds, -turn, turn)
    hue, saturation, value = tf.split(
        tf.image.rgb_to_hsv(images / 255), 3, axis=-1
    )
    saturation = tf.clip_by_value(saturation * factor, 0, 1)
    changed = tf.concat([(hue + shift) % 1, saturation, value], axis=-1)
    return 255 * tf.image.hsv_to_rgb(changed)


def _noisy(images, seeds, most: float):
    """Adds Gaussian noise, of a deviation drawn for each picture."""
    import tensorflow as tf

    deviation = _uniform(images, seeds, 0.0, 255 * most)
    noise = tf.random.stateless_normal(tf.shape(images), next(seeds))
    return images + deviation * noise


def _operations(modality: Image, strength: float) -> dict:
    """Returns the Keras layers of RandAugment, by name; none at 0.

    Keras' own layer of that name turns by 180 degrees at its default, and
    computes all its operations to keep two of them.

    Source: Cubuk et al., "RandAugment: Practical Automated Data Augmentation
    with a Reduced Search Space", 2019 (arXiv 1909.13719).
    """
    if not strength:
        return {}
    from keras import layers

    shear, shift, most = (
        strength * each for each in (SHEAR, TRANSLATION, MOST)
    )
    near = {"fill_mode": "constant", "fill_value": 128.0}
    whole = {"value_range": (0, 255)}
    bits = round(8 - strength * BITS)
    found = {
        "shear": layers.RandomShear(shear, shear, **near),
        "translation": layers.RandomTranslation(shift, shift, **near),
        "rotation": layers.RandomRotation(strength * DEGREES / 360, **near),
        "brightness": layers.RandomBrightness(most),
        "contrast": layers.RandomContrast(most, **whole),
        "sharpness": layers.RandomSharpness(
            (0.5 - most / 2, 0.5 + most / 2), **whole
        ),
        "posterization": layers.RandomPosterization((bits, 8), **whole),
        "auto_contrast": layers.AutoContrast(**whole),
        "equalization": layers.Equalization(**whole),
    }
    if modality.channels == RGB:
        found["colour"] = layers.RandomColorDegeneration((0, most), **whole)
    return found


def _rand_augmented(images, seeds, operations: Mapping):
    """Applies operations chosen by the batch, as far as each picture draws."""
    import tensorflow as tf

    def applied(layer, images, seed):
        # The seeds of a branch must not depend on which one is taken.
        first = 10**12 + 1000 * seed[1]
        own = ((seed[0], first + i) for i in itertools.count())
        drawn = _drawn(layer, images, own)
        changed = layer.transform_images(images, drawn)
        return tf.ensure_shape(tf.cast(changed, tf.float32), images.shape)

    for _ in range(OPERATIONS):
        chosen = tf.random.stateless_uniform(
            (), next(seeds), 0, len(operations), tf.int32
        )
        seed = next(seeds)
        images = tf.switch_case(
            chosen,
            [
                functools.partial(applied, layer, images, seed)
                for layer in operations.values()
            ],
        )
    return images


def _crop(most: float):
    """Returns a layer that takes up to so much less of each side, anywhere."""
    import tensorflow as tf
    from keras import layers

    class Crop(layers.RandomZoom):
        def get_random_transformation(self, images, training=True, seed=None):
            shape = (tf.shape(images)[0], 3)
            drawn = tf.random.stateless_uniform(shape, seed.next())
            less, x, y = tf.split(drawn, 3, axis=1)
            return {"left_out": less * most, "x": x, "y": y}

    return Crop(most)


def moving(drawn: list[dict], height: int, width: int):
    """Returns what layers that move pixels do together, `(batch, 3, 3)`.

    From the index of a pixel after them, x first, to that before.

    Args:
        drawn: What RandomTranslation, RandomRotation or RandomZoom layers
            drew.
        height: Of the pictures.
        width: Likewise.
    """
    import tensorflow as tf

    product = tf.eye(3)
    for one in drawn:
        flat = _matrix(one, height, width)
        flat = tf.concat([flat, tf.ones_like(flat[:, :1])], axis=1)
        product = product @ tf.reshape(flat, (-1, 3, 3))
    return product


def move(images, layers: list, drawn: list[dict]):
    """Applies layers that move pixels, all at once.

    The product of their matrices moves the picture. One interpolation
    instead of one a layer blurs less and costs a third.

    Args:
        images: `(batch, height, width, channels)` float32.
        layers: RandomTranslation, RandomRotation or RandomZoom layers.
        drawn: What each of them drew.
    """
    product = moving(drawn, images.shape[1], images.shape[2])
    return _interpolated(images, layers, product)


def _interpolated(images, layers: list, product):
    import tensorflow as tf

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
    elif "left_out" in drawn:
        across = down = 1 - drawn["left_out"]
        x = (width - 1) * drawn["left_out"] * drawn["x"]
        y = (height - 1) * drawn["left_out"] * drawn["y"]
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
