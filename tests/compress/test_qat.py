"""Training with rounding: gradients, ranges, saving, stripping."""

import keras
import numpy as np
import pytest
from compiling import compiled, forward
from compress.qat_toys import inputs_of, shuffle, stack
from keras import layers, ops

from mmkeras.compress import (
    calibrate,
    quantization_ranges,
    quantize_aware,
    strip_quantization,
)
from mmkeras.compress.quantization import (
    layer_of,
    round_activation,
    round_table,
    round_weight,
)


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)])
def test_weights_are_rounded_for_each_channel(bits, axes):
    weight = values(5, 3, 4)
    weight[::2] = 0
    summed = tuple(i for i in range(3) if i not in axes)
    largest = np.abs(weight).max(axis=summed, keepdims=True)
    step = largest / (2 ** (bits - 1) - 1)
    found = np.asarray(round_weight(weight, bits, axes))
    np.testing.assert_allclose(found, np.round(weight / step) * step, atol=1e-6)
    # What was pruned stays pruned.
    assert (found[::2] == 0).all()
    assert len(np.unique(np.round(found / step))) <= 2**bits - 1


def test_activations_are_rounded_from_the_lowest_to_the_highest():
    x = np.linspace(-3, 3, 1001, dtype="float32")
    found = np.asarray(round_activation(x, -1.0, 2.0, 8))
    step = 3 / 255
    assert np.abs(found - np.clip(x, -1, 2)).max() <= step / 2 + 1e-6
    assert len(np.unique(np.round(found / step))) == 256
    assert 0 in found


def test_sixteen_bits_are_symmetric():
    x = np.linspace(-3, 3, 1001, dtype="float32")
    found = np.asarray(round_activation(x, -1.0, 2.0, 16))
    assert np.abs(found - np.clip(x, -2, 2)).max() <= 1 / 32767 + 1e-6


def test_an_unknown_range_lets_everything_pass():
    x = values(20)
    found = np.asarray(round_activation(x, 0.0, -1.0, 8))
    np.testing.assert_array_equal(found, x)


def test_a_table_has_one_grid_and_keeps_its_zeros():
    table = values(6, 4) + 1
    table[0] = 0
    found = np.asarray(round_table(table))
    step = (max(table.max(), 0) - min(table.min(), 0)) / 255
    assert np.abs(found - table).max() <= step
    assert (found[0] == 0).all()


def test_the_gradient_passes_through_rounding_and_stops_outside():
    import tensorflow as tf

    x, weight = tf.constant([-5.0, -0.3, 0.4, 5.0]), tf.constant(values(3, 2))
    with tf.GradientTape() as tape:
        tape.watch([x, weight])
        total = ops.sum(round_activation(x, -1.0, 1.0, 8))
        total = total + ops.sum(round_weight(weight, 4, (1,)) * 2.0)
    of_x, of_weight = tape.gradient(total, [x, weight])
    np.testing.assert_array_equal(of_x, [0, 1, 1, 0])
    np.testing.assert_array_equal(of_weight, np.full((3, 2), 2.0))


def network():
    """Every kind of kernel, nested and shared, with two answers."""
    image = keras.Input((8, 8, 2), name="image")
    words = keras.Input((6,), dtype="int32", name="words")
    inner = keras.Input((8, 8, 2))
    y = layers.Conv2D(4, 3, use_bias=False, name="conv")(inner)
    y = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(y))
    y = layers.SeparableConv2D(4, 3, name="separable")(y)
    tower = keras.Model(inner, layers.Flatten()(y), name="tower")
    seen = layers.Dense(8, activation="relu", name="seen")(tower(image))

    z = layers.Embedding(20, 8, name="embedding")(words)
    z = layers.MultiHeadAttention(2, 4, name="attention")(z, z)
    z = layers.Dropout(0.1)(layers.LayerNormalization()(z))
    z = layers.LSTM(8, name="read")(z)
    shared = layers.Dense(8, activation="tanh", name="shared")
    both = layers.Add()([shared(seen), shared(z)])
    return keras.Model(
        {"image": image, "words": words},
        {
            "label": layers.Dense(3, activation="softmax", name="label")(both),
            "size": layers.Dense(1, name="size")(both),
        },
    )


