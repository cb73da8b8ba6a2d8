"""ONNX files: their answers, and every result on the way to them."""

from pathlib import Path

import numpy as np

from mmkeras.export.conversion.runtimes import Runtime, Tracer


def open_onnx(path: str | Path) -> Runtime:
    """Opens a file on one thread."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), _options())
    wanted = {each.name for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]

    def run(inputs):
        feed = {k: v for k, v in inputs.items() if k in wanted}
        return dict(zip(names, session.run(names, feed)))

    return run


def trace_onnx(path: str | Path) -> Tracer:
    """Opens a file so that it shows every intermediate result."""
    import onnx
    import onnxruntime

    graph = onnx.load(str(path))
    shown = {value.name for value in graph.graph.output}
    names = [name for node in graph.graph.node for name in node.output if name]
    graph.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name)
        for name in names
        if name not in shown
    )
    options = _options()
    # What is fused has no result of its own.
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    wanted = {each.name for each in session.get_inputs()}

    def run(inputs):
        feed = {k: v for k, v in inputs.items() if k in wanted}
        found = zip(names, session.run(names, feed))
        return [(n, v) for n, v in found if isinstance(v, np.ndarray)]

    return run


def _options():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options
