"""Runs the stream signatures of a TFLite file, step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.conversion.runtimes import run_all
from mmkeras.export.conversion.tflite_runtime import open_tflite

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


@dataclass(frozen=True)
class StreamFigures:
    """How a stream ends, against the whole sequence at once.

    Args:
        signature: Its signature in the file.
        step: Samples or tokens of a step.
        samples: Sequences that were compared.
        largest_difference: Of any output at the end, in the float file; of an
            output with steps of its own, of all of them.
        shipped_difference: The same in the file that is shipped, if another.
    """

    signature: str
    step: int
    samples: int
    largest_difference: float
    shipped_difference: float | None = None


def compare_streams(path: str | Path, x: Arrays) -> dict[str, StreamFigures]:
    """Compares the last step of each stream with the whole sequence.

    Args:
        path: The `.tflite` file.
        x: Inputs by name, `(samples, ...)`.

    Returns:
        What was found, by modality.
    """
    opened, found = _open(path), {}
    if not opened:
        return {}
    few = {key: array[:COMPARED] for key, array in x.items()}
    whole = run_all(open_tflite(path), few)
    for name, (run, step) in opened.items():
        last = [
            _answer(
                run,
                step,
                name,
                {k: v[i : i + 1] for k, v in few.items()},
                {k: v.shape[1:] for k, v in whole.items()},
            )
            for i in range(len(few[name]))
        ]
        gap = max(
            float(np.abs(outputs[key] - whole[key][i : i + 1]).max())
            for i, outputs in enumerate(last)
            for key in outputs
        )
        found[name] = StreamFigures(f"{PREFIX}{name}", step, len(last), gap)
    return found


def _answer(
    run: Any, step: int, name: str, x: Arrays, shapes: Mapping[str, tuple]
) -> Arrays:
    """Returns the last outputs; all in a row of those that have steps."""
    found = [outputs for _, outputs in walk(run, step, name, x)]
    return {
        key: found[-1][key]
        if found[-1][key].shape[1:] == shape
        else np.concatenate([each[key] for each in found], axis=1)
        for key, shape in shapes.items()
    }
