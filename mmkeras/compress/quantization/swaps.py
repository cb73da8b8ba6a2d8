"""Puts rounding into the layers of a model, for the time of one call.

A layer keeps its class and its weights; its `call`, or its activation, is
replaced and put back.
"""

import contextlib

from keras import ops

from mmkeras import keras_private as private
from mmkeras.compress.quantization.cells import loop_of, products, step_of
from mmkeras.compress.quantization.chains import RELU
from mmkeras.compress.quantization.sites import (
    CELLS,
    DENSE,
    RECURRENT,
    SAME_GRID,
    SEPARABLE,
    is_linear,
)


@contextlib.contextmanager
def replaced(run):
    """Makes the layers of `run.owner.model` round, within this context."""
    changed = []
    try:
        for target, name, function in _swaps(run):
            changed.append((target, name, target.__dict__.get(name)))
            object.__setattr__(target, name, function)
        yield
    finally:
        for target, name, old in reversed(changed):
            if old is None:
                object.__delattr__(target, name)
            else:
                object.__setattr__(target, name, old)


def _swaps(run):
    """Yields `(object, attribute, what takes its place)`."""
    owner = run.owner
    for site in owner.sites:
        layer = site.kernel.layer
        if site.kind == "table":
            yield layer, "call", _table(run, layer.call, site.exit)
        elif site.kind == "product" and type(layer) not in CELLS:
            yield from _product(run, site)
    for operation, site in owner.ends.values():
        yield operation, "call", _end(run, operation.call, site.exit)
    for operation, site in owner.starts.values():
        yield operation, "call", _start(run, operation.call, site.entrance)
    for layer in private.layers_inside(owner.model):
        if isinstance(layer, SAME_GRID):
            yield layer, "call", _same_grid(run, layer.call)
        if type(layer) in RECURRENT:
            yield from _recurrent(run, layer)


def _product(run, site):
    layer, kind = site.kernel.layer, type(site.kernel.layer)
    if kind in SEPARABLE:
        if site.kernel.variable.name == "depthwise_kernel":
            # The other kernel of the layer brings it along.
            return
        path = site.kernel.path.removesuffix("pointwise_kernel")
        yield layer, "call", _separable(run, layer, path)
    elif all(site is not other for _, other in run.owner.starts.values()):
        dense = kind in DENSE
        yield layer, "call", _start(run, layer.call, site.entrance, dense)
    if all(site is not other for _, other in run.owner.ends.values()):
        yield layer, "activation", _activation(run, layer, site.exit)


def _start(run, call, name, dense=False):
    def rounded(x, *args, **kwargs):
        if "float" not in str(x.dtype):
            x = ops.cast(x, "float32")
        return call(run.enter(x, name, dense), *args, **kwargs)

    return rounded


def _end(run, call, name):
    return lambda *args, **kwargs: run.round(call(*args, **kwargs), name)


def _activation(run, layer, name):
    function = layer.activation
    if is_linear(function):
        return lambda x: run.leave(x, layer, name)
    if getattr(function, "__name__", "") in RELU:
        return lambda x: run.round(function(x), name)
    # The file leaves the integers before it computes these.
    return lambda x: function(run.round(x, name))


def _table(run, call, name):
    return lambda *args, **kwargs: run.keep(call(*args, **kwargs), name)


def _same_grid(run, call):
    def unchanged(x, *args, **kwargs):
        result = call(x, *args, **kwargs)
        known = run.on_grid.get(id(x))
        return run.keep(result, known[2]) if known else result

    return unchanged


def _separable(run, layer, path):
    """Two products, between which the file rounds."""

    def call(x):
        x = ops.depthwise_conv(
            run.enter(x, f"{path}depthwise_kernel:in"),
            layer.depthwise_kernel,
            layer.strides,
            layer.padding,
            layer.data_format,
            layer.dilation_rate,
        )
        x = run.round(x, f"{path}depthwise_kernel:out")
        x = ops.conv(
            run.enter(x, f"{path}pointwise_kernel:in"),
            layer.pointwise_kernel,
            data_format=layer.data_format,
        )
        return layer.activation(x + layer.bias if layer.use_bias else x)

    return call


def _recurrent(run, layer):
    sites = {
        site.kernel.variable.name: site
        for site in run.owner.sites
        if site.kernel.layer is layer.cell and site.kind == "product"
    }
    if len(sites) != 2:
        return

    def enter(x, kernel):
        return run.fixed(x, sites[kernel].entrance)

    def leave(x, kernel):
        return run.fixed(x, sites[kernel].exit)

    def observe(inputs, states):
        def see_input(x, kernel):
            run.observe(x, sites[kernel].entrance)
            return enter(x, kernel)

        def see_output(x, kernel):
            run.observe(x, sites[kernel].exit)
            return x

        products(layer.cell, inputs, states, see_input, see_output)

    yield layer.cell, "call", step_of(layer.cell, enter, leave)
    watch = observe if run.observing else None
    yield layer, "inner_loop", loop_of(layer, watch)
