"""Runs the stream signatures of a TFLite file, step by step."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.conversion.runtimes import open_file, run_all

PREFIX, STATE = "stream_", "state_"
# Sequences that calibrate a stream, and that it is compared on.
CALIBRATED, COMPARED = 16, 32
Arrays = Mapping[str, np.ndarray]


def _open(path: str | Path) -> dict[str, tuple[Any, int]]:
    """Returns each stream's signature, ready to run, and its step."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    found = {}
    for key in sorted(interpreter.get_signature_list()):
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX):
            run = interpreter.get_signature_runner(key)
            step = int(run.get_input_details()[name]["shape"][1])
            found[name] = run, step
    return found


def calibration_rows(path: str | Path, x: Arrays) -> dict[str, list[Arrays]]:
    """Returns the inputs of every step of some samples, by signature."""
    return {
        f"{PREFIX}{name}": [
            inputs
            for i in range(min(CALIBRATED, len(x[name])))
            for inputs, _ in walk(
                run, step, name, {k: array[i : i + 1] for k, array in x.items()}
            )
        ]
        for name, (run, step) in _open(path).items()
    }


def walk(
    run: Any, step: int, name: str, x: Arrays
) -> Iterator[tuple[Arrays, Arrays]]:
    """Yields the inputs and outputs of each step of one sample.

    Args:
        run: The stream's signature.
        step: Samples or tokens of a step.
        name: The streamed modality.
        x: Inputs by name, `(1, ...)`.
    """
    state = {
        key: np.zeros(detail["shape"], detail["dtype"])
        for key, detail in run.get_input_details().items()
        if key.startswith(STATE)
    }
    for at in range(0, x[name].shape[1] - step + 1, step):
        inputs = {**x, name: x[name][:, at : at + step], **state}
        found = run(**inputs)
        state = {key: found[key] for key in state}
        yield inputs, {k: v for k, v in found.items() if k not in state}


def compare(path: str | Path, x: Arrays) -> dict[str, dict[str, Any]]:
    """Compares the last step of each stream with the whole sequence.

    Args:
        path: The `.tflite` file.
        x: Inputs by name, `(samples, ...)`.

    Returns:
        By modality: signature, step, samples, and the largest difference of
        any output.
    """
    opened, found = _open(path), {}
    if not opened:
        return {}
    few = {key: array[:COMPARED] for key, array in x.items()}
    whole = run_all(open_file(path), few)
    for name, (run, step) in opened.items():
        last = [
            _last(run, step, name, {k: v[i : i + 1] for k, v in few.items()})
            for i in range(len(few[name]))
        ]
        found[name] = {
            "signature": f"{PREFIX}{name}",
            "step": step,
            "samples": len(last),
            "largest_difference": max(
                float(np.abs(outputs[key] - whole[key][i : i + 1]).max())
                for i, outputs in enumerate(last)
                for key in outputs
            ),
        }
    return found


def _last(run: Any, step: int, name: str, x: Arrays) -> Arrays:
    *_, (_, outputs) = walk(run, step, name, x)
    return outputs
