"""Patches: the part of a field of numbers that each token owns.

A field is `(batch, *sizes, numbers)`: rows and columns of an image, frames of
a spectrogram or a video, steps of a series. Tokens lie on a grid over the same
axes, in row-major order. Along an axis of `size` steps and `parts` tokens,
token `i` owns the steps `s` with `s * parts // size == i`; its patch starts
there and has `ceil(size / parts)` steps, so that all patches are alike, and
every step is in the patch of its owner.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops

from mmkeras.training.pretext.random_draws import Exact


def owners(size: int, parts: int) -> np.ndarray:
    """Returns the token that owns each of `size` steps."""
    return np.arange(size, dtype="int32") * parts // size


def patch_steps(size: int, parts: int) -> np.ndarray:
    """Returns the steps of each patch: `(parts, ceil(size / parts))`."""
    length = math.ceil(size / parts)
    first = -(-np.arange(parts) * size // parts)
    first = np.minimum(first, size - length)
    return (first[:, None] + np.arange(length)).astype("int32")


def grid_of(sizes: Sequence[int], tokens: int) -> tuple[tuple[int, ...], int]:
    """Returns how the tokens lie on axes of `sizes`, and how many are beside.

    Towers shorten all axes alike, so the grid is the one whose patches are
    most alike in all directions. An image transformer may have one token
    more, in front, that owns no part of the image.

    Example:

    >>> grid_of((28, 28), 50)
    ((7, 7), 1)
    """
    if len(sizes) == 1:
        return (tokens,), 0
    found = [
        (round(_unevenness(sizes, grid), 1), beside, grid)
        for beside in (0, 1)
        for grid in _grids(tokens - beside, len(sizes))
    ]
    _, beside, grid = min(found)
    return grid, beside


def _grids(tokens: int, axes: int) -> Iterator[tuple[int, ...]]:
    if axes == 1:
        yield (tokens,)
        return
    for first in range(1, tokens + 1):
        if tokens % first == 0:
            for rest in _grids(tokens // first, axes - 1):
                yield (first, *rest)


def _unevenness(sizes: Sequence[int], grid: Sequence[int]) -> float:
    steps = [math.log(size / parts) for size, parts in zip(sizes, grid)]
    return max(steps) - min(steps)


def spread(x, sizes):
    """Repeats `(batch, *grid, ...)` to `(batch, *sizes, ...)`, to each owner's.

    With fewer sizes than the grid it picks evenly instead.
    """
    for axis, size in enumerate(sizes, 1):
        if x.shape[axis] != size:
            x = ops.take(x, owners(size, x.shape[axis]), axis=axis)
    return x


@keras.saving.register_keras_serializable(package="mmkeras")
class Cut(Exact):
    """Cuts a field into patches.

    Args:
        grid: sequence of integers, patches along each axis.

    Input shape: `(batch, *sizes, numbers)`.

    Output shape: `(batch, patches, steps of a patch * numbers)`.

    Example:

    >>> Cut((2,))(np.arange(6.0).reshape((1, 3, 2)))
    [[[0, 1, 2, 3], [2, 3, 4, 5]]]
    """

    def __init__(self, grid, **kwargs):
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def call(self, x):
        axes = len(self.grid)
        for i, parts in enumerate(self.grid):
            axis = 1 + 2 * i
            x = ops.take(x, patch_steps(x.shape[axis], parts), axis=axis)
        rows, steps = range(1, 2 * axes, 2), range(2, 2 * axes + 1, 2)
        x = ops.transpose(x, (0, *rows, *steps, 2 * axes + 1))
        patch = math.prod(x.shape[1 + axes :])
        return ops.reshape(x, (-1, math.prod(self.grid), patch))


@keras.saving.register_keras_serializable(package="mmkeras")
class Spread(Exact):
    """Repeats a value of each token for each step that it owns.

    Args:
        sizes: sequence of integers, steps along each axis.

    Input shape: `(batch, *grid)`.

    Output shape: `(batch, *sizes)`.

    Example:

    >>> Spread((5,))(np.array([[0.0, 1.0]]))
    [[0, 0, 0, 1, 1]]
    """

    def __init__(self, sizes, **kwargs):
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)

    def call(self, x):
        return spread(x, self.sizes)


@keras.saving.register_keras_serializable(package="mmkeras")
class Shrink(Exact):
    """Averages a field over patches, to at most `limit` along each axis.

    Args:
        limit: integer, or one for each axis.

    Input shape: `(batch, *sizes, numbers)`.

    Output shape: `(batch, *smaller sizes, numbers)`.
    """

    def __init__(self, limit, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, x):
        sizes = x.shape[1:-1]
        limits = self.limit
        if isinstance(limits, int):
            limits = itertools.repeat(limits)
        grid = tuple(map(min, sizes, limits))
        if grid == sizes:
            return x
        patches = Cut(grid)(x)
        shape = (-1, *grid, patches.shape[-1] // x.shape[-1], x.shape[-1])
        return ops.mean(ops.reshape(patches, shape), axis=-2)
