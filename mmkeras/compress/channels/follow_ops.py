"""How channels pass operations: `keras.ops` in a functional graph."""

from collections.abc import Sequence
from math import prod
from typing import Any

import keras
import numpy as np

from mmkeras.compress.channels.flow import Flow, flows_in
from mmkeras.compress.channels.follow import Follow

UNARY = (
    "Relu Relu6 LeakyRelu Elu Celu Selu Gelu Silu Sigmoid HardSigmoid HardSilu "
    "LogSigmoid Tanh HardTanh Softplus Softsign Exp Expm1 Log Log1p Sqrt Rsqrt "
    "Square Abs Absolute Negative Sign Sin Cos Reciprocal Round Floor Ceil "
    "Clip Cast Isnan Isfinite Isinf LogicalNot OnesLike ZerosLike StopGradient "
    "NanToNum Copy"
)
BINARY = (
    "Add Subtract Multiply Divide TrueDivide FloorDivide Power Maximum Minimum "
    "Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr "
    "Where SquaredDifference"
)
MOVED = "Transpose ExpandDims Squeeze Swapaxes Moveaxis"
FOLDED = "Mean Sum Max Min Amax Amin Any All Var Std"


def by_element(
    follow: Follow, operation: Any, *args: Any, **kwargs: Any
) -> Flow:
    """Combines all arguments that are arrays; numbers do not matter."""
    given = []
    for x in keras.tree.flatten((args, kwargs)):
        if isinstance(x, Flow):
            given.append(x)
        elif x is not None and getattr(x, "shape", ()):
            given.append(Flow((1, *x.shape) if not given else tuple(x.shape)))
    return follow.same(*given)


def one_by_one(follow: Follow, operation: Any, x: Flow, *_, **__) -> Flow:
    return x


def moved(
    follow: Follow, operation: Any, x: Flow, *args: Any, **kwargs: Any
) -> Flow | None:
    """Moves the numbers of channels as the tensor is moved."""
    if x.axis is None or None in x.shape[1:]:
        return follow.leave("an axis without a fixed length", x)
    return carried(follow, x, lambda ids: operation.call(ids, *args, **kwargs))


def carried(follow: Follow, x: Flow, move: Any) -> Flow | None:
    """Applies `move` to the numbers of every position, batch 1."""
    got = np.asarray(move(keras.ops.convert_to_tensor(spread(x))))
    axes = [
        a
        for a in range(1, got.ndim)
        if got.shape[a] > 1 and (got != np.take(got, [0], axis=a)).any()
    ]
    shape = (x.shape[0], *got.shape[1:])
    if len(axes) == 1:
        line = np.moveaxis(got, axes[0], 0).reshape(shape[axes[0]], -1)
        return Flow(shape, axes[0], line[:, 0].astype(int))
    return follow.leave("channels spread over several axes", x)


def spread(x: Flow) -> np.ndarray:
    shape = [1] * len(x.shape)
    shape[x.axis] = len(x.ids)
    whole = [1, *x.shape[1:]]
    return np.broadcast_to(x.ids.astype("int32").reshape(shape), whole)


def taken(follow: Follow, operation: Any, x: Flow, key: Any) -> Flow | None:
    """An index of a channel holds only as long as those before it stay."""
    if x.axis is None or None in x.shape[1:]:
        return follow.leave("an axis without a fixed length", x)
    counted = Flow(x.shape, x.axis, np.arange(x.shape[x.axis]))
    got = operation.call(spread(counted), key)
    if len(np.unique(got)) == x.shape[x.axis]:
        return carried(follow, x, lambda ids: operation.call(ids, key))
    return follow.pin(x.ids[: got.max(initial=-1) + 1])


def folded(follow: Follow, operation: Any, x: Flow) -> Flow:
    """A sum or mean over axes that hold no channels."""
    return fold(follow, x, operation.axis, operation.keepdims)


def fold(follow: Follow, x: Flow, axis: Any, keepdims: bool) -> Flow:
    rank = len(x.shape)
    axes = range(rank) if axis is None else np.atleast_1d(axis)
    axes = {int(a) % rank for a in axes}
    if x.axis in axes:
        follow.leave("a sum or mean over channels", x)
        x = Flow(x.shape)
    kept = [a for a in range(rank) if a not in axes]
    if keepdims:
        shape = tuple(1 if a in axes else s for a, s in enumerate(x.shape))
        return Flow(shape, x.axis, x.ids)
    shape = tuple(x.shape[a] for a in kept)
    return Flow(shape, None if x.axis is None else kept.index(x.axis), x.ids)


def concatenated(
    follow: Follow, operation: Any, xs: Sequence, *_, **__
) -> Flow | None:
    flows = flows_in(list(xs))
    if len(flows) < len(xs):
        return follow.leave("concatenated with a constant", *flows)
    return follow.join(flows, operation.axis)


def reshape(follow: Follow, operation: Any, x: Flow, *_, **__) -> Flow | None:
    """A target shape that names the channels is written anew."""
    if x.axis is None:
        return None
    if None in x.shape[1:] or id(operation) in follow.shapes or follow.inside:
        return follow.leave("a reshape that cannot be written anew", x)
    out = carried(follow, x, operation.call)
    if out is not None:
        follow.shapes[id(operation)] = (operation, out)
    return out


def multiplied(
    follow: Follow, operation: Any, *args: Any, **kwargs: Any
) -> None:
    """A product of two activations: counted, not followed."""
    a, b = (*args, *kwargs.values())[:2]
    follow.leave("a product of activations", *flows_in([a, b]))
    follow.cost(prod(s or 1 for s in (*a.shape[1:], b.shape[-1])))


OPERATIONS = {
    **dict.fromkeys(UNARY.split(), one_by_one),
    **dict.fromkeys(BINARY.split(), by_element),
    **dict.fromkeys(MOVED.split(), moved),
    **dict.fromkeys(FOLDED.split(), folded),
    "Concatenate": concatenated,
    "GetItem": taken,
    "Matmul": multiplied,
    "Reshape": reshape,
}
