"""Keras to ONNX: dynamic batch, named inputs and outputs."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.export.conversion.operators import refuse_operator

OPSET = 17
UNSUPPORTED = re.compile(r"Name: (?P<scope>\S+) OpType: (?P<operator>\w+)")


def to_onnx(model: keras.Model, path: str | Path) -> None:
    """Converts a functional model with named inputs and dict outputs.

    `model.export(format="onnx")` names the outputs by number, can add inputs
    of its own, and writes files that no runtime loads without a word; here
    the graph is frozen first and checked afterwards.

    Args:
        model: Model from `{name: (batch, ...)}` to `{name: (batch, ...)}`.
        path: The `.onnx` file to write; its batch axis is named "batch".

    Raises:
        ValueError: If ONNX lacks an operator; the message names the layer.
    """
    import onnx

    with _fourier_by_matmul(model), _plain_convolutions():
        frozen, names = _freeze(model)
    _convert(frozen, names, path)
    graph = onnx.load(str(path))
    for value in [*graph.graph.input, *graph.graph.output]:
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].HasField("dim_value"):
            axes[0].dim_param = "batch"
    try:
        onnx.checker.check_model(graph)
    except onnx.checker.ValidationError as error:
        found = UNSUPPORTED.search(str(error))
        if found:
            refuse_operator(model, [found["scope"]], found["operator"])
        raise ValueError(
            "The model must be convertible to ONNX. Received from the "
            f"checker: {str(error)[:600]}"
        ) from None
    onnx.save(graph, str(path))


def _freeze(model: keras.Model):
    """Returns a graph of constants and its new names, old to new."""
    import tensorflow as tf

    specs = {
        tensor.name: tf.TensorSpec(
            (None, *tensor.shape[1:]), tensor.dtype, name=tensor.name
        )
        for tensor in model.inputs
    }
    function = tf.function(
        lambda **inputs: model(inputs, training=False)
    ).get_concrete_function(**specs)
    frozen = private.freeze_variables(function)
    names = {t.name: t.name.split(":")[0] for t in frozen.inputs}
    # A concrete function lists dict outputs by sorted key.
    outputs = [t.name for t in frozen.outputs]
    names.update(zip(outputs, sorted(function.structured_outputs)))
    return frozen, names


def _convert(frozen, names: dict[str, str], path: str | Path) -> None:
    import tf2onnx

    private.mend_tf2onnx()
    _know_erfc()

    def convert():
        tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[t.name for t in frozen.inputs],
            output_names=[t.name for t in frozen.outputs],
            opset=OPSET,
            tensors_to_rename=names,
            output_path=str(path),
        )

    try:
        with _graph_not_copied():
            convert()
    except Exception:  # an optimizer failed; now it is left out
        convert()


@contextlib.contextmanager
def _graph_not_copied() -> Iterator[None]:
    """Lets a failing optimizer of tf2onnx fail the conversion.

    To go on without it, tf2onnx copies the whole graph, weights included,
    before each of its many optimizers: half the time of a conversion. That the
    variable is set is what counts, to whatever value.
    """
    name = "TF2ONNX_CATCH_ERRORS"
    before = os.environ.get(name)
    os.environ[name] = "FALSE"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _fourier_by_matmul(model: keras.Model) -> Iterator[None]:
    """Switches log-mel layers to matrix products: ONNX has no RFFT here."""
    layers = [layer for layer in _layers(model) if hasattr(layer, "transform")]
    before = [layer.transform for layer in layers]
    for layer in layers:
        layer.transform = "matmul"
    try:
        yield
    finally:
        for layer, transform in zip(layers, before):
            layer.transform = transform


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


@contextlib.contextmanager
def _plain_convolutions() -> Iterator[None]:
    """Traces grouped convolutions without the XLA call Keras puts around them.

    On a CPU Keras compiles them by XLA, and the call becomes an operator
    (StatefulPartitionedCall) that ONNX does not have.
    """
    import tensorflow as tf

    nn = private.tensorflow_layers()

    class WithoutFunctions:
        """TensorFlow, but `tf.function` leaves a function as it is."""

        def __getattr__(self, name):
            return getattr(tf, name)

        @staticmethod
        def function(*_args, **_options):
            return lambda function: function

    nn.tf = WithoutFunctions()
    try:
        yield
    finally:
        nn.tf = tf


def _know_erfc() -> None:
    """Teaches tf2onnx `Erfc`, which TensorFlow 2.21 uses for exact GELU."""
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class _Erfc:
        @classmethod
        def version_9(cls, ctx, node, **_options):
            node.type = "Erf"
            erf = node.output[0]
            one = ctx.make_const(f"{node.name}_one", np.float32(1).reshape(()))
            erfc = ctx.make_node(
                "Sub",
                [one.output[0], erf],
                shapes=[ctx.get_shape(erf)],
                dtypes=[ctx.get_dtype(erf)],
            )
            for consumer in ctx.find_output_consumers(erf):
                if consumer is not erfc:
                    ctx.replace_input(consumer, erf, erfc.output[0])
            ctx.outputs = [
                erfc.output[0] if name == erf else name for name in ctx.outputs
            ]
