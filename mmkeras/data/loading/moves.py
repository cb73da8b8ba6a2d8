"""Where what a training batch shows has moved, for labels that follow."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Moves:
    """How one modality of a batch was moved, in the order it was done.

    Args:
        affines: `(batch, n + 1, n + 1)` float32 each, from a place after the
            move to the place before it, x first, in pixels or voxels from
            the corner of the first one: its centre is at 0.5.
        shape: Of a sample, as its modality has it: rows before columns.
        spans: What `Draws.spans` yielded, and the steps of a sample: step t
            is what was at t + first; outside of the bounds there is nothing.
        gains: `(batch, 1, channels)` pairs: how many times as large values
            became, about which value.
    """

    affines: list[Any] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    spans: list[tuple] = field(default_factory=list)
    gains: list[tuple] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.affines or self.spans or self.gains)

    def affine(self, axes: int = 2):
        """Returns all moves as one matrix, `(batch, axes + 1, axes + 1)`.

        From places after all of them to places before the first; where
        nothing moved, one matrix for the whole batch, `(1, ...)`.
        """
        import tensorflow as tf

        product = tf.eye(axes + 1)[None]
        for matrix in self.affines:
            product = product @ matrix
        return product


def mirror(flipped: Any, size: int, axis: int, axes: int):
    """Returns matrices that mirror some samples of a batch.

    Args:
        flipped: `(batch,)` of bool.
        size: Pixels along the axis.
        axis: Which one, x first.
        axes: How many there are.
    """
    import numpy as np
    import tensorflow as tf

    other = np.eye(axes + 1, dtype="float32")
    other[axis, axis], other[axis, axes] = -1, size
    same = np.eye(axes + 1, dtype="float32")
    return tf.where(flipped[:, None, None], other, same)


def of_centres(matrix: Any):
    """Returns matrices between places, from such between indices of pixels.

    The index of a pixel is the place of its centre, less a half.
    """
    import numpy as np

    axes = int(matrix.shape[-1]) - 1
    half = np.eye(axes + 1, dtype="float32")
    half[:-1, -1] = 0.5
    back = np.eye(axes + 1, dtype="float32")
    back[:-1, -1] = -0.5
    return half @ matrix @ back
