"""Fields: reconstruction targets made of an input, standardised numbers.

Which field a kind of modality has is in its file `pretext.py`; here is what
they are made of.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.training.pretext.patches import Cut
from mmkeras.training.pretext.random_draws import Exact

BANDS = 32


def standardised(values: Any) -> tuple[Any, Any]:
    """Returns a field whose samples have mean 0 and deviation 1, all known.

    So the target of a sample does not depend on the others in its batch.
    """
    values = Standardise()(values)
    return values, ops.ones_like(values)


def patches_of(values: Any, grid: Sequence[int], even: bool = False) -> Any:
    """Cuts a field into the patches that tokens have to predict.

    Args:
        values: `(batch, *sizes, numbers)`.
        grid: Patches along each axis.
        even: Whether each patch is brought to mean 0 and deviation 1, as He
            et al. 2021 (arXiv 2111.06377) do with pixels.
    """
    patches = Cut(grid)(values)
    return Standardise(-1, 0.01)(patches) if even else patches


def output_inside(tower: keras.Model, layer_class: str, x: Any) -> Any | None:
    """Returns what the tower's layer of that class makes of `x`, if any."""
    for layer in tower.layers:
        if type(layer).__name__ == layer_class:
            return keras.Model(tower.inputs[0], layer.output)(x)
    return None


@keras.saving.register_keras_serializable(package="mmkeras")
class Standardise(Exact):
    """Brings numbers to mean 0 and deviation 1; what is flat, to 0.

    Args:
        axis: integer, along which they are one; None for all of a sample.
        epsilon: float, added to the variance.
    """

    def __init__(self, axis=None, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon

    def call(self, x):
        x = ops.cast(x, "float32")
        axis = self.axis
        if axis is None:
            axis = tuple(range(1, len(x.shape)))
        mean = ops.mean(x, axis, keepdims=True)
        variance = ops.mean(ops.square(x - mean), axis, keepdims=True)
        return (x - mean) / ops.sqrt(variance + self.epsilon)


@keras.saving.register_keras_serializable(package="mmkeras")
class SymLog(Exact):
    """`sign(x) log(1 + |x|)`, and 0 for NaN."""

    def call(self, x):
        x = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        return ops.sign(x) * ops.log1p(ops.abs(x))


@keras.saving.register_keras_serializable(package="mmkeras")
class Known(Exact):
    """Marks the cells that are known: no NaN, no category 0 or 1.

    Args:
        numbers: integer, columns before the categories; None where all are
            numbers.
    """

    def __init__(self, numbers=None, **kwargs):
        super().__init__(**kwargs)
        self.numbers = numbers

    def call(self, x):
        least = np.full(x.shape[-1], -np.inf, "float32")
        if self.numbers is not None:
            least[self.numbers :] = 2
        # A comparison with NaN is false.
        return ops.cast(x >= ops.convert_to_tensor(least), "float32")


@keras.saving.register_keras_serializable(package="mmkeras")
class OneHot(Exact):
    """Marks the rows of a table that a sample's categories have.

    Args:
        size: integer, rows of the table.

    Input shape: `(batch, columns)`, integers; output `(batch, size)`.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, ids):
        return ops.sum(ops.one_hot(ids, self.size, dtype="float32"), axis=1)


@keras.saving.register_keras_serializable(package="mmkeras")
class Repeat(Exact):
    """Repeats each column.

    Args:
        counts: list of integers, how often each.

    Input shape: `(batch, columns)`; output `(batch, sum of counts)`.
    """

    def __init__(self, counts, **kwargs):
        super().__init__(**kwargs)
        self.counts = list(counts)

    def call(self, x):
        columns = np.repeat(np.arange(len(self.counts)), self.counts)
        return ops.take(x, columns.astype("int32"), axis=1)


@keras.saving.register_keras_serializable(package="mmkeras")
class Spectrum(Exact):
    """Log power of stretches of sound, in bands of even width in octaves.

    Args:
        stretches: integer, stretches that the sound is cut into.

    Input shape: `(batch, samples)`.

    Output shape: `(batch, stretches, bands)`.
    """

    def __init__(self, stretches, **kwargs):
        super().__init__(**kwargs)
        self.stretches = stretches

    def call(self, x):
        frames = Cut((self.stretches,))(ops.expand_dims(x, -1))
        length = frames.shape[-1]
        frames = ops.multiply(frames, np.hanning(length).astype("float32"))
        real, imaginary = ops.rfft(frames)
        power = ops.square(real) + ops.square(imaginary)
        return ops.log(ops.matmul(power, _bands(length // 2 + 1)) + 1e-6)


def _bands(bins: int) -> np.ndarray:
    """Returns float32 `(bins, bands)`: each bin's band, as an average."""
    place = np.log2(1 + np.arange(bins)) / np.log2(1 + bins)
    _, band = np.unique((place * BANDS).astype(int), return_inverse=True)
    bank = np.eye(band.max() + 1)[band]
    return (bank / bank.sum(0)).astype("float32")
