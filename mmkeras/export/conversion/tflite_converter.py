"""Keras to TFLite: static batch, named signature, built-in operators only."""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import keras
import numpy as np

from mmkeras import artefact
from mmkeras import keras_private as private
from mmkeras.export.conversion.failing_layer import find_culprit
from mmkeras.export.conversion.operators import check_built_in, refuse_operator
from mmkeras.export.conversion.runtimes import SIGNATURE
from mmkeras.export.conversion.stepping import PREFIX

UNSUPPORTED = re.compile(
    r"loc\(([^\n]*)'tf\.(\w+)' op is neither a custom op nor a flex op"
)
SCOPE = re.compile(r'"([^"@]+)@')


def to_tflite(
    model: keras.Model,
    path: str | Path,
    mode: str = "none",
    streams: Mapping[str, keras.Model] | None = None,
    others: Mapping[str, keras.Model] | None = None,
) -> None:
    """Converts a functional model with named inputs and dict outputs.

    The batch is 1, since only a static batch lets recurrent layers become
    built-in operators.

    Args:
        model: Model from `{name: (batch, ...)}` to `{name: (batch, ...)}`.
        path: The `.tflite` file to write.
        mode: "none" (float32), "float16" (weights) or "dynamic" (int8
            weights, ranges of activations found at run time).
        streams: Models of one step by modality, from `step_model`; each
            becomes a further signature, `stream_<modality>`, of the same
            weights.
        others: Models by the signature each becomes, such as those that write
            a text or find boxes.

    Raises:
        ValueError: If an operator is not built in or does not run; the
            message names the layer it comes from.
    """
    # An interpreter maps its file: one that is open would read the new bytes.
    with artefact.atomic(path) as temporary:
        try:
            _convert(model, temporary, mode, streams, others)
        except private.conversion_error() as error:
            refuse_conversion(model, str(error))
        check_built_in(temporary, model)
        try:
            _run_once(temporary)
        except (RuntimeError, ValueError) as error:
            refuse_run(model, str(error))


def _convert(
    model: keras.Model,
    path: str | Path,
    mode: str,
    streams: Mapping[str, keras.Model] | None = None,
    others: Mapping[str, keras.Model] | None = None,
) -> None:
    """Converts the model and its steps; the file holds each weight once."""
    import tensorflow as tf

    steps = {f"{PREFIX}{name}": each for name, each in (streams or {}).items()}
    steps |= others or {}
    models = {SIGNATURE: model, **steps}
    with tempfile.TemporaryDirectory() as folder:
        _save(models, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[*models]
        )
        target = converter.target_spec
        target.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if mode == "float16":
            target.supported_types = [tf.float16]
        if mode != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if not steps:
            converter.experimental_enable_resource_variables = False
        Path(path).write_bytes(converter.convert())


def _save(models: Mapping[str, keras.Model], folder: str) -> None:
    """Writes a SavedModel with a signature for each model.

    Keras' own archive searches every layer for lookup tables and traces each
    model several times, which takes as long as all the rest of a conversion.
    """
    import tensorflow as tf

    root, functions = tf.Module(), {}
    for key, model in models.items():
        signature = {
            name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
            for name, spec in static_signature(model).items()
        }
        functions[key] = tf.function(
            _inference(model), input_signature=[signature], autograph=False
        ).get_concrete_function()
    root.read = [x for f in functions.values() for x in f.graph.variables]
    try:
        tf.saved_model.save(root, folder, signatures=functions)
    except AssertionError:  # something else is read: a lookup table
        _archive(models, folder)


def _archive(models: Mapping[str, keras.Model], folder: str) -> None:
    archive = keras.export.ExportArchive()
    for key, model in models.items():
        archive.track(model)
        archive.add_endpoint(key, _inference(model), [static_signature(model)])
    archive.write_out(folder, verbose=False)


def _inference(model: keras.Model) -> Callable:
    return lambda inputs: model(inputs, training=False)


def _run_once(path: str | Path) -> None:
    """Answers for zeros: some operators fail only when they are run."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=1).get_signature_runner(SIGNATURE)
    run(**{
        name: np.zeros(detail["shape"], detail["dtype"])
        for name, detail in run.get_input_details().items()
    })  # fmt: skip


def _works(model: keras.Model) -> bool:
    """Whether a part of a model converts and runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.tflite"
        try:
            _convert(model, path, "none")
            _run_once(path)
        except (private.conversion_error(), RuntimeError, ValueError):
            return False
    return True


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


def refuse_conversion(model: keras.Model, message: str) -> NoReturn:
    """Raises ValueError that names operator and layer of a failure."""
    found = UNSUPPORTED.search(message)
    if found:
        # From the operator outwards, through the functions that call it.
        refuse_operator(model, SCOPE.findall(found[1]), operator=found[2])
    lines = [line for line in message.splitlines() if line.strip()]
    raise ValueError(
        f"The model must be convertible to TFLite. Received{_culprit(model)}"
        f" from the converter: {' / '.join(lines[:2])[:600]}"
    )


def refuse_run(model: keras.Model, message: str) -> NoReturn:
    """Raises ValueError that names the layer whose operator does not run."""
    raise ValueError(
        "Every operator of an exported model must run on plain LiteRT. "
        f"Received{_culprit(model)} from the runtime: "
        f"{' '.join(message.split())[:300]}"
    )


def _culprit(model: keras.Model) -> str:
    """Names the layer without which a model would work, where one is found."""
    if _works(model):
        return ""
    layer = find_culprit(model, _works)
    if layer is None:
        return ""
    return f", for layer `{layer.name}` ({type(layer).__name__}),"
