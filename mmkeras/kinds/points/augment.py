"""Clouds of a training batch: turned, mirrored, scaled, noisy, thinned."""

import math
from collections.abc import Callable, Mapping

from mmkeras.kinds.points import Points

# Columns that turn together with x and y: velocities and normals.
PAIRS = (("x", "y"), ("vx", "vy"), ("vx_comp", "vy_comp"), ("nx", "ny"))


def augment(modality: Points, settings: Mapping[str, float]) -> Callable:
    """Returns a function for `(batch, points, columns)` float32."""
    names = [name.casefold() for name in modality.columns]
    pairs = [
        (names.index(x), names.index(y))
        for x, y in PAIRS
        if x in names and y in names
    ]

    def change(clouds, seeds):
        import tensorflow as tf

        def draw(key, minval=-1.0, maxval=1.0, each=False):
            points = tf.shape(clouds)[1] if each else 1
            shape = (tf.shape(clouds)[0], points, 1)
            return tf.random.stateless_uniform(
                shape, next(seeds.of(key)), minval, maxval
            )

        columns = tf.split(clouds, len(names), axis=2)
        if settings["horizontal_flip"]:
            flip = draw("horizontal_flip", 0.0, 1.0)
            sign = tf.where(flip < settings["horizontal_flip"] / 2, -1.0, 1.0)
            for _, y in pairs:
                columns[y] = columns[y] * sign
        if settings["rotation_degrees"]:
            turn = draw("rotation_degrees") * (
                settings["rotation_degrees"] * math.pi / 180
            )
            sine, cosine = tf.sin(turn), tf.cos(turn)
            for x, y in pairs:
                columns[x], columns[y] = (
                    cosine * columns[x] - sine * columns[y],
                    sine * columns[x] + cosine * columns[y],
                )
        if settings["scale"]:
            factor = 1 + settings["scale"] * draw("scale")
            columns[:3] = [column * factor for column in columns[:3]]
        if settings["jitter_std"]:
            for axis in range(3):
                columns[axis] += settings["jitter_std"] * (
                    tf.random.stateless_normal(
                        tf.shape(columns[axis]), next(seeds.of("jitter_std"))
                    )
                )
        changed = tf.concat(columns, axis=2)
        if settings["point_dropout"]:
            rate = settings["point_dropout"] * draw("point_dropout", 0.0, 1.0)
            lost = draw("point_dropout", 0.0, 1.0, each=True) < rate
            # One stays: a cloud of no points is an absent one.
            lost &= tf.range(tf.shape(clouds)[1])[None, :, None] > 0
            changed = tf.where(lost, float("nan"), changed)
        return changed

    return change
