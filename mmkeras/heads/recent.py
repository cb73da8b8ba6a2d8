"""What a head reads of a modality itself: its last value and last steps."""

import keras
from keras import ops

# In standard deviations; a spike is no larger than this.
LIMIT = 10.0


def chosen(x, places):
    """Returns some channels of `(batch, steps, channels)`, in that order."""
    # Slices, since a device takes a table of places for an embedding.
    return ops.concatenate([x[..., p : p + 1] for p in places], axis=-1)


@keras.saving.register_keras_serializable(package="mmkeras")
class LastKnown(keras.layers.Layer):
    """The last value of each channel that is no gap.

    Args:
        places: Which channels, by their places.
        mean: What stands for a channel without any value, one a channel.

    Call arguments:
        x: `(batch, steps, channels)`, NaN in gaps.
        present: `(batch, 1)`, 0 where the modality is absent.

    Output shape: `(batch, len(places))`.

    Example:

    >>> x = np.array([[[1.0], [2.0], [np.nan]]])
    >>> float(LastKnown([0], [0.0])(x, np.ones((1, 1)))[0, 0])
    2.0
    """

    def __init__(self, places, mean, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.places, self.mean = list(places), list(mean)

    def call(self, x, present):
        x = chosen(x, self.places)
        known = 1 - ops.cast(ops.isnan(x), "float32")
        order = ops.reshape(
            ops.arange(1, x.shape[1] + 1, dtype="float32"), (1, -1, 1)
        )
        place = known * order
        last = ops.max(place, axis=1, keepdims=True)
        here = ops.cast(ops.equal(place, last), "float32") * known
        values = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        found = ops.sum(here * values, axis=1)
        there = ops.max(known, axis=1) * present
        mean = ops.convert_to_tensor(self.mean, "float32")
        return found * there + mean * (1 - there)

    def get_config(self):
        return {
            **super().get_config(),
            "places": self.places,
            "mean": self.mean,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class RecentSteps(keras.layers.Layer):
    """The last steps of some channels, about a value; a gap is that value.

    Args:
        places: Which channels, by their places.
        steps: How many steps.
        std: Standard deviation of each channel.

    Call arguments:
        x: `(batch, steps, channels)`, NaN in gaps.
        about: `(batch, len(places))`.
        present: `(batch, 1)`, 0 where the modality is absent.

    Output shape: `(batch, steps * len(places))`, in standard deviations.
    """

    def __init__(self, places, steps, std, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.places, self.steps = list(places), steps
        self.std = list(std)

    def call(self, x, about, present):
        x = chosen(x, self.places)[:, -self.steps :]
        about = ops.broadcast_to(ops.expand_dims(about, 1), ops.shape(x))
        scale = ops.convert_to_tensor(self.std, "float32")
        x = (ops.where(ops.isnan(x), about, x) - about) / scale
        x = ops.minimum(ops.maximum(x, -LIMIT), LIMIT)
        size = x.shape[1] * x.shape[2]
        return ops.reshape(x, (-1, size)) * present

    def get_config(self):
        return {
            **super().get_config(),
            "places": self.places,
            "steps": self.steps,
            "std": self.std,
        }


@keras.saving.register_keras_serializable(package="mmkeras")
class InUnits(keras.layers.Layer):
    """Standard deviations about a value to the channels' own units.

    Args:
        mean: Mean of each channel, which they are about without `base`.
        std: Standard deviation of each channel.

    Call arguments:
        x: `(batch, steps, channels, quantiles)`.
        base: `(batch, channels)`.
    """

    def __init__(self, mean, std, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.mean, self.std = list(mean), list(std)

    def call(self, x, base=None):
        std = ops.reshape(ops.convert_to_tensor(self.std), (1, 1, -1, 1))
        x = x * ops.cast(std, x.dtype)
        if base is None:
            base = ops.reshape(ops.convert_to_tensor(self.mean), (1, -1))
        base = ops.cast(base, x.dtype)[:, None, :, None]
        # Of one shape: where batch, steps and channels are alike, Keras adds
        # a smaller tensor along the wrong axis.
        return ops.broadcast_to(base, ops.shape(x)) + x

    def compute_output_shape(self, x_shape, base_shape=None):
        return x_shape

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "std": self.std}
