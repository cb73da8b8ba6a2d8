"""Which weights of a model can be compressed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from mmkeras import keras_private as private

# Biases and scales are small, and every output depends on them.
NO_KERNEL = ("bias", "gamma", "beta", "scale", "standin", "position", "token")
FIXED = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    # A Fourier transform written as a convolution.
    layers.STFTSpectrogram,
)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
TRANSPOSED = (
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)


@dataclass(frozen=True)
class Kernel:
    """One compressible weight.

    Args:
        path: Names of the layers from the model down to the variable, as in
            `"image_tower/image_conv_1/kernel"`.
        layer: The layer that owns the variable.
        variable: The weight itself.
        output_axes: Axes of the variable that become channels of the output;
            the others are summed over.
    """

    path: str
    layer: keras.layers.Layer
    variable: keras.Variable
    output_axes: tuple[int, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """Axes that put the output first and what is summed over last."""
        rank = len(self.variable.shape)
        summed = [a for a in range(rank) if a not in self.output_axes]
        return (*self.output_axes, *summed)


def kernels(model: keras.Model, skip: Sequence[str] = ()) -> list[Kernel]:
    """Returns every compressible weight of a model, each once.

    These are the trainable floating-point weights with two axes or more, of
    nested models and of layers inside layers too (attention, recurrent cells,
    fusions, layers of your own), but for biases, normalisations, positions
    and the vectors of absent modalities. A layer that is frozen counts, a layer
    used twice is found once.

    Args:
        model: A model whose weights exist.
        skip: Parts of paths; a weight whose path holds one is left out.

    Raises:
        ValueError: If an entry of `skip` is part of no weight's path.

    Example:

    >>> [kernel.path for kernel in kernels(model, skip=["embedding"])]
    ['image_tower/image_conv_1/kernel', 'gated/dense/kernel', 'digit/kernel']
    """
    found = list(_walk(model, "", set()))
    for part in skip:
        if not any(part in kernel.path for kernel in found):
            raise ValueError(
                "Every entry of `skip` must be part of a weight's path. "
                f"Received: {part!r}. Paths: "
                + ", ".join(kernel.path for kernel in found)
            )
    return [k for k in found if not any(part in k.path for part in skip)]


def _walk(
    layer: keras.layers.Layer, path: str, seen: set[int]
) -> Iterator[Kernel]:
    """Yields the kernels of a layer and of the layers in it."""
    if id(layer) in seen:
        return
    seen.add(id(layer))
    for variable in private.own_trainable_variables(layer):
        if id(variable) not in seen and _is_kernel(layer, variable):
            seen.add(id(variable))
            axes = output_axes(layer, variable)
            yield Kernel(path + variable.name, layer, variable, axes)
    for each in private.layers_right_inside(layer):
        yield from _walk(each, f"{path}{each.name}/", seen)


def _is_kernel(layer: Any, variable: keras.Variable) -> bool:
    if len(variable.shape) < 2 or "float" not in str(variable.dtype):
        return False
    if isinstance(layer, FIXED) or "Position" in type(layer).__name__:
        return False
    return not any(part in variable.name for part in NO_KERNEL)


def output_axes(
    layer: keras.layers.Layer, variable: keras.Variable
) -> tuple[int, ...]:
    """Returns the axes of a kernel that become channels of the output."""
    rank = len(variable.shape)
    if isinstance(layer, layers.EinsumDense):
        inputs, rest = layer.equation.replace(" ", "").split(",")
        kernel = rest.split("->")[0]
        return tuple(i for i, k in enumerate(kernel) if k not in inputs)
    if isinstance(layer, TRANSPOSED):
        return (rank - 2,)
    if isinstance(layer, DEPTHWISE) or variable.name == "depthwise_kernel":
        return (rank - 2, rank - 1)
    return (rank - 1,)


def copy_model(model: keras.Model) -> keras.Model:
    """Returns a copy with weights of its own; it is not compiled."""
    # Layers of the user need not be registered to be copied.
    own = {
        type(layer).__name__: type(layer)
        for layer in private.layers_inside(model)
        if not type(layer).__module__.startswith("keras.")
    }
    with keras.saving.custom_object_scope(own):
        copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy
