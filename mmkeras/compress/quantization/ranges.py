"""Learned ranges of a model, matched to the tensors of an exported file.

With them the quantizer needs no calibration samples: the file rounds where,
and as, the model did in training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.compress.quantization.layer import QuantizeAware, layer_of
from mmkeras.compress.quantization.sites import Site
from mmkeras.compress.quantization.wrapping import quantization_ranges

PRODUCTS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
FileRanges = dict[str, dict[str, np.ndarray]]


def file_ranges(
    model: keras.Model, path: str | Path
) -> tuple[FileRanges, list[str]]:
    """Returns the learned range of each tensor around a product of a file.

    A product of the file is known by its kernel, whatever the converter named
    it: the shares of a channel's weights are the same before and after a
    batch normalisation was folded in. Where a dense layer reads a product,
    the converter decides which of them gets the bias; the model learns it
    here, and rounds on the same side of the bias from now on.

    Args:
        model: What `quantize_aware` returned, trained.
        path: The float `.tflite` file of `strip_quantization(model)`.

    Returns:
        `{tensor: {"min": ..., "max": ...}}`, as the AI Edge Quantizer takes
        them, and the tensors around products that have no learned range: these
        must be calibrated with samples.

    Example:

    >>> to_tflite(strip_quantization(model), "float.tflite")
    >>> ranges, unknown = file_ranges(model, "float.tflite")
    >>> quantize_tflite("float.tflite", "int8.tflite", {}, ranges=ranges)
    """
    layer = layer_of(model)
    known = [
        (site, fingerprint(_matrix(site)))
        for site in layer.sites
        if site.kind == "product"
    ]
    products = [
        (entering, leaving, _find(fingerprint(kernel), known), bias)
        for entering, leaving, kernel, bias in _products(path)
    ]
    _follow(model, layer, products)
    learned = quantization_ranges(model)

    inputs: FileRanges = {}
    outputs: FileRanges = {}
    unknown = []
    for entering, leaving, site, _ in products:
        found = learned.get(site.kernel.path, {}) if site else {}
        if "in" not in found or "out" not in found:
            unknown += [entering, leaving]
            continue
        end = "bare" if layer.rounds_bare(site.bare) else "out"
        inputs[entering] = _range(*found["in"])
        outputs[leaving] = _range(*found[end])
    # The output of one product may be the input of the next one.
    ranges = inputs | outputs | _tables(path)
    kept = (*ranges, *layer.float_layers)
    return ranges, [n for n in unknown if not any(part in n for part in kept)]


def _follow(model: keras.Model, layer: QuantizeAware, products: list) -> None:
    """Rounds products before their bias where the file does."""
    bare = {
        site.bare
        for _, _, site, bias in products
        if site is not None
        and site.bare in layer.handed_on
        and np.any(site.kernel.layer.bias)
        and (bias is None or not bias.any())
    }
    layer.bare = tuple(sorted(bare))
    # Shared ranges are found when the model is traced, and a compiled
    # function is not traced again.
    layer.aliases.clear()
    one = {
        tensor.name: np.zeros((1, *tensor.shape[1:]), tensor.dtype)
        for tensor in model.inputs
    }
    model(keras.tree.map_structure(lambda t: one[t.name], model.input))
    model.train_function = model.test_function = model.predict_function = None


def fingerprint(kernel: np.ndarray) -> np.ndarray:
    """Returns a fingerprint of `(channels, weights)`, invariant to folding."""
    kernel = np.abs(kernel.astype("float64"))
    largest = np.maximum(kernel.max(axis=1, keepdims=True), 1e-30)
    return np.sort((kernel / largest).sum(axis=1))


def _matrix(site: Site) -> np.ndarray:
    values = np.asarray(site.kernel.variable).transpose(site.kernel.rows)
    channels = np.prod(values.shape[: len(site.kernel.output_axes)])
    return values.reshape(int(channels), -1)


def _find(print_: np.ndarray, known: Sequence[tuple]) -> Site | None:
    for site, each in known:
        if each.shape == print_.shape and np.allclose(each, print_, 1e-4):
            return site
    return None


def _range(low: float, high: float) -> dict[str, np.ndarray]:
    return {"min": np.array([[low]], "f"), "max": np.array([[high]], "f")}


def _products(path: str | Path) -> list[tuple]:
    """Returns input, output, kernel `(channels, weights)` and bias."""
    found = []
    for code, tensors, names in _operators(path):
        if code in PRODUCTS and tensors[1] is not None:
            kernel = tensors[1]
            if code == "DEPTHWISE_CONV_2D":
                kernel = np.moveaxis(kernel, -1, 0)
            kernel = kernel.reshape(len(kernel), -1)
            found.append((names[0], names[-1], kernel, tensors[2]))
    return found


def _tables(path: str | Path) -> FileRanges:
    """Returns the extremes of the tables that rows are taken from."""
    found = {}
    for code, tensors, names in _operators(path):
        if code == "GATHER" and tensors[0] is not None:
            low = min(float(tensors[0].min()), 0.0)
            high = max(float(tensors[0].max()), 0.0)
            found[names[0]] = found[names[-1]] = _range(low, high)
    return found


def _operators(path: str | Path):
    """Yields name, constants and names of tensors of each float operator."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    codes = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if isinstance(value, int)
    }
    model = flatbuffer_utils.read_model(str(path))
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            used = [*operator.inputs, *operator.outputs]
            tensors = [graph.tensors[i] if i >= 0 else None for i in used]
            yield (
                codes[number],
                [t and _constant(model, t) for t in tensors],
                [t and t.name.decode() for t in tensors],
            )


def _constant(model: Any, tensor: Any) -> np.ndarray | None:
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.type != 0:
        return None
    return np.frombuffer(bytes(data), "float32").reshape(tensor.shape)
