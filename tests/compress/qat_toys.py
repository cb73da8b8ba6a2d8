"""Small models, and the files they become with the ranges they learned."""

import keras
import numpy as np
from compiling import forward

from mmkeras.compress import (
    calibrate,
    file_ranges,
    quantization_ranges,
    quantize_aware,
    strip_quantization,
)
from mmkeras.export import open_file, quantize_tflite, run_all, to_tflite


def stack(shape, *layers, dtype="float32"):
    """A model of layers in a row, from `x` to `y`."""
    x = y = keras.Input(shape, dtype=dtype, name="x")
    for layer in layers:
        y = layer(y)
    return keras.Model({"x": x}, {"y": y})


def shuffle(model, seed=0):
    """Gives every weight a value of its own, as training would."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.path:
            continue
        if variable.name in ("moving_variance", "gamma"):
            values = rng.uniform(0.5, 1.5, variable.shape)
        elif len(variable.shape) > 1:
            fan_in = np.prod(variable.shape[:-1])
            values = rng.normal(scale=1.2 / fan_in**0.5, size=variable.shape)
        else:
            values = rng.normal(scale=0.3, size=variable.shape)
        variable.assign(values)


def inputs_of(model, count=64, seed=5):
    """Random inputs of the kinds our towers take."""
    rng = np.random.default_rng(seed)
    made = {}
    for tensor in model.inputs:
        shape = (count, *tensor.shape[1:])
        if tensor.name == "present":
            made[tensor.name] = (rng.random(shape) < 0.7).astype("float32")
        elif tensor.dtype == "uint8":
            made[tensor.name] = rng.integers(0, 256, shape).astype("uint8")
        elif tensor.dtype == "int32":
            made[tensor.name] = rng.integers(0, 20, shape).astype("int32")
        else:
            made[tensor.name] = rng.normal(size=shape).astype("float32")
    return made


def make_file(aware, folder, bits=8, weight_bits=8):
    """Writes the integer file of an aware model, from no samples at all."""
    source, target = folder / "float.tflite", folder / "int8.tflite"
    to_tflite(strip_quantization(aware), source)
    ranges, unknown = file_ranges(aware, source)
    assert not unknown
    if not ranges:
        return source
    if weight_bits == 8:
        quantize_tflite(source, target, {}, bits=bits, ranges=ranges)
    else:
        quantize_weights(source, target, ranges, weight_bits, bits)
    return target


def quantize_weights(source, target, ranges, weight_bits, bits):
    """The recipe of the export, with fewer bits for weights."""
    from ai_edge_quantizer import (
        algorithm_manager,
        qtyping,
        quantizer,
        recipe_manager,
    )

    names = qtyping.TFLOperationName
    recipe = recipe_manager.RecipeManager()
    for name in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "GATHER"):
        small = name in ("FULLY_CONNECTED", "CONV_2D")
        recipe.add_static_config(
            regex=".*",
            operation_name=names[name],
            activation_num_bits=bits,
            weight_num_bits=weight_bits if small else 8,
        )
    recipe.add_quantization_config(
        regex=".*while.*",
        operation_name=names.GATHER,
        algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
    )
    tool = quantizer.Quantizer(str(source))
    tool.load_quantization_recipe(recipe.get_quantization_recipe())
    result = tool.quantize(ranges, enable_progress_report=False)
    result.export_model(str(target), overwrite=True)


def coarsest_step(aware, bits=8):
    """The largest step that the answer of a product is rounded to."""
    steps = [
        (high - low) / (2**bits - 1)
        for ends in quantization_ranges(aware).values()
        for low, high in [ends.get("out", (0, 0))]
    ]
    # Models without one compute in float: a step of float32, generously.
    return max(steps, default=1e-3)


def errors_in_steps(model, folder, bits=8, weight_bits=8):
    """File against forward pass, in quantization steps, for each value."""
    shuffle(model)
    x = inputs_of(model)
    aware = quantize_aware(model, weight_bits, bits)
    calibrate(aware, x)
    path = make_file(aware, folder, bits, weight_bits)
    wanted = forward(aware, x)
    found = run_all(open_file(path), x)
    step = coarsest_step(aware, bits)
    return np.concatenate(
        [np.abs(found[k] - wanted[k]).ravel() / step for k in wanted]
    )
