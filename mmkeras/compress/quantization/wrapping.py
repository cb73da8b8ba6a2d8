"""Training with the rounding of an int8 file (quantization-aware training).

`quantize_aware(model)` is the model whose weights and activations are rounded
where the file of `mmkeras.export` rounds them: around every product (dense,
einsum, convolution, also inside attention, fusions and recurrent cells). What
the file computes in float (softmax, normalisation, sums, concatenations) is
not rounded here either. Weights learn through the rounding; the ranges of
activations are moving averages, and become the ranges of the file
(`mmkeras.compress.quantization.ranges`).

Source: Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", 2018 (arXiv 1712.05877).
"""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from mmkeras.arguments import check_choice
from mmkeras.compress.quantization.layer import QuantizeAware, layer_of
from mmkeras.compress.quantization.rounding import UNKNOWN, extent

Ranges = dict[str, dict[str, tuple[float, float]]]


def quantize_aware(
    model: keras.Model,
    weight_bits: int = 8,
    activation_bits: int = 8,
    float_layers: Sequence[str] = ("logmel",),
    momentum: float = 0.95,
) -> keras.Model:
    """Returns a model that computes, and is trained, as its int8 file would.

    It shares the weights of `model`: training one trains both. It trains,
    saves and reloads as any other model.

    Args:
        model: A functional model; nested and shared layers are fine.
        weight_bits: 8, or fewer for dense layers and convolutions (the
            runtime takes 4); depthwise kernels and embeddings keep 8.
        activation_bits: 8 or 16.
        float_layers: Parts of paths, such as `"logmel"` or `"head/dense"`;
            what they name is not rounded.
        momentum: How much of a range a batch leaves as it was.

    Raises:
        ValueError: If a number of bits is not one of these, or the model is
            not functional.

    Example:

    >>> trained = quantize_aware(model)
    >>> trained.compile("adam", loss={"label": "mse"})
    >>> history = trained.fit(x, y)
    >>> plain = strip_quantization(trained)
    """
    check_choice("weight_bits", weight_bits, range(2, 9))
    check_choice("activation_bits", activation_bits, (8, 16))
    if not getattr(model, "inputs", None):
        raise ValueError(
            "`model` must be a functional model, whose inputs are known. "
            f"Received: {type(model).__name__} `{model.name}`"
        )
    layer = QuantizeAware(
        model, weight_bits, activation_bits, tuple(float_layers), momentum,
        name="quantize_aware",
    )  # fmt: skip
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(
            batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name
        ),
        model.input,
    )
    return keras.Model(inputs, layer(inputs), name=model.name)


def strip_quantization(model: keras.Model) -> keras.Model:
    """Returns the plain model inside, with the weights as they were trained.

    A weight that an int8 file would keep in float (of a layer of your own, a
    three-dimensional or transposed convolution) is put on its grid, so that
    the file computes what was trained.

    Args:
        model: What `quantize_aware` returned, or the same reloaded.
    """
    layer = layer_of(model)
    for site in layer.sites:
        if site.kind == "weight":
            site.kernel.variable.assign(layer.rounded(site))
    return layer.model


def quantization_ranges(model: keras.Model) -> Ranges:
    """Returns the learned ranges of each product's input and output.

    Returns:
        `{path of the kernel: {"in": (least, largest), "out": ...}}`, 0 within
        each, `"bare"` being the output without its bias; those not
        calibrated yet are left out.
    """
    layer = layer_of(model)
    known = {name: np.asarray(v).tolist() for name, v in layer.ranges.items()}
    for site in layer.sites:
        if site.kind == "table":
            ends = extent(site.kernel.variable.value)
            known[site.exit] = [float(end) for end in ends]
    found: Ranges = {}
    for site in layer.sites:
        for end in (site.entrance, site.exit, site.bare):
            low, high = known.get(layer.aliases.get(end, end), UNKNOWN)
            if low <= high:
                path, _, side = end.rpartition(":")
                found.setdefault(path, {})[side] = (low, high)
    return found


def calibrate(
    model: keras.Model, samples: Mapping[str, np.ndarray], batch_size: int = 32
) -> None:
    """Calibrates the ranges: the extremes over samples, without training.

    Good before training, so that the first steps are near the truth, and
    after it, since dropout and batch normalisation widen ranges in training.

    Args:
        model: What `quantize_aware` returned.
        samples: Arrays by input name, `(samples, ...)`.
        batch_size: Samples computed at once.
    """
    layer = layer_of(model)
    for variable in layer.ranges.values():
        variable.assign(UNKNOWN)
    layer.calibrating = True
    try:
        count = len(next(iter(samples.values())))
        for i in range(0, count, batch_size):
            batch = {k: v[i : i + batch_size] for k, v in samples.items()}
            model(batch, training=False)
    finally:
        layer.calibrating = False
