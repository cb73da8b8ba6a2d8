"""Fault 43: files that their runtime cannot open, or that end its process.

A branch of the network that is dead has the range 0 to 0. A quantized value
that a loop reads ends the process in ONNX Runtime: an embedding, or a
convolution, that a recurrence walks through.
"""

import dataclasses

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from mmkeras.export import (
    FORMATS,
    ConversionContext,
    open_file,
    prove,
    run_all,
    to_int8,
    to_onnx,
    worker,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # of tf2onnx
COUNT, STEPS = 12, 8


def model_of(before, recurrence=lambda: layers.GRU(4)):
    """What a recurrence of any kind reads, whatever lies before it."""
    keras.utils.set_random_seed(0)
    if isinstance(before[0], layers.Embedding):
        x = keras.Input((STEPS,), dtype="int32", name="x")
    else:
        x = keras.Input((STEPS, 6), name="x")
    y = x
    for layer in (*before, recurrence()):
        y = layer(y)
    return keras.Model({"x": x}, {"y": layers.Dense(3, name="y")(y)})


def samples(model):
    draw = np.random.default_rng(0)
    if model.inputs[0].dtype == "int32":
        return {"x": draw.integers(0, 50, (COUNT, STEPS)).astype("int32")}
    return {"x": draw.normal(size=(COUNT, STEPS, 6)).astype("float32")}


class Twice(layers.Layer):
    """A cell that a recurrence of one's own is made of."""

    state_size = output_size = 4

    def __init__(self):
        super().__init__()
        self.inner = layers.SimpleRNNCell(4)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x, states, training=None):
        y, states = self.inner(x, states)
        return 2 * y, states


LOOPS = {
    "embedding": lambda: model_of([layers.Embedding(50, 6)]),
    "masked embedding": lambda: model_of(
        [layers.Embedding(50, 6, mask_zero=True)]
    ),
    "both directions": lambda: model_of(
        [layers.Embedding(50, 6)],
        lambda: layers.Bidirectional(layers.GRU(4)),
    ),
    "a cell of one's own": lambda: model_of(
        [layers.Embedding(50, 6)], lambda: layers.RNN(Twice())
    ),
    "convolution": lambda: model_of([layers.Conv1D(6, 3)]),
    "pooled convolution": lambda: model_of(
        [layers.Conv1D(6, 3), layers.MaxPooling1D(2)],
        lambda: layers.SimpleRNN(4),
    ),
    "reshaped convolution": lambda: model_of(
        [layers.Reshape((STEPS, 6, 1)), layers.Conv2D(2, 3, padding="same"),
         layers.Reshape((STEPS, 12))]
    ),
}  # fmt: skip


# The others take as many seconds again.
IN_EACH_RUN = ("masked embedding", "convolution")


@pytest.mark.parametrize(
    "name",
    [
        name
        if name in IN_EACH_RUN
        else pytest.param(name, marks=pytest.mark.slow)
        for name in LOOPS
    ],
)
def test_what_a_loop_reads_is_quantized_and_opens(name, tmp_path):
    model = LOOPS[name]()
    x = samples(model)
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    to_onnx(model, source)
    to_int8(source, target, x)
    prove(target, x)
    found = run_all(open_file(target), x)["y"]
    wanted = model.predict(x, verbose=0)["y"]
    assert ((found - wanted) ** 2).sum() < 0.01 * (wanted**2).sum()
    stored = onnx.load(str(target)).graph.initializer
    assert any(t.data_type == onnx.TensorProto.INT8 for t in stored)


@pytest.fixture
def deadly(tmp_path):
    """A file of the stock quantizer, which ends the process that opens it."""
    from onnxruntime import quantization as tools

    source, target = tmp_path / "float.onnx", tmp_path / "deadly.onnx"
    to_onnx(LOOPS["embedding"](), source)
    tools.quantize_dynamic(
        str(source), str(target), op_types_to_quantize=["Gather"]
    )
    return target


def test_a_file_that_ends_its_process_ends_no_other(deadly, tmp_path):
    with pytest.raises(ValueError, match=r"deadly\.onnx.*SIGABRT"):
        prove(deadly)
    # The next file has a process all the same.
    prove(tmp_path / "float.onnx", samples(LOOPS["embedding"]()))


def test_what_is_made_is_opened_where_it_is_made(tmp_path, monkeypatch, capsys):
    """In the process of the converter, which `left out` outlives."""
    form, model = FORMATS["onnx"], LOOPS["convolution"]()
    x = samples(model)
    made = ConversionContext(tmp_path, model, x)
    source = form.convert(made)
    request = worker.Quantize(
        model=tmp_path, folder=tmp_path, source=source, recipe="int8",
        samples=worker.save_arrays(tmp_path / "x.npz", x),
    )  # fmt: skip
    worker.TASKS[worker.Quantize](request)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("step: ")] == [
        "step: converting to onnx, int8",
        "step: opening onnx int8",
    ]
    # Recipes are requests by themselves, each of which may fail alone.
    assert not form.needs_model("int8")

    def torn(source, recipe, context):
        path = tmp_path / "torn.onnx"
        path.write_bytes(source.path.read_bytes()[:500])
        return dataclasses.replace(source, recipe=recipe, path=path)

    monkeypatch.setattr(form, "quantize", torn)
    with pytest.raises(ValueError, match="its runtime can open"):
        worker.TASKS[worker.Quantize](request)


def dead_model():
    """Branches beside a living one are zero, whatever they read."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3), name="x")
    branches = [layers.Conv2D(4, 3, activation="relu", padding="same")(x)]
    for bias, behind in (
        (0, lambda y: y),
        (-100, layers.ReLU()),
        (0, layers.Dense(4, use_bias=False)),
        (0, layers.BatchNormalization()),
    ):
        dead = layers.Conv2D(4, 3, padding="same")
        branches.append(behind(dead(x)))
        kernel, biases = dead.get_weights()
        dead.set_weights([0 * kernel, biases + bias])
    y = layers.GlobalAveragePooling2D()(layers.Concatenate()(branches))
    return keras.Model({"x": x}, {"y": layers.Dense(3, name="y")(y)})


FILES = {"tflite": ("int8-heavy", "int8-full"), "onnx": ("int8",)}


@pytest.mark.parametrize("name", FILES)
def test_a_dead_branch_is_quantized_and_opens(name, tmp_path):
    model = dead_model()
    draw = np.random.default_rng(0)
    x = {"x": draw.normal(size=(COUNT, 8, 8, 3)).astype("float32")}
    wanted = model.predict(x, verbose=0)["y"]
    made = ConversionContext(tmp_path, model, x)
    source = FORMATS[name].convert(made)
    for recipe in FILES[name]:
        file = FORMATS[name].quantize(source, recipe, made)
        prove(file.path, x)
        found = run_all(open_file(file.path), x)["y"]
        apart = ((found - wanted) ** 2).sum() / (wanted**2).sum()
        assert apart < 0.02, (file.name, apart)
