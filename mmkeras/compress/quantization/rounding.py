"""The rounding of integer files, as float operations with a gradient.

Each function returns what the integer would mean. Its gradient is that of the
identity, and 0 for an activation outside its range (the straight-through
estimator).
"""

from keras import ops

# The upper end of a range that is not calibrated yet.
UNKNOWN = (0.0, -1.0)


def round_weight(weight, bits, output_axes):
    """Rounds a kernel to a symmetric grid for each output channel.

    Zero stays zero. The grid of a channel does not change its meaning when
    the channel is scaled, so that a batch normalisation behind the layer may
    be folded into the kernel before or after.

    Args:
        weight: tensor of any shape.
        bits: int, 2 to 8; 8 gives -127 to 127 steps.
        output_axes: axes that become output channels.
    """
    summed = [i for i in range(len(weight.shape)) if i not in output_axes]
    fixed = ops.stop_gradient(weight)
    largest = ops.max(ops.abs(fixed), axis=summed, keepdims=True)
    step = ops.maximum(largest, 1e-9) / (2 ** (bits - 1) - 1)
    return weight + (ops.round(fixed / step) * step - fixed)


def round_table(weight, bits=8):
    """Rounds a table of embeddings to one grid from its least to its largest.

    The rows that are looked up are the output, so that the table has the grid
    of an activation.
    """
    fixed = ops.stop_gradient(weight)
    return weight + (_round(fixed, *extent(fixed), bits) - fixed)


def round_activation(x, low, high, bits):
    """Rounds to the grid of a range; the identity while it is unknown.

    Args:
        x: tensor of any shape.
        low: scalar, at most 0.
        high: scalar, at least 0; -1 while the range is unknown.
        bits: 8 (from `low` to `high`) or 16 (symmetric about 0).
    """
    step, least, most = _grid(low, high, bits)
    inside = ops.clip(x, least * step, most * step)
    fixed = ops.stop_gradient(inside)
    rounded = inside + (_round(fixed, low, high, bits) - fixed)
    return ops.where(high >= low, rounded, x)


def extent(x):
    """Returns `(least, largest)` of a tensor, widened to hold 0."""
    x = ops.stop_gradient(x)
    return ops.minimum(ops.min(x), 0.0), ops.maximum(ops.max(x), 0.0)


def _grid(low, high, bits):
    """Returns the step, and the least and largest number of steps from 0."""
    if bits == 16:
        largest = ops.maximum(ops.maximum(-low, high), 1e-9)
        return largest / 32767, -32767.0, 32767.0
    step = ops.maximum(high - low, 1e-9) / (2**bits - 1)
    least = ops.round(low / step)
    return step, least, least + 2**bits - 1


def _round(x, low, high, bits):
    step, least, most = _grid(low, high, bits)
    return ops.clip(ops.round(x / step), least, most) * step
