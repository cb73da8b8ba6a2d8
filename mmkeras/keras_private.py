"""The inner names of Keras and TensorFlow that are used, each with its reason.

Neither promises to keep them: no other module here may touch one. A test calls
every function, so that a version that has dropped a name is found out there.

Tried on Keras 3.15.0 and 3.15.1, TensorFlow 2.21.0, ai-edge-litert 2.3.0 and
tf2onnx 1.17.0. To import this module imports none of them.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

# Modules that Keras itself names in a saved model, for what `keras.layers` and
# its siblings do not export: `GetItem`, for example, of `x[:, 0]`.
SAVED_MODULES = ("keras.src.layers.", "keras.src.models.", "keras.src.ops.")


# The graph of a functional model. Keras shows its layers, but not who is
# connected with whom: a layer's `input` and `output` fail where it is called
# twice, and are those of another model where it was built into one.


def graph_of(model: Any) -> Any:
    """Returns the functional model that is, or is inside, a model.

    A `Sequential` keeps one inside, once its input is known. None for a layer,
    or a model that is subclassed.
    """
    graph = getattr(model, "_functional", model)
    return graph if hasattr(graph, "_run_through_graph") else None


def nodes_of(graph: Any) -> list:
    """Returns the calls that make a functional model, inputs first.

    Each has `operation`, `arguments`, `input_tensors`, `outputs`, `is_input`.
    """
    depths = graph._nodes_by_depth
    return [node for d in sorted(depths, reverse=True) for node in depths[d]]


def history_of(tensor: Any) -> Any:
    """Returns what made a symbolic tensor: `operation`, and which output."""
    return tensor._keras_history


def node_of(tensor: Any) -> Any:
    """Returns the call that made a symbolic tensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def run_graph(graph: Any, inputs: Any, **functions: Callable) -> Any:
    """Runs a functional model with other operations, as `clone_model` does.

    `clone_model` itself would copy the layers, and how they were compiled.

    Args:
        graph: A functional model.
        inputs: Its inputs, symbolic or not.
        **functions: `operation_fn`, from an operation to what is called
            instead; or `call_fn`, called with operation and arguments.
    """
    return graph._run_through_graph(inputs, **functions)


# Layers and variables inside layers. `keras.Model` has a list of its layers,
# but a layer of one's own has none of what is inside it.


def layers_inside(layer: Any, itself: bool = True) -> list:
    """Returns the layers inside a layer or model, at any depth."""
    return layer._flatten_layers(include_self=itself)


def layers_right_inside(layer: Any) -> list:
    """Returns the layers one step inside; none for what is no layer."""
    flatten = getattr(layer, "_flatten_layers", None)
    return flatten(include_self=False, recursive=False) if flatten else []


def own_trainable_variables(layer: Any) -> list:
    """Returns what a layer would learn, frozen or not, but no inner layer's.

    `trainable_variables` is of the inner layers too, and empty when frozen.
    """
    return layer._trainable_variables


def plain_kernel(layer: Any) -> Any:
    """Returns the variable behind `kernel` or `embeddings`.

    Those are a sum with LoRA, and may be rounded to half precision.
    """
    name = "_embeddings" if hasattr(layer, "_embeddings") else "_kernel"
    return getattr(layer, name)


def forget_variable(layer: Any, variable: Any) -> None:
    """Takes a variable away from a layer, which can publicly only add one."""
    layer._untrack_variable(variable)


@contextlib.contextmanager
def sums_seen() -> Iterator[list[tuple[tuple, tuple]]]:
    """Yields a list of the shapes of all that Keras adds, meanwhile.

    Keras 3.15's `add(a, b)` on TensorFlow takes a `b` with one side above 1
    for a bias if `a` has as many channels, which nobody can tell by a result.
    """
    import keras

    home, seen = keras.src.backend.numpy, []
    add = home.add

    def watched(x1, x2):
        seen.append(tuple(tuple(getattr(x, "shape", ())) for x in (x1, x2)))
        return add(x1, x2)

    home.add = watched
    try:
        yield seen
    finally:
        home.add = add


# Training.


def create_variables(model: Any, batch: Any) -> None:
    """Creates the variables of metrics and optimizer for batches of a kind.

    The first step would do so otherwise, and TensorFlow would trace it twice.
    """
    model._symbolic_build(data_batch=batch)


