"""Labels of any classes, mixed: each is there to a share."""

from typing import Any

from mmkeras.kinds.categories import Categories


def mix(categories: Categories, labels: Any, other: Any, share: Any) -> Any:
    import tensorflow as tf

    own = tf.reshape(share, (-1, 1))
    return own * labels + (1 - own) * other
