"""Runs the stream signatures of a TFLite file, step by step."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.runtimes import open_file, run_all

PREFIX, STATE = "stream_", "state_"
# Sequences that calibrate a stream, and that it is compared on.
CALIBRATED, COMPARED = 16, 32
Arrays = Mapping[str, np.ndarray]


def streams(path: str | Path) -> dict[str, dict]:
    """Returns what a device must know of each stream, by modality.

    Args:
        path: The `.tflite` file.

    Returns:
        `{modality: {"signature": name, "step": samples or tokens a step}}`.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    found = {}
    for key in sorted(interpreter.get_signature_list()):
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX):
            details = interpreter.get_signature_runner(key).get_input_details()
            step = int(details[name]["shape"][1])
            found[name] = {"signature": key, "step": step}
    return found


def calibration_rows(path: str | Path, x: Arrays) -> dict[str, list[Arrays]]:
    """Returns the inputs of every step of some samples, by signature."""
    found = {}
    for name, entry in streams(path).items():
        count = min(CALIBRATED, len(x[name]))
        found[entry["signature"]] = [
            inputs
            for i in range(count)
            for inputs, _ in walk(
                path, name, {key: array[i : i + 1] for key, array in x.items()}
            )
        ]
    return found


def walk(
    path: str | Path, name: str, x: Arrays
) -> Iterator[tuple[Arrays, Arrays]]:
    """Yields the inputs and outputs of each step of one sample.

    Args:
        path: The `.tflite` file.
        name: The streamed modality.
        x: Inputs by name, `(1, ...)`.
    """
    from ai_edge_litert.interpreter import Interpreter

    entry = streams(path)[name]
    run = Interpreter(str(path), num_threads=1).get_signature_runner(
        entry["signature"]
    )
    details = run.get_input_details()
    state = {
        key: np.zeros(detail["shape"], detail["dtype"])
        for key, detail in details.items()
        if key.startswith(STATE)
    }
    length = entry["step"]
    for at in range(0, x[name].shape[1] - length + 1, length):
        inputs = {**x, name: x[name][:, at : at + length], **state}
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
    found = streams(path)
    if not found:
        return {}
    few = {key: array[:COMPARED] for key, array in x.items()}
    whole = run_all(open_file(path), few)
    for name, entry in found.items():
        entry["samples"] = len(few[name])
        entry["largest_difference"] = max(
            _difference(path, name, few, whole, i)
            for i in range(len(few[name]))
        )
    return found


def _difference(path, name: str, x: Arrays, whole: Arrays, i: int) -> float:
    one = {key: array[i : i + 1] for key, array in x.items()}
    *_, (_, last) = walk(path, name, one)
    return max(
        float(np.abs(last[key] - whole[key][i : i + 1]).max()) for key in last
    )
