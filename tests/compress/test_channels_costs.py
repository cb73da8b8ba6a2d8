"""Multiply-adds, counted by hand."""

import keras
import pytest
from compress.channel_toys import IMAGE, LINE, ROW, model_of
from keras import layers, ops

from mmkeras.compress import multiply_adds

COUNTS = {
    "dense on each of 6 rows": (LINE, layers.Dense(5), 6 * 4 * 5),
    "same padding": (IMAGE, layers.Conv2D(5, 3, padding="same"), 36 * 9 * 20),
    "valid, strided": (IMAGE, layers.Conv2D(5, 3, strides=3), 4 * 9 * 20),
    "one axis": (LINE, layers.Conv1D(5, 3), 4 * 3 * 20),
    "in groups": (IMAGE, layers.Conv2D(6, 3, groups=2), 16 * 9 * 2 * 6),
    "depthwise": (IMAGE, layers.DepthwiseConv2D(3), 16 * 9 * 4),
    "separable": (IMAGE, layers.SeparableConv2D(5, 3), 16 * (36 + 20)),
    "transposed": (IMAGE, layers.Conv2DTranspose(5, 2), 36 * 4 * 20),
    "gru": (LINE, layers.GRU(5), 6 * 3 * (4 * 5 + 25)),
    "lstm both ways": (
        LINE,
        layers.Bidirectional(layers.LSTM(5)),
        2 * 6 * 4 * (4 * 5 + 25),
    ),
    "embedding": ((6,), layers.Embedding(9, 5), 0),
    "batch norm and pooling": (
        IMAGE,
        keras.Sequential(
            [layers.BatchNormalization(), layers.MaxPooling2D(), layers.ReLU()]
        ),
        0,
    ),
    "attention": (
        LINE,
        lambda x: layers.MultiHeadAttention(2, 3)(x, x),
        6 * 4 * 6 * 4 + 2 * 36 * 6,
    ),
    "used twice": (ROW, lambda x: layers.Dense(5)(x), 40),
    "a product of activations": (
        LINE,
        lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
        6 * 4 * 6,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_multiply_adds_are_those_counted_by_hand(name):
    shape, layer, count = COUNTS[name]
    assert multiply_adds(model_of(shape, layer, head=False)) == count


def test_a_shared_model_counts_as_often_as_it_is_used():
    inner = model_of(ROW, layers.Dense(8), head=False)
    x = keras.Input(ROW)
    model = keras.Model(x, inner(inner({"x": x})["y"]))
    assert multiply_adds(model) == 2 * 64
