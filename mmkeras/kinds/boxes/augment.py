"""Boxes that go where their pictures go."""

from typing import Any

from mmkeras.kinds.boxes import Boxes

# Of a box less must be left in the picture for it to be left out.
VISIBLE = 0.3


def move(
    boxes: Boxes, labels: Any, weights: Any, moves: Any
) -> tuple[Any, Any]:
    """Moves corners as pixels moved; what leaves the picture is cut off.

    A box that is turned becomes the upright one around it.
    """
    import tensorflow as tf

    height, width = moves.shape[:2]
    size = tf.constant([width, height], tf.float32)
    inverse = tf.linalg.inv(moves.affine())
    x, y = labels[..., 0:4:2], labels[..., 1:4:2]
    corners = tf.stack(
        [
            tf.gather(x, [0, 1, 0, 1], axis=-1) * size[0],
            tf.gather(y, [0, 0, 1, 1], axis=-1) * size[1],
        ],
        axis=-1,
    )
    # (batch, 1, 1, 2, 2) @ (batch, boxes, corners, 2, 1)
    turned = inverse[:, None, None, :2, :2] @ corners[..., None]
    moved = (turned[..., 0] + inverse[:, None, None, :2, 2]) / size
    low, high = tf.reduce_min(moved, axis=2), tf.reduce_max(moved, axis=2)
    kept_low, kept_high = (
        tf.clip_by_value(low, 0, 1),
        tf.clip_by_value(high, 0, 1),
    )
    area = tf.reduce_prod(high - low, axis=-1)
    left = tf.reduce_prod(kept_high - kept_low, axis=-1)
    stays = (labels[..., 4] >= 0) & (left > VISIBLE * area)
    found = tf.concat([kept_low, kept_high, labels[..., 4:]], axis=-1)
    gone = tf.constant([0.0, 0.0, 0.0, 0.0, -1.0])
    return tf.where(stays[..., None], found, gone), weights
