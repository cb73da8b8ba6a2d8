"""Base layers of pretraining that draw random numbers."""

import keras
from keras import layers, ops


class Exact(layers.Layer):
    """A layer that computes in float32, whatever the policy and the input."""

    def __init__(self, **kwargs):
        # Raw units leave the range of float16.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})


class Drawing(Exact):
    """A layer that draws anew at every call, in validation as well.

    The generator's state is one of the model's `variables`: a training that
    is resumed with them draws what an uninterrupted one would have.
    """

    # Arguments that the tower says, and not the user.
    found_arguments = ()

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator()

    def uniform(self, x, *shape, low=0.0, high=1.0):
        """Returns numbers `(batch of x, *shape)` from `low` to `high`."""
        shape = (ops.shape(x)[0], *shape)
        return keras.random.uniform(shape, low, high, seed=self.generator)

    def normal(self, x):
        """Returns standard normal numbers in the shape of `x`."""
        return keras.random.normal(ops.shape(x), seed=self.generator)

    def stretch(self, x, length, fraction):
        """Returns `(batch, length)`, 1 within one random stretch.

        Its length is drawn evenly, up to `fraction` of the whole.
        """
        size = ops.floor(self.uniform(x, 1) * (round(fraction * length) + 1.0))
        start = ops.floor(self.uniform(x, 1) * (length - size + 1.0))
        place = ops.arange(length, dtype="float32")
        inside = ops.logical_and(place >= start, place < start + size)
        return ops.cast(inside, "float32")


def known_statistics(x, axes):
    """Returns known cells, mean and deviation over `axes`, NaN left out.

    What is missing is 0 among the known cells; the second output marks it.
    """
    there = ops.cast(ops.logical_not(ops.isnan(x)), "float32")
    filled = ops.where(ops.isnan(x), ops.zeros_like(x), x)
    count = ops.maximum(ops.sum(there, axes, keepdims=True), 1.0)
    mean = ops.sum(filled, axes, keepdims=True) / count
    square = ops.square((filled - mean) * there)
    deviation = ops.sqrt(ops.sum(square, axes, keepdims=True) / count)
    return filled, there, mean, deviation


def as_before(y, x):
    """Returns `y` in the type of `x`; pixels stay within theirs."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype == "uint8":
        y = ops.clip(ops.round(y), 0, 255)
    return ops.cast(y, dtype)
