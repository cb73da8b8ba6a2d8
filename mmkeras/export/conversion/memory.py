"""How much memory a TFLite file needs for the activations of one answer."""

from pathlib import Path

import numpy as np

BITS = {
    "FLOAT32": 32, "FLOAT16": 16, "INT32": 32, "UINT8": 8, "INT64": 64,
    "BOOL": 8, "INT16": 16, "COMPLEX64": 64, "INT8": 8, "FLOAT64": 64,
    "UINT64": 64, "UINT32": 32, "UINT16": 16, "INT4": 4,
}  # fmt: skip


def peak_bytes(path: str | Path) -> int:
    """Returns the most bytes of activations alive at once.

    A tensor lives from the operator that writes it to the last one that reads
    it. No planner of memory can do with less; a runtime needs some more for
    itself. Of a loop, the body counts while the loop runs.

    Args:
        path: The `.tflite` file; its first signature is counted.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    names = flatbuffer_utils.schema_fb.TensorType
    kinds = {v: k for k, v in vars(names).items() if isinstance(v, int)}
    return _peak(model, 0, kinds)


def _peak(model, index: int, kinds: dict[int, str]) -> int:
    graph = model.subgraphs[index]
    last = {t: len(graph.operators) for t in graph.outputs}
    for at, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            last[tensor] = max(at, last.get(tensor, at))
    alive = {t: _bytes(model, graph.tensors[t], kinds) for t in graph.inputs}
    peak = sum(alive.values())
    for at, operator in enumerate(graph.operators):
        for tensor in operator.outputs:
            alive[tensor] = _bytes(model, graph.tensors[tensor], kinds)
        inside = sum(
            _peak(model, body, kinds) for body in _bodies(model, operator)
        )
        peak = max(peak, sum(alive.values()) + inside)
        alive = {t: n for t, n in alive.items() if last.get(t, at) > at}
    return peak


def _bytes(model, tensor, kinds: dict[int, str]) -> int:
    data = model.buffers[tensor.buffer].data
    if data is not None and len(data):
        return 0  # a constant lies in the file
    shape = [] if tensor.shape is None else tensor.shape
    return int(np.prod(shape, dtype=np.int64)) * BITS[kinds[tensor.type]] // 8


def _bodies(model, operator) -> list[int]:
    """Returns the graphs that a loop runs; none for other operators."""
    options = operator.builtinOptions
    return [
        getattr(options, name)
        for name in ("condSubgraphIndex", "bodySubgraphIndex")
        if hasattr(options, name)
    ]
