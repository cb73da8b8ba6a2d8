"""How a shard holds numbers, and what a batch makes of them."""

from typing import Any

import numpy as np

from mmkeras.spec import Modality, Target

# What the name of a modality follows where a record holds its variants.
VARIANTS = "variants/"
# The text of `split.group`, where a spec has one.
GROUP = "sample/group"


def stored_dtype(modality: Modality) -> np.dtype:
    """Returns the type of the numbers in a shard, little-endian anywhere."""
    return np.dtype(modality.stored.dtype).newbyteorder("<")


def to_model(modality: Modality, value: np.ndarray) -> np.ndarray:
    """Turns what a shard holds into what enters the model."""
    if modality.stored.scale is None:
        return value
    return scaled(modality, value.astype(modality.dtype))


def scaled(modality: Modality, value: Any) -> Any:
    """Brings stored numbers, as floats, to the model's unit.

    Args:
        modality: Whose they are.
        value: NumPy array or tensor of the modality's `dtype`.
    """
    stored = modality.stored
    scale, zero_point, offset = (
        np.dtype(modality.dtype).type(number)
        for number in (stored.scale, stored.zero_point, stored.offset)
    )
    # A sound has neither, and its batches are large.
    if zero_point:
        value = value - zero_point
    value = value * scale
    return value + offset if offset else value


def label_of(target: Target, value: Any) -> np.ndarray:
    """Returns a label as a shard holds it, from a row of a job.

    That of a `sparse` kind is a pair: where it is not 0, and what.
    """
    if not target.sparse:
        return np.array(value, target.dtype)
    label = np.zeros(target.shape, target.dtype)
    label[value[0]] = value[1]
    return label
