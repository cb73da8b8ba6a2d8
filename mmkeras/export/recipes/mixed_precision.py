"""Mixed precision: int8, but for the layers that lose too much by it."""

from collections.abc import Collection
from pathlib import Path

from mmkeras.export.conversion.operators import narrow_convolutions
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.runtimes import run_all
from mmkeras.export.conversion.tflite_runtime import open_tflite
from mmkeras.export.recipes.context import (
    FLOAT_SCOPES,
    Arrays,
    ConversionContext,
    Labelled,
)
from mmkeras.export.recipes.heavy_int8 import find_ranges, quantize_tflite
from mmkeras.export.recipes.layer_errors import fewest_floats, own_errors


def mixed_precision(
    source: ProducedFile, target: Path, context: ConversionContext
) -> tuple[str, ...]:
    """Writes `target`; returns the layers that stayed float for the metrics.

    Raises:
        ValueError: If there are no labelled samples to choose them on.
    """
    if context.labelled is None:
        raise ValueError(
            "`labelled` must hold samples that mixed precision is chosen on. "
            "Received: None"
        )
    floats = quantize_mixed(
        source.path,
        target,
        context.samples,
        context.labelled,
        context.float_scopes,
        narrow_convolutions(source.path),
    )
    layers = source.notes.layers
    return tuple(dict.fromkeys(layers.get(scope, scope) for scope in floats))


def quantize_mixed(
    source: str | Path,
    target: str | Path,
    samples: Arrays,
    labelled: Labelled,
    float_scopes: Collection[str] = FLOAT_SCOPES,
    keep: Collection[str] = (),
) -> list[str]:
    """Quantizes a float file until its metrics hold.

    The operators are tried one by one in int8; those that hurt the outputs
    most stay float, as few as bring every metric within the limit.

    Args:
        source: Float `.tflite` file with a named signature.
        target: The file to write.
        samples: Inputs by name, `(samples, ...)`, for the ranges.
        labelled: Samples the metrics are measured on.
        float_scopes: Parts of layer names whose operators compute in float.
        keep: Scopes of operators that compute in float in any case.

    Returns:
        The scopes of the operators that stayed float for the metrics' sake.
    """
    ranges = find_ranges(source, samples)
    few = {name: values[:16] for name, values in samples.items()}
    own = own_errors(source, few, ranges, float_scopes, keep)
    exact = run_all(open_tflite(source), labelled.x)

    def drop(floats: list[str]) -> float:
        quantize_tflite(
            source, target, samples, float_scopes, ranges=ranges,
            keep=[*keep, *floats],
        )  # fmt: skip
        return labelled.drop(exact, run_all(open_tflite(target), labelled.x))

    floats = fewest_floats(own, drop, labelled.limit)
    drop(floats)
    return floats