def create_variables_for(model: Any, dataset: Any) -> None:
    """Creates the same for the batches of a dataset.

    It halves the time of a short training. Nothing is done where nothing is
    traced, and for data that do not tell how their batches look.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    eager = model.run_eagerly or tf.config.functions_run_eagerly()
    if not eager and hasattr(dataset, "element_spec"):
        create_variables(model, dataset.element_spec)


def has_loss(model: Any) -> bool:
    """Whether a model was compiled with a loss, or losses."""
    return model._compile_loss is not None


def averages_of(optimizer: Any) -> list[tuple]:
    """Returns pairs of a weight and its moving average, with `use_ema`."""
    return list(
        zip(
            optimizer._trainable_variables,
            optimizer._model_variables_moving_average,
            strict=True,
        )
    )


def index_of(optimizer: Any, variable: Any) -> int:
    """Returns the place of a weight among those the optimizer was built on."""
    return optimizer._get_variable_index(variable)


def uses_weight_decay(optimizer: Any, variable: Any) -> bool:
    """Whether `exclude_from_weight_decay` leaves a weight in."""
    return optimizer._use_weight_decay(variable)


def replaces_steps(optimizer: type) -> type:
    """Decorates an optimizer that does two steps of Keras in its own way.

    It has methods `decay_weights(variables)` and `update_averages(variables)`;
    Keras' own way of the second is `update_averages_as_keras`. Publicly only
    the step of the gradient can be replaced.
    """
    optimizer.update_averages_as_keras = (
        optimizer._update_model_variables_moving_average
    )
    optimizer._apply_weight_decay = optimizer.decay_weights
    optimizer._update_model_variables_moving_average = optimizer.update_averages
    return optimizer


# Conversion.


def tensorflow_layers() -> Any:
    """Returns the module where Keras calls TensorFlow's convolutions.

    It compiles grouped ones by XLA, an operator that ONNX does not have; its
    name `tf` can be put to something else while a model is traced.
    """
    from keras.src.backend.tensorflow import nn

    return nn


def learn_through_caches() -> None:
    """Tells TensorFlow the gradient of `ops.slice_update`.

    keras_hub writes keys and values into its caches by it; on TensorFlow it
    is `XlaDynamicUpdateSlice`, which has none.
    """
    import tensorflow as tf
    from keras import ops

    def gradient(op, found):
        _, update, start = op.inputs
        # What is overwritten has no influence.
        rest = ops.slice_update(found, start, tf.zeros_like(update))
        return rest, tf.slice(found, start, tf.shape(update)), None

    with contextlib.suppress(KeyError):  # it is told already
        tf.RegisterGradient("XlaDynamicUpdateSlice")(gradient)


def mend_tf2onnx() -> None:
    """Lets tf2onnx 1.17 run: it uses `np.object`, which NumPy 2 dropped."""
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    patch_tf2onnx()


def freeze_variables(function: Any) -> Any:
    """Returns a concrete function whose variables have become constants.

    What a converter captures would become inputs of the ONNX graph.
    """
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants.convert_variables_to_constants_v2(
        function, lower_control_flow=False, aggressive_inlining=True
    )


def conversion_error() -> type[Exception]:
    """Returns the error of the TFLite converter, which has no public name."""
    from tensorflow.lite.python.convert_phase import ConverterError

    return ConverterError


def calibrate(model: bytes, rows: Callable) -> bytes:
    """Returns a float TFLite file with the ranges of all its tensors.

    With `quantize`, the two steps that the converter runs itself on the float
    file; publicly they come as one, from a Keras model alone.

    Args:
        model: The file.
        rows: Returns an iterator of pairs: a signature, and inputs by name.
    """
    from tensorflow.lite.python.optimize import calibrator

    whole = calibrator.add_intermediate_tensors(model)
    return calibrator.Calibrator(whole).calibrate(rows)


def quantize(calibrated: bytes, left_float: list[str]) -> bytes:
    """Returns a file in full int8, but for the operators named.

    `denylisted_nodes` cannot be reached by the converter's options.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    return mlir_quantize(calibrated, denylisted_nodes=left_float or None)


def operators_of(interpreter: Any) -> list[dict]:
    """Returns the operators of a TFLite file, in the order they are run.

    The interpreter's public list is of tensors alone.
    """
    return interpreter._get_ops_details()
