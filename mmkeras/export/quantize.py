"""Static int8 of the heavy operators, with the true ranges of real samples."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmkeras.export.runtimes import SIGNATURE

# Their time and their weights are nearly all of a model's. What stays float
# beside them (softmax, normalisation, attention scores) is quick, and in int8
# would lose accuracy and, on a CPU, be slower.
HEAVY = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "GATHER")
# A loop's own bookkeeping is gathers on indices and states.
LOOPS = ".*(while|TensorList|TensorArray).*"
# A spectral front end does not survive int8.
FLOAT_SCOPES = ("logmel",)


def quantize_tflite(
    source: str | Path,
    target: str | Path,
    samples: Mapping[str, np.ndarray],
    float_scopes: tuple[str, ...] = FLOAT_SCOPES,
) -> None:
    """Quantizes a float file; inputs and outputs stay as they are.

    Args:
        source: Float `.tflite` file with a named signature.
        target: The file to write.
        samples: Arrays by input name, `(samples, ...)`, to find the ranges of
            the activations with.
        float_scopes: Parts of layer names whose operators compute in float.
    """
    from ai_edge_quantizer import calibrator, quantizer

    recipe = _recipe(float_scopes)
    tool = quantizer.Quantizer(str(source))
    tool.load_quantization_recipe(recipe.get_quantization_recipe())
    # `Quantizer.calibrate` averages the extremes of the samples, which makes
    # every range too small.
    ranges = calibrator.Calibrator(
        str(source),
        num_threads=1,
        qsv_update_func=_widest,
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
    )
    count = len(next(iter(samples.values())))
    rows = [
        {name: array[i : i + 1] for name, array in samples.items()}
        for i in range(count)
    ]
    ranges.calibrate({SIGNATURE: rows}, recipe)
    result = tool.quantize(
        ranges.get_model_qsvs(), enable_progress_report=False
    )
    result.export_model(str(target), overwrite=True)


def _recipe(float_scopes: tuple[str, ...]):
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager

    names = qtyping.TFLOperationName
    keep = algorithm_manager.AlgorithmName.NO_QUANTIZE
    recipe = recipe_manager.RecipeManager()
    for operation in HEAVY:
        recipe.add_static_config(
            regex=".*",
            operation_name=names[operation],
            activation_num_bits=8,
            weight_num_bits=8,
        )
    recipe.add_quantization_config(
        regex=LOOPS, operation_name=names.GATHER, algorithm_key=keep
    )
    for scope in float_scopes:
        recipe.add_quantization_config(
            regex=f".*{scope}.*",
            operation_name=names.ALL_SUPPORTED,
            algorithm_key=keep,
        )
        # The filterbank is stored in 8 bits and multiplied in float: a fifth
        # of a small file, for an error far below that of the activations.
        recipe.add_weight_only_config(
            regex=f".*{scope}.*",
            operation_name=names.FULLY_CONNECTED,
            num_bits=8,
        )
    return recipe


def _widest(old: dict, new: dict) -> dict:
    """Joins the range of one more sample to the range so far."""
    if not old:
        return new
    return {
        "min": np.minimum(old["min"], new["min"]),
        "max": np.maximum(old["max"], new["max"]),
    }
