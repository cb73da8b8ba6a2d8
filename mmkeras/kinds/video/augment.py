"""Films of a training batch: mirrored, moved in time, or cut."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.video import Video


def augment(modality: Video, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, frames, height, width, channels)`."""

    def change(films, seeds):
        import tensorflow as tf

        batch = tf.shape(films)[0]
        drawn = tf.random.stateless_uniform(
            (batch, 1, 1, 1, 1), next(seeds.of("horizontal_flip"))
        )
        flipped = drawn < settings["horizontal_flip"] / 2
        seeds.mirrored(flipped[:, 0, 0, 0, 0], modality.width)
        films = tf.where(flipped, tf.reverse(films, [3]), films)
        for first, low, high in seeds.spans(settings, batch, modality.frames):
            # Before the first and after the last frame, that frame stays.
            source = tf.range(modality.frames) + first
            source = tf.clip_by_value(source, low, high - 1)
            films = tf.gather(films, source, axis=1, batch_dims=1)
        return films

    return change
