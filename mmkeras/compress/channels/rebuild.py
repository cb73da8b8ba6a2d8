"""The same model with fewer channels."""

import copy
from typing import Any

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.compress.channels.flow import Flow
from mmkeras.compress.channels.follow import Follow
from mmkeras.compress.channels.follow_graph import is_graph

BUILT = ("build_config", "build_input_shape")


def rebuild(
    model: keras.Model, follow: Follow, kept: np.ndarray
) -> keras.Model:
    """Returns a model with only the channels that are kept.

    A plain functional model of the same layers under the same names; its
    weights are slices of the given model's.

    Args:
        model: The model that `follow` walked through; it is not changed.
        follow: Where each channel goes.
        kept: Whether each channel stays, by its number.
    """
    smaller = _Smaller(follow, kept)
    new = smaller.model(model)
    for old, layer in smaller.made.values():
        if hasattr(old, "weights") and not is_graph(old):
            smaller.set_weights(old, layer)
    return new


class _Smaller:
    """Makes each layer once, however often it is used."""

    def __init__(self, follow: Follow, kept: np.ndarray):
        self.follow = follow
        self.kept = kept
        self.made: dict[int, tuple[Any, Any]] = {}
        self.configs: dict[int, dict] = {}
        for width in follow.widths.values():
            config = self.configs.setdefault(
                id(width.layer), _config(width.layer)
            )
            width.edit(config, int(np.count_nonzero(kept[width.ids])))
        for layer, flow in follow.shapes.values():
            key, shape = "newshape", [-1, *self.shape(flow)[1:]]
            if isinstance(layer, keras.layers.Layer):
                key, shape = "target_shape", shape[1:]
            self.configs[id(layer)] = {**_config(layer), key: shape}

    def model(self, model: keras.Model) -> keras.Model:
        graph = private.graph_of(model)
        inputs = keras.tree.map_structure(
            lambda x: keras.Input(
                batch_shape=self.shape(self.follow.inputs[id(x)]),
                dtype=x.dtype,
                name=x.name,
            ),
            graph.input,
        )
        outputs = private.run_graph(graph, inputs, operation_fn=self.layer)
        return keras.Model(inputs, outputs, name=model.name)

    def layer(self, old: Any) -> Any:
        if id(old) not in self.made:
            if is_graph(old):
                new = self.model(old)
            else:
                config = self.configs.get(id(old)) or _config(old)
                new = type(old).from_config(config)
            self.made[id(old)] = old, new
        return self.made[id(old)][1]

    def shape(self, flow: Flow) -> list:
        shape = list(flow.shape)
        if flow.axis is not None:
            shape[flow.axis] = int(np.count_nonzero(self.kept[flow.ids]))
        return shape

    def set_weights(self, old: Any, new: Any) -> None:
        for before, after in zip(old.weights, new.weights, strict=True):
            value = keras.ops.convert_to_numpy(before)
            _, axes = self.follow.axes.get(id(before), (before, {}))
            for axis, ids in axes.items():
                value = np.compress(self.kept[ids], value, axis)
            if value.shape != tuple(after.shape):
                raise ValueError(
                    "`follow_channels` of a layer must declare how its "
                    "arguments and inputs set the shape of each "
                    "weight. Received: "
                    f"{old.name}, whose {before.name} would be {value.shape} "
                    f"but is built as {tuple(after.shape)}"
                )
            after.assign(value)


def _config(layer: Any) -> dict:
    """A config without the shapes that inner layers were built for."""

    def unbuilt(part):
        if isinstance(part, dict):
            return {k: unbuilt(v) for k, v in part.items() if k not in BUILT}
        if isinstance(part, (list, tuple)):
            return type(part)(unbuilt(each) for each in part)
        return copy.deepcopy(part)

    return unbuilt(layer.get_config())
