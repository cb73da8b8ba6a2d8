"""Keras to TFLite: static batch, named signature, built-in operators only."""

import re
from pathlib import Path
from typing import Any

import keras

from mmkeras.export.audit import check_built_in, refuse_operator

UNSUPPORTED = re.compile(
    r"loc\(([^\n]*)'tf\.(\w+)' op is neither a custom op nor a flex op"
)
SCOPE = re.compile(r'"([^"@]+)@')


def to_tflite(model: keras.Model, path: str | Path, mode: str = "none") -> None:
    """Converts a functional model with named inputs and dict outputs.

    The batch is 1, since only a static batch lets recurrent layers become
    built-in operators.

    Args:
        model: Model from `{name: (batch, ...)}` to `{name: (batch, ...)}`.
        path: The `.tflite` file to write.
        mode: "none" (float32), "float16" (weights) or "dynamic" (int8
            weights, ranges of activations found at run time).

    Raises:
        ValueError: If an operator is not built in; the message names the
            layer it comes from.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    options: dict[str, Any] = {"target_spec": target}
    if mode != "none":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        target["supported_types"] = [tf.float16]
    try:
        model.export(
            str(path),
            format="litert",
            input_signature=[static_signature(model)],
            verbose=False,
            experimental_enable_resource_variables=False,
            **options,
        )
    except ConverterError as error:
        refuse_conversion(model, str(error))
    check_built_in(path, model)


def static_signature(model: keras.Model) -> dict[str, keras.InputSpec]:
    """Returns the inputs by name, with batch 1 and every axis known."""
    for tensor in model.inputs:
        if None in tensor.shape[1:]:
            raise ValueError(
                "Every axis of an input but the batch must have a known "
                f"length to be exported. Received: input `{tensor.name}` of "
                f"shape {tensor.shape}"
            )
    return {
        tensor.name: keras.InputSpec(
            shape=(1, *tensor.shape[1:]), dtype=tensor.dtype, name=tensor.name
        )
        for tensor in model.inputs
    }


def refuse_conversion(model: keras.Model, message: str) -> None:
    """Raises ValueError that names operator and layer of a failure."""
    found = UNSUPPORTED.search(message)
    if found:
        # From the operator outwards, through the functions that call it.
        refuse_operator(model, SCOPE.findall(found[1]), operator=found[2])
    lines = [line for line in message.splitlines() if line.strip()]
    raise ValueError(
        "The model must be convertible to TFLite. Received from the "
        f"converter: {' / '.join(lines[:2])[:600]}"
    )
