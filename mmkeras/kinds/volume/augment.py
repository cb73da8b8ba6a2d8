"""Volumes of a training batch: mirrored, turned, of other intensities."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.image import Image
from mmkeras.kinds.volume import Volume

# Axes of `(batch, depth, height, width, 1)` from end to end of the body.
FLIPS = {"horizontal_flip": 3, "vertical_flip": 2, "depth_flip": 1}


def augment(modality: Volume, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, depth, height, width, 1)` float32.

    Raises:
        ValueError: If slices are to be turned whose voxels are not square.
    """
    from keras import layers

    low, high = modality.window_low, modality.window_high
    down, across = modality.spacing_mm[1:]
    degrees = settings["rotation_degrees"]
    if degrees and down != across:
        raise ValueError(
            "`rotation_degrees` needs voxels as high as they are wide, or a "
            f"turned body would be bent. Received: spacing_mm="
            f"{list(modality.spacing_mm)}"
        )
    turn = layers.RandomRotation(
        degrees / 360, fill_mode="constant", fill_value=low
    )

    def change(volumes, seeds):
        import tensorflow as tf

        def draw(key, minval=0.0, maxval=1.0):
            shape = (tf.shape(volumes)[0], 1, 1, 1, 1)
            return tf.random.stateless_uniform(
                shape, next(seeds.of(key)), minval, maxval
            )

        changed = volumes
        for key, axis in FLIPS.items():
            if settings[key]:
                flipped = draw(key) < settings[key] / 2
                size = modality.shape[axis - 1]
                seeds.mirrored(flipped[:, 0, 0, 0, 0], size, 3 - axis, axes=3)
                changed = tf.where(
                    flipped, tf.reverse(changed, [axis]), changed
                )
        if degrees:
            drawn = seeds.of("rotation_degrees")
            changed, matrix = _turned(changed, turn, drawn)
            seeds.moved(_about_the_body(matrix))
        gain, shift = settings["gain"], settings["intensity_shift"]
        if gain or shift:
            middle = (low + high) / 2
            factor = 1 + draw("gain", -gain, gain)
            moved = middle + draw("intensity_shift", -shift, shift) * (
                high - low
            )
            changed = moved + (changed - middle) * factor
        return tf.clip_by_value(changed, low, high)

    return change


def _about_the_body(turn):
    """Returns `(batch, 4, 4)` of x, y and z from such of x and y."""
    import tensorflow as tf

    wide = tf.pad(turn[:, :2, :2], [[0, 0], [0, 2], [0, 2]])
    shift = tf.pad(turn[:, :2, 2:], [[0, 0], [0, 2], [3, 0]])
    return wide + shift + tf.linalg.diag([0.0, 0.0, 1.0, 1.0])


def _turned(volumes, layer, seeds):
    """Turns all slices of a volume by the same angle.

    Also returns the matrices, from index to index, x first.
    """
    import tensorflow as tf

    depth, height, width = volumes.shape[1:4]
    # As pictures whose channels are the slices.
    slices = tf.transpose(volumes[..., 0], (0, 2, 3, 1))
    # Any Keras backend may train; a tf.data pipeline is TensorFlow.
    layer.backend.set_backend("tensorflow")
    pictures = Image.part("augment")
    generator = pictures.seed_generator(seeds)
    drawn = layer.get_random_transformation(slices, seed=generator)
    slices = layer.transform_images(slices, drawn)
    layer.backend.reset()
    turned = tf.transpose(slices, (0, 3, 1, 2))[..., None]
    turned = tf.ensure_shape(turned, (None, depth, height, width, 1))
    return turned, pictures.moving([drawn], height, width)
