"""Runs exported files, as a device would."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

SIGNATURE = "serving_default"
Arrays = dict[str, np.ndarray]
Runtime = Callable[[Mapping[str, np.ndarray]], Arrays]


def open_file(path: str | Path) -> Runtime:
    """Opens a `.tflite` or `.onnx` file on one thread.

    Returns:
        A function from inputs by name, `(batch, ...)`, to outputs by name.
    """
    opener = _open_onnx if Path(path).suffix == ".onnx" else _open_tflite
    try:
        return opener(path)
    # ONNX Runtime has a class for each error, and no common base.
    except Exception as error:
        raise ValueError(
            f"`{path}` must be a file its runtime can open. "
            f"Received: {str(error)[:300]}"
        ) from None


def _open_tflite(path: str | Path) -> Runtime:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=1).get_signature_runner(SIGNATURE)
    return lambda inputs: run(**inputs)


def _open_onnx(path: str | Path) -> Runtime:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    wanted = {each.name for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]

    def run(inputs):
        feed = {k: v for k, v in inputs.items() if k in wanted}
        return dict(zip(names, session.run(names, feed)))

    return run


def run_all(
    run: Runtime, x: Mapping[str, np.ndarray], batch: int = 1
) -> Arrays:
    """Returns the outputs for all samples, `batch` at a time."""
    count = len(next(iter(x.values())))
    parts = [
        run({name: array[i : i + batch] for name, array in x.items()})
        for i in range(0, count, batch)
    ]
    return {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


def latencies_ms(
    runs: Mapping[str, Runtime], x: Mapping[str, np.ndarray], budget_sec=4.0
) -> dict[str, float]:
    """Returns the median time of one sample, measured in turn.

    Taking turns lets a busy moment of the machine hit every file alike.

    Args:
        runs: The files to compare.
        x: Samples, `(samples, ...)`.
        budget_sec: About how long to measure, in seconds.
    """
    one = {name: array[:1] for name, array in x.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + budget_sec
    for turn in range(205):
        for name, run in runs.items():
            start = time.perf_counter()
            run(one)
            times[name].append((time.perf_counter() - start) * 1e3)
        if turn >= 15 and time.perf_counter() > end:
            break
    # The first turns fill caches.
    return {name: float(np.median(each[5:])) for name, each in times.items()}
