"""Where an exported graph departs from Keras: the first layer, by name."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.export.conversion.operators import find_layer
from mmkeras.export.formats import open_file, trace

# What two orders of summation may differ by, relative to the largest value.
TOLERANCE = 1e-4


def find_departure(
    model: keras.Model,
    path: str | Path,
    x: Mapping[str, np.ndarray],
    tolerance: float = TOLERANCE,
) -> tuple[Any, float] | None:
    """Compares the results of each layer in Keras and in a float file.

    Of the operators that a layer became, the one that comes closest counts. A
    layer that was joined to the next has no result of its own, and is covered
    by that one's.

    Args:
        model: The model the file was made from.
        path: Float `.tflite` or `.onnx` file.
        x: Inputs by name, `(samples, ...)`.
        tolerance: Largest difference, relative to the layer's largest value
            where that is above 1.

    Returns:
        The first layer that differs, and by how much; None if none does.
    """
    for i, found in enumerate(trace(path, x)):
        row = {name: array[i : i + 1] for name, array in x.items()}
        expected = layer_outputs(model, row)
        for layer, values in _by_layer(model, found):
            gap = _gap(expected.get(id(layer), []), values)
            if gap is not None and not gap <= tolerance:
                return layer, gap
        # The last operator is called by the output, not by its layer.
        answers, exact = open_file(path)(row), model(row, training=False)
        for name, tensor in model.output.items():
            gap = _gap([np.asarray(exact[name])], [answers[name]])
            if gap is not None and not gap <= tolerance:
                return private.history_of(tensor).operation, gap
    return None


def layer_outputs(
    model: keras.Model, x: Mapping[str, np.ndarray]
) -> dict[int, list[np.ndarray]]:
    """Returns what each layer answers, by `id` of the layer, towers included.

    Args:
        model: The model.
        x: Inputs by name, `(samples, ...)`.
    """
    outputs: dict[int, list[np.ndarray]] = {}
    with contextlib.ExitStack() as stack:
        for operation in _operations(model):
            stack.enter_context(_recorded(operation, outputs))
        # Not `predict`: a compiled function shows no results inside.
        model(dict(x), training=False)
    return outputs


def _operations(model: keras.Model) -> Iterator[Any]:
    for operation in model.operations:
        yield operation
        if isinstance(operation, keras.Model):
            yield from _operations(operation)


@contextlib.contextmanager
def _recorded(operation: Any, outputs: dict) -> Iterator[None]:
    """Notes what an operation returns while the context lasts."""
    call = operation.call

    def recorded(*args, **kwargs):
        result = call(*args, **kwargs)
        leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(result)]
        outputs.setdefault(id(operation), []).extend(leaves)
        return result

    # Past Keras' own `__setattr__`, which tracks what a layer holds.
    object.__setattr__(operation, "call", recorded)
    try:
        yield
    finally:
        object.__delattr__(operation, "call")


def _by_layer(model: keras.Model, found: list) -> list[tuple[Any, list]]:
    """Groups results by layer, in the order the first one of each is made.

    A layer is left out where its last result cannot be seen: it was joined to
    an operator of another layer, or is an output, which has a name of its own.
    """
    groups: dict[int, tuple[Any, list]] = {}
    hidden = {id(private.history_of(y).operation) for y in model.outputs}
    for name, values in found:
        layer, *joined = (find_layer(model, part) for part in name.split(";"))
        hidden |= {id(other) for other in joined if other is not layer}
        if layer is not None and not isinstance(layer, keras.Model):
            groups.setdefault(id(layer), (layer, []))[1].append(values)
    return [group for key, group in groups.items() if key not in hidden]


def _gap(expected: list, found: list) -> float | None:
    """Returns the smallest difference of any two results of one size."""
    gaps = []
    for one in expected:
        for other in found:
            if one.size == other.size and one.dtype.kind == "f":
                # Sorted, since ONNX has the channels before the rows.
                gap = np.abs(np.sort(one, None) - np.sort(other, None))
                gaps.append(float(gap.max() / max(1.0, np.abs(one).max())))
    return min(gaps) if gaps else None
