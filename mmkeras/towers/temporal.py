"""Blocks that the towers of sound, series, video and volumes share."""

from math import prod

import keras
from keras import layers, ops

from mmkeras.towers.masked_layers import HidePadding


@keras.saving.register_keras_serializable(package="mmkeras")
class Regroup(layers.Layer):
    """Regroups the axes between the batch and the channels.

    Axes that are left out join the batch, so that a 2-D layer reads each
    frame of a video, or each slice of a volume; and come back out of it.

    Args:
        axes: sequence of integers, sizes of the axes between the batch and
            the channels of the output.

    Input shape: `(batch, ..., channels)`.

    Output shape: `(new batch, *axes, channels)`.

    Example:

    >>> Regroup((28, 28))(np.zeros((2, 5, 28, 28, 3))).shape
    TensorShape([10, 28, 28, 3])
    """

    def __init__(self, axes, **kwargs):
        super().__init__(**kwargs)
        self.axes = tuple(axes)

    def compute_output_shape(self, input_shape):
        # Explicit, since JAX and torch try any number as the batch, even one
        # that `axes` do not divide.
        batch = None
        if input_shape[0] is not None:
            batch = prod(input_shape[:-1]) // prod(self.axes)
        return (batch, *self.axes, input_shape[-1])

    def call(self, x):
        return ops.reshape(x, (-1, *self.axes, x.shape[-1]))

    def follow_channels(self, follow, x):
        shape = self.compute_output_shape(x.shape)
        return follow.flow(shape, follow.channels(x))


@keras.saving.register_keras_serializable(package="mmkeras")
class MarkGaps(layers.Layer):
    """Appends a channel for each channel: a learned number where it misses.

    The numbers start at 0, and stay there if nothing misses in training: a
    first gap on the device then does not hit weights that are still random.

    Call arguments:
        x: `(batch, steps, channels)`, gaps filled.
        missing: the same shape, 1 = missing.

    Output shape: `(batch, steps, 2 * channels)`.
    """

    def build(self, input_shape):
        self.gap = self.add_weight(
            shape=(input_shape[-1],), initializer="zeros", name="gap"
        )

    def call(self, x, missing):
        gaps = ops.cast(missing, x.dtype) * ops.cast(self.gap, x.dtype)
        return ops.concatenate([x, gaps], axis=-1)


@keras.saving.register_keras_serializable(package="mmkeras")
class KnownSteps(layers.Layer):
    """Tells the steps at which any channel is known.

    Input shape: `(batch, steps, channels)`, 1 = missing.

    Output shape: `(batch, steps, 1)`, float32, 1 = known.
    """

    def call(self, missing):
        missing = ops.cast(missing, "float32")
        return 1.0 - ops.min(missing, axis=-1, keepdims=True)


def spread_convolution(x, frames, filters, stride, name, relu=True):
    """Convolves 3x3 in each frame, then 3 across the frames: (2+1)-D.

    Sees as much as a 3x3x3 convolution, with half the weights. Device runtimes
    keep Conv3D in float, and compute it slowly: one small network took 9.3 ms
    and 218 KB with it, 1.0 ms and, in int8, 49 KB with this.

    Args:
        x: `(batch * frames, height, width, channels)`.
        frames: Frames, or slices, of a sample.
        filters: Channels of the output.
        stride: Step along all three axes.
        name: Start of the layers' names.
        relu: Whether the last layer is a ReLU.

    Returns:
        The like of `x`, and the frames that are left.

    Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for
    Action Recognition", 2018 (arXiv 1711.11248).
    """
    x = convolve(x, filters, 3, stride, f"{name}_in")
    height, width = x.shape[1:3]
    x = Regroup((frames, height * width), name=f"{name}_lines")(x)
    x = convolve(x, filters, (3, 1), (stride, 1), f"{name}_across", relu)
    left = x.shape[1]
    return Regroup((height, width), name=f"{name}_frames")(x), left


def convolve(x, filters, kernel, stride, name, relu=True):
    """A 2-D convolution, batch normalisation and, mostly, a ReLU."""
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    return normalise(x, name, relu)


def normalise(x, name, relu=True):
    """Batch normalisation and, mostly, a ReLU."""
    # Keras' momentum of 0.99 lags behind a training of a minute.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def standardise(series, mean, std, name):
    """Brings each channel to mean 0 and deviation 1, by known statistics.

    Args:
        series: `(batch, steps, channels)`.
        mean: One number a channel; None: 0.
        std: As that, 0 for a channel that does not change; None: 1.
        name: Start of the layers' names.
    """
    channels = series.shape[-1]
    mean = [0.0] * channels if mean is None else mean
    std = [1.0] * channels if std is None else std
    for key, values in {"mean": mean, "std": std}.items():
        if len(values) != channels:
            raise ValueError(
                f"`{key}` must have one number for each of the "
                f"{channels} channels. Received: {len(values)} numbers"
            )
    if min(std) < 0:
        raise ValueError(
            f"`std` must not be negative. Received: std={list(std)}"
        )
    # In float32 whatever the policy: raw units may exceed float16.
    x = layers.Rescaling(
        1.0, [-m for m in mean], dtype="float32", name=f"{name}_centre"
    )(series)
    scale = [1 / s if s else 1.0 for s in std]
    return layers.Rescaling(scale, dtype="float32", name=f"{name}_scale")(x)


def recurrence(x, kind, units, bidirectional, name, mask=None):
    """A `"gru"` or an `"lstm"` that returns every step.

    Args:
        x: `(batch, steps, channels)`.
        kind: "gru" or "lstm".
        units: Units of each direction.
        bidirectional: Whether it reads backwards as well.
        name: Of the layer.
        mask: `(batch, steps)`, 1 = real; without it, all steps are.

    Returns:
        `(batch, steps, units)`, or twice the units; zeros where padding was
        left out by the mask.
    """
    make = {"gru": layers.GRU, "lstm": layers.LSTM}[kind]
    if not bidirectional:
        # Padding is at the end, where a forward pass needs no mask.
        return make(units, return_sequences=True, name=name)(x)
    both = layers.Bidirectional(make(units, return_sequences=True), name=name)
    if mask is None:
        return both(x)
    # The backward pass would begin with the padding.
    x = both(x, mask=ops.cast(mask, "bool"))
    return HidePadding(name=f"{name}_hide_padding")(x, mask)


def flat(x, frames, name):
    """`(batch * frames, ..., units)` to `(batch, frames * ..., units)`."""
    return Regroup((frames * prod(x.shape[1:-1]),), name=name)(x)
