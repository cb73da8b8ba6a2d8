"""Static int8 of the heavy operators, with the true ranges of real samples."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmkeras import artefact
from mmkeras.export.conversion import writing
from mmkeras.export.conversion.operators import narrow_convolutions
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.runtimes import SIGNATURE
from mmkeras.export.conversion.signatures import repair
from mmkeras.export.conversion.stepping import calibration_rows
from mmkeras.export.conversion.tflite_runtime import open_tflite
from mmkeras.export.conversion.writing import Decoders
from mmkeras.export.recipes.context import FLOAT_SCOPES, ConversionContext
from mmkeras.export.recipes.learned_ranges import Ranges, load_ranges

# Their time and their weights are nearly all of a model's. What stays float
# beside them (softmax, normalisation, attention scores) is quick, and in int8
# would lose accuracy and, on a CPU, be slower. Pooling, padding and additions
# between them were tried in int8 as well: no quicker on convolutional models,
# slower on transformers, and up to 5 dB worse.
HEAVY = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "GATHER")
# Of these, the runtime takes weights of 4 bits.
NARROW = ("FULLY_CONNECTED", "CONV_2D")
# A loop's own bookkeeping is gathers on indices and states.
LOOPS = ".*(while|TensorList|TensorArray).*"


@dataclass(frozen=True)
class HeavyInt8:
    """Quantizes the heavy operators, which take nearly all of the time.

    Args:
        bits: Bits of an activation, 8 or 16.
        weight_bits: Bits of a weight of a dense layer or a convolution, 8 or
            4.
    """

    bits: int = 8
    weight_bits: int = 8

    def __call__(
        self, source: ProducedFile, target: Path, context: ConversionContext
    ) -> tuple[str, ...]:
        """Writes `target`; no layer has to stay float for the metrics."""
        samples = context.samples
        # What training has learned goes before what the samples reach.
        learned = load_ranges(source.notes.learned)
        quantize_tflite(
            source.path,
            target,
            samples,
            context.float_scopes,
            self.bits,
            self.weight_bits,
            ranges={
                **find_ranges(
                    source.path, samples, decoders=source.notes.decoders
                ),
                **learned,
            },
            keep=narrow_convolutions(source.path),
        )
        return ()


def quantize_tflite(
    source: str | Path,
    target: str | Path,
    samples: Mapping[str, np.ndarray],
    float_scopes: Collection[str] = FLOAT_SCOPES,
    bits: int = 8,
    weight_bits: int = 8,
    ranges: Ranges | None = None,
    keep: Collection[str] = (),
    only: Collection[str] | None = None,
) -> None:
    """Quantizes a float file; inputs and outputs stay as they are.

    Args:
        source: Float `.tflite` file with a named signature.
        target: The file to write.
        samples: Arrays by input name, `(samples, ...)`, to find the ranges of
            the activations with.
        float_scopes: Parts of layer names whose operators compute in float.
        bits: Bits of an activation, 8 or 16; tables that are looked up in
            always have 8.
        weight_bits: Bits of a weight of a dense layer or a convolution, 8 or
            4; others always have 8.
        ranges: What `find_ranges` returned, to save finding them again.
        keep: Names of the outputs of operators that compute in float.
        only: Names of the outputs of the operators to quantize; all heavy
            ones by default.

    Example:

    >>> to_tflite(model, "float.tflite")
    >>> quantize_tflite("float.tflite", "int8.tflite", {"image": pixels})
    """
    from ai_edge_quantizer import quantizer

    recipe = _recipe(float_scopes, bits, keep, only, weight_bits)
    tool = quantizer.Quantizer(str(source))
    tool.load_quantization_recipe(recipe.get_quantization_recipe())
    if ranges is None:
        ranges = find_ranges(source, samples, recipe)
    result = tool.quantize(ranges, enable_progress_report=False)
    # An interpreter maps its file: one that is open would read the new bytes.
    with artefact.atomic(target) as temporary:
        result.export_model(str(temporary), overwrite=True)
        repair(source, temporary)


def find_ranges(
    source: str | Path,
    samples: Mapping[str, np.ndarray],
    recipe=None,
    decoders: Decoders | None = None,
) -> Ranges:
    """Returns the smallest and largest value at each heavy operator's ends.

    Args:
        source: Float `.tflite` file with a named signature.
        samples: Arrays by input name, `(samples, ...)`.
        recipe: A recipe of the AI Edge Quantizer; without one, the ranges
            serve any call of `quantize_tflite`.
        decoders: Of the targets that write a text.
    """
    from ai_edge_quantizer import calibrator

    # `Quantizer.calibrate` averages the extremes of the samples, which makes
    # every range too small.
    found = calibrator.Calibrator(
        str(source),
        num_threads=1,
        qsv_update_func=widest_range,
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
    )
    count = len(next(iter(samples.values())))
    rows = [
        {name: array[i : i + 1] for name, array in samples.items()}
        for i in range(count)
    ]
    inputs = {SIGNATURE: rows, **calibration_rows(source, samples)}
    if decoders:
        run = open_tflite(source)
        inputs |= writing.calibration_rows(run, source, decoders, samples)
    found.calibrate(inputs, recipe or _recipe((), 8, (), None))
    return found.get_model_qsvs()


def _recipe(
    float_scopes: Collection[str],
    bits: int,
    keep: Collection[str],
    only: Collection[str] | None,
    weight_bits: int = 8,
):
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    names = qtyping.TFLOperationName
    leave = algorithm_manager.AlgorithmName.NO_QUANTIZE
    recipe = recipe_manager.RecipeManager()
    for regex in [".*"] if only is None else map(_exactly, only):
        for operation in HEAVY:
            recipe.add_static_config(
                regex=regex,
                operation_name=names[operation],
                activation_num_bits=8 if operation == "GATHER" else bits,
                weight_num_bits=weight_bits if operation in NARROW else 8,
            )
    recipe.add_quantization_config(
        regex=LOOPS, operation_name=names.GATHER, algorithm_key=leave
    )
    parts = [f".*{scope}.*" for scope in float_scopes]
    for regex in [*parts, *map(_exactly, keep)]:
        recipe.add_quantization_config(
            regex=regex,
            operation_name=names.ALL_SUPPORTED,
            algorithm_key=leave,
        )
    for regex in parts if only is None else ():
        # The filterbank is stored in 8 bits and multiplied in float: a fifth
        # of a small file, for an error far below that of the activations.
        recipe.add_weight_only_config(
            regex=regex, operation_name=names.FULLY_CONNECTED, num_bits=8
        )
    return recipe


def _exactly(name: str) -> str:
    # The quantizer ends each name of an operator's output with a semicolon.
    return f"(^|;){re.escape(name)};"


def widest_range(old: dict, new: dict) -> dict:
    """Joins the range of one more sample to the range so far."""
    if not old:
        return new
    return {
        "min": np.minimum(old["min"], new["min"]),
        "max": np.maximum(old["max"], new["max"]),
    }
