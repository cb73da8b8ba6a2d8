"""What the tests of structured pruning share."""

import contextlib

import keras
import numpy as np

from mmkeras.compress.channels import Groups, rebuild_model


@contextlib.contextmanager
def in_float64():
    """Builds layers whose sums do not depend on their order in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def shake(model, seed=0):
    """Gives what starts as zeros or ones values that can be told apart."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(weight + rng.uniform(0.1, 0.5, weight.shape))


def halves(groups, seed=0):
    """A mask without half of each block of channels."""
    rng = np.random.default_rng(seed)
    kept = groups.all()
    for block in groups.blocks:
        gone = rng.permutation(block.groups)[: len(block.groups) // 2]
        kept &= ~np.isin(groups.root, gone)
    return kept


def zero(model, groups, kept):
    """Zeroes all that makes or scales the channels that go."""
    for weight in model.weights:
        if weight.name == "moving_variance":
            continue
        value = keras.ops.convert_to_numpy(weight).copy()
        _, axes = groups.follow.axes.get(id(weight), (weight, {}))
        for axis, ids in axes.items():
            np.moveaxis(value, axis, 0)[~kept[ids]] = 0
        weight.assign(value)


def halved(model, skip=()):
    """Zeroes half of all channels of a model; returns one without them."""
    groups = Groups(model, skip)
    kept = halves(groups)
    zero(model, groups, kept)
    return rebuild_model(model, groups.follow, kept)


def widths(model):
    """Returns `{path: channels}`."""
    found = Groups(model).follow.widths.values()
    return {width.path: len(width.ids) for width in found}


def answers(model, x):
    """Returns the outputs as one float32 array; no function is compiled."""
    outputs = keras.tree.flatten(model(x, training=False))
    return np.concatenate(
        [keras.ops.convert_to_numpy(y).ravel() for y in outputs]
    ).astype("float32")


IMAGE, LINE, ROW = (6, 6, 4), (6, 4), (8,)


def model_of(shape, body, head=True):
    x = keras.Input(shape, name="x")
    y = body(x)
    out = {"y": keras.layers.Dense(3, name="y")(y) if head else y}
    return keras.Model({"x": x}, out, name="toy")


def draw(shape, count=3):
    return {"x": np.random.default_rng(2).normal(size=(count, *shape))}
