"""The rules of Keras' layers, one small model each."""

import keras
import numpy as np
import pytest
from compress.channel_toys import (
    IMAGE,
    LINE,
    ROW,
    answers,
    draw,
    halved,
    in_float64,
    model_of,
    shake,
    widths,
)
from keras import layers, ops


def residual(x):
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x))
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1)(y)
    return layers.Flatten()(layers.ReLU()(layers.Add()([x, y])))


def joined(x):
    x = layers.Conv2D(8, 3, strides=2)(x)
    y = layers.SeparableConv2D(8, 1, depth_multiplier=2)(x)
    x = layers.Concatenate()([x, y, layers.Conv2D(4, 1)(x)])
    x = layers.DepthwiseConv2D(2, depth_multiplier=2)(x)
    return layers.GlobalMaxPooling2D()(x)


def gated(x):
    x = layers.Conv2D(8, 3)(x)
    y = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(x))
    y = layers.Dense(8, activation="sigmoid")(y)
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(y)])
    # One channel for all others.
    return layers.Flatten()(x * ops.sigmoid(layers.Conv2D(1, 1)(x)))


def upwards(x):
    x = layers.ZeroPadding2D()(layers.Conv2DTranspose(8, 2, strides=2)(x))
    x = layers.Cropping2D(2)(layers.UpSampling2D()(layers.PReLU()(x)))
    x = layers.MaxPooling2D(padding="same")(layers.Conv2D(8, 1)(x))
    return layers.Reshape((-1, 8))(x)


def volume(x):
    x = layers.Conv3D(8, 2)(layers.Reshape((3, 2, 6, 4))(x))
    x = layers.ZeroPadding3D((0, 0, 1))(layers.LeakyReLU()(x))
    return layers.Flatten()(layers.Permute((4, 1, 2, 3))(x))


def gates(x):
    x = layers.LSTM(8, return_sequences=True)(x)
    x, state = layers.GRU(8, return_sequences=True, return_state=True)(x)
    x = layers.SimpleRNN(8, return_sequences=True)(x, initial_state=state)
    two = layers.Bidirectional(layers.LSTM(8), merge_mode="sum")
    return layers.Subtract()([two(x), state])


def attention(x):
    x = layers.Dense(8)(x)
    y = layers.MultiHeadAttention(4, 2, value_dim=3)(x, x)
    return layers.EinsumDense("abc,cd->abd", (None, 8), bias_axes="d")(x + y)


def operations(x):
    x = ops.reshape(layers.Conv2D(8, 3)(x), (-1, 16, 8))
    x = ops.concatenate([ops.relu(x), x * 2.0], axis=-1)
    x = ops.transpose(ops.expand_dims(x, 2), (0, 2, 1, 3))
    return layers.Dense(8)(ops.mean(x, axis=2)[:, 0])


def shared(x):
    same = layers.Dense(8, activation="tanh")
    pair = keras.Sequential([layers.Dense(8), layers.Dense(8)])
    a, b = same(layers.Dense(8)(x)), same(layers.Dense(8)(x))
    return layers.Average()([a, b, pair(a), pair(layers.Dense(8)(x))])


MODELS = {
    "residual": (IMAGE, residual),
    "joined": (IMAGE, joined),
    "gated": (IMAGE, gated),
    "upwards": (IMAGE, upwards),
    "volume": (IMAGE, volume),
    "gates": (LINE, gates),
    "attention": (LINE, attention),
    "operations": (IMAGE, operations),
    "shared": (ROW, shared),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_same_without_its_zero_channels(name, tmp_path):
    shape, body = MODELS[name]
    with in_float64():
        model = model_of(shape, body)
        shake(model)
        small = halved(model)
    x = draw(shape)
    np.testing.assert_array_equal(answers(small, x), answers(model, x))
    whole, left = widths(model), widths(small)
    # Everything was cut but the output.
    assert [k for k in whole if 1 < left[k] == whole[k]] == ["y"]
    small.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(answers(small, x), answers(again, x))
