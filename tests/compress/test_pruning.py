"""Pruning at once and in training: what becomes zero, and stays so."""

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras.checks import fused_classifier, toy_problem
from mmkeras.compress import (
    KeepSparsity,
    PolynomialDecay,
    Prune,
    kernels_of,
    prune,
    sparsity,
    strip,
)
from mmkeras.fusion import Gated
from mmkeras.training import AveragedWeights

# 40 steps: 10 an epoch.
COUNT, BATCH, EPOCHS = 80, 8, 4
SCHEDULE = PolynomialDecay(0.2, 0.75, begin_step=5, end_step=30, frequency=5)


def one_layer(kernel):
    """A model of one dense layer with the given kernel."""
    kernel = np.asarray(kernel, "float32")
    inputs = keras.Input((kernel.shape[0],))
    dense = layers.Dense(kernel.shape[1], name="dense")
    model = keras.Model(inputs, dense(inputs))
    dense.kernel.assign(kernel)
    return model


def kernel_of(model, name="dense"):
    return np.asarray(model.get_layer(name).kernel)


def toy_model(optimizer=None, nested=False, **options):
    """Three nested towers under a fusion, or three dense layers; compiled."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    if nested:
        model = fused_classifier(Gated(8, name="fusion"))
    else:
        x = keras.Input((8,), name="x")
        y = layers.Dense(16, "relu", name="first")(x)
        y = layers.Dense(16, "relu", name="second")(y)
        y = layers.Dense(3, "softmax", name="label")(y)
        model = keras.Model({"x": x}, {"label": y})
    compile_model(model, optimizer, **options)
    return model


def compile_model(model, optimizer=None, **options):
    optimizer = optimizer or keras.optimizers.SGD(0.05, momentum=0.9)
    loss = {"label": "sparse_categorical_crossentropy"}
    model.compile(optimizer, loss, jit_compile=False, **options)
    # The first step would do so otherwise, and be traced twice.
    model.optimizer.build(model.trainable_variables)


def fit(model, *callbacks, epochs=EPOCHS, first=0, **options):
    x, y = toy_problem(model, COUNT)
    model.fit(
        x, y, batch_size=BATCH, epochs=epochs, initial_epoch=first,
        shuffle=False, verbose=0, callbacks=list(callbacks), **options,
    )  # fmt: skip
    return model


def values(model):
    return {k.path: np.asarray(k.variable) for k in kernels_of(model)}


def test_the_smallest_weights_go():
    kernel = [[0.1, -5, 0.3, 2], [-0.2, 1, -4, 3]]
    pruned = prune(one_layer(kernel), 0.5)
    np.testing.assert_array_equal(
        kernel_of(pruned), np.float32([[0, -5, 0, 2], [0, 0, -4, 3]])
    )
    assert sparsity(pruned) == {"dense/kernel": 0.5, "all": 0.5}


def test_the_model_given_stays_as_it_is():
    model = one_layer(np.ones((4, 4)) + np.arange(4))
    pruned = prune(model, 0.5)
    assert sparsity(model)["all"] == 0
    assert sparsity(pruned)["all"] == 0.5


def test_global_pruning_compares_all_kernels_and_empties_none():
    inputs = keras.Input((10,))
    small = layers.Dense(10, name="small")
    large = layers.Dense(10, name="large")
    model = keras.Model(inputs, large(small(inputs)))
    rng = np.random.default_rng(0)
    small.kernel.assign(rng.uniform(0.1, 1, (10, 10)))
    large.kernel.assign(rng.uniform(2, 3, (10, 10)))
    for share, left in ((0.25, (50, 100)), (0.8, (1, 40))):
        pruned = prune(model, share, scope="global")
        counts = [
            np.count_nonzero(kernel_of(pruned, name))
            for name in ("small", "large")
        ]
        assert counts == pytest.approx(left, abs=0), share


@pytest.mark.parametrize("method, zeros, size", [("2:4", 2, 4), ((1, 3), 1, 3)])
@pytest.mark.parametrize(
    "layer, shape, rows",
    [
        (layers.Dense(5), (12,), (1, 0)),
        (layers.Conv2D(5, 3), (4, 4, 12), (3, 0, 1, 2)),
        (layers.Conv1D(5, 3), (8, 12), (2, 0, 1)),
        (layers.EinsumDense("ab,bcd->acd", (2, 3)), (12,), (1, 2, 0)),
    ],
    ids=["dense", "conv2d", "conv1d", "einsum"],
)
def test_of_n_neighbouring_inputs_m_are_zero(
    method, zeros, size, layer, shape, rows
):
    inputs = keras.Input(shape)
    model = keras.Model(
        inputs, layer.__class__.from_config(layer.get_config())(inputs)
    )
    before = np.asarray(model.layers[-1].kernel)
    pruned = np.asarray(prune(model, method=method).layers[-1].kernel)
    groups = pruned.transpose(rows).reshape(-1, size)
    assert ((groups == 0).sum(axis=1) == zeros).all()
    # Those that are left are the larger ones.
    was = np.abs(before.transpose(rows).reshape(-1, size))
    smallest_left = np.where(groups == 0, np.inf, was).min(axis=1)
    largest_gone = np.where(groups == 0, was, 0).max(axis=1)
    assert (smallest_left >= largest_gone).all()


def test_a_group_that_is_not_full_keeps_its_largest():
    kernel = np.float32([[1], [2], [3], [4], [5], [6]])
    pruned = prune(one_layer(kernel), method="2:4")
    assert kernel_of(pruned).ravel().tolist() == [0, 0, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "pooling, kept", [("AVG", [[0, 1]]), ("MAX", [[1, 0]])]
)
def test_blocks_go_as_one(pooling, kept):
    # Means 1.25 and 2, largest 5 and 2; the fifth row is a block by itself.
    kernel = np.float32([[5, 0.1, 2, 2], [0.1, 0.1, 2, 2]])
    pruned = prune(one_layer(kernel), 0.5, block=(2, 2), pooling=pooling)
    mask = np.kron(kept, np.ones((2, 2)))
    np.testing.assert_array_equal(kernel_of(pruned), kernel * mask)


def test_blocks_at_the_border_may_be_smaller():
    kernel = np.float32([[1, 1, 4], [1, 1, 4], [3, 3, 2]])
    pruned = prune(one_layer(kernel), 0.5, block=(2, 2))
    np.testing.assert_array_equal(
        kernel_of(pruned), np.float32([[0, 0, 4], [0, 0, 4], [3, 3, 0]])
    )


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_every_kernel_of_a_nested_model_is_pruned_but_those_skipped(scope):
    pruned = prune(
        toy_model(nested=True), 0.6, scope=scope, skip=["label", "middle_tower"]
    )
    shares = sparsity(pruned)
    assert shares.pop("label/kernel") == 0
    skipped = [path for path in shares if "middle_tower" in path]
    assert [shares.pop(path) for path in skipped] == [0]
    del shares["all"]
    assert len(shares) > 5
    if scope == "layer":
        assert list(shares.values()) == pytest.approx(
            [0.6] * len(shares), abs=0.05
        )


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda m: prune(m, 1.0), "sparsity=1.0"),
        (lambda m: prune(m, -0.5), "sparsity=-0.5"),
        (lambda m: prune(m, method="4:2"), "method='4:2'"),
        (lambda m: prune(m, method="random"), "method='random'"),
        (lambda m: prune(m, method=(0, 4)), r"method=\(0, 4\)"),
        (lambda m: prune(m, method="2:4", block=(1, 4)), r"block=\(1, 4\)"),
        (lambda m: prune(m, method="2:4", scope="global"), "scope='global'"),
        (lambda m: prune(m, block=(0, 4)), r"block=\(0, 4\)"),
        (lambda m: prune(m, pooling="SUM"), "AVG, MAX.*pooling='SUM'"),
        (lambda m: prune(m, scope="model"), "layer, global.*scope='model'"),
        (lambda m: prune(m, skip=["nowhere"]), "'nowhere'.*dense/kernel"),
        (lambda m: Prune(), "schedule=None"),
    ],
)
def test_what_makes_no_sense_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build(one_layer(np.ones((4, 4))))


class Watch(keras.callbacks.Callback):
    """Notes the share of zeros wherever somebody could look."""

    def __init__(self):
        super().__init__()
        self.seen = {"batch": [], "validation": [], "epoch": []}

    def on_train_batch_end(self, batch, logs=None):
        self.seen["batch"].append(sparsity(self.model)["all"])

    def on_test_begin(self, logs=None):
        self.seen["validation"].append(sparsity(self.model)["all"])

    def on_epoch_end(self, epoch, logs=None):
        self.seen["epoch"].append(sparsity(self.model)["all"])


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "with averages": lambda: keras.optimizers.Adam(
        0.01, use_ema=True, ema_momentum=0.9
    ),
    "with scaled loss": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.05, momentum=0.9), initial_scale=8.0
    ),
    "accumulating": lambda: keras.optimizers.AdamW(
        0.01, gradient_accumulation_steps=2
    ),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_sparsity_grows_with_the_schedule_and_is_seen_everywhere(case):
    model = toy_model(OPTIMIZERS[case](), nested=case == "adam")
    watch = Watch()
    averages = [AveragedWeights()] if case == "with averages" else []
    validation = toy_problem(model, 8, seed=1)
    fit(model, *averages, Prune(SCHEDULE), watch, validation_data=validation)
    # After step n the masks of step n + 1 hold.
    wanted = [0.0 if n < 4 else SCHEDULE(min(n + 1, 30) // 5 * 5)[1]
              for n in range(1, 41)]  # fmt: skip
    assert watch.seen["batch"] == pytest.approx(wanted, abs=0.02)
    assert watch.seen["validation"] == pytest.approx(wanted[9::10], abs=0.02)
    assert watch.seen["epoch"] == pytest.approx(wanted[9::10], abs=0.02)
    assert sparsity(model)["all"] == pytest.approx(0.75, abs=0.02)


def test_global_pruning_in_training_reaches_its_share_of_the_whole():
    model = fit(toy_model(), Prune(SCHEDULE, scope="global"))
    shares = sparsity(model)
    assert shares.pop("all") == pytest.approx(0.75, abs=0.01)
    assert max(shares.values()) - min(shares.values()) > 0.1


def test_several_steps_at_once_are_pruned_as_well():
    model = fit(toy_model(steps_per_execution=4), Prune(SCHEDULE))
    assert sparsity(model)["all"] == pytest.approx(0.75, abs=0.02)


def test_n_of_m_masks_are_made_once_and_stay():
    model = toy_model()
    first = {k: v != 0 for k, v in values(prune(model, method="2:4")).items()}
    fit(model, Prune(method="2:4"))
    last = {k: v != 0 for k, v in values(model).items()}
    assert sparsity(model)["all"] == pytest.approx(0.5, abs=0.1)
    for path, mask in first.items():
        np.testing.assert_array_equal(last[path], mask)


@pytest.mark.parametrize(
    "pattern",
    [{}, {"scope": "global"}, {"block": (2, 2)}, {"block": (3, 5)},
     {"method": "2:4"}, {"method": (1, 3)}],
    ids=str,
)  # fmt: skip
def test_masks_are_read_back_from_the_zeros(pattern):
    once = prune(toy_model(nested=True), 0.6, **pattern)
    twice = prune(once, 0.6, **pattern)
    assert sparsity(once)["all"] > 0.25
    for path, value in values(once).items():
        np.testing.assert_array_equal(values(twice)[path], value)


@pytest.mark.parametrize("pattern", [{}, {"scope": "global"}], ids=str)
def test_a_saved_model_goes_on_as_if_never_stopped(pattern, tmp_path):
    whole = fit(toy_model(nested=not pattern), Prune(SCHEDULE, **pattern))
    half = toy_model(nested=not pattern)
    fit(half, Prune(SCHEDULE, **pattern), epochs=2)
    half.save(tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras")
    assert 0.3 < sparsity(again)["all"] < 0.76
    fit(again, Prune(SCHEDULE, **pattern), first=2)
    for path, value in values(whole).items():
        np.testing.assert_array_equal(values(again)[path], value)


@pytest.fixture(scope="module")
def pruned():
    """A model pruned in training, by which callback, and its first config."""
    model, callback = toy_model(), Prune(SCHEDULE)
    config = model.get_config()
    return fit(model, callback), callback, config


def test_without_its_optimizer_a_model_keeps_the_zeros_it_has(pruned):
    model = toy_model()
    model.set_weights(pruned[0].get_weights())
    zeros = {path: value == 0 for path, value in values(model).items()}
    watch = Watch()
    fit(model, Prune(SCHEDULE), watch, epochs=1)
    assert min(watch.seen["batch"]) == pytest.approx(0.75, abs=0.02)
    assert sparsity(model)["all"] == pytest.approx(0.75, abs=0.02)
    kept = [np.mean(values(model)[p][z] == 0) for p, z in zeros.items()]
    assert np.mean(kept) > 0.9


def test_a_schedule_starts_afresh_after_dense_training():
    model = fit(toy_model())
    assert int(model.optimizer.iterations) == 40
    watch = Watch()
    fit(model, Prune(SCHEDULE), watch)
    assert watch.seen["batch"][0] == 0
    assert watch.seen["batch"][4] == pytest.approx(0.2, abs=0.02)
    assert watch.seen["batch"][-1] == pytest.approx(0.75, abs=0.02)


def test_one_callback_counts_on_over_several_fits():
    model, callback, watch = toy_model(), Prune(SCHEDULE), Watch()
    for _ in range(2):
        compile_model(model)
        fit(model, callback, watch, epochs=2)
    assert watch.seen["batch"][19] < watch.seen["batch"][-1]
    assert watch.seen["batch"][-1] == pytest.approx(0.75, abs=0.02)


def test_a_callback_starts_afresh_with_another_model(pruned):
    _, callback, _ = pruned
    watch = Watch()
    fit(toy_model(), callback, watch, epochs=1)
    assert watch.seen["batch"][0] == 0


def test_the_steps_that_are_over_can_be_told():
    model = fit(toy_model(), Prune(SCHEDULE, start=30), epochs=1)
    assert sparsity(model)["all"] == pytest.approx(0.75, abs=0.02)


def test_zeros_stay_through_later_fits_with_the_callback():
    model = prune(fit(toy_model(), epochs=1), 0.8)
    compile_model(model)
    before = values(model)
    for _ in range(2):
        fit(model, KeepSparsity(), epochs=1)
        assert sparsity(model)["all"] == pytest.approx(0.8, abs=0.02)
    for path, value in values(model).items():
        np.testing.assert_array_equal(value == 0, before[path] == 0)
        assert np.any(value != before[path])


def test_a_step_compiled_before_the_callback_came_is_compiled_anew():
    model = toy_model()
    for kernel in kernels_of(model):
        kernel.variable.assign(
            kernel.variable * (np.asarray(kernel.variable) > 0)
        )
    zeros = sparsity(model)["all"]
    weights = model.get_weights()
    fit(model, epochs=1)
    model.set_weights(weights)
    fit(model, KeepSparsity(), epochs=1)
    assert sparsity(model)["all"] == zeros
    fit(model, epochs=1)
    assert sparsity(model)["all"] < 0.1


@pytest.mark.parametrize(
    "callback", [KeepSparsity, lambda: Prune(SCHEDULE)], ids=["keep", "prune"]
)
def test_a_kernel_that_starts_as_zeros_learns(callback):
    model = toy_model()
    label = model.get_layer("label").kernel
    label.assign(np.zeros(label.shape))
    fit(model, callback())
    assert np.count_nonzero(label) >= label.shape[0] * label.shape[1] // 4


def test_a_constraint_of_the_layer_holds_too_and_stays():
    inputs = keras.Input((6,))
    constraint = keras.constraints.NonNeg()
    dense = layers.Dense(4, name="dense", kernel_constraint=constraint)
    model = keras.Model(inputs, dense(inputs))
    dense.kernel.assign(np.abs(dense.kernel))
    model = prune(model, 0.5)
    kernel = model.get_layer("dense").kernel
    before = kernel.constraint
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 6)), rng.normal(size=(32, 4))
    model.fit(x, y, epochs=5, verbose=0, callbacks=[KeepSparsity()])
    assert np.min(kernel) >= 0
    assert sparsity(model)["all"] >= 0.5
    assert kernel.constraint is before


def test_what_is_frozen_is_left_alone():
    model = toy_model()
    model.get_layer("first").trainable = False
    compile_model(model)
    fit(model, Prune(SCHEDULE))
    shares = sparsity(model)
    assert shares["first/kernel"] == 0
    assert shares["second/kernel"] == pytest.approx(0.75, abs=0.01)


def test_a_backend_that_hides_its_weights_is_refused(monkeypatch):
    model = toy_model()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    callback = KeepSparsity()
    callback.set_model(model)
    with pytest.raises(ValueError, match='KeepSparsity.*"jax".*tensorflow'):
        callback.on_train_begin()


class Stop(keras.callbacks.Callback):
    """Ends training as Ctrl-C does."""

    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_an_interrupted_fit_leaves_nothing_that_strip_does_not_take_off():
    model = prune(toy_model(), 0.5)
    compile_model(model)
    with pytest.raises(KeyboardInterrupt):
        fit(model, KeepSparsity(), Stop())
    fit(model, Prune(SCHEDULE), KeepSparsity())
    assert sparsity(model)["all"] == pytest.approx(0.75, abs=0.02)
    with pytest.raises(KeyboardInterrupt):
        fit(model, KeepSparsity(), Stop())
    assert strip(model) is model
    assert all(k.variable.constraint is None for k in kernels_of(model))
    fit(model)
    assert sparsity(model)["all"] < 0.5


def test_a_pruned_model_is_a_plain_model(pruned, tmp_path):
    model, _, config = pruned
    assert model.get_config() == config
    assert strip(model) is model
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert sparsity(again) == sparsity(model)
