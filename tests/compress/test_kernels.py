"""Which weights count as kernels, and which of their axes are outputs."""

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras.checks import fused_classifier
from mmkeras.compress import copy_model, kernels_of
from mmkeras.fusion import Concat, CrossAttention, Gated
from mmkeras.towers import audio_tower, image_tower, text_tower, vector_tower

SEQUENCE = (8, 6)
IMAGE = (6, 6, 4)
# Name: layer, input shape, {path below the layer: output axes}.
LAYERS = {
    "dense": (layers.Dense(3), SEQUENCE, {"kernel": (1,)}),
    "einsum": (
        layers.EinsumDense("abc,cde->abde", (8, 3, 2), bias_axes="de"),
        SEQUENCE,
        {"kernel": (1, 2)},
    ),
    "conv 1D": (layers.Conv1D(3, 3), SEQUENCE, {"kernel": (2,)}),
    "conv 2D": (layers.Conv2D(3, 3), IMAGE, {"kernel": (3,)}),
    "conv 3D": (layers.Conv3D(3, 3), (4, *IMAGE), {"kernel": (4,)}),
    "transposed": (layers.Conv2DTranspose(3, 3), IMAGE, {"kernel": (2,)}),
    "depthwise": (
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        IMAGE,
        {"kernel": (2, 3)},
    ),
    "separable": (
        layers.SeparableConv1D(3, 3),
        SEQUENCE,
        {"depthwise_kernel": (1, 2), "pointwise_kernel": (2,)},
    ),
    "gru": (
        layers.GRU(3),
        SEQUENCE,
        {"gru_cell/kernel": (1,), "gru_cell/recurrent_kernel": (1,)},
    ),
    "both ways": (
        layers.Bidirectional(layers.LSTM(3, name="lstm")),
        SEQUENCE,
        {
            f"{way}_lstm/lstm_cell/{name}": (1,)
            for way in ("forward", "backward")
            for name in ("kernel", "recurrent_kernel")
        },
    ),
    "in time": (
        layers.TimeDistributed(layers.Dense(3, name="d")),
        SEQUENCE,
        {"d/kernel": (1,)},
    ),
    "normalised over two axes": (
        layers.LayerNormalization(axis=(1, 2)),
        SEQUENCE,
        {},
    ),
    "transform": (
        layers.STFTSpectrogram(frame_length=8, fft_length=8),
        (64, 1),
        {},
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_kernels_of_a_layer(case):
    layer, shape, wanted = LAYERS[case]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    found = {k.path: k.output_axes for k in kernels_of(model)}
    assert found == {f"{layer.name}/{p}": axes for p, axes in wanted.items()}


def test_attention_is_seen_through():
    inputs = keras.Input(SEQUENCE)
    attention = layers.MultiHeadAttention(2, 3, name="mha")
    model = keras.Model(inputs, attention(inputs, inputs))
    assert {k.path: k.output_axes for k in kernels_of(model)} == {
        "mha/query/kernel": (1, 2),
        "mha/key/kernel": (1, 2),
        "mha/value/kernel": (1, 2),
        "mha/attention_output/kernel": (2,),
    }


def test_an_embedding_is_a_kernel_and_positions_are_none():
    inputs = keras.Input((5,), dtype="int32", name="text")
    tower = text_tower(5, 20, units=8, heads=2)
    model = keras.Model({"text": inputs}, tower(inputs))
    paths = [k.path for k in kernels_of(model)]
    assert "text_tower/text_embedding/embeddings" in paths
    assert "text_tower/text_block_0_attention/project/kernel" in paths
    assert not [path for path in paths if "position" in path]


@pytest.mark.parametrize(
    "build",
    [
        lambda: image_tower(16, 16, 3, units=8),
        lambda: audio_tower(2048, 8000, units=8, mel_bands=16),
        lambda: audio_tower(2048, 8000, units=8, variant="gru"),
        lambda: text_tower(8, 20, units=8, heads=2),
        lambda: text_tower(8, 20, units=8, variant="gru"),
        lambda: vector_tower(4, units=8),
    ],
    ids=["image", "audio", "audio-gru", "text", "text-gru", "vector"],
)
def test_only_small_weights_of_a_tower_are_no_kernels(build):
    tower = build()
    ours = {id(k.variable) for k in kernels_of(tower)}
    others = [w for w in tower.trainable_weights if id(w) not in ours]
    assert ours
    for weight in others:
        flat = len(weight.shape) == 1
        assert flat or "bias" in weight.name or "position" in weight.name


@pytest.mark.parametrize("fusion", [Concat, Gated, CrossAttention])
def test_fusions_are_seen_through_and_standins_are_none(fusion):
    model = fused_classifier(fusion(8, name="fusion"))
    paths = [k.path for k in kernels_of(model)]
    assert [path for path in paths if path.startswith("fusion/")]
    assert [path for path in paths if path.startswith("right_tower/")]
    assert not [path for path in paths if "standin" in path]
    assert len(set(paths)) == len(paths)


def test_a_layer_used_twice_is_found_once():
    inputs = keras.Input((4,), name="x")
    shared = layers.Dense(4, name="shared")
    nested = keras.Sequential([shared, layers.Dense(4)], name="nested")
    model = keras.Model(inputs, [shared(nested(inputs)), nested(inputs)])
    assert len(kernels_of(model)) == 2


def test_a_layer_of_the_user_counts_by_its_weights():
    class Mixer(layers.Layer):
        def build(self, shape):
            self.mix = self.add_weight(shape=(4, 4), name="mix")
            self.bias = self.add_weight(shape=(2, 4), name="bias")
            self.inner = layers.Dense(4, name="inner")
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x @ self.mix) + self.bias[0]

    inputs = keras.Input((4,))
    model = keras.Model(inputs, Mixer(name="mixer")(inputs))
    paths = [k.path for k in kernels_of(model)]
    assert paths == ["mixer/mix", "mixer/inner/kernel"]


def test_a_frozen_layer_counts():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2, name="d")(inputs))
    model.trainable = False
    assert [k.path for k in kernels_of(model)] == ["d/kernel"]


