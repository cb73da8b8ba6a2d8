"""The layer that makes boxes of what a detector's convolutions say."""

import keras
import numpy as np
from keras import ops

# What softplus gives for an untrained side, times this, is a cell or two: the
# boxes of a level are some four of its cells wide.
REACH = 2.0


@keras.saving.register_keras_serializable(package="mmkeras")
class CellsToBoxes(keras.layers.Layer):
    """Distances and logits of each cell to boxes and probabilities.

    A cell tells how far the four sides of a box are from its centre. Cells
    lie over the picture level by level, row by row.

    Args:
        grids: sequence of pairs of integers, rows and columns of each level.

    Input shape: `(batch, cells, 4 + classes)`.

    Output shape: `(batch, cells, 8 + classes)`, in shares of the picture: left,
    top, right, bottom; the cell's centre x and y, width and height; the
    probability of each class.
    """

    # An exported file finds boxes in what it tells.
    tells_boxes = True

    def __init__(self, grids, **kwargs):
        super().__init__(**kwargs)
        self.grids = [tuple(grid) for grid in grids]

    def build(self, input_shape):
        self.cells = grid_cells(self.grids)

    def call(self, x):
        cells = ops.cast(self.cells[None], x.dtype)
        raw = x[..., :4]
        # softplus, in operators that a device has.
        sides = ops.log(1 + ops.exp(-ops.abs(raw))) + ops.relu(raw)
        size = REACH * cells[..., 2:]
        low = cells[..., :2] - size * sides[..., :2]
        high = cells[..., :2] + size * sides[..., 2:]
        # The constant is added to zeros so that it has the batch.
        every = cells + ops.zeros_like(raw)
        return ops.concatenate(
            [low, high, every, ops.sigmoid(x[..., 4:])], axis=-1
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 4)


def grid_cells(grids) -> np.ndarray:
    """Returns the cells of all levels, `(cells, 4)`: centre x, y, size x, y."""
    found = []
    for rows, columns in grids:
        y, x = np.mgrid[:rows, :columns]
        size = np.broadcast_to([1 / columns, 1 / rows], (rows * columns, 2))
        centre = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1) * size
        found.append(np.concatenate([centre, size], axis=1))
    return np.concatenate(found).astype("float32")
