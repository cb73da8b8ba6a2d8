"""Importance of channels: norms, scales or gradients."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.arguments import check_choice
from mmkeras.compress.channels.groups import Groups
from mmkeras.compress.channels.rebuild import rebuild

METHODS = ("magnitude", "batch_norm", "taylor")


def importances(
    model: keras.Model,
    groups: Groups,
    method: str,
    data: Iterable | None = None,
    loss: Any = None,
) -> np.ndarray:
    """Returns the importance of each group of channels, by its number.

    Args:
        model: The model that `groups` were found in.
        groups: Its channels.
        method: "magnitude": the norms of a channel's weights, each over the
            mean of its layer, averaged over all layers it takes part in.
            "batch_norm": the absolute scale of its batch normalisation
            (channels without one have an infinite importance). "taylor": how
            much the loss would change without the channel, to first order:
            (sum of weight x gradient)^2 over its slice of each kernel, summed
            over kernels and batches. Small batches estimate it better.
        data: Batches `(x, y)` or `(x, y, sample_weight)`, for "taylor".
        loss: As for `compile`, for "taylor". Defaults to the loss the model
            was compiled with.

    Source: Liu et al., "Learning Efficient Convolutional Networks through
    Network Slimming", 2017 (arXiv 1708.06519), for the scales; Molchanov et
    al., "Pruning Convolutional Neural Networks for Resource Efficient
    Inference", 2017 (arXiv 1611.06440), for the gradients.
    """
    check_choice("importance", method, METHODS)
    if method == "magnitude":
        return _mean(groups, _norms(groups))
    if method == "batch_norm":
        return _mean(groups, _scales(groups))
    return _taylor(model, groups, data, loss)


def _norms(groups: Groups):
    for variable, axes in groups.follow.axes.values():
        if len(variable.shape) < 2 and variable.name != "gamma":
            continue
        value = np.asarray(keras.ops.convert_to_numpy(variable), "float64")
        for axis, ids in axes.items():
            norms = np.sqrt(_sum(value**2, axis))
            yield ids, norms / max(norms.mean(), 1e-30)


def _scales(groups: Groups):
    for variable, axes in groups.follow.axes.values():
        if variable.name == "gamma":
            yield axes[0], np.abs(keras.ops.convert_to_numpy(variable))


def _mean(groups: Groups, found: Iterable) -> np.ndarray:
    sums, counts = np.zeros((2, len(groups.root)))
    for ids, values in found:
        np.add.at(sums, groups.root[ids], values)
        np.add.at(counts, groups.root[ids], 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def _sum(value: np.ndarray, axis: int) -> np.ndarray:
    return value.sum(axis=tuple(a for a in range(value.ndim) if a != axis))


def _taylor(
    model: keras.Model, groups: Groups, data: Any, loss: Any
) -> np.ndarray:
    if data is None or loss is None:
        raise ValueError(
            '`importance="taylor"` needs `data`, and `loss` unless the model '
            f"is compiled. Received: data={data!r}, loss={loss!r}"
        )
    follow = groups.follow
    # A copy: fit moves averages, and frozen channels matter too.
    twin = rebuild(model, follow, groups.all())
    # Keras hands on to the layers inside only what changes.
    twin.trainable = False
    twin.trainable = True
    pairs = zip(twin.weights, model.weights, strict=True)
    original = {id(new): id(old) for new, old in pairs}
    axes = [
        follow.axes.get(original[id(v)], (v, {}))[1] if len(v.shape) > 1 else {}
        for v in twin.trainable_variables
    ]
    watch = _Watch([list(each) for each in axes])
    twin.compile(watch, loss=loss, jit_compile=False)
    if not isinstance(data, Iterable):
        data = (data[i] for i in range(len(data)))
    for batch in data:
        twin.train_on_batch(*batch)
    scores = np.zeros(len(groups.root))
    for sums, of_variable in zip(watch.sums, axes, strict=True):
        for ids, found in zip(of_variable.values(), sums, strict=True):
            found = keras.ops.convert_to_numpy(found)
            np.add.at(scores, groups.root[ids], found)
    return scores


class _Watch(keras.optimizers.Optimizer):
    """Changes nothing; sums (weight x gradient) along axes, squared.

    An optimizer, since each backend of Keras hands its gradients to one.
    """

    def __init__(self, axes):
        super().__init__(learning_rate=0.0, name="watch")
        self.axes = axes

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.sums = [
            [self.add_variable((v.shape[a],), name="sum") for a in axes]
            for v, axes in zip(variables, self.axes, strict=True)
        ]

    def update_step(self, gradient, variable, learning_rate):
        i = private.index_of(self, variable)
        change = keras.ops.cast(gradient * variable, "float32")
        for axis, found in zip(self.axes[i], self.sums[i]):
            others = [a for a in range(len(variable.shape)) if a != axis]
            found.assign_add(
                keras.ops.square(keras.ops.sum(change, axis=others))
            )
