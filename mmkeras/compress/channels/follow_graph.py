"""Follows channels through a model's graph, layer by layer."""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import keras
from keras import layers

from mmkeras import keras_private as private
from mmkeras.compress.channels.flow import Flow, flows_in
from mmkeras.compress.channels.follow import Follow
from mmkeras.compress.channels.follow_layers import RULES
from mmkeras.compress.channels.follow_ops import OPERATIONS


def follow_model(model: keras.Model) -> Follow:
    """Follows the channels of a functional model from inputs to outputs."""
    if not is_graph(model):
        raise ValueError(
            "`model` must be a functional or built sequential model, whose "
            f"graph can be followed. Received: a {type(model).__name__}"
        )
    follow = Follow(rule_of)
    inputs = [Flow(tuple(x.shape)) for x in model.inputs]
    outputs = through_model(follow, model, inputs)
    # Outputs keep their shape; that needs no note in `follow.whole`.
    follow.pin(*flows_in(outputs))
    for x in model.outputs:
        follow.whole.pop(private.history_of(x).operation.name, None)
    return follow


def is_graph(layer: Any) -> bool:
    """Tells functional and sequential models from all else."""
    return private.graph_of(layer) is not None


def rule_of(layer: Any) -> Callable:
    """Returns the rule of a layer or operation.

    A subclass takes its parent's as long as it computes the same.
    """
    if hasattr(layer, "follow_channels"):
        return Follow.owned
    if is_graph(layer):
        return through_model
    if not isinstance(layer, layers.Layer):
        return OPERATIONS.get(type(layer).__name__, Follow.unknown)
    for each in type(layer).__mro__:
        if each in RULES:
            same = type(layer).call is each.call
            return RULES[each] if same else Follow.unknown
    return Follow.unknown


def through_model(follow: Follow, model: Any, *args: Any, **kwargs) -> Any:
    """Walks the graph of a model; a shared layer is passed several times."""
    model = private.graph_of(model)
    inputs = args[0] if isinstance(args[0], dict) else {}
    inputs = [inputs.get(x.name) for x in model.inputs]
    if None in inputs:
        inputs = flows_in(args)
    for x, flow in zip(model.inputs, inputs, strict=True):
        # Called again, a model gets as many channels as the first time.
        follow.same(follow.inputs.setdefault(id(x), flow), flow)
    flows = {id(x): flow for x, flow in zip(model.inputs, inputs, strict=True)}
    # As Keras runs it; its configs hold the same graph less readably.
    for node in private.nodes_of(model):
        if node.is_input:
            continue
        a, k = node.arguments.fill_in(flows)
        out = keras.tree.flatten(follow(node.operation, *a, **k))
        for x, flow in zip_longest(node.outputs, out):
            flow = flow or Flow(())
            flows[id(x)] = Flow(tuple(x.shape), flow.axis, flow.ids)
    return keras.tree.map_structure(lambda x: flows[id(x)], model.output)
