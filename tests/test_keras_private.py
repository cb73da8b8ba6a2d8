"""One module uses inner names of Keras and TensorFlow, and they are there."""

import ast
import functools
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras import keras_private as private

PACKAGE = Path(private.__file__).parent
FILES = [p for p in PACKAGE.rglob("*.py") if p.name != "keras_private.py"]
# Modules that their owners do not offer.
INNER = ("keras.src", "keras._", "tensorflow.python", "tensorflow.lite.python")


# What an object of one's own would not have by chance.
BASES = ("keras.", "layers.", "optimizers.", "callbacks.", "Fusion")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def parsed(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def names_made(nodes: list[ast.AST]) -> set[str]:
    """Names that are defined, assigned to, or set on an object."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(getattr(node, "ctx", None), ast.Store):
            found |= {getattr(node, "attr", None), getattr(node, "id", None)}
    return found


@functools.cache
def own() -> set[str]:
    return {name for path in FILES for name in names_made(parsed(path))}


def small() -> keras.Model:
    x = keras.Input((4,), name="x")
    h = layers.Dense(3, name="h")(x)
    return keras.Model(x, layers.Dense(2, name="y")(h))


@pytest.fixture(scope="module")
def of_keras() -> set[str]:
    """Private names of Keras' classes, and of objects made of them."""
    model = small()
    model.compile("adam", "mse")
    objects = (
        *(model, model.optimizer, model.layers[1], model.weights[0]),
        *(model.output, keras.callbacks.Callback(), keras.Sequential()),
        *(keras.losses.MeanSquaredError(), keras.metrics.Mean()),
    )
    return {n for each in objects for n in dir(each) if is_private(n)}


@pytest.mark.parametrize(
    "path", FILES, ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_no_other_module_knows_an_inner_name(path, of_keras):
    nodes = parsed(path)
    here = names_made(nodes)
    texts = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for text in texts for part in text.values}
    for node in nodes:
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
            assert not any(name.startswith(INNER) for name in imported)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            assert not any(name.startswith(INNER) for name in names)
            assert not any(is_private(n) for n in ".".join(names).split("."))
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            line = f"line {node.lineno}: {ast.unparse(node)}"
            assert node.attr in own() or line.endswith("os._exit"), line
            assert node.attr in here or node.attr not in of_keras, line
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            assert node.value not in of_keras, node.value


@pytest.mark.parametrize(
    "path", FILES, ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_no_subclass_hides_an_inner_name(path, of_keras):
    for each in parsed(path):
        if not isinstance(each, ast.ClassDef):
            continue
        bases = [ast.unparse(base) for base in each.bases]
        if any(base.startswith(BASES) for base in bases):
            made = names_made(list(ast.walk(each)))
            assert not made & of_keras, f"{each.name}: {made & of_keras}"


def test_to_import_it_imports_nothing():
    code = (
        "import sys, mmkeras.keras_private\n"
        "print(sorted({'keras', 'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_graph_of_a_model():
    model = small()
    assert private.graph_of(model) is model
    unbuilt = keras.Sequential([layers.Dense(2)])
    assert private.graph_of(unbuilt) is None
    unbuilt.build((None, 4))
    assert private.graph_of(unbuilt).inputs[0].shape == (None, 4)
    assert private.graph_of(layers.Dense(2)) is None
    operations = [node.operation for node in private.nodes_of(model)]
    assert operations[1:] == [model.get_layer("h"), model.get_layer("y")]
    assert [node.is_input for node in private.nodes_of(model)] == [1, 0, 0]
    tensor = model.outputs[0]
    assert private.history_of(tensor).operation is model.get_layer("y")
    assert private.node_of(tensor).input_tensors == [
        model.get_layer("h").output
    ]


def test_a_graph_run_with_other_operations():
    model = small()
    other = layers.Dense(2, name="other")
    y = private.run_graph(
        model,
        keras.Input((4,)),
        operation_fn=lambda each: other if each.name == "y" else each,
    )
    assert private.history_of(y).operation is other
    called = []

    def call(layer, *arguments, **options):
        called.append(layer.name)
        return layer(*arguments, **options)

    private.run_graph(model, np.zeros((1, 4), "float32"), call_fn=call)
    assert called == ["h", "y"]


class Twice(layers.Layer):
    def __init__(self):
        super().__init__(name="twice")
        self.inner = small()
        self.scale = self.add_weight(shape=(), name="scale")
        self.trainable = False


def test_what_is_inside_a_layer():
    layer = Twice()
    inside = [each.name for each in private.layers_inside(layer)]
    assert inside[0] == "twice" and {"h", "y"} < set(inside)
    assert private.layers_inside(layer, itself=False)[0] is layer.inner
    assert private.layers_right_inside(layer) == [layer.inner]
    assert private.layers_right_inside(keras.ops.add) == []
    assert private.own_trainable_variables(layer) == [layer.scale]
    private.forget_variable(layer, layer.scale)
    assert len(layer.weights) == len(layer.inner.weights)


@pytest.mark.parametrize("layer", [layers.Dense(3), layers.Embedding(4, 3)])
def test_the_kernel_that_lora_leaves_alone(layer):
    layer.build((None, 4))
    kernel = private.plain_kernel(layer)
    (weight,) = [w for w in layer.weights if len(w.shape) == 2]
    assert kernel is weight
    layer.enable_lora(2)
    assert private.plain_kernel(layer) is kernel


def test_what_training_is_made_of():
    model = small()
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.1, use_ema=True)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer)
    assert not private.has_loss(model)
    model.compile(optimizer, "mse")
    assert private.has_loss(model)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        spec = tf.TensorSpec((2, 4)), tf.TensorSpec((2, 2))
        private.create_variables(model, spec)
    optimizer.build(model.trainable_variables)
    kernel, bias = model.get_layer("h").weights
    pairs = private.averages_of(optimizer)
    assert [weight for weight, _ in pairs] == model.trainable_variables
    assert private.index_of(optimizer, bias) == 1
    assert private.uses_weight_decay(optimizer, kernel)
    assert not private.uses_weight_decay(optimizer, bias)


def test_variables_are_created_where_the_batches_are_known():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends trace nothing")
    import tensorflow as tf

    model, batch = small(), (tf.zeros((2, 4)), tf.zeros((2, 2)))
    model.compile("adam", "mse")
    private.create_variables_for(model, [batch])
    assert not model.optimizer.built
    private.create_variables_for(model, tf.data.Dataset.from_tensors(batch))
    assert model.optimizer.built


def test_an_optimizer_with_steps_of_its_own():
    done = []

    @private.replaces_steps
    class Own(keras.optimizers.AdamW):
        def decay_weights(self, variables):
            done.append("decay")

        def update_averages(self, variables):
            done.append("averages")
            self.update_averages_as_keras(variables)

    model = small()
    own = Own(0.1, weight_decay=0.5, use_ema=True, ema_momentum=0.5)
    model.compile(own, "mse", run_eagerly=True)
    model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
    assert done == ["decay", "averages"]
    for weight, average in private.averages_of(own):
        np.testing.assert_allclose(weight, average)


def test_sums_are_seen_with_their_shapes():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("what is watched for is TensorFlow's")
    one, other = np.zeros((3, 4)), np.zeros((3, 1))
    with private.sums_seen() as sums:
        keras.ops.add(one, other)
        layers.Add()([one, one])
    keras.ops.add(one, 1.0)
    assert sums == [((3, 4), (3, 1)), ((3, 4), (3, 4))]


def test_what_conversion_needs(tmp_path):
    tf = pytest.importorskip("tensorflow")
    assert private.tensorflow_layers().tf is tf
    private.mend_tf2onnx()
    assert issubclass(private.conversion_error(), Exception)
    weight = tf.Variable([2.0, 3.0])
    function = tf.function(lambda x: {"y": x * weight})
    spec = tf.TensorSpec((1, 2), name="x")
    frozen = private.freeze_variables(function.get_concrete_function(x=spec))
    assert len(frozen.inputs) == 1


def test_the_steps_of_the_converter(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = small()
    path = tmp_path / "model.tflite"
    model.export(path, format="litert", verbose=False)
    name = next(iter(Interpreter(str(path)).get_signature_list()))
    key = Interpreter(str(path)).get_signature_list()[name]["inputs"][0]
    rows = [(name, {key: np.ones((1, 4), "float32")})]
    with warnings.catch_warnings():
        # It starts an interpreter that warns of its own end.
        warnings.simplefilter("ignore")
        whole = private.calibrate(path.read_bytes(), lambda: iter(rows))
    small_file = private.quantize(whole, [])
    interpreter = Interpreter(model_content=small_file)
    interpreter.allocate_tensors()
    kinds = {each["dtype"] for each in interpreter.get_tensor_details()}
    assert np.int8 in kinds
    operators = private.operators_of(interpreter)
    assert "FULLY_CONNECTED" in {each["op_name"] for each in operators}


def test_the_modules_that_a_saved_model_names():
    x = keras.Input((4, 3))
    model = keras.Model(x, x[:, 0])
    modules = {type(each).__module__ for each in model.operations}
    assert any(name.startswith(private.SAVED_MODULES) for name in modules)
