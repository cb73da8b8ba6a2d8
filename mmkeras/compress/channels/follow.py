"""Follows channels through a model: which ones depend on each other."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import keras
import numpy as np

from mmkeras.compress.channels.flow import Edit, Flow, Width, flows_in

# Activations that work on each channel by itself.
BY_ELEMENT = set(
    "linear relu relu6 leaky_relu elu celu selu gelu silu swish mish sigmoid "
    "hard_sigmoid hard_silu hard_swish log_sigmoid tanh hard_tanh softplus "
    "softsign exponential squareplus soft_shrink hard_shrink tanh_shrink "
    "threshold sparse_plus".split()
)


class Follow:
    """Follows channels through layers, by the rules of each layer.

    Keras' own layers have rules. A layer of your own has a method that gets a
    `Flow` in place of each tensor of `call`, declares which axes of its
    weights belong to which channels, and returns the flow of its output:

    >>> class Scale(keras.layers.Layer):
    ...     def build(self, shape):
    ...         self.scale = self.add_weight(shape=(shape[-1],))
    ...
    ...     def call(self, x):
    ...         return x * self.scale
    ...
    ...     def follow_channels(self, follow, x):
    ...         follow.tie(x, follow.weight(self.scale, 0))
    ...         return x

    The methods below are what it may use. A layer with neither keeps all its
    channels, and so do the layers before it.

    Attributes:
        widths: What can be made smaller, by layer and argument.
        shapes: Reshapes, and the flow each makes.
        inputs: The flow into each input of each model, by the input's id.
        axes: `{id: (variable, {axis: ids})}`.
        terms: The cost of the model: `(times, [ids or a number, ...])`, to be
            multiplied.
        whole: `{path: why it was left as it is}`.
    """

    def __init__(self, rule_of: Callable[[Any], Callable]):
        self._rule_of = rule_of
        self._parent = [0]
        self._path: list[str] = []
        # Layers that follow channels themselves, the widths inside them, and
        # those they have an argument for.
        self._owners: list[tuple[Any, list, list]] = []
        self.widths: dict[Any, Width] = {}
        self.shapes: dict[int, tuple[Any, Flow]] = {}
        self.inputs: dict[int, Flow] = {}
        self.axes: dict[int, tuple[Any, dict[int, np.ndarray]]] = {}
        self.terms: list[tuple[float, list]] = []
        self.whole: dict[str, str] = {}

    def __call__(self, layer, *args, **kwargs):
        """Takes flows through a layer, or an operation, inside yours."""
        kwargs.pop("training", None)
        self._path.append(layer.name)
        try:
            return self._rule_of(layer)(self, layer, *args, **kwargs)
        finally:
            self._path.pop()

    def weight(self, variable: keras.Variable, axis: int) -> np.ndarray:
        """Returns the numbers of one axis of a weight."""
        axis %= len(variable.shape)
        _, axes = self.axes.setdefault(id(variable), (variable, {}))
        if axis not in axes:
            axes[axis] = self._fresh(variable.shape[axis])
        return axes[axis]

    def channels(self, x: Flow) -> np.ndarray:
        """Returns the numbers of the last axis of a flow."""
        last = len(x.shape) - 1
        if x.axis == last:
            return x.ids
        self.pin(x)
        return np.zeros(x.shape[last] or 0, int)

    def tie(self, *many: Flow | np.ndarray | None) -> None:
        """Declares that channels are removed together, position by position."""
        many = [self.channels(x) if isinstance(x, Flow) else x for x in many]
        many = [x for x in many if x is not None]
        for other in many[1:]:
            for a, b in zip(many[0], other, strict=True):
                a, b = sorted((self.root(a), self.root(b)))
                self._parent[b] = a

    def together(self, ids: np.ndarray) -> None:
        """Declares that channels are removed all at once or not at all."""
        self.tie(ids[:-1], ids[1:])

    def pin(self, *many: Flow | np.ndarray) -> None:
        """Declares that channels cannot be removed."""
        for x in many:
            ids = x.ids if isinstance(x, Flow) else x
            for each in [] if ids is None else np.unique(ids):
                self._parent[self.root(each)] = 0

    def flow(self, shape: Sequence, ids: np.ndarray | None = None) -> Flow:
        """Returns a flow; without numbers, one whose channels all stay."""
        shape = tuple(shape)
        return Flow(shape) if ids is None else Flow(shape, len(shape) - 1, ids)

    def same(self, *flows: Flow) -> Flow:
        """Takes flows through an operation element by element."""
        shape = np.broadcast_shapes(
            *(tuple(1 if s is None else s for s in x.shape) for x in flows)
        )
        shape = (flows[0].shape[0], *shape[1:]) if shape else ()
        live = [x for x in flows if x.axis is not None]
        places = {x.axis - len(x.shape) for x in live}
        place = min(places, default=-1)
        # A side that is broadcast along the channels constrains none of them.
        wide = [
            x for x in flows if len(x.shape) >= -place and x.shape[place] != 1
        ]
        self.pin(*(x for x in live if x not in wide))
        live = [x for x in live if x in wide]
        if len(places) > 1 or len(live) < len(wide):
            self.pin(*live)
            live = []
        if not live:
            return Flow(shape)
        self.tie(*(x.ids for x in live))
        return Flow(shape, len(shape) + place, live[0].ids)

    def join(self, flows: Sequence[Flow], axis: int = -1) -> Flow:
        """Concatenates flows."""
        axis %= len(flows[0].shape)
        shape = list(flows[0].shape)
        shape[axis] = sum(x.shape[axis] or 0 for x in flows)
        live = {x.axis for x in flows if x.axis is not None}
        if live - {axis}:
            one = (*shape[:axis], 1, *shape[axis + 1 :])
            given = [
                Flow((*x.shape[:axis], 1, *one[axis + 1 :]), x.axis, x.ids)
                for x in flows
            ]
            both = self.same(*given)
            return Flow(tuple(shape), both.axis, both.ids)
        if not live:
            return Flow(tuple(shape))
        ids = [
            np.zeros(x.shape[axis], int) if x.ids is None else x.ids
            for x in flows
        ]
        return Flow(tuple(shape), axis, np.concatenate(ids))

    def width(self, layer: Any, edit: str | Edit, ids: np.ndarray) -> None:
        """Declares that a layer's config sets the number of these channels.

        Args:
            layer: The layer itself, not one inside it.
            edit: Name of the argument, or a function that writes the number
                of channels left into the config.
            ids: The channels.
        """
        if self._owners and self._owners[-1][0] is not layer:
            self._owners[-1][1].append(ids)
            return
        name = edit if isinstance(edit, str) else "width"
        if isinstance(edit, str):

            def edit(config, count):
                config[name] = count

        if self._owners:
            self._owners[-1][2].append(ids)
        if len(self._owners) > 1:
            self._owners[-2][1].append(ids)
            return
        found = Width(layer, "/".join(self._path), ids, edit)
        self.widths[id(layer), name] = found

    def cost(self, times: float, *ids: np.ndarray | int) -> None:
        """Adds multiply-adds: `times` the product of the numbers of `ids`."""
        self.terms.append((float(times), list(ids)))

    def leave(self, why: str, *flows: Flow) -> None:
        """Pins what comes in, and notes why."""
        if any(x.ids is not None and self.roots(x.ids).any() for x in flows):
            self.whole["/".join(self._path)] = why
        self.pin(*flows)

    def unknown(self, layer: Any, *args, **kwargs) -> None:
        """Keeps all channels that a layer without a rule reads."""
        given = flows_in((args, kwargs))
        self.leave(f"no rule for {type(layer).__name__}", *given)
        for weight in getattr(layer, "weights", []):
            if len(weight.shape) > 1:
                self.cost(prod(weight.shape))

    def activated(self, layer: Any, out: Flow) -> Flow:
        """Takes a flow through the activation of a layer."""
        function = getattr(layer, "activation", None)
        name = getattr(function, "__name__", repr(function))
        if function is not None and name not in BY_ELEMENT:
            self.leave(f"activation {name} mixes channels", out)
        return out

    def owned(self, layer: Any, *args, **kwargs) -> Any:
        """Calls the rule of a layer that has its own."""
        inner, own = [], []
        self._owners.append((layer, inner, own))
        out = layer.follow_channels(self, *args, **kwargs)
        self._owners.pop()
        given = [x.ids for x in flows_in((args, kwargs)) if x.ids is not None]
        known = {0, *(i for ids in [*given, *own] for i in self.roots(ids))}
        # A width that neither the config nor the input decides cannot change.
        for ids in inner:
            if not known.issuperset(self.roots(ids)):
                self.pin(ids)
        return out

    @property
    def count(self) -> int:
        """How many numbers there are, with 0."""
        return len(self._parent)

    @property
    def inside(self) -> bool:
        """Whether the walk is inside a layer that follows channels."""
        return bool(self._owners)

    def root(self, each: int) -> int:
        parent = self._parent
        while parent[each] != each:
            parent[each] = each = parent[parent[each]]
        return each

    def roots(self, ids: np.ndarray) -> np.ndarray:
        return np.array([self.root(each) for each in ids], int)

    def _fresh(self, count: int) -> np.ndarray:
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return np.arange(start, start + count)
