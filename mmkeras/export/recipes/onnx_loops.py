"""Quantized values of an ONNX file that a loop reads.

ONNX Runtime moves a `DequantizeLinear` behind operators that only move values
about. Where a loop reads the result, such as a recurrence that walks through an
embedding or a convolution, an assertion ends the process that opens the file
(1.32). Spelled out as a difference and a product it stays where it is, with the
same result.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# What a `DequantizeLinear` may be moved behind, and a few more.
MOVING = frozenset(
    "Cast Concat Expand Flatten Gather Identity MaxPool Pad Reshape Slice "
    "Split Squeeze Tile Transpose Unsqueeze".split()
)


def spell_out(path: str | Path) -> list[str]:
    """Spells out each `DequantizeLinear` of a file that a loop reads.

    Args:
        path: The `.onnx` file, which is written anew where there is one.

    Returns:
        The names of their results.
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    reached = _read_by_loops(graph.node)
    nodes, found = [], []
    for node in graph.node:
        spelled = node.op_type == "DequantizeLinear" and node.output[0]
        if spelled in reached and _is_one_scale(graph, node):
            nodes += _spelled(node)
            found.append(spelled)
        else:
            nodes.append(node)
    if found:
        del graph.node[:]
        graph.node.extend(nodes)
        onnx.save(model, str(path))
    return found


def _read_by_loops(nodes: Iterable[Any]) -> set[str]:
    """Returns the values that loops read, as they are or moved about."""
    found = {
        name
        for node in nodes
        for inner in _graphs(node)
        for name in _outer_names(inner)
    }
    # In a graph, a node stands behind all that it reads.
    for node in reversed(nodes):
        if node.op_type in MOVING and found & {*node.output}:
            found |= {*node.input}
    return found


def _outer_names(graph: Any) -> Iterator[str]:
    """Yields the names of values that a graph takes from around it."""
    own = {value.name for value in (*graph.input, *graph.initializer)}
    own |= {name for node in graph.node for name in node.output}
    for node in graph.node:
        inner = [n for each in _graphs(node) for n in _outer_names(each)]
        for name in (*node.input, *inner):
            if name and name not in own:
                yield name
    # A loop may hand on what lies outside.
    yield from (value.name for value in graph.output if value.name not in own)


def _graphs(node: Any) -> list[Any]:
    """Returns the bodies of a loop or a branch."""
    return [
        each
        for attribute in node.attribute
        for each in (attribute.g, *attribute.graphs)
        if each.node or each.output
    ]


def _is_one_scale(graph: Any, node: Any) -> bool:
    """Returns whether all of a value has one scale, a number in the file."""
    scale = next(
        (t for t in graph.initializer if t.name == node.input[1]), None
    )
    return scale is not None and sum(scale.dims) == len(scale.dims)


def _spelled(node: Any) -> Iterator[Any]:
    """Yields what `DequantizeLinear` says in other operators."""
    from onnx import TensorProto, helper

    value, scale, *zero = node.input
    (result,) = node.output
    cast = {"to": TensorProto.FLOAT}
    whole = f"{result}_whole"
    yield helper.make_node("Cast", [value], [whole], f"{whole}_cast", **cast)
    if zero and zero[0]:
        offset, moved = f"{result}_offset", f"{result}_moved"
        yield helper.make_node("Cast", zero, [offset], f"{offset}_cast", **cast)
        yield helper.make_node("Sub", [whole, offset], [moved], f"{moved}_sub")
        whole = moved
    yield helper.make_node("Mul", [whole, scale], [result], f"{result}_scale")
