"""What is left unpruned, and layers of a user's own."""

import keras
import numpy as np
import pytest
from compress.channel_toys import (
    ROW,
    answers,
    draw,
    halved,
    model_of,
    shake,
    widths,
)
from keras import layers, ops

from mmkeras.compress.channels import Groups


def in_the_middle(layer):
    return lambda x: layers.Dense(8, name="b")(
        layer(layers.Dense(8, name="a")(x))
    )


class Turned(layers.Dense):
    def call(self, x):
        return super().call(x[..., ::-1])


LEFT_WHOLE = {
    "no rule for LayerNormalization": layers.LayerNormalization(),
    "no rule for Softmax": layers.Softmax(),
    "no rule for Turned": Turned(8),
    "activation softmax": layers.Activation("softmax"),
    "no rule for Roll": lambda x: ops.roll(x, 1, axis=-1),
    "a sum or mean over channels": lambda x: x - ops.mean(x, -1, keepdims=True),
    "a scale for each channel": layers.Rescaling([1.0] * 8),
    "several axes": layers.Reshape((2, 4)),
    "groups of channels": lambda x: layers.Flatten()(
        layers.Conv1D(8, 1, groups=2)(layers.Reshape((1, 8))(x))
    ),
    "no rule for MultiHeadAttention": lambda x: layers.Flatten()(
        layers.MultiHeadAttention(2, 2)(
            *[layers.RepeatVector(2)(x)] * 2, return_attention_scores=True
        )[0]
    ),
    "a product of activations": lambda x: ops.matmul(
        ops.reshape(x, (-1, 1, 8)), ops.ones((8, 8))
    )[:, 0],
}


@pytest.mark.parametrize("why", LEFT_WHOLE)
def test_what_no_rule_understands_is_left_whole_and_reported(why):
    model = model_of(ROW, in_the_middle(LEFT_WHOLE[why]), head=True)
    groups = Groups(model)
    assert any(why in reason for reason in groups.follow.whole.values())
    shake(model)
    small = halved(model)
    assert widths(small)["a"] == 8
    assert widths(small)["b"] == 4
    x = draw(ROW)
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-6)


def test_an_index_keeps_the_channels_up_to_it():
    def body(x):
        x = layers.Dense(8, name="a")(x)
        return layers.Concatenate()([x[:, :3], layers.Dense(2)(x)])

    model = model_of(ROW, body)
    small = halved(model)
    # Five of eight are free, two of them went.
    assert widths(small)["a"] == 6
    x = draw(ROW)
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-6)


def test_what_a_model_answers_keeps_its_width():
    x = keras.Input(ROW, name="x")
    y = layers.Dense(8, name="a")(x)
    model = keras.Model({"x": x}, {"first": y, "second": layers.Dense(2)(y)})
    assert not Groups(model).blocks


@keras.saving.register_keras_serializable(package="tests")
class Scale(layers.Layer):
    """A layer of a user's own that says where its channels go."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x):
        return x * self.scale

    def follow_channels(self, follow, x):
        follow.tie(x, follow.weight(self.scale, 0))
        return x


@keras.saving.register_keras_serializable(package="tests")
class Wide(layers.Layer):
    """One with a layer inside, whose width is an argument of its own."""

    def __init__(self, width, says=True, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.says = says
        self.inner = layers.Dense(width)
        self.outer = layers.Dense(8)

    def build(self, shape):
        self.inner.build(shape)
        self.outer.build((*shape[:-1], self.width))

    def call(self, x):
        return self.outer(self.inner(x))

    def follow_channels(self, follow, x):
        inner = follow(self.inner, x)
        if self.says:
            follow.width(self, "width", follow.channels(inner))
        return follow(self.outer, inner)


@keras.saving.register_keras_serializable(package="tests")
class Wrapped(layers.Layer):
    """One with such a layer inside, and a reshape."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.inner = Wide(width)
        self.fold = layers.Reshape((2, 4))
        self.unfold = layers.Reshape((8,))

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.unfold(self.fold(self.inner(x)))

    def follow_channels(self, follow, x):
        x = follow(self.inner, x)
        follow(self.fold, x)
        return follow.flow(x.shape)


@pytest.mark.parametrize(
    ("layer", "left"),
    [
        (Scale(name="own"), {"a": 4, "b": 4, "y": 3}),
        (Wide(6, name="own"), {"a": 4, "own": 3, "b": 4, "y": 3}),
        # An argument it does not tell of stays as it is.
        (Wide(6, says=False, name="own"), {"a": 4, "b": 4, "y": 3}),
        (Wrapped(6, name="own"), {"a": 4, "b": 4, "y": 3}),
    ],
)
def test_a_users_layer_takes_part_if_it_follows_channels(layer, left):
    model = model_of(ROW, in_the_middle(layer))
    shake(model)
    small = halved(model)
    assert widths(small) == left
    x = draw(ROW)
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-6)


def test_a_sequential_model_becomes_a_functional_one():
    model = keras.Sequential(
        [keras.Input(ROW), layers.Dense(8, "relu"), layers.Dense(3)],
        name="line",
    )
    small = halved(model)
    assert small.name == "line"
    x = draw(ROW)["x"]
    assert answers(small, x).shape == (9,)
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-6)
    assert small.count_params() == 8 * 4 + 4 + 4 * 3 + 3


def test_lists_of_inputs_and_an_axis_of_unknown_length():
    a, b = keras.Input((None, 4), name="a"), keras.Input((8,), name="b")
    x = layers.Conv1D(8, 3, padding="same", activation="relu")(a)
    x = layers.GRU(8, return_sequences=True)(layers.MaxPooling1D(2)(x))
    x = layers.GlobalAveragePooling1D()(x) * layers.Dense(8)(b)
    model = keras.Model([a, b], [layers.Dense(2)(x), layers.Dense(1)(x)])
    shake(model)
    small = halved(model)
    assert sorted(widths(small).values()) == [1, 2, 4, 4, 4]
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(3, 10, 4)), rng.normal(size=(3, 8))]
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-6)