# Building the graph of its training takes most of the time: once for all.
@pytest.fixture(scope="module")
def learned():
    """The network after training, its inputs, its losses, its first weights."""
    keras.utils.set_random_seed(1)
    aware = quantize_aware(network())
    before = [np.asarray(v) for v in aware.trainable_variables]
    x = inputs_of(aware)
    labels = np.random.default_rng(1).integers(0, 3, 64)
    y = {"label": labels, "size": labels[:, None].astype("float32")}
    loss = {"label": "sparse_categorical_crossentropy", "size": "mse"}
    compiled(aware, (x, y), keras.optimizers.Adam(3e-3), loss)
    history = aware.fit(x, y, epochs=15, batch_size=16, verbose=0)
    return aware, x, history.history["loss"], before


def test_every_weight_learns_and_every_range_is_learned(learned):
    aware, _, losses, before = learned
    assert losses[-1] < 0.8 * losses[0]
    still = [
        v.path
        for v, old in zip(aware.trainable_variables, before)
        if np.array_equal(old, v)
    ]
    assert not still
    ranges = quantization_ranges(aware)
    for site in layer_of(aware).sites:
        if site.kind == "product":
            assert {"in", "out"} <= set(ranges[site.kernel.path])
    # Batch statistics and seeds move as in any training.
    moving = [v for v in aware.variables if v.name == "moving_mean"]
    assert moving and all(np.any(v) for v in moving)


def test_saved_and_loaded_is_equal(learned, tmp_path):
    aware, x, _, _ = learned
    aware.save(tmp_path / "aware.keras")
    again = keras.saving.load_model(tmp_path / "aware.keras")
    wanted, found = (forward(m, x) for m in (aware, again))
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])
    assert quantization_ranges(again) == quantization_ranges(aware)


def test_stripped_it_is_plain_and_has_the_trained_weights(learned, tmp_path):
    aware, x, _, _ = learned
    weights = [np.asarray(v) for v in layer_of(aware).model.weights]
    plain = strip_quantization(aware)
    plain.save(tmp_path / "plain.keras")
    plain = keras.saving.load_model(tmp_path / "plain.keras")
    assert "mmkeras" not in {
        type(e).__module__.split(".")[0] for e in plain._flatten_layers()
    }
    for old, new in zip(weights, plain.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    # Nothing was left on its layers: it answers in float.
    found = forward(plain, x)["label"]
    inside = forward(layer_of(aware).model, x)["label"]
    np.testing.assert_array_equal(found, inside)
    assert np.any(found != forward(aware, x)["label"])


def test_an_error_in_a_layer_leaves_the_model_as_it_was():
    model = stack((4,), layers.Dense(3, name="dense"))
    aware = quantize_aware(model)
    dense = model.get_layer("dense")
    with pytest.raises(ValueError):
        aware({"x": np.zeros((1, 5), "float32")})
    assert "call" not in vars(dense)
    assert dense.activation is keras.activations.linear


def test_ranges_are_moving_averages_over_all_uses_of_a_layer():
    dense = layers.Dense(2, use_bias=False, name="dense")
    x, z = keras.Input((2,), name="x"), keras.Input((2,), name="z")
    model = keras.Model({"x": x, "z": z}, {"a": dense(x), "b": dense(z)})
    aware = quantize_aware(model, momentum=0.75)
    one = np.array([[1.0, -2.0]], "float32")
    aware({"x": one, "z": 4 * one}, training=True)
    assert quantization_ranges(aware)["dense/kernel"]["in"] == (-8.0, 4.0)
    aware({"x": 0 * one, "z": 0 * one}, training=True)
    assert quantization_ranges(aware)["dense/kernel"]["in"] == (-6.0, 3.0)
    aware({"x": 9 * one, "z": one}, training=False)
    assert quantization_ranges(aware)["dense/kernel"]["in"] == (-6.0, 3.0)


def test_calibration_takes_the_extremes_of_all_samples():
    model = stack((3,), layers.Dense(2, name="dense"))
    aware = quantize_aware(model)
    assert quantization_ranges(aware) == {}
    x = values(100, 3)
    calibrate(aware, {"x": x}, batch_size=7)
    low, high = quantization_ranges(aware)["dense/kernel"]["in"]
    assert (low, high) == (x.min(), x.max())


def test_what_is_named_stays_in_float():
    x = values(8, 4)
    model = stack(
        (4,), layers.Dense(4, name="one"), layers.Dense(2, name="two")
    )
    aware = quantize_aware(model, float_layers=("one", "two"))
    calibrate(aware, {"x": x})
    np.testing.assert_array_equal(aware({"x": x})["y"], model({"x": x})["y"])
    aware = quantize_aware(model, float_layers=("one",))
    assert [site.kernel.path for site in layer_of(aware).sites] == [
        "two/kernel"
    ]


@keras.saving.register_keras_serializable(package="tests")
class Mix(layers.Layer):
    """A layer that no rule knows."""

    def build(self, shape):
        self.mix = self.add_weight(shape=(shape[-1], shape[-1]), name="mix")
        super().build(shape)

    def call(self, x):
        return ops.tanh(ops.matmul(x, self.mix))


def test_the_weights_of_a_layer_of_your_own_are_rounded():
    x = values(8, 4)
    model = stack((4,), Mix())
    plain = forward(model, {"x": x})["y"]
    aware = quantize_aware(model)
    wanted = forward(aware, {"x": x})["y"]
    assert 0 < np.abs(wanted - plain).max() < 0.02
    # No file would round them: stripping does.
    found = forward(strip_quantization(aware), {"x": x})["y"]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_pruned_weights_stay_zero_in_the_forward_pass():
    model = network()
    shuffle(model)
    layer = layer_of(quantize_aware(model, weight_bits=4))
    for site in layer.sites:
        kernel = np.array(site.kernel.variable)
        kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 0.7)] = 0
        site.kernel.variable.assign(kernel)
        rounded = np.asarray(layer.rounded(site))
        assert (rounded[kernel == 0] == 0).all()


