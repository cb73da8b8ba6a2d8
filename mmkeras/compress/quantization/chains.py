"""Operations that the converter folds into a product, found in the graph.

Behind a dense layer or a convolution it folds batch normalisation, rescaling
and ReLU; before it, a rescaling by one number. The file then rounds behind the
last of them, and before the first.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from mmkeras import keras_private as private
from mmkeras.compress.quantization.sites import DENSE, NOISE, Site, is_linear

RELU = ("relu", "relu6")


def is_relu(operation: Any) -> bool:
    """Whether the file computes an operation as the end of a product."""
    if isinstance(operation, layers.ReLU):
        slope = operation.negative_slope or operation.threshold
        return not slope and operation.max_value in (None, 6)
    function = getattr(operation, "activation", operation)
    name = getattr(function, "__name__", type(function).__name__)
    activation = isinstance(operation, layers.Activation)
    own = not isinstance(operation, layers.Layer)
    return (activation or own) and name.lower() in RELU


def find_ends(
    model: keras.Model, sites: Sequence[Site]
) -> tuple[dict[int, tuple[Any, Site]], dict[int, tuple[Any, Site]]]:
    """Finds products whose rounding is at another layer.

    Returns:
        The operations that end a product, and the rescalings that begin one:
        `{id(operation): (operation, site)}` each.
    """
    ends: dict[int, tuple[Any, Site]] = {}
    starts: dict[int, tuple[Any, Site]] = {}
    by_layer = {id(s.kernel.layer): s for s in sites if s.kind == "product"}
    for graph in _graphs(model):
        users = _users(graph)
        nodes = defaultdict(list)
        for node in private.nodes_of(graph):
            nodes[id(node.operation)].append(node)
        for key in [key for key in nodes if key in by_layer]:
            site, own = by_layer[key], nodes[key]
            found = [_end(node, users) for node in own]
            if is_linear(site.kernel.layer.activation) and all(found):
                ends.update({id(op): (op, site) for op in found})
            start = _start(own[0], users) if len(own) == 1 else None
            if start is not None and len(nodes[id(start)]) == 1:
                starts[id(start)] = (start, site)
    return ends, {k: v for k, v in starts.items() if k not in ends}


def _graphs(model: keras.Model) -> Iterator[Any]:
    """Returns the functional models inside a model, and the model."""
    graphs = map(private.graph_of, private.layers_inside(model))
    return (graph for graph in graphs if isinstance(graph, keras.Model))


def _users(graph: Any) -> dict[int, list]:
    """Returns the nodes that read each tensor; None for the caller."""
    users: dict[int, list] = defaultdict(list)
    for node in private.nodes_of(graph):
        for tensor in node.input_tensors:
            users[id(tensor)].append(node)
    for tensor in graph.outputs:
        users[id(tensor)].append(None)
    return users


def _end(node: Any, users: dict[int, list]) -> Any:
    """Returns the last operation folded into a product, None without one."""
    end = None
    while True:
        readers = users[id(node.output_tensors[0])]
        if len(readers) != 1 or readers[0] is None:
            return end
        node = readers[0]
        if is_relu(node.operation):
            return node.operation
        folded = (layers.BatchNormalization, layers.Rescaling)
        if isinstance(node.operation, folded):
            end = node.operation
        elif not isinstance(node.operation, NOISE):
            return end


def _start(node: Any, users: dict[int, list]) -> Any:
    """Returns the rescaling folded into the kernel behind it, or None."""
    tensor = node.input_tensors[0]
    before, layer = private.history_of(tensor).operation, node.operation
    if type(before) is not layers.Rescaling or len(users[id(tensor)]) != 1:
        return None
    if np.size(before.scale) > 1 or np.size(before.offset) > 1:
        return None
    if isinstance(layer, DENSE):
        return before
    # An offset cannot be folded through zero padding.
    whole = getattr(layer, "padding", "") == "valid" or not np.any(
        before.offset
    )
    return before if whole and getattr(layer, "rank", 0) == 2 else None
