"""Weight sharing: few values, kept equal in training."""

import keras
import numpy as np
import pytest
from compiling import compiled
from keras import layers
from sklearn.cluster import KMeans

from mmkeras.checks import fused_classifier, toy_problem
from mmkeras.compress import KeepClusters, cluster, kernels_of, prune, sparsity
from mmkeras.compress.pruning import k_means, share_values
from mmkeras.fusion import Gated
from mmkeras.training import AveragedWeights

NUMBERS = {
    "normal": lambda rng: rng.normal(size=3000),
    "heavy tails": lambda rng: rng.standard_t(3, 3000),
    "two heaps": lambda rng: np.r_[
        rng.normal(size=2000), rng.normal(9, 1, 500)
    ],
}


def inertia(values, centres):
    return np.mean(np.min(np.subtract.outer(values, centres) ** 2, axis=1))


@pytest.mark.parametrize("clusters", [2, 16])
@pytest.mark.parametrize("case", NUMBERS)
def test_centres_are_as_good_as_those_of_scikit_learn(case, clusters):
    values = np.sort(NUMBERS[case](np.random.default_rng(0)))
    theirs = KMeans(clusters, n_init=3, random_state=0).fit(values[:, None])
    found = [
        k_means(values, clusters, np.random.default_rng(seed))
        for seed in range(3)
    ]
    best = min(inertia(values, centres) for centres in found)
    assert best <= 1.03 * theirs.inertia_ / len(values)
    assert (np.diff(found[0]) > 0).all()
    # Lloyd's turns have ended: each centre is the mean of what is near it.
    borders = (found[0][1:] + found[0][:-1]) / 2
    members = np.searchsorted(borders, values)
    means = np.bincount(members, values) / np.bincount(members)
    np.testing.assert_allclose(found[0], means, atol=1e-9)


def test_as_many_centres_as_distinct_numbers_are_the_numbers():
    values = np.repeat([-2.0, 0.5, 3.0, 7.0], 5)
    centres = k_means(values, 4, np.random.default_rng(0))
    np.testing.assert_array_equal(centres, [-2.0, 0.5, 3.0, 7.0])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_zeros_are_one_of_the_values_and_only_they_are_zero(share):
    rng = np.random.default_rng(0)
    value = rng.normal(size=(40, 25)).astype("float32")
    value[rng.uniform(size=value.shape) < share] = 0
    shared = share_values(value, 8, rng)
    np.testing.assert_array_equal(shared == 0, value == 0)
    assert len(np.unique(shared)) == 8
    assert shared.dtype == value.dtype
    # Each weight has the nearest value that is not zero.
    centres = np.unique(shared[shared != 0])
    nearest = np.abs(np.subtract.outer(value, centres)).min(axis=-1)
    kept = value != 0
    np.testing.assert_allclose(
        np.abs(value - shared)[kept], nearest[kept], atol=1e-7
    )
    np.testing.assert_array_equal(share_values(shared, 8, rng), shared)


def toy_model(nested=False):
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    if nested:
        model = fused_classifier(Gated(8, name="fusion"))
    else:
        x = keras.Input((8,), name="x")
        y = layers.Dense(16, "relu", name="first")(x)
        y = layers.Dense(3, "softmax", name="label")(y)
        model = keras.Model({"x": x}, {"label": y})
    return model


def fit(model, *callbacks, optimizer=None, **options):
    x, y = toy_problem(model, 64)
    if optimizer or not model.compiled:
        compiled(
            model,
            (x, y),
            optimizer or keras.optimizers.Adam(0.01),
            {"label": "sparse_categorical_crossentropy"},
        )
    model.fit(
        x, y, batch_size=8, shuffle=False, verbose=0,
        callbacks=list(callbacks), **{"epochs": 2, **options},
    )  # fmt: skip
    return model


def members(model):
    """Which weights of each kernel are equal."""
    return {
        k.path: np.unique(np.asarray(k.variable), return_inverse=True)[1]
        for k in kernels_of(model)
    }


def same_partition(one, other):
    """Whether two labellings put the same weights together."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(one)) == len(np.unique(other))


def test_every_kernel_of_a_nested_model_is_clustered_but_those_skipped():
    model = toy_model(nested=True)
    before = model.get_weights()
    shared = cluster(model, 4, skip=["label"])
    counts = {k.path: len(np.unique(k.variable)) for k in kernels_of(shared)}
    assert counts.pop("label/kernel") == 24
    assert set(counts.values()) == {4}
    assert len(counts) > 5
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("clusters", [0, 1, 257])
def test_a_count_that_makes_no_sense_is_refused(clusters):
    with pytest.raises(ValueError, match=f"clusters={clusters}"):
        cluster(toy_model(), clusters)


def test_a_cluster_moves_by_the_mean_of_its_gradients():
    inputs = keras.Input((6,))
    dense = layers.Dense(4, use_bias=False)
    model = keras.Model(inputs, dense(inputs))
    model = prune(model, 0.25)
    model = cluster(model, 4)
    kernel = model.layers[-1].kernel
    before = np.asarray(kernel)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6)), rng.normal(size=(8, 4))
    compiled(model, (x, y), keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[KeepClusters()])

    gradient = 2 * x.T @ (x @ before - y) / y.size
    wanted = np.zeros_like(before)
    for centre in np.unique(before[before != 0]):
        here = before == centre
        wanted[here] = centre - 0.1 * gradient[here].mean()
    np.testing.assert_allclose(np.asarray(kernel), wanted, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(kernel) == 0, before == 0)


class Watch(keras.callbacks.Callback):
    """Notes the partition wherever somebody could look."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(members(self.model))

    on_test_begin = on_epoch_end = lambda self, *_: self.on_train_batch_end(0)


@pytest.mark.parametrize("averages", [False, True])
def test_clusters_and_zeros_stay_through_fit_save_and_resume(
    averages, tmp_path
):
    model = cluster(prune(toy_model(), 0.5), 6)
    first, zeros = members(model), sparsity(model)
    values = {k.path: np.asarray(k.variable) for k in kernels_of(model)}
    callbacks = [AveragedWeights()] if averages else []
    watch = Watch()
    fit(
        model, *callbacks, KeepClusters(), watch,
        optimizer=keras.optimizers.Adam(0.01, use_ema=averages),
        validation_data=toy_problem(model, 8, seed=1),
    )  # fmt: skip
    model.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    fit(model, *callbacks, KeepClusters(), watch)

    assert len(watch.seen) == 2 * 2 * 8 + 2 + 4
    for seen in [*watch.seen, members(model)]:
        for path, partition in first.items():
            assert same_partition(partition, seen[path]), path
    assert sparsity(model) == zeros
    for kernel in kernels_of(model):
        assert np.any(np.asarray(kernel.variable) != values[kernel.path])


def test_without_the_callback_clusters_fall_apart():
    model = fit(cluster(toy_model(), 4))
    assert len(np.unique(model.get_layer("first").kernel)) > 100


def test_a_kernel_that_shares_nothing_learns_freely():
    model = cluster(toy_model(), 4, skip=["label"])
    label = model.get_layer("label").kernel
    fit(model, KeepClusters())
    assert len(np.unique(label)) == 48
    assert len(np.unique(model.get_layer("first").kernel)) == 4