def test_training_with_4_bit_weights_beats_rounding_them_afterwards():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 10))
    first, second = rng.normal(size=(10, 6)), rng.normal(size=(6, 3))
    labels = (np.tanh(x @ first) @ second).argmax(-1)
    # Columns in units of their own need weights of very different sizes.
    x = (x * np.logspace(-1, 1, 10)).astype("float32")
    model = stack((10,), layers.Dense(12, activation="relu"), layers.Dense(3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def fit(model, epochs, rate):
        data = {"x": x[:1000]}, {"y": labels[:1000]}
        compiled(model, data, keras.optimizers.Adam(rate), {"y": loss})
        model.fit(*data, epochs=epochs, batch_size=50, verbose=0)

    def unseen_loss(aware):
        calibrate(aware, {"x": x[:1000]}, batch_size=500)
        return float(loss(labels[1000:], aware({"x": x[1000:]})["y"]))

    fit(model, 15, 1e-2)
    begun = model.get_weights()
    # Both train for as long.
    fit(model, 12, 2e-3)
    afterwards = unseen_loss(quantize_aware(model, weight_bits=4))
    model.set_weights(begun)
    aware = quantize_aware(model, weight_bits=4)
    fit(aware, 12, 2e-3)
    assert unseen_loss(aware) < 0.8 * afterwards


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"weight_bits": 1},
            "`weight_bits` must be one of .*Received: weight_bits=1",
        ),
        (
            {"activation_bits": 4},
            "`activation_bits` .*8, 16.*activation_bits=4",
        ),
    ],
)
def test_numbers_of_bits_that_no_file_has_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        quantize_aware(stack((4,), layers.Dense(3)), **arguments)


def test_models_without_known_inputs_are_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(ValueError, match="functional model.*Received: Own"):
        quantize_aware(Own())
    with pytest.raises(ValueError, match="must come from `quantize_aware`"):
        strip_quantization(stack((4,), layers.Dense(3)))
