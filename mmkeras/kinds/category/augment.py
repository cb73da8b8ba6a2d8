"""Labels of classes, mixed: a share of each class."""

from typing import Any

from mmkeras.kinds.category import Category


def mix(category: Category, labels: Any, other: Any, share: Any) -> Any:
    import tensorflow as tf

    # A share of each class; so for the steps of a sequence.
    classes = len(category.classes)
    pair = [tf.one_hot(one, classes) for one in (labels, other)]
    own = tf.reshape(share, (-1,) + (1,) * len(pair[0].shape[1:]))
    return own * pair[0] + (1 - own) * pair[1]
