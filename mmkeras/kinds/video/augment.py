"""Films of a training batch, mirrored."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.video import Video


def augment(modality: Video, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, frames, height, width, channels)`."""

    def change(films, seeds):
        import tensorflow as tf

        drawn = tf.random.stateless_uniform(
            (tf.shape(films)[0], 1, 1, 1, 1), next(seeds)
        )
        flipped = drawn < settings["horizontal_flip"] / 2
        return tf.where(flipped, tf.reverse(films, [3]), films)

    return change
