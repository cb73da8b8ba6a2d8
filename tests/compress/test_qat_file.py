"""The int8 file computes what the model computed in training."""

import keras
import numpy as np
import pytest
from compiling import compiled, forward
from compress.qat_toys import (
    errors_in_steps,
    inputs_of,
    make_file,
    shuffle,
    stack,
)
from keras import layers

from mmkeras import fusion, towers
from mmkeras.compress import (
    calibrate,
    file_ranges,
    quantization_ranges,
    quantize_aware,
    strip_quantization,
)
from mmkeras.export import open_file, run_all, to_tflite

Norm = layers.BatchNormalization
ReLU = layers.ReLU


def attention():
    x = keras.Input((6, 8), name="x")
    y = layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model({"x": x}, {"y": y})


def cross_attention():
    x, z = keras.Input((6, 8), name="x"), keras.Input((3, 5), name="z")
    y = layers.MultiHeadAttention(2, 4)(x, z)
    return keras.Model({"x": x, "z": z}, {"y": y})


def joined():
    """Products that are added and concatenated, in float."""
    x = keras.Input((6,), name="x")
    a, b = layers.Dense(5, activation="relu")(x), layers.Dense(5)(x)
    y = layers.Concatenate()([layers.Add()([a, b]), a])
    return keras.Model({"x": x}, {"y": layers.Dense(4)(y)})


def shared():
    x, z = keras.Input((6,), name="x"), keras.Input((6,), name="z")
    dense = layers.Dense(6, activation="tanh")
    return keras.Model({"x": x, "z": z}, {"a": dense(x), "b": dense(dense(z))})


def nested():
    a = keras.Input((4,))
    inner = keras.Model(a, layers.Dense(5)(layers.LayerNormalization()(a)))
    x = keras.Input((4,), name="x")
    h = ReLU()(inner(x))
    return keras.Model(
        {"x": x}, {"y": h, "z": layers.Dense(2, activation="sigmoid")(h)}
    )


def same(**arguments):
    return {"padding": "same", **arguments}


