"""`prune_channels`: targets reached, the right channels gone, steps taken."""

import keras
import numpy as np
import pytest
from compiling import compiled
from compress.channel_toys import answers, shake, widths
from keras import layers

from mmkeras.compress import multiply_adds, prune_channels
from mmkeras.export import open_file, to_tflite


def toy(compiled=False):
    """Two convolutions, two dense layers; all normalised but the last."""
    keras.utils.set_random_seed(3)
    x = keras.Input((12, 12, 3), name="x")
    y = x
    for i, filters in enumerate((16, 32)):
        y = layers.Conv2D(filters, 3, strides=2, name=f"conv_{i}")(y)
        y = layers.ReLU()(layers.BatchNormalization(name=f"norm_{i}")(y))
    y = layers.Dense(48, activation="relu", name="dense")(layers.Flatten()(y))
    y = layers.Dense(3, activation="softmax", name="y")(y)
    model = keras.Model({"x": x}, {"y": y}, name="toy")
    shake(model)
    if compiled:
        model.compile("sgd", loss="sparse_categorical_crossentropy")
    return model


def batches(count=4, size=8):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count * size, 12, 12, 3)).astype("float32")
    return [
        ({"x": x[i::count]}, {"y": rng.integers(0, 3, size)})
        for i in range(count)
    ]


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


# Twelve times the latency of the last layers, whatever it is on the machine.
def made_up_ms(model):
    left = widths(model)
    return 0.1 + left["conv_0"] + 12 * left["dense"]


COSTS = {
    "multiply_adds": multiply_adds,
    "parameters": lambda model: model.count_params(),
    made_up_ms: made_up_ms,
}


@pytest.mark.parametrize("share", [0.7, 0.3])
@pytest.mark.parametrize("of", COSTS, ids=["adds", "parameters", "measured"])
def test_the_target_is_reached_and_hardly_passed(of, share):
    model = toy()
    small = prune_channels(model, share, of=of, multiple=1, min_channels=1)
    left = COSTS[of](small) / COSTS[of](model)
    # One channel of these widths is up to 1/16 of one layer.
    assert share - 0.06 <= left <= share
    x = {"x": np.zeros((1, 12, 12, 3), "float32")}
    assert answers(small, x).shape == (3,)


def test_widths_are_multiples_and_not_below_the_least():
    left = widths(prune_channels(toy(), 0.3, min_channels=8, multiple=8))
    assert all(left[k] % 8 == 0 and left[k] >= 8 for k in left if k != "y")
    left = widths(prune_channels(toy(), 0.17, min_channels=6, multiple=1))
    assert min(left[k] for k in left if k != "y") == 6


@pytest.mark.parametrize("skip", ["conv_1", "conv"])
def test_a_skipped_layer_keeps_its_width(skip):
    small = prune_channels(toy(), 0.7, of="parameters", skip=[skip])
    whole, left = widths(toy()), widths(small)
    kept = {k for k in whole if left[k] == whole[k]}
    assert kept >= {k for k in whole if skip in k}
    assert kept != set(whole)


def silence(model, layer, channels):
    """Makes channels worthless to all three ways to look at them."""
    norm = model.get_layer(f"norm_{layer[-1]}")
    for weight in (*model.get_layer(layer).weights, norm.gamma, norm.beta):
        value = keras.ops.convert_to_numpy(weight).copy()
        value[..., channels] *= 1e-3
        weight.assign(value)


