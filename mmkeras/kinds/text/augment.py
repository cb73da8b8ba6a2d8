"""Texts of a training batch, with tokens that turn unknown."""

from collections.abc import Callable, Mapping

from mmkeras.kinds.text import Text

UNKNOWN_ID = 1


def augment(modality: Text, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, max_tokens)` int32."""

    def change(ids, seeds):
        import tensorflow as tf

        drawn = tf.random.stateless_uniform(tf.shape(ids), next(seeds))
        dropped = (drawn < settings["token_dropout"]) & (ids > 0)
        return tf.where(dropped, UNKNOWN_ID, ids)

    return change
