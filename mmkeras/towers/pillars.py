"""Layers that lay points on a map from above."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mmkeras")
class PillarPlaces(layers.Layer):
    """Tells which cell of a map each point of a cloud stands on.

    A point beyond an edge stands on the outermost cell; so does what is no
    point, which is hidden before it counts.

    Args:
        box_m: sequence of floats, least x and y of the map, then the largest,
            in metres.
        cells: integer, cells along each side.

    Input shape: `(batch, points, columns)`, of which x and y come first.

    Returns:
        Indices `(batch, points)`, int32, row by row of `(x, y)`; and offsets
        from the middle of a cell in its lengths, `(batch, points, 2)`.

    Example:

    >>> places, offsets = PillarPlaces([0, 0, 4, 4], 4)(np.ones((1, 1, 3)))
    >>> places.numpy().tolist(), offsets.numpy().tolist()
    ([[5]], [[[-0.5, -0.5]]])
    """

    def __init__(self, box_m, cells, **kwargs):
        # float16 has no exact indices above 2,048.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.box_m = [float(side) for side in box_m]
        self.cells = cells
        low, high = self.box_m[:2], self.box_m[2:]
        if not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(
                "`box_m` must be the least x and y, then larger ones. "
                f"Received: {self.box_m}"
            )

    def call(self, cloud):
        place = cloud[:, :, :2]
        place = ops.where(ops.isnan(place), ops.zeros_like(place), place)
        low, high = self.box_m[:2], self.box_m[2:]
        lengths = [(b - a) / self.cells for a, b in zip(low, high)]
        place = (place - ops.convert_to_tensor(low, "float32")) * (
            ops.convert_to_tensor([1 / n for n in lengths], "float32")
        )
        cell = ops.floor(place)
        cell = ops.minimum(ops.maximum(cell, 0.0), self.cells - 1.0)
        offsets = ops.minimum(ops.maximum(place - cell - 0.5, -1.0), 1.0)
        index = cell[:, :, 0] * self.cells + cell[:, :, 1]
        return ops.cast(index, "int32"), offsets

    def compute_output_spec(self, cloud):
        shape = cloud.shape[:2]
        return (
            keras.KerasTensor(shape, "int32"),
            keras.KerasTensor((*shape, 2), "float32"),
        )

    def get_config(self):
        config = {"box_m": self.box_m, "cells": self.cells}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="mmkeras")
class PillarMax(layers.Layer):
    """The largest of what stands on each cell of a map; 0 on an empty one.

    Args:
        cells: integer, cells along each side.

    Call arguments:
        x: `(batch, points, channels)`, nothing below 0.
        places: `(batch, points)`, indices of cells, from `PillarPlaces`.

    Output shape: `(batch, cells, cells, channels)`.
    """

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        self.cells = cells

    def compute_output_shape(self, x_shape, places_shape):
        return (x_shape[0], self.cells, self.cells, x_shape[-1])

    def call(self, x, places):
        batch, count = ops.shape(x)[0], self.cells**2
        # A map for each sample, one after another.
        starts = ops.expand_dims(ops.arange(batch, dtype="int32") * count, 1)
        found = ops.segment_max(
            ops.reshape(x, (-1, x.shape[-1])),
            ops.reshape(starts + places, (-1,)),
            num_segments=batch * count,
        )
        # The least number there is on an empty cell.
        found = ops.maximum(found, ops.zeros_like(found))
        return ops.reshape(found, (-1, self.cells, self.cells, x.shape[-1]))

    def follow_channels(self, follow, x, places):
        shape = self.compute_output_shape(x.shape, places.shape)
        return follow.flow(shape, follow.channels(x))