def test_skip_leaves_out_what_it_names_and_must_name_something():
    inputs = keras.Input((4,))
    hidden = layers.Dense(4, name="wide")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="head")(hidden))
    assert [k.path for k in kernels_of(model, ["head"])] == ["wide/kernel"]
    with pytest.raises(ValueError, match="'haed'.*wide/kernel, head/kernel"):
        kernels_of(model, ["haed"])


class Scale(layers.Layer):
    """A layer that nobody registered."""

    def build(self, shape):
        self.mix = self.add_weight(shape=(8, 8), name="mix")

    def call(self, x):
        return x @ self.mix


def test_a_copy_answers_the_same_and_shares_nothing():
    model = fused_classifier(Gated(8))
    model.get_layer("middle_tower").trainable = False
    outputs = {"label": Scale(name="scale")(model.layers[-2].output)}
    model = keras.Model(model.input, outputs, name="whole")
    copy = copy_model(model)
    assert type(copy) is type(model)
    assert [e.name for e in copy.layers] == [e.name for e in model.layers]
    assert [w.path for w in copy.weights] == [w.path for w in model.weights]
    assert len(copy.trainable_weights) == len(model.trainable_weights)
    x = {
        name: np.ones((2, *shape), "float32")
        for name, shape in {
            "left": (4, 8), "middle": (4, 8), "right": (4, 8), "present": (2,)
        }.items()
    }  # fmt: skip
    before = np.asarray(model(x)["label"])
    np.testing.assert_array_equal(copy(x)["label"], before)
    for weight in copy.weights:
        weight.assign(weight * 0)
    np.testing.assert_array_equal(model(x)["label"], before)