# One step is that of the answer of a layer's product; where a layer computes
# on in float (recurrent cells, attention), of its coarsest product.
KINDS = {
    "dense": lambda: stack((4,), layers.Dense(6)),
    "dense-tanh": lambda: stack((4,), layers.Dense(6, activation="tanh")),
    "dense-normalised": lambda: stack((4,), layers.Dense(6), Norm(), ReLU()),
    "dense-rescaled": lambda: stack(
        (4,), layers.Dense(6), layers.Rescaling(0.3, 1.0)
    ),
    "dense-behind-dense": lambda: stack(
        (6,), layers.Dense(8), layers.Dense(7), layers.Dense(6)
    ),
    "einsum": lambda: stack(
        (5, 4),
        layers.EinsumDense(
            "abc,cde->abde", (None, 3, 2), bias_axes="de", activation="relu"
        ),
    ),
    "conv1d": lambda: stack(
        (8, 4), layers.Conv1D(6, 3, padding="causal", dilation_rate=2)
    ),
    "conv2d-normalised": lambda: stack(
        (8, 8, 3), layers.Conv2D(6, 3, use_bias=False), Norm(), ReLU()
    ),
    "conv2d-pooled": lambda: stack(
        (8, 8, 3),
        layers.Conv2D(6, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(4),
    ),
    "conv2d-grouped": lambda: stack((6, 6, 4), layers.Conv2D(4, 3, groups=2)),
    "conv2d-rescaled-input": lambda: stack(
        (6, 6, 3), layers.Rescaling(0.3, 1.0), layers.Conv2D(6, 3)
    ),
    "conv3d": lambda: stack((4, 4, 4, 3), layers.Conv3D(4, 3), ReLU()),
    "conv2d-transposed": lambda: stack(
        (4, 4, 3), layers.Conv2DTranspose(4, 3, strides=2)
    ),
    "depthwise1d": lambda: stack(
        (8, 4), layers.DepthwiseConv1D(3, **same()), Norm(), ReLU()
    ),
    "depthwise2d": lambda: stack(
        (8, 8, 4),
        layers.DepthwiseConv2D(3, **same(depth_multiplier=2)),
        Norm(),
        ReLU(6.0),
    ),
    "separable1d": lambda: stack((8, 4), layers.SeparableConv1D(5, 3)),
    "separable2d": lambda: stack(
        (8, 8, 4), layers.SeparableConv2D(5, 3, **same()), Norm(), ReLU()
    ),
    "embedding": lambda: stack((6,), layers.Embedding(20, 8), dtype="int32"),
    "embedding-read": lambda: stack(
        (6,), layers.Embedding(20, 8), layers.Dense(5), dtype="int32"
    ),
    "gru": lambda: stack((6, 4), layers.GRU(8)),
    "lstm": lambda: stack((6, 4), layers.LSTM(8)),
    "simple-rnn": lambda: stack((6, 4), layers.SimpleRNN(8)),
    "bidirectional": lambda: stack(
        (6, 4), layers.Bidirectional(layers.GRU(8, return_sequences=True))
    ),
    "time-distributed": lambda: stack(
        (4, 6), layers.TimeDistributed(layers.Dense(4, activation="relu"))
    ),
    "layer-normalisation": lambda: stack(
        (5, 6), layers.LayerNormalization(), layers.Dense(4)
    ),
    "attention": attention,
    "cross-attention": cross_attention,
    "add-and-concatenate": joined,
    "shared": shared,
    "nested": nested,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_file_within_one_step(kind, tmp_path):
    errors = errors_in_steps(KINDS[kind](), tmp_path)
    # Beyond a hair, since a step is a float.
    assert errors.max() <= 1.001
    # Where they differ at all, they rounded a tie, not another number.
    assert errors.mean() < 0.3


# A step of 16 bits is near the error of a sum in float32.
SCHEMES = {"4-bit-weights": (8, 4, 1.001), "16-bit-activations": (16, 8, 3.0)}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["dense-tanh", "conv2d-normalised", "lstm"])
def test_mixed_schemes_are_their_files(kind, scheme, tmp_path):
    bits, weight_bits, limit = SCHEMES[scheme]
    errors = errors_in_steps(KINDS[kind](), tmp_path, bits, weight_bits)
    assert errors.max() <= limit


def embed(tower):
    """The vector of a tower, as a model."""
    x = keras.Input(
        tower.inputs[0].shape[1:],
        dtype=tower.inputs[0].dtype,
        name=tower.inputs[0].name,
    )
    return keras.Model({x.name: x}, {"vector": tower(x)["vector"]})


def fuse(method):
    """What a fusion makes of two toy towers, one of them optional."""
    inputs = {name: keras.Input((4, 8), name=name) for name in "ab"}
    present = keras.Input((1,), name="present")
    features = {}
    for name, x in inputs.items():
        y = layers.Dense(8, name=f"{name}_dense")(x)
        features[name] = {
            "vector": keras.ops.mean(y, axis=1),
            "tokens": y,
            "mask": keras.ops.ones_like(y[:, :, 0]),
        }
    fused = method(features, present={"a": present})
    return keras.Model({**inputs, "present": present}, {"y": fused})


def text(**arguments):
    return towers.text_tower(8, 24, units=16, **arguments)


def audio(**arguments):
    return towers.audio_tower(2000, 4000, units=16, mel_bands=16, **arguments)


PARTS = {
    "image": lambda: embed(
        towers.image_tower(16, 16, 3, units=16, filters=4, depth=2)
    ),
    "audio": lambda: embed(audio(width=8, depth=2)),
    "audio-gru": lambda: embed(audio(variant="gru", width=8)),
    "text": lambda: embed(text(phrase=3, stride=2)),
    "text-gru": lambda: embed(text(variant="gru")),
    "vector": lambda: embed(towers.vector_tower(5, units=16)),
    "concat": lambda: fuse(fusion.Concat(16)),
    "gated": lambda: fuse(fusion.Gated(16)),
    "cross_attention": lambda: fuse(fusion.CrossAttention(16)),
}


# Converting their loops takes longest, and layers above covered them.
SLOW = {"audio-gru", "text-gru"}


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, marks=pytest.mark.slow if part in SLOW else ())
        for part in PARTS
    ],
)
def test_a_tower_or_fusion_is_its_file(part, tmp_path):
    errors = errors_in_steps(PARTS[part](), tmp_path)
    # A tie that is rounded otherwise early passes several layers.
    assert errors.max() <= 2.5
    assert errors.mean() < 0.1


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained with rounding, its file, and samples it never saw."""
    keras.utils.set_random_seed(3)
    x = keras.Input((8, 8, 2), name="x")
    y = layers.Conv2D(8, 3, use_bias=False, name="conv")(x)
    y = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(y))
    y = layers.GRU(12, name="gru")(layers.Reshape((6, 48))(y))
    y = layers.Dense(4, activation="softmax", name="label")(y)
    aware = quantize_aware(keras.Model({"x": x}, {"label": y}))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    shapes = rng.normal(size=(4, 8, 8, 2))
    values = shapes[labels] + rng.normal(scale=0.7, size=(600, 8, 8, 2))
    values = values.astype("float32")
    batch = {"x": values[:400]}, {"label": labels[:400]}
    loss = {"label": "sparse_categorical_crossentropy"}
    compiled(aware, batch, keras.optimizers.Adam(5e-3), loss)
    aware.fit(*batch, epochs=5, verbose=0)
    path = make_file(aware, tmp_path_factory.mktemp("trained"))
    return aware, path, values[400:], labels[400:]


def test_a_trained_model_decides_as_its_file_without_any_sample(trained):
    aware, path, values, labels = trained
    wanted = forward(aware, {"x": values})["label"]
    assert (wanted.argmax(-1) == labels).mean() > 0.9
    found = run_all(open_file(path), {"x": values})["label"]
    assert (found.argmax(-1) == wanted.argmax(-1)).mean() >= 0.99
    assert np.abs(found - wanted).mean() < 2e-3


def test_the_ranges_learned_are_the_ranges_in_the_file(trained):
    from ai_edge_litert.interpreter import Interpreter

    aware, path, _, _ = trained
    scales = {
        round(float(detail["quantization"][0]), 7)
        for detail in Interpreter(str(path)).get_tensor_details()
        if detail["dtype"] == np.int8 and detail["quantization"][0]
    }
    learned = quantization_ranges(aware)
    assert set(learned) == {
        "conv/kernel", "gru/gru_cell/kernel", "gru/gru_cell/recurrent_kernel",
        "label/kernel",
    }  # fmt: skip
    # The tensors of a loop are not listed by the interpreter.
    for kernel in ("conv/kernel", "label/kernel"):
        for low, high in learned[kernel].values():
            assert round((high - low) / 255, 7) in scales


def test_what_no_range_was_learned_for_is_named(tmp_path):
    # The converter folds the normalisation into the kernel behind it.
    model = stack((6,), Norm(), layers.Dense(3, name="dense"))
    shuffle(model)
    aware = quantize_aware(model)
    calibrate(aware, inputs_of(model))
    to_tflite(strip_quantization(aware), tmp_path / "float.tflite")
    ranges, unknown = file_ranges(aware, tmp_path / "float.tflite")
    assert not ranges and len(unknown) == 2
