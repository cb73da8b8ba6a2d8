"""Static int8 of every operator, as microcontrollers need it."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

from mmkeras import artefact
from mmkeras import keras_private as private
from mmkeras.export.conversion.operators import operators
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.runtimes import SIGNATURE
from mmkeras.export.recipes.context import FLOAT_SCOPES, ConversionContext


def full_int8(
    source: ProducedFile, target: Path, context: ConversionContext
) -> tuple[str, ...]:
    """Writes `target`; no layer has to stay float for the metrics.

    Raises:
        ValueError: If the file has a loop; its layer is named.
    """
    loop = loop_of(source.path)
    if loop:
        refuse_loop(source.notes.layers.get(loop, loop))
    quantize_full(source.path, target, context.samples, context.float_scopes)
    return ()


def quantize_full(
    source: str | Path,
    target: str | Path,
    samples: Mapping[str, np.ndarray],
    float_scopes: Collection[str] = FLOAT_SCOPES,
) -> None:
    """Quantizes a float file as TensorFlow's converter does.

    Inputs and outputs stay as they are. Calibration ends the process with a
    segmentation fault on a looping recurrent layer: see `loop_of`.

    Args:
        source: Float `.tflite` file with a named signature.
        target: The file to write.
        samples: Arrays by input name, `(samples, ...)`, to find the ranges of
            the activations with.
        float_scopes: Parts of layer names whose operators compute in float.
    """
    rows = [
        {name: array[i : i + 1] for name, array in samples.items()}
        for i in range(len(next(iter(samples.values()))))
    ]
    with warnings.catch_warnings():
        # It starts an interpreter that warns of its own end.
        warnings.simplefilter("ignore")
        calibrated = private.calibrate(
            Path(source).read_bytes(),
            lambda: ((SIGNATURE, row) for row in rows),
        )
    left = [
        name
        for _, name in operators(source)
        if any(scope in name for scope in float_scopes)
    ]
    # So can a spectral front end be left alone.
    artefact.write_bytes(target, private.quantize(calibrated, left))


def loop_of(source: str | Path) -> str | None:
    """Returns the scope of the first loop in a float file, or None."""
    for operator, scope in operators(source):
        if operator == "WHILE":
            return scope
    return None


def refuse_loop(layer: str, kind: str = "") -> NoReturn:
    """Raises ValueError that names the layer full int8 would crash at."""
    raise ValueError(
        "Every layer of a model must have a fixed number of operators to be "
        f"int8 as a whole. Received: layer `{layer}`"
        + (f" ({kind})" if kind else "")
        + ", which loops over its steps. Instead: `unroll=True` in that "
        "layer, or `--quantize int8-heavy`, which keeps the loop in float"
    )
