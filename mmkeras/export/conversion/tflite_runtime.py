"""TFLite files: their answers, and every result on the way to them."""

import contextlib
from pathlib import Path

import numpy as np

from mmkeras import keras_private as private
from mmkeras.export.conversion.runtimes import SIGNATURE, Runtime, Tracer


def open_tflite(path: str | Path) -> Runtime:
    """Opens a file on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=1).get_signature_runner(SIGNATURE)
    return lambda inputs: run(**inputs)


def trace_tflite(path: str | Path) -> Tracer:
    """Opens a file so that it shows every intermediate result.

    Integers that stand for numbers come back as those numbers. Results inside
    of a loop are left out.
    """
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
        for operator in private.operators_of(interpreter)
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
