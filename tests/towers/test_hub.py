"""Backbones of keras_hub, and models of anybody, as towers."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from mmkeras.model import load_model
from mmkeras.towers import as_tower, load_backbone

TEXT = dict(
    vocabulary_size=30,
    num_layers=1,
    num_heads=2,
    hidden_dim=8,
    intermediate_dim=16,
    max_sequence_length=6,
)
IDS = np.array([[2, 3, 4, 0, 0], [7, 6, 5, 4, 3]], "int32")


def model(*last, shape=(12, 3), dtype="float32"):
    last = last or (layers.Identity(),)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *last])


def two_inputs():
    x, y = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    return keras.Model([x, y], x + y)


def named(**outputs):
    x = keras.Input((6, 4), name="sensor")
    return keras.Model(x, {k: make(x) for k, make in outputs.items()})


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A folder as `save_to_preset` writes it, and what was saved."""
    backbone = load_backbone("BertBackbone", TEXT)
    folder = tmp_path_factory.mktemp("preset")
    backbone.save_to_preset(str(folder))
    return str(folder), backbone


def test_a_local_folder_is_a_preset(preset):
    folder, backbone = preset
    again = load_backbone("BertBackbone", {}, folder, dropout=0.3)
    assert again.name == "backbone"
    assert again.dropout == 0.3
    for found, wanted in zip(again.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_preset_of_another_class_is_refused(preset):
    folder, _ = preset
    said = "`pretrained` must be a preset of ResNetBackbone.*BertBackbone"
    with pytest.raises(ValueError, match=said):
        load_backbone("ResNetBackbone", {}, folder)


def test_a_preset_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="pretrained='./nowhere'"):
        load_backbone("BertBackbone", {}, "./nowhere")


@pytest.mark.parametrize("kind", ["ResNet", "BertTokenizer", "upload_preset"])
def test_what_is_no_backbone_is_refused(kind):
    with pytest.raises(ValueError, match=f"`kind` must be.*kind='{kind}'"):
        load_backbone(kind, {})


@pytest.mark.parametrize(
    "own, tokens",
    [
        (model(layers.Flatten()), 1),
        (model(), 12),
        (model(layers.Conv2D(5, 3, strides=2), shape=(9, 7, 3)), 4 * 3),
    ],
    ids=["rows", "steps", "cells"],
)
def test_a_tensor_becomes_the_dict_of_a_tower(own, tokens):
    tower = as_tower(own, "gas", units=5)
    assert tower.name == "gas_tower"
    assert [tensor.name for tensor in tower.inputs] == ["gas"]
    x = np.random.default_rng(0).normal(size=(2, *own.input_shape[1:]))
    out = {k: np.asarray(v) for k, v in tower(x).items()}
    np.testing.assert_array_equal(out["mask"], np.ones((2, tokens)))
    # The dense layer, done by hand on the model's own output.
    kernel, bias = tower.get_layer("gas_tokens").get_weights()
    rows = np.reshape(own(x), (2, tokens, -1))
    np.testing.assert_allclose(out["tokens"], rows @ kernel + bias, atol=1e-5)
    np.testing.assert_allclose(out["vector"], out["tokens"].mean(1), atol=1e-5)


def test_the_dict_of_a_tower_passes_as_it_is():
    own = named(
        vector=lambda x: ops.max(x, axis=1),
        tokens=lambda x: 2.0 * x,
        mask=lambda x: ops.ones_like(x[:, :, 0]),
    )
    tower = as_tower(own, "gas")
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    assert tower.name == "gas_tower"
    np.testing.assert_array_equal(tower(x)["vector"], x.max(1))
    np.testing.assert_array_equal(tower(x)["tokens"], 2 * x)


def test_a_model_that_has_no_place_for_gaps_gets_zeros():
    """So an absent series spoils no batch statistics."""
    own = keras.Sequential(
        [
            keras.Input((12, 3)),
            layers.Conv1D(4, 3),
            layers.BatchNormalization(),
        ]
    )
    tower = as_tower(own, "gas")
    x = np.random.default_rng(0).normal(size=(3, 12, 3)).astype("float32")
    x[1], x[2, 4] = np.nan, np.nan
    filled = np.nan_to_num(x)
    for training in (False, True):
        found = ops.convert_to_numpy(tower(x, training=training)["vector"])
        wanted = tower(filled, training=training)["vector"]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_model_that_reads_gaps_gets_them():
    own = named(
        vector=lambda x: ops.sum(ops.cast(ops.isnan(x), "float32"), axis=1),
        tokens=lambda x: ops.nan_to_num(x),
        mask=lambda x: ops.ones_like(x[:, :, 0]),
    )
    x = np.full((2, 6, 4), np.nan, "float32")
    np.testing.assert_array_equal(as_tower(own, "gas")(x)["vector"], 6.0)


def test_pixels_of_a_spec_reach_a_model_of_numbers():
    own = model(layers.Conv2D(2, 3), shape=(8, 8, 1))
    tower = as_tower(own, "image", units=4, dtype="uint8")
    assert tower.inputs[0].dtype == "uint8"
    x = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1)).astype("uint8")
    wanted = as_tower(own, "image", units=4)
    wanted.set_weights(tower.get_weights())
    np.testing.assert_allclose(
        tower(x)["vector"], wanted(x.astype("float32"))["vector"], rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["Bert", "DistilBert", "Roberta"])
def test_a_text_backbone_is_told_its_padding(kind, tmp_path):
    keras.utils.set_random_seed(0)
    backbone = load_backbone(f"{kind}Backbone", TEXT)
    tower = as_tower(backbone, "note", units=4, shape=(5,))
    out = {k: np.asarray(v) for k, v in tower(IDS).items()}
    np.testing.assert_array_equal(out["mask"], IDS != 0)
    short = as_tower(backbone, "note", units=4, shape=(3,))
    short.set_weights(tower.get_weights())
    alone = short(IDS[:1, :3])
    np.testing.assert_allclose(alone["vector"], out["vector"][:1], atol=1e-5)
    np.testing.assert_allclose(
        alone["tokens"], out["tokens"][:1, :3], atol=1e-5
    )

    tower.save(tmp_path / "tower.keras")
    again = load_model(tmp_path / "tower.keras")
    np.testing.assert_array_equal(again(IDS)["vector"], out["vector"])


@pytest.mark.parametrize(
    "make, said",
    [
        (two_inputs, r"`model` must be.*inputs \['left', 'right'\]"),
        (lambda: keras.Sequential([layers.Dense(3)]), r"inputs \[\]"),
        (lambda: model(shape=(None, 3)), r"`shape` is needed.*\(None, 3\)"),
        (lambda: named(rows=lambda x: x), r"`model` must return.*rows"),
        (lambda: model(shape=(2, 2, 2, 2)), "`model` must return"),
    ],
)
def test_refuses(make, said):
    with pytest.raises(ValueError, match=said):
        as_tower(make(), "gas")
