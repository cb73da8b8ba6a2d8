"""Where an int8 file rounds activations: which layers, and behind which."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from mmkeras.compress.kernels import Kernel, kernels

# One multiplication each, which the file computes in integers.
DENSE = (layers.Dense, layers.EinsumDense)
PRODUCTS = (
    *DENSE,
    layers.Conv1D,
    layers.Conv2D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
RECURRENT = (layers.GRU, layers.LSTM, layers.SimpleRNN)
CELLS = (layers.GRUCell, layers.LSTMCell, layers.SimpleRNNCell)
# Kernels of these have 4 bits at most where a file asks for them; the
# runtime has no other integer products of 4 bits.
NOT_IN_4_BITS = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
# The identity in inference.
NOISE = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
)
# These move or choose values, or put zeros beside them: the grid stays.
SAME_GRID = (
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.RepeatVector,
)


@dataclass(frozen=True)
class Site:
    """A kernel, and how it is rounded.

    Args:
        kernel: The weight.
        kind: "product" (its input and output are rounded as well), "table"
            (of embeddings) or "weight" (nothing but the weight).
        bits: Bits of the weight.
    """

    kernel: Kernel
    kind: str
    bits: int

    @property
    def entrance(self) -> str:
        """Name of the range of the input."""
        return f"{self.kernel.path}:in"

    @property
    def exit(self) -> str:
        """Name of the range of the output."""
        return f"{self.kernel.path}:out"

    @property
    def bare(self) -> str:
        """Name of the range of the output without its bias."""
        return f"{self.kernel.path}:bare"

    @property
    def range_names(self) -> tuple[str, ...]:
        """The names of its learned ranges."""
        layer = self.kernel.layer
        if self.kind != "product":
            return ()
        linear = is_linear(getattr(layer, "activation", len))
        if linear and getattr(layer, "bias", None) is not None:
            return self.entrance, self.exit, self.bare
        return self.entrance, self.exit


def is_linear(activation: Any) -> bool:
    """Whether an activation is the identity."""
    return activation in (None, keras.activations.linear)


def find_sites(
    model: keras.Model, weight_bits: int, float_layers: tuple[str, ...]
) -> list[Site]:
    """Returns the kernels of a model that are rounded.

    Args:
        model: A functional model.
        weight_bits: Bits of a weight, where the runtime takes them.
        float_layers: Parts of paths; what they name stays in float.
    """
    found = []
    for kernel in kernels(model):
        if any(part in kernel.path for part in float_layers):
            continue
        kind = _kind(kernel.layer)
        small = kind == "product" and not (
            isinstance(kernel.layer, NOT_IN_4_BITS)
            or kernel.variable.name == "depthwise_kernel"
        )
        found.append(Site(kernel, kind, weight_bits if small else 8))
    return found


def _kind(layer: keras.layers.Layer) -> str:
    if type(layer) is layers.Embedding:
        return "table"
    if type(layer) is layers.EinsumDense:
        inputs, rest = layer.equation.split(",")
        kernel, output = rest.split("->")
        # A letter of all three numbers the products of a batch.
        batched = set(inputs) & set(kernel) & set(output)
        return "weight" if batched - set(" .") else "product"
    if type(layer) in PRODUCTS + SEPARABLE:
        return "product"
    if type(layer) in CELLS:
        # Else each gate is a product of its own.
        one = getattr(layer, "implementation", 2) == 2
        return (
            "product" if one and getattr(layer, "reset_after", 1) else "weight"
        )
    return "weight"