@pytest.mark.parametrize("importance", ["magnitude", "batch_norm", "taylor"])
def test_the_channels_that_do_not_matter_go_first(importance):
    model = toy(compiled=True)
    worthless = {"conv_0": [1, 5, 6, 9], "conv_1": [0, 3, 17, 18, 19, 30]}
    for layer, channels in worthless.items():
        silence(model, layer, channels)
    before = model.get_weights()
    small = prune_channels(
        model, 0.6, importance=importance, data=batches(), multiple=1
    )
    count = 0
    for layer, channels in worthless.items():
        gammas = [
            keras.ops.convert_to_numpy(m.get_layer(f"norm_{layer[-1]}").gamma)
            for m in (model, small)
        ]
        gone = set(np.flatnonzero(~np.isin(*gammas)))
        assert gone <= set(channels) or gone >= set(channels)
        count += len(gone)
    assert count >= 10
    # Looking at a model leaves it as it was.
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("frozen", [False, True])
def test_taylor_equals_the_gradient_computed_by_hand(frozen):
    from mmkeras.compress.channels import Groups, importances

    x = keras.Input((2,), name="x")
    hidden = layers.Dense(3, use_bias=False, name="a")
    last = layers.Dense(1, use_bias=False, name="y")
    model = keras.Model({"x": x}, {"y": last(hidden(x))})
    v = np.array([[1.0, 2.0], [0.5, -1.0]], "float32")
    t = np.array([[1.0], [2.0]], "float32")
    model.trainable = not frozen
    groups = Groups(model)
    found = importances(
        model, groups, "taylor", Batches([({"x": v}, {"y": t})]), {"y": "mse"}
    )
    a, b = (np.asarray(w) for w in model.get_weights())
    error = 2 * (v @ a @ b - t) / len(v)
    reads = (b * ((v @ a).T @ error)).sum(1)
    makes = (a * (v.T @ error @ b.T)).sum(0)
    ids = groups.follow.weight(hidden.kernel, 1)
    np.testing.assert_allclose(
        found[groups.root[ids]], reads**2 + makes**2, rtol=1e-5
    )


def test_steps_share_the_way_and_are_trained_in_between():
    seen = []
    model = toy()
    small = prune_channels(
        model,
        0.25,
        steps=2,
        multiple=1,
        fit=lambda m: seen.append(multiply_adds(m) / multiply_adds(model)),
    )
    assert 0.44 < seen[0] <= 0.5
    assert 0.2 < seen[1] <= 0.25
    assert multiply_adds(small) == seen[1] * multiply_adds(model)


def test_the_report_names_what_was_cut_and_what_was_left():
    x = keras.Input((8,), name="x")
    y = layers.LayerNormalization(name="norm")(layers.Dense(16, name="a")(x))
    y = layers.Dense(2, name="y")(layers.Dense(16, name="b")(y))
    lines = []
    prune_channels(keras.Model({"x": x}, {"y": y}), 0.8, report=lines.append)
    assert lines[0] == "b: 16 -> 8"
    assert lines[1].startswith("norm: left unpruned (")


def test_what_is_left_is_an_ordinary_model(tmp_path):
    model = toy(compiled=True)
    small = prune_channels(model, 0.3, of="parameters", multiple=4)
    loss = "sparse_categorical_crossentropy"
    compiled(small, batches()[0], "adam", loss)
    small.fit(Batches(batches()), epochs=1, verbose=0)
    small.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    x = {"x": batches()[0][0]["x"][:1]}
    np.testing.assert_array_equal(answers(small, x), answers(again, x))
    sizes = []
    for name, each in {"whole": model, "small": small}.items():
        path = tmp_path / f"{name}.tflite"
        to_tflite(each, path)
        sizes.append(path.stat().st_size)
        got = open_file(path)(x)["y"].ravel()
        np.testing.assert_allclose(got, answers(each, x), atol=1e-5)
    assert sizes[1] < 0.5 * sizes[0]


WRONG = {
    "`target` must be a share": {"target": 1.0},
    "`target` must be within reach": {"target": 1e-4},
    "`of` must be": {"of": "seconds"},
    "`importance` must be one of": {"importance": "random"},
    "needs `data`": {"importance": "taylor"},
    "`multiple` must be a positive integer": {"multiple": 0},
    "`steps` must be a positive integer": {"steps": 1.5},
    "Every entry of `skip` must be part": {"skip": ["nowhere"]},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_named(message):
    with pytest.raises(ValueError, match=message):
        prune_channels(toy(), **{"target": 0.5, **WRONG[message]})


def test_a_model_without_a_graph_is_refused():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="must be a functional"):
        prune_channels(Mine(), 0.5)
