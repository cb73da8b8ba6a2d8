"""Texts that a file writes: its decoder is a signature of its own.

Prefix and decoder share weights. The names of what the decoder takes and
returns are those of LiteRT-LM.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.export.conversion.runtimes import Arrays, Runtime
from mmkeras.generation import (
    GREEDY,
    Decoder,
    answers_of,
    decoder_of,
    generate,
)

DECODE = "decode"
# Samples whose texts calibrate a decoder.
CALIBRATED = 32
# Signature and letters, by target.
Decoders = Mapping[str, tuple[str, str | list[str]]]


def writers(model: Any) -> dict[str, Any]:
    """Returns the layers of a model that write, by target."""
    layers = {layer.name: layer for layer in model.layers}
    return {
        name: layers[name]
        for name in model.output
        if hasattr(layers.get(name), "step_model")
    }


def decoders_of(model: Any) -> dict[str, tuple[str, str | list[str]]]:
    """Returns the signature and the letters of each target that writes."""
    found = writers(model)
    one = len(found) == 1
    return {
        name: (DECODE if one else f"{DECODE}_{name}", layer.letters)
        for name, layer in found.items()
    }


def decoder_models(model: Any) -> dict[str, Any]:
    """Returns the models that write, by signature."""
    found = writers(model)
    return {
        signature: found[name].step_model()
        for name, (signature, _) in decoders_of(model).items()
    }


def open_decoder(
    interpreter: Any, signature: str, letters: str | list[str]
) -> Decoder:
    """Returns the decoder of an open file."""
    run = interpreter.get_signature_runner(signature)
    return decoder_of(
        lambda inputs: run(**inputs), run.get_input_details(), letters
    )


def writing(run: Runtime, path: Path, decoders: Decoders) -> Runtime:
    """Returns a runtime whose outputs are texts, where a target writes them.

    Args:
        run: What answers.
        path: The file.
        decoders: Of the targets that write.
    """
    if not decoders:
        return run
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    opened = {
        name: open_decoder(interpreter, *each)
        for name, each in decoders.items()
    }

    def write(inputs: Mapping[str, np.ndarray]) -> Arrays:
        outputs = dict(run(inputs))
        for name, decoder in opened.items():
            found = generate(outputs[name], decoder, GREEDY)
            outputs[name] = answers_of(*found, decoder.letters)
        return outputs

    return write


def calibration_rows(
    run: Runtime, path: Path, decoders: Decoders, x: Mapping[str, np.ndarray]
) -> dict[str, list[Arrays]]:
    """Returns the inputs of every step of some texts, by signature."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    rows: dict[str, list[Arrays]] = {}
    for name, (signature, letters) in decoders.items():
        decoder = open_decoder(interpreter, signature, letters)
        rows[signature] = [
            inputs
            for memory in _memories(run, name, x)
            for inputs in _steps(decoder, memory)
        ]
    return rows


def _memories(
    run: Runtime, name: str, x: Mapping[str, np.ndarray]
) -> Iterator[np.ndarray]:
    for i in range(min(CALIBRATED, len(next(iter(x.values()))))):
        yield run({key: array[i : i + 1] for key, array in x.items()})[name]


def _steps(decoder: Decoder, memory: np.ndarray) -> list[Arrays]:
    """Returns what the decoder is given while it writes a text."""
    seen = []

    def step(inputs):
        # The caches are written in place.
        seen.append({name: np.array(value) for name, value in inputs.items()})
        return decoder.step(inputs)

    noting = Decoder(
        step, decoder.letters, decoder.places, decoder.layers, decoder.heads
    )
    generate(memory, noting, GREEDY)
    return seen
