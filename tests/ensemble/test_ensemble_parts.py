"""The arithmetic of ensembles, against formulas and small cases."""

import keras
import numpy as np
import pytest

from mmkeras.studies.ensemble import (
    LEAST_PROBABILITY,
    apply_weights,
    bootstrap,
    check_same_architecture,
    fit_weights,
    greedy_soup,
    join,
    mix_weights,
    out_of_fold,
    pooled,
    restimate,
    samme,
    weighted,
)

RANDOM = np.random.default_rng(0)


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def test_samme_by_hand():
    # Zhu et al., 2009: log((1 - err) / err) + log(K - 1), three classes.
    wrong = np.array([True, False, False, False])
    vote, weights = samme(np.ones(4), wrong, 3)
    assert vote == pytest.approx(np.log(3) + np.log(2))
    # exp(vote) is 6, and the sum stays 4.
    np.testing.assert_allclose(weights, 4 * np.array([6, 1, 1, 1]) / 9)
    # A member that errs as chance does has no vote.
    assert samme(np.ones(3), np.array([True, True, False]), 3)[0] < 1e-12
    # Errors are weighed as the member's samples were.
    vote, _ = samme(weights, wrong, 3)
    assert vote == pytest.approx(np.log(0.5) + np.log(2), abs=1e-12)


def test_a_perfect_member_has_a_finite_vote():
    vote, weights = samme(np.ones(4), np.zeros(4, bool), 3)
    assert np.isfinite(vote) and vote > 5
    np.testing.assert_array_equal(weights, np.ones(4))


def test_a_bootstrap_draws_as_many_and_misses_a_third():
    counts = bootstrap(5000, np.random.default_rng(1))
    assert counts.sum() == 5000
    assert (counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)


def members_of(activation, noises, samples=400, classes=4):
    """Members that know the truth, each under noise of its own."""
    if activation == "linear":
        truth = RANDOM.normal(size=samples)
        return [truth[:, None] + s * RANDOM.normal(size=(samples, 1))
                for s in noises], truth  # fmt: skip
    if activation == "sigmoid":
        truth = (RANDOM.random((samples, classes)) < 0.4).astype("float32")
        score = 4 * truth - 2
        return [
            1 / (1 + np.exp(-score - s * RANDOM.normal(size=score.shape)))
            for s in noises
        ], truth
    truth = RANDOM.integers(0, classes, samples)
    score = 3 * np.eye(classes)[truth]
    return [
        softmax(score + s * RANDOM.normal(size=score.shape)) for s in noises
    ], truth


def loss_of(activation, answers, truth):
    if activation == "linear":
        return ((answers[:, 0] - truth) ** 2).mean()
    if activation == "sigmoid":
        chosen = np.where(truth > 0, answers, 1 - answers)
    else:
        chosen = answers[np.arange(len(truth)), truth]
    return -np.log(chosen + 1e-7).mean()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
def test_a_stack_is_better_than_its_best_member_on_new_samples(activation):
    noises = (0.8, 1.2, 6.0)
    outputs, truth = members_of(activation, noises)
    half = len(truth) // 2
    weights = fit_weights(
        activation, [o[:half] for o in outputs], truth[:half], np.ones(half)
    )
    assert weights[0] > weights[1] > weights[2]
    late, truth = [output[half:] for output in outputs], truth[half:]
    pool = apply_weights(activation, late, weights)
    stacked = loss_of(activation, pool, truth)
    alone = [loss_of(activation, output, truth) for output in late]
    mean = apply_weights(activation, late, np.full(3, 1 / 3))
    equal = loss_of(activation, mean, truth)
    assert stacked < min(alone) and stacked < equal


def test_what_has_no_label_says_nothing_about_weights():
    outputs, truth = members_of("softmax", (0.5, 2.0))
    known = np.arange(len(truth)) % 2
    shuffled = np.where(known, truth, (truth + 1) % 4)
    np.testing.assert_array_equal(
        fit_weights("softmax", outputs, truth, known),
        fit_weights("softmax", outputs, shuffled, known),
    )
    none = fit_weights("softmax", outputs, truth, np.zeros(len(truth)))
    np.testing.assert_array_equal(none, [0.5, 0.5])


def test_out_of_fold_answers_do_not_know_their_own_label():
    outputs, truth = members_of("softmax", (0.5, 2.0), samples=40)
    first = out_of_fold("softmax", outputs, truth, np.ones(40))
    other = truth.copy()
    other[7] = (other[7] + 1) % 4
    second = out_of_fold("softmax", outputs, other, np.ones(40))
    # Its label moves the weights of the other folds alone.
    np.testing.assert_array_equal(first[7], second[7])
    assert not np.array_equal(first, second)


def toy(seed, units=4, name="toy", dropout=0.0):
    keras.utils.set_random_seed(seed)
    x = keras.Input((3,), name="x")
    h = keras.layers.Dense(units, activation="tanh")(x)
    h = keras.layers.BatchNormalization()(h)
    h = keras.layers.Dropout(dropout)(h)
    y = keras.layers.Dense(4, activation="softmax")(h)
    return keras.Model({"x": x}, {"y": y}, name=name)


X = RANDOM.normal(size=(32, 3)).astype("float32")


