"""Every intermediate result of an exported file, in the order it is made."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmkeras.export.conversion.runtimes import SIGNATURE


def trace(
    path: str | Path, x: Mapping[str, np.ndarray]
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Yields name and value of every intermediate result, sample by sample.

    Integers that stand for numbers come back as those numbers. Results inside
    of a loop are left out.

    Args:
        path: `.tflite` or `.onnx` file.
        x: Inputs by name, `(samples, ...)`.
    """
    run = _onnx(path) if Path(path).suffix == ".onnx" else _tflite(path)
    for i in range(len(next(iter(x.values())))):
        yield run({name: array[i : i + 1] for name, array in x.items()})


def _tflite(path):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # A delegate keeps its results to itself.
    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=(
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    runner = interpreter.get_signature_runner(SIGNATURE)
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    order = [
        details[index]
        for operator in interpreter._get_ops_details()
        for index in operator["outputs"]
        if index in details
    ]

    def run(inputs):
        runner(**inputs)
        found = []
        for each in order:
            # Of a loop's results, those that nobody reads have no memory.
            with contextlib.suppress(ValueError):
                values = interpreter.get_tensor(each["index"])
                found.append((each["name"], _real(values, each)))
        return found

    return run


def _real(values: np.ndarray, detail: dict) -> np.ndarray:
    scale, zero = detail["quantization"]
    if not scale or values.dtype.kind == "f":
        return values
    return (values.astype("float32") - zero) * np.float32(scale)


def _onnx(path):
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
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
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
