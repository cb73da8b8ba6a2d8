"""Checks that a graph in a config holds the layers that it runs, alone.

Keras makes every layer that a config lists, whether anything is computed by it
or not: a file of a megabyte kept it busy for half a minute.
"""

from collections.abc import Iterator
from typing import Any


def check_graph(config: dict) -> None:
    """Raises ValueError if a layer leads to no output of its graph.

    Args:
        config: A `config` in a `config.json`, checked where it lists layers
            and outputs, as that of a functional model does.
    """
    layers, outputs = config.get("layers"), config.get("output_layers")
    if not isinstance(layers, list) or outputs is None:
        return
    known = {}
    for layer in layers:
        name = layer.get("name") if isinstance(layer, dict) else None
        if not isinstance(name, str) or name in known:
            raise ValueError(f"a graph with two layers or none named {name!r}")
        known[name] = layer.get("inbound_nodes")
    waiting = [*_ends(outputs), *_ends(config.get("input_layers"))]
    reached = set()
    while waiting:
        name = waiting.pop()
        if name in reached or name not in known:
            continue
        reached.add(name)
        waiting += _read(known[name])
    unused = sorted(known.keys() - reached)
    if unused:
        raise ValueError(
            f"a graph of {len(known):,} layers, of which no output needs "
            f"{len(unused):,}, such as {unused[0]!r}"
        )


def _ends(value: Any) -> Iterator[str]:
    """Yields the names of layers in `[name, node, tensor]`, however nested."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list) and each and isinstance(each[0], str):
            yield each[0]
        elif isinstance(each, list):
            waiting += each


def _read(nodes: Any) -> Iterator[str]:
    """Yields the names of the layers whose tensors a layer is called with."""
    waiting = [nodes]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            if each.get("class_name") == "__keras_tensor__":
                yield from _ends(
                    (each.get("config") or {}).get("keras_history")
                )
            else:
                waiting += each.values()