def answer(model):
    return model.predict_on_batch({"x": X})["y"]


def test_a_join_is_the_weighted_mean_of_its_members():
    models = [toy(0), toy(1), toy(2)]
    answers = [answer(model) for model in models]
    joined = join(models, {"y": weighted([1, 2, 1])}, "joined")
    assert [layer.name for layer in joined.layers if "member" in layer.name] \
        == ["member_1", "member_2", "member_3"]  # fmt: skip
    np.testing.assert_allclose(
        answer(joined),
        (answers[0] + 2 * answers[1] + answers[2]) / 4,
        atol=1e-6,
    )


def test_one_member_alone_stays_what_it_is():
    model = toy(0)
    before = answer(model)
    joined = join([model], {"y": weighted([2.5])}, "joined")
    np.testing.assert_allclose(answer(joined), before, atol=1e-7)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
def test_a_pool_in_the_model_is_the_pool_that_was_fitted(activation):
    models = [toy(0), toy(1)]
    answers = [answer(model) for model in models]
    weights = np.array([0.9, 0.4])
    joined = join(models, {"y": pooled(activation, weights)}, "joined")
    np.testing.assert_allclose(
        answer(joined), apply_weights(activation, answers, weights), atol=1e-5
    )
    assert LEAST_PROBABILITY < answer(joined).max()


def test_a_member_may_lack_a_modality():
    first = toy(0)
    x, z = keras.Input((3,), name="x"), keras.Input((2,), name="z")
    both = keras.layers.Concatenate()([x, z])
    y = keras.layers.Dense(4, activation="softmax")(both)
    second = keras.Model({"x": x, "z": z}, {"y": y}, name="toy")
    joined = join([first, second], {"y": weighted([1, 1])}, "joined")
    assert sorted(joined.input) == ["x", "z"]


def scores(order):
    """A score that looks at one weight alone: its distance to a goal."""
    return lambda model: float(
        np.abs(np.asarray(model.get_weights()[0])[0, 0] - order)
    )


def put(model, value):
    weights = model.get_weights()
    weights[0][0, 0] = value
    model.set_weights(weights)
    return model


def test_a_greedy_soup_takes_what_makes_the_mean_better():
    # The goal is 1: 0.8 is best; with 1.3 the mean is 1.05, better;
    # 2.2 would make it 1.43, worse; 0.1 would make it 0.73, worse.
    models = [put(toy(0), v) for v in (2.2, 0.8, 0.1, 1.3)]
    soup, steps = greedy_soup(models, scores(1.0))
    assert [step["member"] for step in steps] == [1, 3, 2, 0]
    assert [step["taken"] for step in steps] == [True, True, False, False]
    assert soup.get_weights()[0][0, 0] == pytest.approx(1.05)
    found = [step["soup"] for step in steps]
    np.testing.assert_allclose(found, [0.2, 0.05, 4 / 15, 13 / 30], atol=1e-6)


def test_a_greedy_soup_is_never_worse_than_its_best_member():
    models = [toy(seed) for seed in range(4)]

    def score(model):
        return float(answer(model)[:, 0].mean())

    alone = [score(model) for model in models]
    soup, steps = greedy_soup(models, score, "max")
    assert score(soup) >= max(alone)
    assert score(soup) == max(s["soup"] for s in steps if s["taken"])


def test_mixing_leaves_whole_numbers_alone():
    first = [np.float32([0, 2]), np.uint32([7, 8])]
    second = [np.float32([4, 4]), np.uint32([1, 1])]
    mean = mix_weights(first, second, 0.25)
    np.testing.assert_array_equal(mean[0], np.float32([1, 2.5]))
    np.testing.assert_array_equal(mean[1], np.uint32([7, 8]))


@pytest.mark.parametrize(
    "other, message",
    [
        (lambda: toy(1, units=5), r"units: 4 and 5"),
        (lambda: toy(1, dropout=0.5), r"rate: 0.0 and 0.5"),
    ],
)
def test_other_architectures_do_not_mix(other, message):
    with pytest.raises(ValueError, match=message):
        check_same_architecture([toy(0), other()])


def test_names_that_keras_counts_are_no_difference():
    check_same_architecture([toy(0), toy(1), toy(2)])


def test_batch_statistics_are_those_of_the_training_batches():
    model = toy(0)
    parts = X[:20], X[20:]
    data = [({"x": x}, {"y": x[:, 0]}) for x in parts]
    assert restimate(model, data)
    (layer,) = [each for each in model.layers if hasattr(each, "moving_mean")]
    dense = keras.Model(model.input, layer.input)
    h = [np.asarray(dense({"x": x})) for x in parts]
    np.testing.assert_allclose(
        np.asarray(layer.moving_mean),
        (20 * h[0].mean(axis=0) + 12 * h[1].mean(axis=0)) / 32,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        np.asarray(layer.moving_variance),
        (20 * h[0].var(axis=0) + 12 * h[1].var(axis=0)) / 32,
        atol=1e-6,
    )
    assert layer.momentum == 0.99


def test_a_model_without_batch_statistics_has_none_to_measure():
    x = keras.Input((3,), name="x")
    model = keras.Model({"x": x}, {"y": keras.layers.Dense(1)(x)})
    assert not restimate(model, [])
